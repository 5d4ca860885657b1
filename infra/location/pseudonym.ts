/**
 * The names under which positions are stored: one a day and person, from a secret key, so that the store alone tells
 * neither who it was nor that today's and yesterday's are the same person.
 *
 * The secret comes from the masters of the QR codes, by a derivation of its own. The newest one names; all of them find
 * and delete, so a rotation loses nobody as long as the old master stays for as long as the history does.
 */
import { createHmac, hkdfSync } from 'node:crypto';

const DAY_MS = 86_400_000;
const KEY_BYTES = 32;
/** 128 bits: no two people of a day meet in one. */
const NAME_CHARS = 32;

const dayOf = (ms: number): number => Math.floor(ms / DAY_MS);

export class Pseudonyms {
  /** The first one names. */
  readonly #keys: readonly Uint8Array[];

  /** @param masters 32 bytes each by rising number, as `loadKeys` gives them for QR codes; not empty */
  constructor(masters: ReadonlyMap<number, Uint8Array>) {
    const newestFirst = [...masters].sort(([a], [b]) => b - a);
    if (newestFirst.length === 0) throw new Error('pseudonyms need a key');
    this.#keys = newestFirst.map(
      ([, master]) => new Uint8Array(hkdfSync('sha256', master, '', 'heyblue/location', KEY_BYTES)),
    );
  }

  /** The person's name on the day (UTC) of `atMs`: 32 hexadecimal digits. */
  of(userId: string, atMs: number): string {
    return this.#name(this.#keys[0]!, userId, dayOf(atMs));
  }

  /** Every name that the person may have from `fromMs` to `untilMs`. */
  between(userId: string, fromMs: number, untilMs: number): string[] {
    const names: string[] = [];
    for (let day = dayOf(fromMs); day <= dayOf(untilMs); day++)
      for (const key of this.#keys) names.push(this.#name(key, userId, day));
    return names;
  }

  #name(key: Uint8Array, userId: string, day: number): string {
    return createHmac('sha256', key).update(`${day}|${userId}`).digest('hex').slice(0, NAME_CHARS);
  }
}
