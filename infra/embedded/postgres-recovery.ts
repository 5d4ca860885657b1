/**
 * What a killed PostgreSQL leaves behind: a server without a parent, or a pid file that keeps the next one from starting.
 *
 * We hold the lock of the data folder, so whoever still serves these files is an orphan of an earlier start. A server
 * is recognised by its working directory, never by a pid alone, which may belong to anybody by now.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { processCommand, processIdentity } from '../launch/process-identity.mjs';
import { ORPHAN_STOP_MS_MAX } from './limits.ts';
import { gone, signal } from './processes.ts';

/** Stops the server that a killed supervisor left behind, and clears a pid file that would keep a new one from starting. */
export async function recover(cluster: string, log: (line: string) => void): Promise<void> {
  const pidFile = join(cluster, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const written = readFileSync(pidFile, 'utf8');
  // Killed between making the file and writing it, a server leaves one that PostgreSQL refuses; a living one fills it.
  const unreadable = !/^\d+\n/.test(written);
  const pid = unreadable ? (serverOf(cluster) ?? 0) : Number.parseInt(written, 10);
  if (isServerOf(cluster, pid)) {
    log(`Stopping the PostgreSQL (pid ${pid}) that an earlier start left behind`);
    for (const step of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      signal(pid, step);
      if (await gone(pid, ORPHAN_STOP_MS_MAX)) break;
    }
  }
  // PostgreSQL itself clears the file of a pid that does not exist, after looking whether old backends still hold the
  // shared memory. It refuses when the pid exists, be it a zombie that nobody reaps or a stranger who got the number.
  // Another PostgreSQL with that pid is left to it: two servers on one folder would destroy the data.
  const stranger = pid > 0 && pidInUse(pid) && !/\bpostgres\b/.test(processCommand(pid));
  if (unreadable || stranger) rmSync(pidFile, { force: true });
}

/** Looks through all processes for a server on this folder; null when there is none, or when nobody tells. */
function serverOf(cluster: string): number | null {
  try {
    const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
    // its children live in the folder as well, but have another command line
    return pids.find(pid => isServerOf(cluster, pid) && processCommand(pid).includes(' -D ')) ?? null;
  } catch {
    return null; // a system without /proc: PostgreSQL's own look at the shared memory has to do
  }
}

/** A server lives in its data folder: its working directory tells, also after the folder was moved. */
function isServerOf(cluster: string, pid: number): boolean {
  if (processIdentity(pid) === null) return false;
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster);
  } catch {
    return processCommand(pid).includes(` -D ${cluster} `); // a system without /proc
  }
}

function pidInUse(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
