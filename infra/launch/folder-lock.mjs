/**
 * One folder, one owner.
 *
 * Two starts on one data folder would run two PostgreSQL servers on the same files, and two installs in one clone would
 * delete each other's packages. Node has no file lock, and a file that says "taken" outlives a `kill -9`. So:
 *
 *   1. A contender writes its own claim file (`<pid>-<random>`, complete before it appears), and only then
 *   2. lists the folder. Another living claim means: remove mine, I lost. A claim whose process is gone is removed.
 *
 * Writing comes before listing, so of two contenders at least one sees the other: never two owners. Both may lose in the
 * same instant; a claim that is not yet `held` therefore makes the other try again, a `held` one makes it give up.
 * A process is recognised by its pid together with its start time, so a reused pid does not keep a folder locked.
 *
 * Plain JavaScript, because the launcher uses it on whatever Node the machine has, before anything is installed.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processIdentity } from './process-identity.mjs';

const CLAIM_ATTEMPTS_MAX = 40;
const CLAIM_PAUSE_MS_MIN = 20;
const CLAIM_PAUSE_MS_MAX = 120;

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

/** Reads every claim in the folder; claims of processes that are gone are removed on the way. */
function livingClaims(folder) {
  const claims = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name.endsWith('.tmp')) {
      if (processIdentity(Number.parseInt(name, 10)) === null) rmSync(path, { force: true });
      continue;
    }
    let claim;
    try {
      claim = JSON.parse(readFileSync(path, 'utf8'));
    } catch {
      claim = undefined; // removed under our eyes, or torn by a crash of the machine
    }
    if (claim && processIdentity(claim.pid) === claim.identity) claims.push({ ...claim, path, name });
    else rmSync(path, { force: true });
  }
  return claims;
}

function write(folder, name, claim) {
  const temporary = join(folder, `${name}.tmp`);
  writeFileSync(temporary, JSON.stringify(claim), { mode: 0o600 });
  renameSync(temporary, join(folder, name));
}

/**
 * Claims `folder` (created when missing) for this process.
 *
 * @param {string} folder where the claims live; holds nothing else
 * @returns {Promise<{ok: true, release: () => void} | {ok: false, pid: number}>} the pid is the present owner's
 * @throws the file system's error when the folder cannot be written
 */
export async function lockFolder(folder) {
  mkdirSync(folder, { recursive: true });
  const name = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const identity = processIdentity(process.pid);
  const release = () => {
    rmSync(join(folder, name), { force: true });
    try {
      rmdirSync(folder); // only succeeds when nobody else claims it
    } catch {
      // someone else is there, or it is gone already
    }
  };
  let pid = 0;
  for (let attempt = 0; attempt < CLAIM_ATTEMPTS_MAX; attempt++) {
    try {
      write(folder, name, { pid: process.pid, identity, state: 'claiming' });
      const others = livingClaims(folder).filter(claim => claim.name !== name);
      if (others.length === 0) {
        write(folder, name, { pid: process.pid, identity, state: 'held' });
        return { ok: true, release };
      }
      release();
      const holder = others.find(claim => claim.state === 'held');
      pid = (holder ?? others[0]).pid;
      if (holder) return { ok: false, pid };
    } catch (error) {
      // the folder was removed between our steps by a leaving owner: make it again
      if (error.code !== 'ENOENT') throw error;
      mkdirSync(folder, { recursive: true });
    }
    await pause(randomInt(CLAIM_PAUSE_MS_MIN, CLAIM_PAUSE_MS_MAX));
  }
  return { ok: false, pid };
}
