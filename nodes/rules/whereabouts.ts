/**
 * In which state something happens, for rules that are for some states only: that of the zip code where it happens, else that
 * of the zip code which the account gave when it was made. Nobody is located for it, and nobody's place is kept.
 */
import type { ScorePlace } from '../../actors/scoring.ts';
import { RULE_LIMITS } from './limits.ts';
import { stateOfZip } from './states.ts';

export interface WhereaboutsOptions {
  /** Zip code of a coarse cell; null when none is known there. */
  readonly zipOf: (cell: string) => string | null;
  /** Zip code of an account; null when it gave none. Rejects when the store cannot be reached. */
  readonly homeZipOf: (account: string) => Promise<string | null>;
}

export class Whereabouts {
  readonly #options: WhereaboutsOptions;
  /** Zip codes by account: they are given once. */
  readonly #homes = new Map<string, string | null>();

  constructor(options: WhereaboutsOptions) {
    this.#options = options;
  }

  /** Two letters; null: not known. Rejects when the store cannot be reached. */
  readonly stateOf = async ({ cell = '', account }: ScorePlace): Promise<string | null> => {
    const zip = (cell === '' ? null : this.#options.zipOf(cell)) ?? (await this.#homeOf(account));
    return zip === null ? null : stateOfZip(zip);
  };

  async #homeOf(account: string): Promise<string | null> {
    const known = this.#homes.get(account);
    if (known !== undefined) return known;
    const zip = await this.#options.homeZipOf(account);
    if (this.#homes.size >= RULE_LIMITS.homes) this.#homes.clear();
    this.#homes.set(account, zip);
    return zip;
  }
}
