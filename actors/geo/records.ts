/**
 * The records of everybody a region knows, in one buffer (`record.ts` says what stands where): reading and changing
 * single fields, and how two of them stand to each other. No object is made on a fix.
 */
import { Cells, clamped } from './cells.ts';
import {
  COLUMN,
  Ground,
  haversineSquared,
  METRES_PER_E7,
  PER_EAST,
  PER_EAST_GROWS,
  RAD_E7,
  type Reach,
  ROW,
  STAND,
} from './ground.ts';
import { MICRO_CELLS } from './limits.ts';
import type { Radii } from './radii.ts';
import {
  ABSENT,
  ACCURACY,
  CROWDED,
  DRIVING,
  EAST,
  EASTWARD,
  FIRST_SLOT,
  INSTANT,
  IS_CIVILIAN,
  IS_TURNING,
  LAT,
  LOOKED,
  NEAR_FULL,
  NORTHWARD,
  NUMBERS,
  SHARP,
  STAMP,
  STATE,
  TAKEN,
  TRUST,
  TURNING,
  UNTIL,
  WALKING,
  WHOLE,
} from './record.ts';

export class Records {
  readonly ground: Ground;
  readonly cells: Cells;
  readonly radii: Radii;
  /** Records that there is room for. */
  capacity = 16;
  numbers = new Float64Array(NUMBERS * this.capacity);
  whole = new Int32Array(this.numbers.buffer);

  /** `officersM`: how far civilians look for officers, metres. */
  constructor(cell: number, radii: Radii, officersM: number) {
    this.ground = new Ground(cell);
    this.radii = radii;
    this.cells = new Cells(this.ground.reach(officersM));
  }

  reach(radiusM: number): Reach {
    return this.ground.reach(radiusM);
  }

  roleOf(index: number): number {
    return this.whole[WHOLE * index + STATE]! & IS_CIVILIAN;
  }

  #is(index: number, flag: number): boolean {
    return (this.whole[WHOLE * index + STATE]! & flag) !== 0;
  }

  #set(index: number, flag: number, on: boolean): void {
    const at = WHOLE * index + STATE;
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
    return this.whole[WHOLE * index + ACCURACY]! === this.radii.poorDm;
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

  /** The speed is known and that of a walk. */
  isWalking(index: number): boolean {
    return this.#is(index, WALKING);
  }

  /** The speed is that of a vehicle. */
  isDriving(index: number): boolean {
    return this.#is(index, DRIVING);
  }

  isCrowded(index: number): boolean {
    return this.#is(index, CROWDED);
  }

  /** Of the officer who was placed last. In a crowd he stands in no list: nobody has to find him. */
  setCrowded(index: number, crowded: boolean): void {
    if (this.isCrowded(index) === crowded) return;
    if (crowded) this.cells.unlink(index, this.whole);
    else this.cells.link(index, this.cellHere(), this.whole);
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
    return this.numbers[NUMBERS * index + TAKEN]!;
  }

  /** Sum of two accuracies, decimetres, by which {@link Radii} are kept. */
  accuracySum(a: number, b: number): number {
    return this.whole[WHOLE * a + ACCURACY]! + this.whole[WHOLE * b + ACCURACY]!;
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

  /** The micro cell of the place on which the ground stands; people beyond an edge stand in the cells along it. */
  cellHere(): number {
    return clamped(STAND[ROW]!) * MICRO_CELLS + clamped(STAND[COLUMN]!);
  }

  /** Square of the line between the member that was placed last and another, square metres; NaN where the ground is round. */
  lineSquared(placed: number, other: number): number {
    const { whole } = this;
    const from = WHOLE * placed;
    const to = WHOLE * other;
    const dLat = whole[to + LAT]! - whole[from + LAT]!;
    const north = dLat * METRES_PER_E7;
    const east =
      (whole[to + EAST]! - whole[from + EAST]!) * (STAND[PER_EAST]! + STAND[PER_EAST_GROWS]! * dLat);
    return north * north + east * east;
  }

  /** Whether two are within the square of a line, of which {@link lineSquared} of the two was found. */
  isWithin(a: number, b: number, line: number, limit: number): boolean {
    const { rim } = this.radii;
    if (line <= limit - rim) return true;
    return line > limit + rim ? false : this.isExactlyWithin(a, b, limit);
  }

  isExactlyWithin(a: number, b: number, limit: number): boolean {
    const { whole } = this;
    const from = WHOLE * a;
    const to = WHOLE * b;
    const dEast = whole[to + EAST]! - whole[from + EAST]!;
    return haversineSquared(whole[from + LAT]!, whole[to + LAT]!, dEast) <= limit;
  }

  /** Whether two members move against each other no faster than the rules allow. */
  isTogether(a: number, b: number): boolean {
    const { numbers, ground } = this;
    const { relative, relativeRim } = this.radii;
    if (!ground.isRound) {
      const from = NUMBERS * a;
      const to = NUMBERS * b;
      const east = numbers[from + EASTWARD]! - numbers[to + EASTWARD]!;
      const north = numbers[from + NORTHWARD]! - numbers[to + NORTHWARD]!;
      const square = east * east + north * north;
      if (square <= relative - relativeRim) return true;
      if (square > relative + relativeRim) return false;
    }
    const [ax, ay, az] = this.#velocity(a);
    const [bx, by, bz] = this.#velocity(b);
    return (ax - bx) ** 2 + (ay - by) ** 2 + (az - bz) ** 2 <= relative;
  }

  /** On the sphere, metres per second. */
  #velocity(index: number): readonly [x: number, y: number, z: number] {
    const lat = this.whole[WHOLE * index + LAT]! * RAD_E7;
    const lng = this.whole[WHOLE * index + EAST]! * RAD_E7;
    const east = this.numbers[NUMBERS * index + EASTWARD]!;
    const north = this.numbers[NUMBERS * index + NORTHWARD]!;
    const inward = north * Math.sin(lat);
    return [
      -east * Math.sin(lng) - inward * Math.cos(lng),
      east * Math.cos(lng) - inward * Math.sin(lng),
      north * Math.cos(lat),
    ];
  }

  grow(): void {
    this.capacity *= 2;
    const numbers = new Float64Array(NUMBERS * this.capacity);
    numbers.set(this.numbers);
    this.numbers = numbers;
    this.whole = new Int32Array(numbers.buffer);
  }
}
