/**
 * Everybody a region knows, as records of two cache lines in one buffer, threaded through 32 x 32 micro cells: one
 * doubly linked list per cell and role, so that a mover meets only people of the other role around him. No object is
 * made on a fix. The first line holds what a search or a look at a pair needs, the second what only the mover needs:
 * in a large town a move waits for memory more than for anything else.
 *
 * Beside the lists each role has a word of 32 bits per row of micro cells, which says where anybody is at all: a search
 * for officers within 200 m looks at seven words instead of fifty empty lists.
 */

import { ACCURACY_DM_MAX } from '../../protocol/limits.ts';
import type { FixMessage } from '../messages/region.ts';
import { Ground, type Reach } from './ground.ts';
import { MEMBERS_MAX, MICRO_CELLS } from './limits.ts';

const NIL = -1;

export const OFFICER = 0;
export const CIVILIAN = 1;

/** A record is 128 bytes, seen as 16 numbers and as 32 whole numbers. */
const NUMBERS = 16;
export const WHOLE = 32;
/** Numbers. First line: place on the sphere (metres), time of the fix (Unix ms). */
const TAKEN = 3;
/** Second line: number of the fix, time of arrival, generation seen, speed (m/s), velocity on the sphere. */
const SEQ = 8;
const HEARD = 9;
const SEEN = 10;
const SPEED = 11;
const VELOCITY = 12;
/** Whole numbers. First line: neighbours in the list of the cell, cell, flags, slots, the move that looked, accuracy. */
const NEXT = 8;
const PREVIOUS = 9;
const CELL = 10;
const FLAGS = 11;
export const FIRST_SLOT = 12;
const LOOKED = 13;
const ACCURACY = 14;
/** Of an officer a number of his own; of a civilian the sum of those of the officers around whom he was told of. */
const STAMP = 15;
/** Second line: bits of doubt about the person's positions; since when an officer's crowd is about to change, until when
 * a civilian's sum holds. */
const TRUST = 30;
const TURNING = 31;
const UNTIL = 31;

/** Flags. */
const IS_CIVILIAN = 1;
const INSTANT = 2;
const SHARP = 4;
const ABSENT = 8;
const CROWDED = 16;
const IS_TURNING = 32;
const NEAR_FULL = 64;
export const FLAGS_MAX = 127;
/** What a fix says nothing about. */
const KEPT = IS_CIVILIAN | CROWDED | IS_TURNING | NEAR_FULL;

/** A member that goes to another node: all but the generation seen and what belongs to the lists. */
export type PackedMember = readonly [
  id: string,
  handle: string,
  flags: number,
  accuracyDm: number,
  trust: number,
  turning: number,
  latE7: number,
  lngE7: number,
  ...numbers: number[],
];
export const roleOfFlags = (flags: number): number => flags & IS_CIVILIAN;
/** Time of the fix, number of the fix, time of arrival, speed, velocity. */
const PACKED = [TAKEN, SEQ, HEARD, SPEED, VELOCITY, VELOCITY + 1, VELOCITY + 2] as const;
export const PACKED_NUMBERS = PACKED.length;

export class Members {
  readonly #ground: Ground;
  readonly #sharpDm: number;
  readonly #keepDm: number;
  /** Stands for every accuracy that is too bad: with any other it makes a sum beyond those of two good ones. */
  readonly #poorDm: number;

  readonly #indexes = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #handles: string[] = [];
  readonly #free: number[] = [];
  readonly #heads = [new Int32Array(MICRO_CELLS ** 2).fill(NIL), new Int32Array(MICRO_CELLS ** 2).fill(NIL)];
  readonly #rows = [new Int32Array(MICRO_CELLS), new Int32Array(MICRO_CELLS)];

  /** The fix that was placed last was taken no later than the one before it: it says something else anew. */
  isRepeated = false;
  /** When the fix before the one that was placed last was taken; that one itself for somebody new. */
  previousMs = 0;
  /** Officers that came so far. */
  #stays = 0;
  #capacity = 16;
  #numbers = new Float64Array(NUMBERS * this.#capacity);
  whole = new Int32Array(this.#numbers.buffer);

  constructor(cell: number, sharpM: number, keepM: number) {
    this.#ground = new Ground(cell);
    this.#sharpDm = sharpM * 10;
    this.#keepDm = keepM * 10;
    this.#poorDm = 2 * Math.ceil(this.#keepDm) + 1;
  }

  get count(): number {
    return this.#indexes.size;
  }

  /** Indexes below this may be in use. */
  get highest(): number {
    return this.#ids.length;
  }

  /** Sums of two accuracies are below this; those of {@link poorSum} and above hold a poor one. */
  get sums(): number {
    return 2 * this.#poorDm + 1;
  }

  get poorSum(): number {
    return this.#poorDm;
  }

  reach(radiusM: number): Reach {
    return this.#ground.reach(radiusM);
  }

  indexOf(userId: string): number {
    return this.#indexes.get(userId) ?? NIL;
  }

  /** Empty for an index not in use. */
  idOf(index: number): string {
    return this.#ids[index]!;
  }

  handleOf(index: number): string {
    return this.#handles[index]!;
  }

  roleOf(index: number): number {
    return this.whole[WHOLE * index + FLAGS]! & IS_CIVILIAN;
  }

  #is(index: number, flag: number): boolean {
    return (this.whole[WHOLE * index + FLAGS]! & flag) !== 0;
  }

  #set(index: number, flag: number, on: boolean): void {
    const at = WHOLE * index + FLAGS;
    this.whole[at] = on ? this.whole[at]! | flag : this.whole[at]! & ~flag;
  }

  isInstant(index: number): boolean {
    return this.#is(index, INSTANT);
  }

  /** Accurate enough to score. */
  isSharp(index: number): boolean {
    return this.#is(index, SHARP);
  }

  isPoor(index: number): boolean {
    return this.whole[WHOLE * index + ACCURACY]! === this.#poorDm;
  }

  /** No phone is there to be told. */
  isAbsent(index: number): boolean {
    return this.#is(index, ABSENT);
  }

  /** Somebody may begin something with the member: a phone is there, and no crowd around an officer. */
  isOffered(index: number): boolean {
    return !this.#is(index, ABSENT | CROWDED);
  }

  /** As {@link isOffered}, and there is room to remember more people who were told of the officer. */
  isAnnounced(index: number): boolean {
    return !this.#is(index, ABSENT | CROWDED | NEAR_FULL);
  }

  isNearFull(index: number): boolean {
    return this.#is(index, NEAR_FULL);
  }

  setNearFull(index: number, full: boolean): void {
    this.#set(index, NEAR_FULL, full);
  }

  isCrowded(index: number): boolean {
    return this.#is(index, CROWDED);
  }

  /** Of the officer who was placed last. In a crowd he stands in no list: nobody has to find him. */
  setCrowded(index: number, crowded: boolean): void {
    if (this.isCrowded(index) === crowded) return;
    if (crowded) this.#unlink(index);
    else this.#link(index, this.#cell());
    this.#set(index, CROWDED, crowded);
  }

  /** Since when (ms, modulo 2^32) it has been otherwise than {@link isCrowded} says; null when it is as it says. */
  turningMs(index: number): number | null {
    return this.#is(index, IS_TURNING) ? this.whole[WHOLE * index + TURNING]! : null;
  }

  setTurning(index: number, sinceMs: number | null): void {
    this.#set(index, IS_TURNING, sinceMs !== null);
    this.whole[WHOLE * index + TURNING] = sinceMs ?? 0;
  }

  /** A number of this stay of an officer's. */
  stampOf(index: number): number {
    return this.whole[WHOLE * index + STAMP]!;
  }

  /** Whether a civilian was told of exactly the officers whose stamps make this sum, and none is due again. */
  knowsAround(index: number, sum: number, atMs: number): boolean {
    const at = WHOLE * index;
    return this.whole[at + STAMP] === sum && (((atMs | 0) - this.whole[at + UNTIL]!) | 0) < 0;
  }

  setKnownAround(index: number, sum: number, untilMs: number): void {
    this.whole[WHOLE * index + STAMP] = sum;
    this.whole[WHOLE * index + UNTIL] = untilMs | 0;
  }

  trustOf(index: number): number {
    return this.whole[WHOLE * index + TRUST]!;
  }

  takenAtMs(index: number): number {
    return this.#numbers[NUMBERS * index + TAKEN]!;
  }

  /** Metres per second; -1 when not known. */
  speedOf(index: number): number {
    return this.#numbers[NUMBERS * index + SPEED]!;
  }

  /** Sum of two accuracies, decimetres; {@link poorSum} and more when one is poor. */
  accuracySum(a: number, b: number): number {
    return this.whole[WHOLE * a + ACCURACY]! + this.whole[WHOLE * b + ACCURACY]!;
  }

  /** Generation of the area list that the member was told; 0 for none. */
  seen(index: number): number {
    return this.#numbers[NUMBERS * index + SEEN]!;
  }

  setSeen(index: number, generation: number): void {
    this.#numbers[NUMBERS * index + SEEN] = generation;
  }

  /** The member's first slot, -1 for none. */
  firstSlot(index: number): number {
    return this.whole[WHOLE * index + FIRST_SLOT]!;
  }

  /** Whether a move has marked the member; moves are numbered by the matcher. */
  isLooked(index: number, move: number): boolean {
    return this.whole[WHOLE * index + LOOKED] === move;
  }

  markLooked(index: number, move: number): void {
    this.whole[WHOLE * index + LOOKED] = move;
  }

  /**
   * Writes down a fix and returns the member's index, or -1 when the fix is not newer than the last one known here
   * (redelivered or overtaken) or cannot be (no place on the globe, no time). `nowMs` is the time of arrival and serves
   * only to forget the silent.
   */
  place(fix: FixMessage, nowMs: number): number {
    const { latE7, lngE7, takenAtMs, seq, accuracyDm } = fix;
    const isSound =
      typeof latE7 === 'number' &&
      typeof lngE7 === 'number' &&
      latE7 >= -900_000_000 &&
      latE7 <= 900_000_000 &&
      lngE7 >= -1_800_000_000 &&
      lngE7 <= 1_800_000_000 &&
      Number.isFinite(takenAtMs) &&
      Number.isFinite(seq) &&
      accuracyDm >= 0;
    if (!isSound) return NIL;
    let index = this.indexOf(fix.userId);
    const numbers = this.#numbers;
    if (index === NIL) {
      if (this.#indexes.size >= MEMBERS_MAX) return NIL;
      this.isRepeated = false;
      this.previousMs = takenAtMs;
      index = this.#add(fix);
      this.#write(index, fix, nowMs);
      this.#link(index, this.#cell());
      return index;
    }
    const last = numbers[NUMBERS * index + TAKEN]!;
    if (takenAtMs < last || (takenAtMs === last && seq <= numbers[NUMBERS * index + SEQ]!)) return NIL;
    this.isRepeated = takenAtMs === last;
    this.previousMs = last;
    this.#write(index, fix, nowMs);
    const cell = this.#cell();
    if (this.whole[WHOLE * index + CELL] !== cell && !this.isCrowded(index)) {
      this.#unlink(index);
      this.#link(index, cell);
    }
    return index;
  }

  #write(index: number, fix: FixMessage, nowMs: number): void {
    const ground = this.#ground;
    ground.stand(fix.latE7, fix.lngE7);
    const numbers = this.#numbers;
    const at = NUMBERS * index;
    numbers[at] = ground.x;
    numbers[at + 1] = ground.y;
    numbers[at + 2] = ground.z;
    numbers[at + TAKEN] = fix.takenAtMs;
    numbers[at + SEQ] = fix.seq;
    numbers[at + HEARD] = nowMs;
    numbers[at + SPEED] = fix.speedMps;
    const east = fix.eastMps ?? 0;
    const north = fix.northMps ?? 0;
    const inward = north * ground.sinLat;
    numbers[at + VELOCITY] = -east * ground.sinLng - inward * ground.cosLng;
    numbers[at + VELOCITY + 1] = east * ground.cosLng - inward * ground.sinLng;
    numbers[at + VELOCITY + 2] = north * ground.cosLat;
    const { whole } = this;
    const { accuracyDm } = fix;
    whole[WHOLE * index + FLAGS] =
      (whole[WHOLE * index + FLAGS]! & KEPT) |
      (fix.instant ? INSTANT : 0) |
      (accuracyDm <= this.#sharpDm ? SHARP : 0) |
      (fix.absent === true ? ABSENT : 0);
    whole[WHOLE * index + ACCURACY] = accuracyDm <= this.#keepDm ? accuracyDm : this.#poorDm;
    whole[WHOLE * index + TRUST] = fix.trust ?? 0;
  }

  /** Forgets a member. Its slots must be gone. */
  remove(index: number): void {
    if (!this.isCrowded(index)) this.#unlink(index);
    this.#indexes.delete(this.#ids[index]!);
    this.#ids[index] = '';
    this.#handles[index] = '';
    this.#free.push(index);
  }

  /** Members not heard of since `beforeMs` (time of arrival). */
  silentSince(beforeMs: number): number[] {
    const silent: number[] = [];
    for (const index of this.#indexes.values())
      if (this.#numbers[NUMBERS * index + HEARD]! < beforeMs) silent.push(index);
    return silent;
  }

  /** Square of the straight line between two members, square metres. */
  lineSquared(a: number, b: number): number {
    const numbers = this.#numbers;
    const x = numbers[NUMBERS * a]! - numbers[NUMBERS * b]!;
    const y = numbers[NUMBERS * a + 1]! - numbers[NUMBERS * b + 1]!;
    const z = numbers[NUMBERS * a + 2]! - numbers[NUMBERS * b + 2]!;
    return x * x + y * y + z * z;
  }

  /** Square of the speed at which two members move against each other, (m/s)^2. */
  relativeSquared(a: number, b: number): number {
    const numbers = this.#numbers;
    const from = NUMBERS * a + VELOCITY;
    const to = NUMBERS * b + VELOCITY;
    const x = numbers[from]! - numbers[to]!;
    const y = numbers[from + 1]! - numbers[to + 1]!;
    const z = numbers[from + 2]! - numbers[to + 2]!;
    return x * x + y * y + z * z;
  }

  /**
   * Writes into `found` the members of the role around the one that was placed last: with fixes at most `freshMs` from
   * his, within the square of a line that `limits` gives for the sum of both accuracies. Ends when more than `most` are
   * found; returns how many were. `found` grows as needed.
   */
  around(
    index: number,
    role: number,
    reach: Reach,
    limits: Float64Array,
    freshMs: number,
    most: number,
    found: number[],
  ): number {
    const numbers = this.#numbers;
    const { whole } = this;
    const heads = this.#heads[role]!;
    const rows = this.#rows[role]!;
    const { row, column } = this.#ground;
    const south = clamped(row - reach.rows);
    const north = clamped(row + reach.rows);
    const first = clamped(column - reach.columns);
    const last = clamped(column + reach.columns);
    // a shift by 32 would be none
    const columns = (-1 << first) & (-1 >>> (MICRO_CELLS - 1 - last));
    const at = NUMBERS * index;
    const px = numbers[at]!;
    const py = numbers[at + 1]!;
    const pz = numbers[at + 2]!;
    const pt = numbers[at + TAKEN]!;
    const accuracy = whole[WHOLE * index + ACCURACY]!;
    let count = 0;
    for (let r = south; r <= north; r++) {
      for (let bits = rows[r]! & columns; bits !== 0; bits &= bits - 1) {
        const cell = r * MICRO_CELLS + 31 - Math.clz32(bits & -bits);
        for (let other = heads[cell]!; other !== NIL; other = whole[WHOLE * other + NEXT]!) {
          const x = numbers[NUMBERS * other]! - px;
          const y = numbers[NUMBERS * other + 1]! - py;
          const z = numbers[NUMBERS * other + 2]! - pz;
          if (x * x + y * y + z * z > limits[accuracy + whole[WHOLE * other + ACCURACY]!]!) continue;
          const apart = numbers[NUMBERS * other + TAKEN]! - pt;
          if (apart > freshMs || apart < -freshMs) continue;
          found[count++] = other;
          if (count > most) return count;
        }
      }
    }
    return count;
  }

  /** A member as plain values, to go to another node. */
  pack(index: number): PackedMember {
    const { whole } = this;
    const at = WHOLE * index;
    const [x, y, z] = this.#numbers.subarray(NUMBERS * index, NUMBERS * index + TAKEN);
    return [
      this.#ids[index]!,
      this.#handles[index]!,
      whole[at + FLAGS]!,
      this.isPoor(index) ? ACCURACY_DM_MAX : whole[at + ACCURACY]!,
      whole[at + TRUST]!,
      whole[at + TURNING]!,
      Math.round((Math.atan2(z!, Math.hypot(x!, y!)) * 180e7) / Math.PI),
      Math.round((Math.atan2(y!, x!) * 180e7) / Math.PI),
      ...PACKED.map(field => this.#numbers[NUMBERS * index + field]!),
    ];
  }

  /** Puts down a member that another node packed; it must not be here. Returns its index. */
  restore(packed: PackedMember): number {
    const [userId, handle, flags, accuracyDm, trust, turning, latE7, lngE7, ...numbers] = packed;
    const role = (flags & IS_CIVILIAN) === 0 ? 'officer' : 'civilian';
    const index = this.#add({ userId, handle, role });
    const ground = this.#ground;
    ground.stand(latE7, lngE7);
    this.#numbers.set([ground.x, ground.y, ground.z], NUMBERS * index);
    PACKED.forEach((field, i) => {
      this.#numbers[NUMBERS * index + field] = numbers[i]!;
    });
    const at = WHOLE * index;
    this.whole[at + FLAGS] = flags;
    this.whole[at + ACCURACY] = accuracyDm <= this.#keepDm ? accuracyDm : this.#poorDm;
    this.whole[at + TRUST] = trust;
    this.whole[at + TURNING] = turning;
    if (!this.isCrowded(index)) this.#link(index, this.#cell());
    return index;
  }

  /** The micro cell of the place on which the ground stands; people beyond an edge stand in the cells along it. */
  #cell(): number {
    return clamped(this.#ground.row) * MICRO_CELLS + clamped(this.#ground.column);
  }

  #add(fix: Pick<FixMessage, 'userId' | 'handle' | 'role'>): number {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#ids.length;
      if (index === this.#capacity) this.#grow();
    }
    this.#ids[index] = fix.userId;
    this.#handles[index] = fix.handle;
    this.#indexes.set(fix.userId, index);
    this.whole[WHOLE * index + FLAGS] = fix.role === 'officer' ? 0 : IS_CIVILIAN;
    this.whole[WHOLE * index + FIRST_SLOT] = NIL;
    this.whole[WHOLE * index + LOOKED] = 0;
    this.whole[WHOLE * index + STAMP] = fix.role === 'officer' ? stamp(++this.#stays) : 0;
    this.whole[WHOLE * index + TURNING] = 0;
    this.setSeen(index, 0);
    return index;
  }

  #link(index: number, cell: number): void {
    const { whole } = this;
    const at = WHOLE * index;
    const role = this.roleOf(index);
    const heads = this.#heads[role]!;
    const head = heads[cell]!;
    whole[at + CELL] = cell;
    whole[at + NEXT] = head;
    whole[at + PREVIOUS] = NIL;
    if (head !== NIL) whole[WHOLE * head + PREVIOUS] = index;
    else this.#rows[role]![cell >> 5]! |= 1 << (cell & 31);
    heads[cell] = index;
  }

  #unlink(index: number): void {
    const { whole } = this;
    const at = WHOLE * index;
    const next = whole[at + NEXT]!;
    const previous = whole[at + PREVIOUS]!;
    if (next !== NIL) whole[WHOLE * next + PREVIOUS] = previous;
    if (previous !== NIL) {
      whole[WHOLE * previous + NEXT] = next;
      return;
    }
    const cell = whole[at + CELL]!;
    const role = this.roleOf(index);
    this.#heads[role]![cell] = next;
    if (next === NIL) this.#rows[role]![cell >> 5]! &= ~(1 << (cell & 31));
  }

  #grow(): void {
    this.#capacity *= 2;
    const numbers = new Float64Array(NUMBERS * this.#capacity);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    this.whole = new Int32Array(numbers.buffer);
  }
}

/** Which keeps the order of places and so every search right. */
const clamped = (place: number): number => {
  const cell = Math.floor(place);
  return cell < 0 ? 0 : cell >= MICRO_CELLS ? MICRO_CELLS - 1 : cell;
};

/** Spreads numbers over 32 bits, so that the sums of any few of them are different (the finish of MurmurHash3). */
const stamp = (number: number): number => {
  let h = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
};
