/**
 * A disk of its own for the tables of PostgreSQL that can be made full and given room again: a tmpfs that shrinks to what
 * is on it. Only root may mount one; everybody else runs without that fault.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DATABASE } from '../../../infra/embedded/database.ts';
import { withClient } from '../../swarm/postgres.ts';

const ROOM = '4g';

const run = (command: string, args: readonly string[]): string | null => {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? null : (error?.message ?? stderr.trim());
};

export class Disk {
  readonly #folder: string;
  readonly #mount: string;

  private constructor(folder: string, mount: string) {
    this.#folder = folder;
    this.#mount = mount;
  }

  /**
   * Moves the database there. Nobody else may be connected to it.
   *
   * @returns the disk, or why there is none, in one sentence
   */
  static async under(databaseUrl: string, dataDir: string): Promise<Disk | string> {
    if (process.getuid?.() !== 0) return 'Only root can mount a disk that gets full.';
    const folder = mkdtempSync(join(tmpdir(), 'heyblue-disk-'));
    chmodSync(folder, 0o711);
    const mount = join(folder, 'tables');
    mkdirSync(mount);
    const failed = run('mount', ['-t', 'tmpfs', '-o', `size=${ROOM},mode=0700`, 'heyblue-chaos', mount]);
    const disk = new Disk(folder, mount);
    if (failed !== null) {
      rmSync(folder, { recursive: true, force: true });
      return `No disk can be mounted here: ${failed}.`;
    }
    const { uid, gid } = statSync(join(dataDir, 'postgres'));
    chownSync(mount, uid, gid);
    const url = new URL(databaseUrl);
    url.pathname = '/postgres';
    try {
      await withClient(url.href, async client => {
        await client.query(`create tablespace chaos location ${client.escapeLiteral(mount)}`);
        await client.query(`alter database ${client.escapeIdentifier(DATABASE)} set tablespace chaos`);
      });
    } catch (error) {
      disk.remove();
      throw error;
    }
    return disk;
  }

  /** Leaves no room for a single page more; how many bytes are taken. */
  fill(): number {
    const { stdout } = spawnSync('df', ['--output=used', '-k', this.#mount], { encoding: 'utf8' });
    const usedKb = Number(stdout.trim().split('\n').at(-1));
    if (!Number.isInteger(usedKb)) throw new Error(`df says nothing of ${this.#mount}`);
    // writes go on meanwhile: a size below what is taken is refused, so a page more may be left
    for (let extraKb = 0; extraKb < 1_024; extraKb += 64)
      if (this.#resize(`${usedKb + extraKb}k`) === null) return (usedKb + extraKb) * 1_024;
    throw new Error('the disk cannot be made full');
  }

  free(): void {
    const failed = this.#resize(ROOM);
    if (failed !== null) throw new Error(`the disk gets no room again: ${failed}`);
  }

  #resize(size: string): string | null {
    return run('mount', ['-o', `remount,size=${size}`, this.#mount]);
  }

  /** When nobody uses it any more. */
  remove(): void {
    run('umount', ['-l', this.#mount]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
