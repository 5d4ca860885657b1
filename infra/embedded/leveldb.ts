/**
 * LevelDB files that can be opened before a server is built on them.
 *
 * dynalite and kinesalite open their files when they like and throw outside every callback when that fails. So we open
 * and close them first: an orphan that still holds the lock is waited for, and files that a crash of the machine tore
 * (a half-written manifest, say) are repaired from the tables and logs that are whole.
 */
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { LEVELDB_LOCK_MS_MAX, POLL_MS } from './limits.ts';

type Done = (error?: Error | null) => void;
interface Leveldown {
  (path: string): { open(done: Done): void; close(done: Done): void };
  repair(path: string, done: Done): void;
}

const load = createRequire(import.meta.url);

const finished = (work: (done: Done) => void): Promise<Error | null> =>
  new Promise(resolve => work(error => resolve(error ?? null)));

async function openOnce(leveldown: Leveldown, path: string): Promise<Error | null> {
  const files = leveldown(path);
  const failure = await finished(done => files.open(done));
  return failure ?? (await finished(done => files.close(done)));
}

/**
 * Makes sure that the LevelDB in `path` (made when missing) can be opened.
 *
 * @returns true when it had to be repaired
 * @throws Error with the reason when it can be neither opened nor repaired
 */
export async function makeOpenable(path: string, lockMsMax = LEVELDB_LOCK_MS_MAX): Promise<boolean> {
  const leveldown = load('leveldown') as Leveldown;
  let failure = await openOnce(leveldown, path);
  for (let waitedMs = 0; failure && waitedMs < lockMsMax; waitedMs += POLL_MS) {
    if (!/\block\b/i.test(failure.message)) break;
    await pause(POLL_MS);
    failure = await openOnce(leveldown, path);
  }
  if (failure === null) return false;
  if (/\block\b/i.test(failure.message)) throw new Error(`another process uses the files in ${path}`);
  failure = (await finished(done => leveldown.repair(path, done))) ?? (await openOnce(leveldown, path));
  if (failure !== null) throw new Error(`${failure.message}; move ${path} away to begin empty`);
  return true;
}
