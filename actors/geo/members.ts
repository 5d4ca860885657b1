/**
 * Everybody a region knows, as a struct of typed arrays, threaded through 32 x 32 micro cells: one doubly linked list
 * per cell and role, so that a mover meets only people of the other role around him. No object is made on a fix.
 *
 * Positions are points on the sphere in metres from its centre. The square of the straight line between two of them
 * grows with the great-circle distance exactly, at the poles and across the antimeridian too, so one comparison of
 * squares is the haversine decision; a flat projection would need a second look near every radius.
 */
import type { FixMessage, Role } from '../messages/region.ts';
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

/** Square of the straight line, in square metres, that belongs to a great-circle distance. */
export const lineSquared = (metres: number): number => {
  const line = 2 * EARTH_RADIUS_M * Math.sin(metres / EARTH_RADIUS_M / 2);
  return line * line;
};

const grown = <T extends Int32Array | Float64Array | Uint8Array>(old: T, length: number): T => {
  const made = new (old.constructor as new (length: number) => T)(length);
  made.set(old as never);
  return made;
};

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

  #capacity = 16;
  /** x, y, z (metres) and the time of the fix (Unix milliseconds), four a member: one cache line serves a look. */
  points = new Float64Array(4 * this.#capacity);
  speeds = new Float64Array(this.#capacity);
  firstSlot = new Int32Array(this.#capacity);
  roles = new Uint8Array(this.#capacity);
  /** Generation of the area list this member was told; 0 for none. */
  seen = new Float64Array(this.#capacity);
  #flags = new Uint8Array(this.#capacity);
  #seqs = new Float64Array(this.#capacity);
  #heard = new Float64Array(this.#capacity);
  #cells = new Int32Array(this.#capacity);
  #next = new Int32Array(this.#capacity);
  #previous = new Int32Array(this.#capacity);

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

  isInstant(index: number): boolean {
    return (this.#flags[index]! & INSTANT) !== 0;
  }

  isAccurate(index: number): boolean {
    return (this.#flags[index]! & ACCURATE) !== 0;
  }

  /**
   * Writes down a fix and returns the member's index, or -1 when the fix is not newer than the last one known here
   * (redelivered or overtaken). `nowMs` is the time of arrival and serves only to forget the silent.
   */
  place(fix: FixMessage, nowMs: number): number {
    let index = this.indexOf(fix.userId);
    const fresh = index === NIL;
    if (fresh) {
      index = this.#add(fix.userId, fix.role);
    } else {
      const last = this.points[4 * index + 3]!;
      if (fix.takenAtMs < last || (fix.takenAtMs === last && fix.seq <= this.#seqs[index]!)) return NIL;
    }
    this.#handles[index] = fix.handle;
    const lat = fix.latE7 * RAD_E7;
    const lng = fix.lngE7 * RAD_E7;
    const ring = EARTH_RADIUS_M * Math.cos(lat);
    const at = 4 * index;
    this.points[at] = ring * Math.cos(lng);
    this.points[at + 1] = ring * Math.sin(lng);
    this.points[at + 2] = EARTH_RADIUS_M * Math.sin(lat);
    this.points[at + 3] = fix.takenAtMs;
    this.speeds[index] = fix.speedMps;
    this.#seqs[index] = fix.seq;
    this.#heard[index] = nowMs;
    this.#flags[index] = (fix.instant ? INSTANT : 0) | (fix.accuracyDm <= this.#accuracyDm ? ACCURATE : 0);
    const cell = this.#rowOf(fix.latE7 / 1e7) * MICRO_CELLS + this.#columnOf(this.#east(fix.lngE7 / 1e7));
    if (fresh) this.#link(index, cell);
    else if (this.#cells[index] !== cell) {
      this.#unlink(index);
      this.#link(index, cell);
    }
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
    for (const index of this.#indexes.values()) if (this.#heard[index]! < beforeMs) silent.push(index);
    return silent;
  }

  /** Square of the straight line between two members, square metres. */
  lineSquared(a: number, b: number): number {
    const { points } = this;
    const x = points[4 * a]! - points[4 * b]!;
    const y = points[4 * a + 1]! - points[4 * b + 1]!;
    const z = points[4 * a + 2]! - points[4 * b + 2]!;
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
    const { points } = this;
    const heads = this.#heads[role]!;
    const next = this.#next;
    const east = this.#east(lng);
    const south = this.#rowOf(lat - this.#searchLat);
    const north = this.#rowOf(lat + this.#searchLat);
    const first = this.#columnOf(east - this.#searchLng);
    const last = this.#columnOf(east + this.#searchLng);
    const at = 4 * index;
    const px = points[at]!;
    const py = points[at + 1]!;
    const pz = points[at + 2]!;
    const pt = points[at + 3]!;
    let count = 0;
    for (let row = south; row <= north; row++) {
      for (let cell = row * MICRO_CELLS + first; cell <= row * MICRO_CELLS + last; cell++) {
        for (let other = heads[cell]!; other !== NIL; other = next[other]!) {
          const x = points[4 * other]! - px;
          const y = points[4 * other + 1]! - py;
          const z = points[4 * other + 2]! - pz;
          if (x * x + y * y + z * z > limit) continue;
          const apart = points[4 * other + 3]! - pt;
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

  #add(userId: string, role: Role): number {
    let index = this.#free.pop();
    if (index === undefined) {
      index = this.#ids.length;
      if (index === this.#capacity) this.#grow();
    }
    this.#ids[index] = userId;
    this.#indexes.set(userId, index);
    this.roles[index] = role === 'officer' ? OFFICER : CIVILIAN;
    this.firstSlot[index] = NIL;
    this.seen[index] = 0;
    return index;
  }

  #link(index: number, cell: number): void {
    const heads = this.#heads[this.roles[index]!]!;
    const head = heads[cell]!;
    this.#next[index] = head;
    this.#previous[index] = NIL;
    if (head !== NIL) this.#previous[head] = index;
    heads[cell] = index;
    this.#cells[index] = cell;
  }

  #unlink(index: number): void {
    const next = this.#next[index]!;
    const previous = this.#previous[index]!;
    if (next !== NIL) this.#previous[next] = previous;
    if (previous !== NIL) this.#next[previous] = next;
    else this.#heads[this.roles[index]!]![this.#cells[index]!] = next;
  }

  #grow(): void {
    this.#capacity *= 2;
    const length = this.#capacity;
    this.points = grown(this.points, 4 * length);
    this.speeds = grown(this.speeds, length);
    this.firstSlot = grown(this.firstSlot, length);
    this.roles = grown(this.roles, length);
    this.seen = grown(this.seen, length);
    this.#flags = grown(this.#flags, length);
    this.#seqs = grown(this.#seqs, length);
    this.#heard = grown(this.#heard, length);
    this.#cells = grown(this.#cells, length);
    this.#next = grown(this.#next, length);
    this.#previous = grown(this.#previous, length);
  }
}
