/** Who may be an officer: a service named by a URL, or the roster of badge numbers that the first start makes. */
import type { MikroORM } from '@mikro-orm/postgresql';
import type { IdValidator, Log } from '../../nodes/ports.ts';
import { RosterValidator } from './roster.ts';
import { UrlValidator } from './urlValidator.ts';

export { RosterValidator } from './roster.ts';
export { UrlValidator } from './urlValidator.ts';

export interface IdValidatorOptions {
  /** HEYBLUE_ID_VALIDATOR_URL, or null for the roster. */
  readonly url: string | null;
  /** Where `roster.txt` is written for people to read. */
  readonly dataDir: string;
  readonly rosterSize: number;
  readonly stores: { readonly orm: MikroORM };
  readonly log: Log;
}

export async function idValidator(options: IdValidatorOptions): Promise<IdValidator> {
  if (options.url !== null) return new UrlValidator(options.url, options.log);
  const roster = new RosterValidator(options.stores.orm);
  await roster.prepare(options.rosterSize, options.dataDir, options.log);
  return roster;
}
