/**
 * Members by the number of their account: open addressing in one array of whole numbers. A fix finds its member here
 * without reading the id, a text somewhere else in memory; the number to compare with stands in the member's record,
 * which the fix needs anyway. Ten bits of the hash lie beside each index, so that hardly ever another record is read.
 */
import { FIX_ACCOUNT, FIX_NUMBERS, type Fixes } from './fixes.ts';
import { ACCOUNT, NIL, NUMBERS } from './record.ts';

/** Room for `MEMBERS_MAX` and one. */
const INDEX = 0x003f_ffff;
const TAG = ~INDEX;
const FREE = 0;

const hashOf = (account: number): number => {
  const high = (account / 0x1_0000_0000) | 0;
  const h = Math.imul((account | 0) ^ Math.imul(high, 0x85eb_ca6b), 0x9e37_79b1);
  return h ^ (h >>> 15);
};

export class Accounts {
  #entries = new Int32Array(32);
  #count = 0;

  /** The member with this account, -1 for none. `numbers`: the records. */
  find(account: number, numbers: Float64Array): number {
    const entries = this.#entries;
    const mask = entries.length - 1;
    const hash = hashOf(account);
    for (let at = hash & mask; entries[at] !== FREE; at = (at + 1) & mask) {
      const entry = entries[at]!;
      if (((entry ^ hash) & TAG) !== 0) continue;
      const index = (entry & INDEX) - 1;
      if (numbers[NUMBERS * index + ACCOUNT] === account) return index;
    }
    return NIL;
  }

  /**
   * The members of so many fixes, -1 for whoever is not here. Nothing that is found is waited for, so that the records of
   * many are fetched from memory at a time.
   */
  findAll({ count, numbers: fixes, found }: Fixes, numbers: Float64Array): void {
    for (let i = 0; i < count; i++) found[i] = this.find(fixes[FIX_NUMBERS * i + FIX_ACCOUNT]!, numbers);
  }

  /** Takes a member in, whose account stands in its record and is not here. */
  add(index: number, numbers: Float64Array): void {
    if (2 * ++this.#count > this.#entries.length) this.#grow(numbers);
    this.#put(index, numbers);
  }

  /** Takes a member out; those who lie behind its place move up. */
  delete(index: number, numbers: Float64Array): void {
    const entries = this.#entries;
    const mask = entries.length - 1;
    const homeOf = (entry: number): number =>
      hashOf(numbers[NUMBERS * ((entry & INDEX) - 1) + ACCOUNT]!) & mask;
    let hole = hashOf(numbers[NUMBERS * index + ACCOUNT]!) & mask;
    while (entries[hole] !== FREE && (entries[hole]! & INDEX) !== index + 1) hole = (hole + 1) & mask;
    if (entries[hole] === FREE) return;
    this.#count--;
    for (let at = (hole + 1) & mask; entries[at] !== FREE; at = (at + 1) & mask) {
      // may stand in the hole when it lies between its home and where it is
      if (((at - homeOf(entries[at]!)) & mask) < ((at - hole) & mask)) continue;
      entries[hole] = entries[at]!;
      hole = at;
    }
    entries[hole] = FREE;
  }

  #put(index: number, numbers: Float64Array): void {
    const entries = this.#entries;
    const mask = entries.length - 1;
    const hash = hashOf(numbers[NUMBERS * index + ACCOUNT]!);
    let at = hash & mask;
    while (entries[at] !== FREE) at = (at + 1) & mask;
    entries[at] = (hash & TAG) | (index + 1);
  }

  #grow(numbers: Float64Array): void {
    const entries = this.#entries;
    this.#entries = new Int32Array(2 * entries.length);
    for (const entry of entries) if (entry !== FREE) this.#put((entry & INDEX) - 1, numbers);
  }
}
