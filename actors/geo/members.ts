/**
 * Everybody a region knows, as a struct of typed arrays, threaded through 32 x 32 micro cells: one doubly linked list
 * per cell and role, so that a mover meets only people of the other role around him. No object is made on a fix.
 *
 * Positions are points on the sphere in metres from its centre. The square of the straight line between two of them
 * grows with the great-circle distance exactly, at the poles and across the antimeridian too, so one comparison of
 * squares is the haversine decision; a flat projection would need a second look near every radius.
 */
import type { FixMessage } from '../messages/region.ts';
import { type Box, boxOf, latReachDeg, lngReachDeg } from './grid.ts';
import { EARTH_RADIUS_M, MICRO_CELLS } from './limits.ts';

const RAD_E7 = Math.PI / 180 / 1e7;
const NIL = -1;
/** With so few columns in a band a pole is within reach: every micro column is searched. */
const POLAR_COLUMNS = 16;

export const OFFICER = 0;
export const CIVILIAN = 1;
const INSTANT = 1;
const ACCURATE = 2;
const ABSENT = 4;

/** Numbers of a member: x, y, z (metres), time of the fix (Unix ms), speed, seq, time of arrival, generation seen. */
const NUMBERS = 8;
const TAKEN = 3;
const SPEED = 4;
const SEQ = 5;
const HEARD = 6;
const SEEN = 7;
/** Links of a member: micro cell, neighbours in its list, first slot, role, flags, and the move that looked at it. */
export const LINKS = 8;
const CELL = 0;
const NEXT = 1;
const PREVIOUS = 2;
export const FIRST_SLOT = 3;
const ROLE = 4;
const FLAGS = 5;
const LOOKED = 6;

/** Square of the straight line, in square metres, that belongs to a great-circle distance. */
export const lineSquared = (metres: number): number => {
  const line = 2 * EARTH_RADIUS_M * Math.sin(metres / EARTH_RADIUS_M / 2);
  return line * line;
};

/** How many of a member's numbers go to another node: all but the generation, which counts on this one. */
export const PACKED_NUMBERS = SEEN;
export type PackedMember = readonly [
  id: string,
  handle: string,
  role: number,
  flags: number,
  cell: number,
  ...numbers: number[],
];

export class Members {
  readonly #box: Box;
  readonly #centre: number;
  readonly #rowsPerDeg: number;
  readonly #columnsPerDeg: number;
  readonly #searchLat: number;
  readonly #searchLng: number;
  readonly #accuracyDm: number;

  readonly #indexes = new Map<string, number>();
  readonly #ids: string[] = [];
  readonly #handles: string[] = [];
  readonly #free: number[] = [];
  readonly #heads = [new Int32Array(MICRO_CELLS ** 2).fill(NIL), new Int32Array(MICRO_CELLS ** 2).fill(NIL)];

  /** The fix that was placed last was taken no later than the one before it: it says something else anew. */
  isRepeated = false;
  #capacity = 16;
  /** One cache line a member each: a move through a large town waits for memory more than for anything else. */
  #numbers = new Float64Array(NUMBERS * this.#capacity);
  links = new Int32Array(LINKS * this.#capacity);

  /** `searchM`: how far {@link around} must see. */
  constructor(cell: number, searchM: number, accuracyM: number) {
    const box = boxOf(cell);
    this.#box = box;
    this.#centre = (box.west + box.east) / 2;
    this.#rowsPerDeg = MICRO_CELLS / (box.north - box.south);
    this.#columnsPerDeg = MICRO_CELLS / (box.east - box.west);
    this.#searchLat = latReachDeg(searchM);
    const edge = Math.min(90, Math.max(Math.abs(box.south), Math.abs(box.north)) + this.#searchLat);
    this.#searchLng = box.columns < POLAR_COLUMNS ? 360 : lngReachDeg(edge, searchM);
    this.#accuracyDm = accuracyM * 10;
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

  /** Empty for an index not in use. */
  idOf(index: number): string {
    return this.#ids[index]!;
  }

  handleOf(index: number): string {
    return this.#handles[index]!;
  }

  roleOf(index: number): number {
    return this.links[LINKS * index + ROLE]!;
  }

  isInstant(index: number): boolean {
    return (this.links[LINKS * index + FLAGS]! & INSTANT) !== 0;
  }

  isAccurate(index: number): boolean {
    return (this.links[LINKS * index + FLAGS]! & ACCURATE) !== 0;
  }

  /** Somebody may begin something with the member: its fix is accurate, and a phone is there to be told. */
  isOffered(index: number): boolean {
    return (this.links[LINKS * index + FLAGS]! & (ACCURATE | ABSENT)) === ACCURATE;
  }

  isAbsent(index: number): boolean {
    return (this.links[LINKS * index + FLAGS]! & ABSENT) !== 0;
  }

  takenAtMs(index: number): number {
    return this.#numbers[NUMBERS * index + TAKEN]!;
  }

  /** Metres per second; -1 when not known. */
  speedOf(index: number): number {
    return this.#numbers[NUMBERS * index + SPEED]!;
  }

  /** The member's first slot, -1 for none. */
  firstSlot(index: number): number {
    return this.links[LINKS * index + FIRST_SLOT]!;
  }

  /** Generation of the area list that the member was told; 0 for none. */
  seen(index: number): number {
    return this.#numbers[NUMBERS * index + SEEN]!;
  }

  setSeen(index: number, generation: number): void {
    this.#numbers[NUMBERS * index + SEEN] = generation;
  }

  /** Whether a move has marked the member; moves are numbered by the matcher. */
  isLooked(index: number, move: number): boolean {
    return this.links[LINKS * index + LOOKED] === move;
  }

  markLooked(index: number, move: number): void {
    this.links[LINKS * index + LOOKED] = move;
  }

  /**
   * Writes down a fix and returns the member's index, or -1 when the fix is not newer than the last one known here
   * (redelivered or overtaken). `nowMs` is the time of arrival and serves only to forget the silent.
   */
  place(fix: FixMessage, nowMs: number): number {
    let index = this.indexOf(fix.userId);
    const fresh = index === NIL;
    if (fresh) index = this.#add(fix);
    const at = NUMBERS * index;
    const numbers = this.#numbers;
    this.isRepeated = !fresh && fix.takenAtMs === numbers[at + TAKEN];
    if (!fresh) {
      const last = numbers[at + TAKEN]!;
      if (fix.takenAtMs < last || (fix.takenAtMs === last && fix.seq <= numbers[at + SEQ]!)) return NIL;
    }
    const lat = fix.latE7 * RAD_E7;
    const lng = fix.lngE7 * RAD_E7;
    const ring = EARTH_RADIUS_M * Math.cos(lat);
    numbers[at] = ring * Math.cos(lng);
    numbers[at + 1] = ring * Math.sin(lng);
    numbers[at + 2] = EARTH_RADIUS_M * Math.sin(lat);
    numbers[at + TAKEN] = fix.takenAtMs;
    numbers[at + SPEED] = fix.speedMps;
    numbers[at + SEQ] = fix.seq;
    numbers[at + HEARD] = nowMs;
    const flags =
      (fix.instant ? INSTANT : 0) |
      (fix.accuracyDm <= this.#accuracyDm ? ACCURATE : 0) |
      (fix.absent === true ? ABSENT : 0);
    this.links[LINKS * index + FLAGS] = flags;
    const cell = this.#rowOf(fix.latE7 / 1e7) * MICRO_CELLS + this.#columnOf(this.#east(fix.lngE7 / 1e7));
    if (fresh) this.#link(index, cell);
    else if (this.links[LINKS * index + CELL] !== cell) {
      this.#unlink(index);
      this.#link(index, cell);
    }
    return index;
  }

  /** A member as plain values, to go to another node. */
  pack(index: number): PackedMember {
    const at = LINKS * index;
    return [
      this.#ids[index]!,
      this.#handles[index]!,
      this.links[at + ROLE]!,
      this.links[at + FLAGS]!,
      this.links[at + CELL]!,
      ...this.#numbers.subarray(NUMBERS * index, NUMBERS * index + PACKED_NUMBERS),
    ];
  }

  /** Puts down a member that another node packed; it must not be here. Returns its index. */
  restore([userId, handle, role, flags, cell, ...numbers]: PackedMember): number {
    const index = this.#add({ userId, handle, role: role === OFFICER ? 'officer' : 'civilian' });
    this.#numbers.set(numbers, NUMBERS * index);
    this.links[LINKS * index + FLAGS] = flags;
    this.#link(index, cell);
    return index;
  }

  /** Forgets a member. Its slots must be gone. */
  remove(index: number): void {
    this.#unlink(index);
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

  /**
   * Writes into `found` the members of the role at most `limit` (square metres of straight line) from the member and
   * with fixes at most `freshMs` apart from his; returns how many. `found` grows as needed.
   */
  around(
    index: number,
    lat: number,
    lng: number,
    role: number,
    limit: number,
    freshMs: number,
    found: number[],
  ): number {
    const numbers = this.#numbers;
    const links = this.links;
    const heads = this.#heads[role]!;
    const east = this.#east(lng);
    const south = this.#rowOf(lat - this.#searchLat);
    const north = this.#rowOf(lat + this.#searchLat);
    const first = this.#columnOf(east - this.#searchLng);
    const last = this.#columnOf(east + this.#searchLng);
    const at = NUMBERS * index;
    const px = numbers[at]!;
    const py = numbers[at + 1]!;
    const pz = numbers[at + 2]!;
    const pt = numbers[at + TAKEN]!;
    let count = 0;
    for (let row = south; row <= north; row++) {
      for (let cell = row * MICRO_CELLS + first; cell <= row * MICRO_CELLS + last; cell++) {
        for (let other = heads[cell]!; other !== NIL; other = links[LINKS * other + NEXT]!) {
          const x = numbers[NUMBERS * other]! - px;
          const y = numbers[NUMBERS * other + 1]! - py;
          const z = numbers[NUMBERS * other + 2]! - pz;
          if (x * x + y * y + z * z > limit) continue;
          const apart = numbers[NUMBERS * other + TAKEN]! - pt;
          if (apart <= freshMs && apart >= -freshMs) found[count++] = other;
        }
      }
    }
    return count;
  }

  /** Degrees of longitude east of the middle of the region, in [-180, 180). */
  #east(lng: number): number {
    const east = lng - this.#centre;
    return east < -180 ? east + 360 : east >= 180 ? east - 360 : east;
  }

  /** People beyond an edge stand in the cells along it, which keeps the order of places and so every search right. */
  #rowOf(lat: number): number {
    const row = Math.floor((lat - this.#box.south) * this.#rowsPerDeg);
    return row < 0 ? 0 : row >= MICRO_CELLS ? MICRO_CELLS - 1 : row;
  }

  #columnOf(east: number): number {
    const column = Math.floor(east * this.#columnsPerDeg) + MICRO_CELLS / 2;
    return column < 0 ? 0 : column >= MICRO_CELLS ? MICRO_CELLS - 1 : column;
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
    this.links[LINKS * index + ROLE] = fix.role === 'officer' ? OFFICER : CIVILIAN;
    this.links[LINKS * index + FIRST_SLOT] = NIL;
    this.setSeen(index, 0);
    return index;
  }

  #link(index: number, cell: number): void {
    const links = this.links;
    const at = LINKS * index;
    const heads = this.#heads[links[at + ROLE]!]!;
    const head = heads[cell]!;
    links[at + CELL] = cell;
    links[at + NEXT] = head;
    links[at + PREVIOUS] = NIL;
    if (head !== NIL) links[LINKS * head + PREVIOUS] = index;
    heads[cell] = index;
  }

  #unlink(index: number): void {
    const links = this.links;
    const at = LINKS * index;
    const next = links[at + NEXT]!;
    const previous = links[at + PREVIOUS]!;
    if (next !== NIL) links[LINKS * next + PREVIOUS] = previous;
    if (previous !== NIL) links[LINKS * previous + NEXT] = next;
    else this.#heads[links[at + ROLE]!]![links[at + CELL]!] = next;
  }

  #grow(): void {
    this.#capacity *= 2;
    const numbers = new Float64Array(NUMBERS * this.#capacity);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    const links = new Int32Array(LINKS * this.#capacity);
    links.set(this.links);
    this.links = links;
  }
}
