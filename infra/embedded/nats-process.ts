/**
 * A real `nats-server` in a folder: the bus and the coordination store of a town with several nodes.
 *
 * JetStream syncs every write before it answers (`sync_interval: always`): a lease or an ownership record that was
 * acknowledged is on disk. That is affordable because JetStream holds nothing else here. Loopback only; whoever wants in
 * needs the password, which lies in a file that only its owner may read.
 *
 * A killed parent sends no signal, and the server would go on and keep its port and files. Two things end it: a guard,
 * which is a shell that waits for the end of a pipe that we hold, and, where that failed too, the next start, which
 * knows an orphan by its working directory.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { processCommand, processIdentity } from '../launch/process-identity.mjs';
import { KEEPER_USER, NODE_USER, nodePermissions } from '../nats/permissions.ts';
import { StartFailure } from './failure.ts';
import {
  LOG_BYTES_MAX,
  NATS_READY_MS_MAX,
  NATS_START_ATTEMPTS_MAX,
  NATS_STOP_MS_MAX,
  ORPHAN_STOP_MS_MAX,
  POLL_MS,
} from './limits.ts';
import { freePort, keepPorts, LOOPBACK, readPorts } from './ports.ts';
import { endInSteps, exitOf, gone, type Running, signal } from './processes.ts';

export interface Nats extends Running {
  port: number;
  /** With user and password, of who may do everything on this server: for tests that break it, and for people. */
  url: string;
  /** The same as a node: what its NATS_URL is to be. */
  nodeUrl: string;
}

/**
 * Starts the server with its files in `<dataDir>/nats`, made when missing, on the port of the last start.
 *
 * @param program the `nats-server` to run, see nats-server.ts
 * @param dataDir an existing folder that is ours alone (its owner holds the lock)
 * @param options abort: somebody wants to stop before it is up; samePort: others know the port already;
 * fresh: it begins empty
 * @throws StartFailure with one sentence when it does not come up
 */
export async function startNats(
  program: string,
  dataDir: string,
  log: (line: string) => void,
  options: { abort?: AbortSignal | undefined; samePort?: boolean; fresh?: boolean | undefined } = {},
): Promise<Nats> {
  const folder = join(dataDir, 'nats');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await endOrphans(folder, log);
  if (options.fresh) rmSync(join(folder, 'store'), { recursive: true, force: true });
  const passwords = passwordsIn(folder);
  let reason = '';
  for (let attempt = 0; attempt < NATS_START_ATTEMPTS_MAX; attempt++) {
    // a port that was free a moment ago may be taken now: ask again at each attempt
    const wanted = readPorts(dataDir).nats ?? 0;
    const port = options.samePort && wanted !== 0 ? wanted : await freePort(wanted);
    keepPorts(dataDir, { nats: port });
    const started = await launch({ program, dataDir, folder, port, passwords, abort: options.abort });
    if (!('refused' in started)) {
      const as = (user: string, password: string): string => `nats://${user}:${password}@${LOOPBACK}:${port}`;
      const urls = {
        url: as(KEEPER_USER, passwords.password),
        nodeUrl: as(NODE_USER, passwords.nodePassword),
      };
      return { ...started, port, ...urls };
    }
    reason = started.refused;
    if (!/address already in use/.test(reason)) break;
    await pause(POLL_MS);
  }
  const where = join(dataDir, 'logs', 'nats.log');
  throw new StartFailure(`nats-server did not start: ${reason} (see ${where}).`);
}

interface Launch {
  program: string;
  dataDir: string;
  folder: string;
  port: number;
  passwords: Passwords;
  abort: AbortSignal | undefined;
}

async function launch(order: Launch): Promise<Running | { refused: string }> {
  const { program, folder, port } = order;
  const logFile = openLog(order.dataDir);
  const name = `heyblue-${randomBytes(4).toString('hex')}`;
  const configuration = join(folder, 'server.conf');
  writeFileSync(configuration, settings(name, order, logFile.path), { mode: 0o600 });
  chmodSync(configuration, 0o600);
  const env = { PATH: process.env.PATH ?? '', HOME: folder, TZ: 'UTC' };
  const child = spawn(program, ['-c', configuration], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = `${complaint}${text}`.slice(-1_000); // before it has read where its log is
  });
  let ended: string | null = null;
  const exited = exitOf(child).then(words => {
    ended = words;
    return words;
  });
  const pid = child.pid ?? 0;
  const stop = () => endInSteps(pid, exited, [['SIGTERM', NATS_STOP_MS_MAX]]);
  if (pid > 0) guard(pid, exited);
  for (let waitedMs = 0; waitedMs < NATS_READY_MS_MAX; waitedMs += POLL_MS) {
    if (ended !== null) return { refused: lastWords(logFile) || complaint.trim() || ended };
    if ((await nameOn(port)) === name) return { pid, exited, stop };
    if (order.abort?.aborted) {
      await stop();
      return { refused: 'it was asked to stop' };
    }
    await pause(POLL_MS);
  }
  await stop();
  return { refused: `it did not come up within ${NATS_READY_MS_MAX / 1000} s` };
}

/** JSON is valid in its configuration language; strings need their quotes anyhow. */
function settings(name: string, order: Launch, logPath: string): string {
  return `${JSON.stringify(
    {
      server_name: name,
      listen: `${LOOPBACK}:${order.port}`,
      jetstream: { store_dir: join(order.folder, 'store'), sync_interval: 'always' },
      authorization: {
        users: [
          { user: KEEPER_USER, password: order.passwords.password },
          { user: NODE_USER, password: order.passwords.nodePassword, permissions: nodePermissions() },
        ],
      },
      log_file: logPath,
      logfile_size_limit: LOG_BYTES_MAX,
      logfile_max_num: 2,
    },
    null,
    2,
  )}\n`;
}

interface Passwords {
  readonly password: string;
  readonly nodePassword: string;
}

function passwordsIn(folder: string): Passwords {
  const path = join(folder, 'heyblue-secrets.json');
  const isGood = (one: unknown): one is string => typeof one === 'string' && /^[\w-]{16,}$/.test(one);
  let kept: Partial<Record<keyof Passwords, unknown>> = {};
  try {
    kept = JSON.parse(readFileSync(path, 'utf8')) as typeof kept;
  } catch {
    // the first start, or a torn file: nothing but our own nodes knows the old one
  }
  const asKept = (one: unknown): string => (isGood(one) ? one : randomBytes(24).toString('base64url'));
  const passwords = { password: asKept(kept?.password), nodePassword: asKept(kept?.nodePassword) };
  if (isGood(kept?.password) && isGood(kept?.nodePassword)) return passwords;
  writeFileSync(`${path}.tmp`, JSON.stringify(passwords), { mode: 0o600, flush: true });
  renameSync(`${path}.tmp`, path);
  return passwords;
}

function openLog(dataDir: string): { path: string; from: number } {
  const path = join(dataDir, 'logs', 'nats.log');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '', { flag: 'a', mode: 0o600 });
  return { path, from: statSync(path).size };
}

/** What the server said since `from` that explains why it did not come up. */
function lastWords(log: { path: string; from: number }): string {
  const fresh = readFileSync(log.path).subarray(log.from).toString('utf8');
  const reasons = fresh.split('\n').filter(line => /\[(FTL|ERR)\]/.test(line));
  return (reasons.at(-1) ?? '').replace(/^.*?\[(FTL|ERR)\]\s*/, '');
}

/** The name of the NATS server that listens on the port, null when none does. */
function nameOn(port: number): Promise<string | null> {
  return new Promise(resolve => {
    const socket = connect({ host: LOOPBACK, port });
    let text = '';
    const done = (name: string | null): void => {
      socket.destroy();
      resolve(name);
    };
    socket.setTimeout(1_000, () => done(null));
    socket.once('error', () => done(null));
    socket.once('close', () => done(null));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n')) done(/"server_name":"([^"]*)"/.exec(text)?.[1] ?? null);
    });
  });
}

/** A shell that ends the server when we are gone: `read` fails at the end of the pipe, and succeeds when all is well. */
function guard(pid: number, exited: Promise<string>): void {
  const script = 'read -r line || kill -TERM "$1"';
  const shell = spawn('/bin/sh', ['-c', script, 'heyblue-nats-guard', String(pid)], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  shell.on('error', () => {}); // a system without /bin/sh: the next start finds the orphan
  shell.stdin.on('error', () => {});
  shell.unref();
  (shell.stdin as unknown as { unref?(): void }).unref?.();
  exited.then(() => shell.stdin.end('over\n'));
}

/** Ends servers of these files that an earlier start left behind: we hold the lock of the data folder. */
async function endOrphans(folder: string, log: (line: string) => void): Promise<void> {
  for (const pid of orphansOf(folder)) {
    log(`Stopping the nats-server (pid ${pid}) that an earlier start left behind`);
    for (const step of ['SIGTERM', 'SIGKILL'] as const) {
      signal(pid, step);
      if (await gone(pid, ORPHAN_STOP_MS_MAX)) break;
    }
  }
}

/** A server lives in its data folder: its working directory tells, also after the folder was moved. */
function orphansOf(folder: string): number[] {
  if (!existsSync('/proc/self/cwd')) return []; // then only the guard helps
  const home = realpathSync(folder);
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && pid > 0 && pid !== process.pid)
    .filter(pid => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === home && / -c .*server\.conf\b/.test(processCommand(pid));
      } catch {
        return false; // somebody else's, or gone
      }
    })
    .filter(pid => processIdentity(pid) !== null);
}
