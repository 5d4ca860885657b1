/**
 * As whom PostgreSQL runs.
 *
 * PostgreSQL refuses to run as root, rightly. An ordinary user runs it as themselves. Root hands it to the owner of the
 * existing data, else to `postgres`, else to `nobody`. That user must reach the binaries and the data, and a clone often
 * lies below a folder that only root may enter (/root, or what `mktemp -d` makes). Then `setpriv` gives the server the
 * two capabilities that let it walk through; its uid still is not 0, and it may read but not own what is not its own.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StartFailure } from './failure.ts';

export interface PostgresUser {
  /** What to run, in front of the server's own command line. */
  wrap(command: string, args: string[]): { command: string; args: string[]; uid?: number; gid?: number };
  /** Whom the data must belong to; undefined: nobody else than us. */
  owner?: { uid: number; gid: number };
}

const CANDIDATES = ['postgres', 'nobody'];
const WALK_CAPABILITIES = '+dac_override,+dac_read_search';
/** Without it, access(2) ignores capabilities of anybody but root, and initdb asks access(2) whether it may run postgres. */
const ACCESS_TELLS_THE_TRUTH = ['--securebits=+no_setuid_fixup'];
const MODE_EXECUTE = { owner: 0o100, group: 0o010, other: 0o001 };

function lookUp(name: string): { uid: number; gid: number } | null {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [found, , uid, gid] = line.split(':');
    if (found === name) return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}

/** May this user walk through every folder above `path`? */
export function canReach(path: string, user: { uid: number; gid: number }): boolean {
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const stat = statSync(folder);
    const bit =
      stat.uid === user.uid
        ? MODE_EXECUTE.owner
        : stat.gid === user.gid
          ? MODE_EXECUTE.group
          : MODE_EXECUTE.other;
    if ((stat.mode & bit) === 0) return false;
    if (dirname(folder) === folder) return true;
  }
}

/**
 * @param paths folders that the server must reach: its binaries, and where its data lies
 * @param dataOwner who owns data that exists already
 * @throws StartFailure when we are root and there is nobody to hand over to
 */
export function postgresUser(paths: string[], dataOwner?: { uid: number; gid: number }): PostgresUser {
  if (process.getuid?.() !== 0) return { wrap: (command, args) => ({ command, args }) };
  const owner =
    dataOwner && dataOwner.uid !== 0
      ? dataOwner
      : (CANDIDATES.map(lookUp).find(user => user !== null) ?? null);
  if (owner === null) {
    throw new StartFailure(
      'PostgreSQL does not run as root and this machine has neither a user postgres nor nobody: start as an ordinary user, or set DATABASE_URL.',
    );
  }
  if (paths.every(path => canReach(path, owner))) {
    return { owner, wrap: (command, args) => ({ command, args, ...owner }) };
  }
  const id = [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, '--clear-groups'];
  const capabilities = [`--inh-caps=${WALK_CAPABILITIES}`, `--ambient-caps=${WALK_CAPABILITIES}`];
  const setpriv = [...id, ...ACCESS_TELLS_THE_TRUTH, ...capabilities];
  if (spawnSync('setpriv', [...setpriv, 'true']).status !== 0) {
    throw new StartFailure(
      `PostgreSQL does not run as root, and its user (uid ${owner.uid}) cannot enter ${paths.find(path => !canReach(path, owner))}: move the clone to a folder everybody may enter, start as an ordinary user, or set DATABASE_URL.`,
    );
  }
  return { owner, wrap: (command, args) => ({ command: 'setpriv', args: [...setpriv, command, ...args] }) };
}
