/**
 * Everybody a region knows: who has which record, and how a fix is written into it. A fix that carries the number of its
 * account finds its record by that; ids are texts elsewhere in memory, and are for whatever happens seldom.
 */
import { ownText } from '../owned.ts';
import { Accounts } from './accounts.ts';
import {
  FIX_ABSENT,
  FIX_ACCOUNT,
  FIX_ACCURACY_SHIFT,
  FIX_CIVILIAN,
  FIX_EASTWARD,
  FIX_INSTANT,
  FIX_LAT,
  FIX_LNG,
  FIX_NORTHWARD,
  FIX_NUMBERS,
  FIX_SEQ,
  FIX_SPEED,
  FIX_STATE,
  FIX_TAKEN,
  FIX_TRUST,
  FIX_WHOLE,
  type Fixes,
} from './fixes.ts';
import { MEMBERS_MAX } from './limits.ts';
import type { Radii } from './radii.ts';
import {
  ACCOUNT,
  ACCURACY,
  CELL_SHIFT,
  CIVILIAN,
  CROWDED,
  DRIVING,
  EAST,
  EASTWARD,
  FIRST_SLOT,
  FLAGS,
  HEARD,
  KEPT,
  LAT,
  LOOKED,
  NIL,
  NO_ACCOUNT,
  NORTHWARD,
  NUMBERS,
  OFFICER,
  SEQ,
  SHARP,
  STAMP,
  STATE,
  TAKEN,
  TRUST,
  TURNING,
  WALKING,
  WHOLE,
} from './record.ts';
import { Records } from './records.ts';
import type { ProximityRules } from './rules.ts';

export { CIVILIAN, OFFICER } from './record.ts';

export class Members extends Records {
  readonly #rules: ProximityRules;
  readonly #accounts = new Accounts();
  readonly #indexes = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #handles: string[] = [];
  readonly #free: number[] = [];
  /** Officers that came so far. */
  #stays = 0;

  /** The fix that was placed last was taken no later than the one before it: it says something else anew. */
  isRepeated = false;
  /** When the fix before the one that was placed last was taken; that one itself for somebody new. */
  previousMs = 0;

  constructor(cell: number, rules: ProximityRules, radii: Radii, officersM: number) {
    super(cell, radii, officersM);
    this.#rules = rules;
  }

  get count(): number {
    return this.#indexes.size;
  }

  /** Indexes below this may be in use. */
  get highest(): number {
    return this.#ids.length;
  }

  indexOf(userId: string): number {
    return this.#indexes.get(userId) ?? NIL;
  }

  /** Looks up whose fixes these are, as far as their accounts are known; for {@link place}. */
  find(fixes: Fixes): void {
    this.#accounts.findAll(fixes, this.numbers);
  }

  /** The member whose fix this is. */
  indexOfFix(fixes: Fixes, i: number): number {
    const account = fixes.numbers[FIX_NUMBERS * i + FIX_ACCOUNT]!;
    if (account === NO_ACCOUNT) return this.indexOf(fixes.ids[i]!);
    const index = this.#accounts.find(account, this.numbers);
    return index === NIL ? this.#introduced(fixes.ids[i]!, account) : index;
  }

  /** Empty for an index not in use. */
  idOf(index: number): string {
    return this.#ids[index]!;
  }

  handleOf(index: number): string {
    return this.#handles[index]!;
  }

  /**
   * Writes down a fix, whose person was looked for with {@link find}, and returns the member's index, or -1 when the fix is not newer than the last one known here
   * (redelivered or overtaken). `nowMs` is the time of arrival and serves only to forget the silent.
   */
  place(fixes: Fixes, i: number, nowMs: number): number {
    const takenAtMs = fixes.numbers[FIX_NUMBERS * i + FIX_TAKEN]!;
    const found = fixes.found[i]!;
    const index = found === NIL ? this.indexOfFix(fixes, i) : found;
    if (index === NIL) return this.#come(fixes, i, nowMs);
    const { numbers, whole } = this;
    const last = numbers[NUMBERS * index + TAKEN]!;
    const seq = fixes.numbers[FIX_NUMBERS * i + FIX_SEQ]!;
    if (takenAtMs < last || (takenAtMs === last && seq <= numbers[NUMBERS * index + SEQ]!)) return NIL;
    this.isRepeated = takenAtMs === last;
    this.previousMs = last;
    this.#write(index, fixes, i, nowMs);
    const cell = this.cellHere();
    const state = whole[WHOLE * index + STATE]!;
    if (state >>> CELL_SHIFT !== cell && (state & CROWDED) === 0) {
      this.cells.unlink(index, whole);
      this.cells.link(index, cell, whole);
    }
    return index;
  }

  /** A record for somebody new; all but the fix is written. */
  add(userId: string, handle: string, role: number, account: number): number {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#ids.length;
      if (index === this.capacity) this.grow();
    }
    const id = ownText(userId);
    this.#ids[index] = id;
    this.#handles[index] = ownText(handle);
    this.#indexes.set(id, index);
    const { whole, numbers } = this;
    const at = WHOLE * index;
    whole[at + STATE] = role;
    whole[at + FIRST_SLOT] = NIL;
    whole[at + LOOKED] = 0;
    whole[at + STAMP] = role === OFFICER ? stamp(++this.#stays) : 0;
    whole[at + TURNING] = 0;
    numbers[NUMBERS * index + ACCOUNT] = NO_ACCOUNT;
    if (account !== NO_ACCOUNT) this.#introduce(index, account);
    return index;
  }

  /** Hangs a member into its list for the first time, where the ground stands. */
  linkHere(index: number): void {
    this.cells.link(index, this.cellHere(), this.whole);
  }

  /** Forgets a member. Its slots must be gone. */
  remove(index: number): void {
    if (!this.isCrowded(index)) this.cells.unlink(index, this.whole);
    if (this.accountOf(index) !== NO_ACCOUNT) this.#accounts.delete(index, this.numbers);
    this.#indexes.delete(this.#ids[index]!);
    this.#ids[index] = '';
    this.#handles[index] = '';
    // nothing of where the person was stays behind
    this.whole.fill(0, WHOLE * index + LAT, WHOLE * index + EAST + 1);
    this.whole[WHOLE * index + STATE] = 0;
    this.#free.push(index);
  }

  /** {@link NO_ACCOUNT} when no fix said. */
  accountOf(index: number): number {
    return this.numbers[NUMBERS * index + ACCOUNT]!;
  }

  /** Civilians and officers not heard of since these times (of arrival). */
  silentSince(civiliansMs: number, officersMs: number): number[] {
    const silent: number[] = [];
    for (const index of this.#indexes.values()) {
      const beforeMs = this.roleOf(index) === OFFICER ? officersMs : civiliansMs;
      if (this.numbers[NUMBERS * index + HEARD]! < beforeMs) silent.push(index);
    }
    return silent;
  }

  #come(fixes: Fixes, i: number, nowMs: number): number {
    if (this.#indexes.size >= MEMBERS_MAX) return NIL;
    const at = FIX_NUMBERS * i;
    this.isRepeated = false;
    this.previousMs = fixes.numbers[at + FIX_TAKEN]!;
    const role = (fixes.whole[FIX_WHOLE * i + FIX_STATE]! & FIX_CIVILIAN) === 0 ? OFFICER : CIVILIAN;
    const index = this.add(fixes.ids[i]!, fixes.handles[i]!, role, fixes.numbers[at + FIX_ACCOUNT]!);
    this.#write(index, fixes, i, nowMs);
    this.linkHere(index);
    return index;
  }

  /** Who came without a number and now has one. */
  #introduced(userId: string, account: number): number {
    const index = this.indexOf(userId);
    if (index !== NIL && this.accountOf(index) === NO_ACCOUNT) this.#introduce(index, account);
    return index;
  }

  #introduce(index: number, account: number): void {
    if (this.#accounts.find(account, this.numbers) !== NIL) return;
    this.numbers[NUMBERS * index + ACCOUNT] = account;
    this.#accounts.add(index, this.numbers);
  }

  #write(index: number, fixes: Fixes, i: number, nowMs: number): void {
    const { ground, radii, whole, numbers } = this;
    const from = FIX_NUMBERS * i;
    const side = FIX_WHOLE * i;
    const latE7 = fixes.whole[side + FIX_LAT]!;
    const east = ground.eastOf(fixes.whole[side + FIX_LNG]!);
    ground.stand(latE7, east);
    const at = WHOLE * index;
    const to = NUMBERS * index;
    const state = fixes.whole[side + FIX_STATE]!;
    const accuracyDm = state >> FIX_ACCURACY_SHIFT;
    const speedMps = fixes.numbers[from + FIX_SPEED]!;
    whole[at + LAT] = latE7;
    whole[at + EAST] = east;
    numbers[to + TAKEN] = fixes.numbers[from + FIX_TAKEN]!;
    numbers[to + SEQ] = fixes.numbers[from + FIX_SEQ]!;
    whole[at + STATE] =
      (whole[at + STATE]! & (KEPT | ~FLAGS)) |
      (state & (FIX_INSTANT | FIX_ABSENT)) |
      (accuracyDm <= radii.sharpDm ? SHARP : 0) |
      (speedMps >= 0 && speedMps <= this.#rules.walkMps ? WALKING : 0) |
      (speedMps > this.#rules.vehicleMps ? DRIVING : 0);
    whole[at + ACCURACY] = accuracyDm <= radii.keepDm ? accuracyDm : radii.poorDm;
    numbers[to + EASTWARD] = fixes.numbers[from + FIX_EASTWARD]!;
    numbers[to + NORTHWARD] = fixes.numbers[from + FIX_NORTHWARD]!;
    numbers[to + HEARD] = nowMs;
    whole[at + TRUST] = fixes.whole[side + FIX_TRUST]!;
  }
}

/** Spreads numbers over 32 bits, so that the sums of any few of them are different (the finish of MurmurHash3). */
const stamp = (number: number): number => {
  let h = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
};
