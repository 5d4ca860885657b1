/**
 * Everybody a region knows: who has which record, and how a fix is written into it. A fix that carries the number of its
 * account finds its record by that; ids are texts elsewhere in memory, and are for whatever happens seldom.
 */
import type { FixMessage } from '../messages/region.ts';
import { Accounts } from './accounts.ts';
import { MEMBERS_MAX } from './limits.ts';
import type { Radii } from './radii.ts';
import {
  ABSENT,
  ACCOUNT,
  ACCURACY,
  CELL_SHIFT,
  CROWDED,
  DRIVING,
  EAST,
  EASTWARD,
  FIRST_SLOT,
  FLAGS,
  HEARD,
  INSTANT,
  IS_CIVILIAN,
  KEPT,
  LAT,
  LOOKED,
  NIL,
  NORTHWARD,
  NUMBERS,
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

const UNKNOWN = -1;
const isAccount = (account: number | undefined): account is number => account !== undefined && account >= 0;

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

  constructor(cell: number, rules: ProximityRules, radii: Radii) {
    super(cell, radii);
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

  /** The member whose fix this is. */
  indexOfFix(fix: Pick<FixMessage, 'userId' | 'account'>): number {
    const { account } = fix;
    if (!isAccount(account)) return this.indexOf(fix.userId);
    const index = this.#accounts.find(account, this.numbers);
    return index === NIL ? this.#introduced(fix.userId, account) : index;
  }

  /** Empty for an index not in use. */
  idOf(index: number): string {
    return this.#ids[index]!;
  }

  handleOf(index: number): string {
    return this.#handles[index]!;
  }

  /**
   * Writes down a fix and returns the member's index, or -1 when the fix is not newer than the last one known here
   * (redelivered or overtaken) or cannot be (no place on the globe, no time). `nowMs` is the time of arrival and serves
   * only to forget the silent.
   */
  place(fix: FixMessage, nowMs: number): number {
    if (!isSound(fix)) return NIL;
    const { takenAtMs } = fix;
    const index = this.indexOfFix(fix);
    if (index === NIL) return this.#come(fix, nowMs);
    const { numbers, whole } = this;
    const last = numbers[NUMBERS * index + TAKEN]!;
    if (takenAtMs < last || (takenAtMs === last && fix.seq <= numbers[NUMBERS * index + SEQ]!)) return NIL;
    this.isRepeated = takenAtMs === last;
    this.previousMs = last;
    this.#write(index, fix, nowMs);
    const cell = this.cellHere();
    const state = whole[WHOLE * index + STATE]!;
    if (state >>> CELL_SHIFT !== cell && (state & CROWDED) === 0) {
      this.cells.unlink(index, whole);
      this.cells.link(index, cell, whole);
    }
    return index;
  }

  /** A record for somebody new; all but the fix is written. */
  add(fix: Pick<FixMessage, 'userId' | 'handle' | 'role' | 'account'>): number {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#ids.length;
      if (index === this.capacity) this.grow();
    }
    this.#ids[index] = fix.userId;
    this.#handles[index] = fix.handle;
    this.#indexes.set(fix.userId, index);
    const { whole, numbers } = this;
    const at = WHOLE * index;
    whole[at + STATE] = fix.role === 'officer' ? 0 : IS_CIVILIAN;
    whole[at + FIRST_SLOT] = NIL;
    whole[at + LOOKED] = 0;
    whole[at + STAMP] = fix.role === 'officer' ? stamp(++this.#stays) : 0;
    whole[at + TURNING] = 0;
    numbers[NUMBERS * index + ACCOUNT] = UNKNOWN;
    if (isAccount(fix.account)) this.#introduce(index, fix.account);
    return index;
  }

  /** Hangs a member into its list for the first time, where the ground stands. */
  linkHere(index: number): void {
    this.cells.link(index, this.cellHere(), this.whole);
  }

  /** Forgets a member. Its slots must be gone. */
  remove(index: number): void {
    if (!this.isCrowded(index)) this.cells.unlink(index, this.whole);
    if (this.accountOf(index) !== UNKNOWN) this.#accounts.delete(index, this.numbers);
    this.#indexes.delete(this.#ids[index]!);
    this.#ids[index] = '';
    this.#handles[index] = '';
    // nothing of where the person was stays behind
    this.whole.fill(0, WHOLE * index + LAT, WHOLE * index + EAST + 1);
    this.whole[WHOLE * index + STATE] = 0;
    this.#free.push(index);
  }

  /** -1 when no fix said. */
  accountOf(index: number): number {
    return this.numbers[NUMBERS * index + ACCOUNT]!;
  }

  /** Members not heard of since `beforeMs` (time of arrival). */
  silentSince(beforeMs: number): number[] {
    const silent: number[] = [];
    for (const index of this.#indexes.values())
      if (this.numbers[NUMBERS * index + HEARD]! < beforeMs) silent.push(index);
    return silent;
  }

  #come(fix: FixMessage, nowMs: number): number {
    if (this.#indexes.size >= MEMBERS_MAX) return NIL;
    this.isRepeated = false;
    this.previousMs = fix.takenAtMs;
    const index = this.add(fix);
    this.#write(index, fix, nowMs);
    this.linkHere(index);
    return index;
  }

  /** Who came without a number and now has one. */
  #introduced(userId: string, account: number): number {
    const index = this.indexOf(userId);
    if (index !== NIL && this.accountOf(index) === UNKNOWN) this.#introduce(index, account);
    return index;
  }

  #introduce(index: number, account: number): void {
    if (this.#accounts.find(account, this.numbers) !== NIL) return;
    this.numbers[NUMBERS * index + ACCOUNT] = account;
    this.#accounts.add(index, this.numbers);
  }

  #write(index: number, fix: FixMessage, nowMs: number): void {
    const { ground, radii, whole, numbers } = this;
    const { latE7, accuracyDm, speedMps } = fix;
    const east = ground.eastOf(fix.lngE7);
    ground.stand(latE7, east);
    const at = WHOLE * index;
    whole[at + LAT] = latE7;
    whole[at + EAST] = east;
    numbers[NUMBERS * index + TAKEN] = fix.takenAtMs;
    numbers[NUMBERS * index + SEQ] = fix.seq;
    whole[at + STATE] =
      (whole[at + STATE]! & (KEPT | ~FLAGS)) |
      (fix.instant ? INSTANT : 0) |
      (accuracyDm <= radii.sharpDm ? SHARP : 0) |
      (fix.absent === true ? ABSENT : 0) |
      (speedMps >= 0 && speedMps <= this.#rules.walkMps ? WALKING : 0) |
      (speedMps > this.#rules.vehicleMps ? DRIVING : 0);
    whole[at + ACCURACY] = accuracyDm <= radii.keepDm ? accuracyDm : radii.poorDm;
    numbers[NUMBERS * index + EASTWARD] = fix.eastMps ?? 0;
    numbers[NUMBERS * index + NORTHWARD] = fix.northMps ?? 0;
    numbers[NUMBERS * index + HEARD] = nowMs;
    whole[at + TRUST] = fix.trust ?? 0;
  }
}

function isSound({ latE7, lngE7, takenAtMs, seq, accuracyDm }: FixMessage): boolean {
  return (
    typeof latE7 === 'number' &&
    typeof lngE7 === 'number' &&
    latE7 >= -900_000_000 &&
    latE7 <= 900_000_000 &&
    lngE7 >= -1_800_000_000 &&
    lngE7 <= 1_800_000_000 &&
    Number.isFinite(takenAtMs) &&
    Number.isFinite(seq) &&
    accuracyDm >= 0
  );
}

/** Spreads numbers over 32 bits, so that the sums of any few of them are different (the finish of MurmurHash3). */
const stamp = (number: number): number => {
  let h = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
};
