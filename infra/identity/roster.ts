/**
 * The default check of an officer's badge: a roster of numbers in the database, made by the first start so that someone
 * who tries the town out has badges to sign up with. `roster.txt` in the data folder lists them for people.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { IdValidator, Log } from '../../nodes/ports.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { RosterBadge } from '../postgres/entities.ts';

/** Rows of one insert. */
const CHUNK = 1_000;

/** `B-00001`: a letter and five digits, as on a badge. */
const badgeNumber = (n: number): string => `B-${String(n).padStart(5, '0')}`;

export class RosterValidator implements IdValidator {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  /** Fills an empty roster and writes the file. */
  async prepare(size: number, dataDir: string, log: Log): Promise<void> {
    const em = this.#orm.em.fork();
    if ((await em.count(RosterBadge)) === 0) {
      const badges = Array.from({ length: size }, (_, i) => ({ badge: badgeNumber(i + 1) }));
      for (let at = 0; at < badges.length; at += CHUNK) {
        // two nodes may start at once
        await em.upsertMany(RosterBadge, badges.slice(at, at + CHUNK), { onConflictAction: 'ignore' });
      }
    }
    const all = await em.findAll(RosterBadge, { orderBy: { badge: 'asc' } });
    try {
      writeRoster(
        dataDir,
        all.map(one => one.badge),
      );
    } catch (error) {
      log.warn(
        { error: (error as Error).message },
        'roster.txt cannot be written; the roster itself is fine',
      );
    }
  }

  async validate(kind: AccountKind, evidence: { readonly badge: string | null }): Promise<Result<true>> {
    if (kind !== 'officer') return ok(true);
    if (evidence.badge === null) return refuse(ERROR.invalid, 'an officer needs a badge number');
    const found = await this.#orm.em.fork().count(RosterBadge, { badge: evidence.badge });
    return found > 0 ? ok(true) : refuse(ERROR.forbidden, 'this badge number is not on the roster');
  }
}

function writeRoster(dataDir: string, badges: readonly string[]): void {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, 'roster.txt');
  const head = '# Badge numbers that sign up as an officer, each once. Made by the first start.\n';
  writeFileSync(`${path}.new`, `${head}${badges.join('\n')}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
