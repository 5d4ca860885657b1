/** Phones in numbers: opening many connections without a stampede, and people who walk about a place. */
import { CONNECTING_MAX } from './limits.ts';
import type { Position } from './positionFrame.ts';
import type { Random } from './random.ts';

/** Runs `work` over all items, so many at a time; answers how many failed, and the first failure. */
export const inParallel = async <T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
  atATime = CONNECTING_MAX,
): Promise<{ failed: number; first: unknown }> => {
  let next = 0;
  let failed = 0;
  let first: unknown = null;
  const lane = async (): Promise<void> => {
    for (;;) {
      const index = next++;
      if (index >= items.length) return;
      try {
        await work(items[index]!, index);
      } catch (error) {
        if (failed++ === 0) first = error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, lane));
  return { failed, first };
};

const METRES_PER_DEGREE = 111_320;

/** A point of the globe, degrees. */
export interface Point {
  readonly lat: number;
  readonly lng: number;
}

/** The point that lies so many metres north and east of another; for places of a few kilometres. */
export const offset = (from: Point, northM: number, eastM: number): Point => ({
  lat: from.lat + northM / METRES_PER_DEGREE,
  lng: from.lng + eastM / (METRES_PER_DEGREE * Math.cos((from.lat * Math.PI) / 180)),
});

/** Times Square: somewhere crowded. */
export const NEW_YORK: Point = { lat: 40.758, lng: -73.9855 };

/** Pedestrians keep to this (metres per second). */
const WALK_MPS = 1.4;
const WANDER_M = 0.5;

/** Somebody who walks straight on inside a square and turns back at its edge. Metres from the square's centre. */
export class Walker {
  readonly #centre: Point;
  readonly #halfM: number;
  readonly #random: Random;
  #northM: number;
  #eastM: number;
  #vNorth: number;
  #vEast: number;
  #atMs: number;

  constructor(centre: Point, sideM: number, random: Random, nowMs: number) {
    this.#random = random;
    this.#centre = centre;
    this.#halfM = sideM / 2;
    this.#northM = random.between(-this.#halfM, this.#halfM);
    this.#eastM = random.between(-this.#halfM, this.#halfM);
    const heading = random.between(0, 2 * Math.PI);
    this.#vNorth = WALK_MPS * Math.cos(heading);
    this.#vEast = WALK_MPS * Math.sin(heading);
    this.#atMs = nowMs;
  }

  /** Where they are by now. */
  at(nowMs: number): Position {
    const elapsedS = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#atMs = nowMs;
    this.#northM += this.#vNorth * elapsedS;
    this.#eastM += this.#vEast * elapsedS;
    if (Math.abs(this.#northM) > this.#halfM)
      this.#vNorth = -Math.sign(this.#northM) * Math.abs(this.#vNorth);
    if (Math.abs(this.#eastM) > this.#halfM) this.#vEast = -Math.sign(this.#eastM) * Math.abs(this.#vEast);
    // a receiver wanders; a walker without that is a script, and is looked at before it is paid
    const wander = (): number => this.#random.between(-WANDER_M, WANDER_M);
    return positionAt(offset(this.#centre, this.#northM + wander(), this.#eastM + wander()), nowMs);
  }
}

/** A fix of five metres' accuracy. */
export const positionAt = (point: Point, takenAtMs: number, accuracyDm = 50): Position => ({
  latE7: Math.round(point.lat * 1e7),
  lngE7: Math.round(point.lng * 1e7),
  accuracyDm,
  takenAtMs,
});
