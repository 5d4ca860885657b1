/**
 * Who walked where somebody else walked, to the centimetre: cloned and replayed tracks.
 *
 * A position in degrees times 1e7 is a square of about a centimetre; two receivers agree on one by chance next to never,
 * and on five different ones in an hour not at all. So the fingerprint of a track is the set of its positions, and to
 * compare two is to look up each new position among those left by others, whenever they were left: an identical track
 * and one that is shifted in time look the same, and so does one that was thinned out.
 *
 * Bounded: one table, in which a position has one place by its hash and the newest takes it; what is overwritten is
 * forgotten. One list of those under suspicion. A fix costs one look-up. Nothing is kept of where people are but the
 * hash and the last counted place of a suspect, and nothing of it leaves this object but two ids.
 */
import { distanceM } from '../geo/distance.ts';
import { ownText } from '../owned.ts';
import type { FraudRules } from './rules.ts';

/** Positions remembered by one region: about an hour of 200 people who report each 10 s. */
export const FOOTPRINTS_MAX = 65_536;
const FOOTPRINTS_MIN = 256;
/** People of one region under suspicion at once; beyond that the oldest is forgotten. */
export const SUSPECTS_MAX = 256;
/** Seconds are counted from here, so that they fit into 32 bits. */
const NEVER = 0;

/** A hash of a position; whoever knows it does not know the position, but could try all of a street. Memory only. */
const footprintOf = (latE7: number, lngE7: number): number => {
  let h = Math.imul(latE7, 0x9e3779b1) ^ Math.imul(lngE7, 0x85ebca77);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 13), 0x297a2d39);
  return (h ^ (h >>> 16)) >>> 0;
};

interface Suspect {
  /** Whose positions were found. */
  readonly other: string;
  readonly points: number;
  readonly sinceMs: number;
  readonly latE7: number;
  readonly lngE7: number;
}

/** People by a small number, as long as a place is theirs: a table of the texts themselves would keep one for each place. */
class Walkers {
  readonly #numbers = new Map<string, number>();
  /** By number; 0 is nobody. */
  readonly #ids: string[] = [''];
  readonly #places: number[] = [0];
  readonly #free: number[] = [];

  get size(): number {
    return this.#numbers.size;
  }

  idOf(number: number): string {
    return this.#ids[number]!;
  }

  /** Undefined: no place is theirs. */
  numberOf(id: string): number | undefined {
    return this.#numbers.get(id);
  }

  /** One more place is theirs. */
  takes(id: string): number {
    let number = this.#numbers.get(id);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#ids.length;
      const own = ownText(id);
      this.#numbers.set(own, number);
      this.#ids[number] = own;
      this.#places[number] = 0;
    }
    this.#places[number]!++;
    return number;
  }

  /** One place less is theirs. */
  leaves(number: number): void {
    if (--this.#places[number]! > 0) return;
    this.#numbers.delete(this.#ids[number]!);
    this.#ids[number] = '';
    this.#free.push(number);
  }
}

export class Footprints {
  readonly #rules: FraudRules;
  #hashes = new Uint32Array(FOOTPRINTS_MIN);
  #seconds = new Uint32Array(FOOTPRINTS_MIN);
  #who = new Uint32Array(FOOTPRINTS_MIN);
  readonly #walkers = new Walkers();
  #used = 0;
  /** By the id of who came second. */
  readonly #suspects = new Map<string, Suspect>();

  constructor(rules: FraudRules) {
    this.#rules = rules;
  }

  /** Places in the table now. */
  get size(): number {
    return this.#hashes.length;
  }

  /** People who left any of them. */
  get people(): number {
    return this.#walkers.size;
  }

  get suspects(): number {
    return this.#suspects.size;
  }

  /** Takes a fix. The id of who walked there before when that is a finding about both, else null. */
  tread(userId: string, latE7: number, lngE7: number, takenAtMs: number): string | null {
    const hash = footprintOf(latE7, lngE7);
    const at = hash & (this.#hashes.length - 1);
    const seconds = Math.max(1, Math.floor(takenAtMs / 1_000) >>> 0);
    const isFree = this.#seconds[at] === NEVER;
    const former = this.#who[at]!;
    const before = this.#walkers.idOf(former);
    const wasSame =
      this.#hashes[at] === hash &&
      !isFree &&
      Math.abs(seconds - this.#seconds[at]!) * 1_000 <= this.#rules.cloneMs;
    if (before !== userId) {
      this.#who[at] = this.#walkers.takes(userId);
      if (isFree) this.#used++;
      else this.#walkers.leaves(former);
    }
    this.#hashes[at] = hash;
    this.#seconds[at] = seconds;
    if (this.#used * 2 > this.#hashes.length) this.#grow();
    return wasSame && before !== userId ? this.#suspect(userId, before, latE7, lngE7, takenAtMs) : null;
  }

  /**
   * Forgets where these people walked: whoever ends sharing is known nowhere any more. Costs a look at the whole table, once
   * for each change of mode, and for all who fell silent together.
   */
  forget(userIds: readonly string[]): void {
    if (userIds.length === 0) return;
    const ids = new Set(userIds);
    const numbers = new Set(userIds.map(id => this.#walkers.numberOf(id) ?? 0).filter(number => number > 0));
    for (let at = 0; numbers.size > 0 && at < this.#who.length; at++) {
      const number = this.#who[at]!;
      if (!numbers.has(number)) continue;
      this.#who[at] = 0;
      this.#hashes[at] = 0;
      this.#seconds[at] = NEVER;
      this.#used--;
      this.#walkers.leaves(number);
    }
    if (this.#used === 0 && this.size > FOOTPRINTS_MIN) this.#resize(FOOTPRINTS_MIN);
    for (const [id, { other }] of this.#suspects)
      if (ids.has(id) || ids.has(other)) this.#suspects.delete(id);
  }

  #suspect(userId: string, other: string, latE7: number, lngE7: number, nowMs: number): string | null {
    const { clonePoints, cloneStepM, cloneMs } = this.#rules;
    const known = this.#suspects.get(userId) ?? this.#suspects.get(other);
    const both = (id: string): boolean => id === userId || id === other;
    // by whichever of the two comes second at this place: two phones on one script take turns
    const goesOn =
      known !== undefined && both(known.other) && Math.abs(nowMs - known.sinceMs) <= cloneMs ? known : null;
    if (goesOn !== null && distanceM(goesOn.latE7, goesOn.lngE7, latE7, lngE7) < cloneStepM)
      return goesOn.points >= clonePoints ? other : null;
    const points = (goesOn?.points ?? 0) + 1;
    const sinceMs = goesOn?.sinceMs ?? nowMs;
    this.#suspects.delete(userId);
    this.#suspects.delete(other);
    this.#suspects.set(userId, { other, points, sinceMs, latE7, lngE7 });
    if (this.#suspects.size > SUSPECTS_MAX) this.#suspects.delete(this.#suspects.keys().next().value!);
    return points >= clonePoints ? other : null;
  }

  /** Empty tables of this size. */
  #resize(size: number): void {
    this.#hashes = new Uint32Array(size);
    this.#seconds = new Uint32Array(size);
    this.#who = new Uint32Array(size);
    this.#used = 0;
  }

  /** Twice the places, as far as the bound; who lies where follows from the hashes. */
  #grow(): void {
    if (this.#hashes.length >= FOOTPRINTS_MAX) return;
    const [hashes, seconds, who] = [this.#hashes, this.#seconds, this.#who];
    const size = hashes.length * 2;
    this.#resize(size);
    for (let i = 0; i < hashes.length; i++) {
      if (seconds[i] === NEVER) continue;
      const at = hashes[i]! & (size - 1);
      if (this.#seconds[at] === NEVER) this.#used++;
      else this.#walkers.leaves(this.#who[at]!);
      this.#hashes[at] = hashes[i]!;
      this.#seconds[at] = seconds[i]!;
      this.#who[at] = who[i]!;
    }
  }
}
