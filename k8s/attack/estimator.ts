/**
 * The attacker's belief about one officer: some thousand hypotheses, each with a beat of its own, that walk as officers
 * walk and are weighed by everything that was seen (a particle filter; with the true model of the walk and learned
 * likelihoods it is close to the best that anybody can do).
 */
import type { Block, Point } from './ground.ts';
import type { Knowledge } from './knowledge.ts';
import { classOf, type Sighting, type Vantage } from './sighting.ts';
import {
  BEAT_M,
  BEATS_M,
  begin,
  type Draw,
  drawNormal,
  HOME_X,
  HOME_Y,
  STRIDE,
  step,
  turn,
  X,
  Y,
} from './walk.ts';

/** A met officer stands within so many metres: the largest exit radius. */
const MET_M = 65;
/** Many accounts see one and the same thing: what each of them says counts for so much of a sighting of its own. */
const BELIEVED = 0.4;
const JITTER_HOME_M = 40;
const JITTER_M = 8;
/** Share of the hypotheses that are placed anew on the circles of distances that were told. */
const PLACED = 0.3;
const CIRCLES = 4;

export interface Belief extends Point {
  /** Mean distance of the hypotheses from the estimate: what the attacker himself believes of his error. */
  readonly spreadM: number;
}

export class Estimator {
  readonly #block: Block;
  readonly #knowledge: Knowledge;
  readonly #draw: Draw;
  readonly #count: number;
  readonly #weights: Float64Array;
  #walks: Float64Array;
  #spare: Float64Array;
  readonly #coarse: Int32Array;
  readonly #area: Int32Array;

  constructor(block: Block, knowledge: Knowledge, count: number, draw: Draw) {
    this.#block = block;
    this.#knowledge = knowledge;
    this.#draw = draw;
    this.#count = count;
    this.#walks = new Float64Array(count * STRIDE);
    this.#spare = new Float64Array(count * STRIDE);
    this.#weights = new Float64Array(count).fill(1 / count);
    this.#coarse = new Int32Array(count);
    this.#area = new Int32Array(count);
    const { halfM } = block;
    for (let i = 0; i < count; i++) {
      const beatM = BEATS_M[i % BEATS_M.length]!;
      begin(this.#walks, i * STRIDE, (2 * draw() - 1) * halfM, (2 * draw() - 1) * halfM, beatM, draw);
    }
  }

  walk(seconds: number): void {
    for (let i = 0; i < this.#count; i++) step(this.#walks, i * STRIDE, seconds, this.#draw);
  }

  /** Weighs all hypotheses by what was seen of this officer at their moment. */
  weigh(seen: readonly (Sighting & { readonly from: Vantage })[]): void {
    if (seen.length === 0) return;
    this.#place(seen);
    const walks = this.#walks;
    const weights = this.#weights;
    for (let i = 0; i < this.#count; i++) {
      this.#coarse[i] = this.#block.coarseOf(walks[i * STRIDE + X]!, walks[i * STRIDE + Y]!);
      this.#area[i] = this.#block.areaOf(walks[i * STRIDE + X]!, walks[i * STRIDE + Y]!);
    }
    for (const { channel, outcome, number, from } of seen) {
      const miss = number === null ? null : this.#knowledge.missOf(channel);
      // the number says it better than the word, and each step anew
      const likely = miss === null ? this.#knowledge.wordOf(channel, outcome) : null;
      const met = channel === 'met';
      if (likely === null && miss === null && !met) continue;
      for (let i = 0; i < this.#count; i++) {
        const x = walks[i * STRIDE + X]!;
        const y = walks[i * STRIDE + Y]!;
        if (likely !== null)
          weights[i]! *= likely[classOf(from, x, y, this.#coarse[i]!, this.#area[i]!)]! ** BELIEVED;
        const far = Math.hypot(from.x - x, from.y - y);
        if (miss !== null) weights[i]! *= Math.exp(-0.5 * ((far - number!) / miss) ** 2) + 1e-5;
        if (met) weights[i]! *= far <= MET_M ? 1 : 1e-6;
      }
    }
    this.#normalise();
  }

  /** Where the officer is, so that the error to be expected is smallest (in each coordinate). */
  belief(): Belief {
    const x = this.#median(X);
    const y = this.#median(Y);
    let spreadM = 0;
    for (let i = 0; i < this.#count; i++) {
      const at = i * STRIDE;
      spreadM += this.#weights[i]! * Math.hypot(this.#walks[at + X]! - x, this.#walks[at + Y]! - y);
    }
    return { x, y, spreadM };
  }

  /** Hypotheses where the told distances, and meetings, would have the officer: chance alone finds no such place. */
  #place(seen: readonly (Sighting & { readonly from: Vantage })[]): void {
    const circles = seen
      .filter(
        one => one.channel === 'met' || (one.number !== null && this.#knowledge.missOf(one.channel) !== null),
      )
      .map(one => ({
        from: one.from,
        far: one.number ?? 0,
        wide: this.#knowledge.missOf(one.channel) ?? MET_M / 2,
      }))
      .sort((a, b) => a.far - b.far)
      .slice(0, CIRCLES);
    if (circles.length === 0) return;
    const draw = this.#draw;
    const placed = Math.floor(this.#count * PLACED);
    const mean = 1 / this.#count;
    this.#resample();
    const walks = this.#walks;
    for (let i = 0; i < placed; i++) {
      const one = circles[i % circles.length]!;
      const other = circles[Math.floor(i / circles.length) % circles.length]!;
      const r = one.far + one.wide * drawNormal(draw);
      const angle = meetingAngle(one.from, r, other.from, other.far + other.wide * drawNormal(draw), draw);
      const at = i * STRIDE;
      const beatM = BEATS_M[i % BEATS_M.length]!;
      const x = one.from.x + r * Math.cos(angle);
      const y = one.from.y + r * Math.sin(angle);
      const home = beatM * Math.sqrt(draw());
      const where = 2 * Math.PI * draw();
      begin(walks, at, x + home * Math.cos(where), y + home * Math.sin(where), beatM, draw);
      walks[at + X] = x;
      walks[at + Y] = y;
      this.#weights[i] = mean;
    }
  }

  #normalise(): void {
    const weights = this.#weights;
    let sum = 0;
    for (let i = 0; i < this.#count; i++) sum += weights[i]!;
    if (!(sum > 1e-280)) {
      weights.fill(1 / this.#count);
      return;
    }
    let squares = 0;
    for (let i = 0; i < this.#count; i++) {
      weights[i]! /= sum;
      squares += weights[i]! ** 2;
    }
    if (1 / squares < this.#count / 2) this.#resample();
  }

  #resample(): void {
    const { halfM } = this.#block;
    const next = this.#spare;
    let at = 0;
    let upTo = this.#weights[0]!;
    const first = this.#draw() / this.#count;
    for (let i = 0; i < this.#count; i++) {
      const target = first + i / this.#count;
      while (upTo < target && at < this.#count - 1) upTo += this.#weights[++at]!;
      const to = i * STRIDE;
      next.set(this.#walks.subarray(at * STRIDE, (at + 1) * STRIDE), to);
      for (const home of [HOME_X, HOME_Y]) {
        const moved = next[to + home]! + JITTER_HOME_M * drawNormal(this.#draw);
        if (Math.abs(moved) <= halfM) next[to + home] = moved;
      }
      next[to + X]! += JITTER_M * drawNormal(this.#draw);
      next[to + Y]! += JITTER_M * drawNormal(this.#draw);
      // the beat is believed in whatever moved: nobody is further from its middle than it is wide
      const far = Math.hypot(next[to + X]! - next[to + HOME_X]!, next[to + Y]! - next[to + HOME_Y]!);
      if (far > next[to + BEAT_M]! * 1.2) {
        next[to + HOME_X] = next[to + X]!;
        next[to + HOME_Y] = next[to + Y]!;
        turn(next, to, this.#draw);
      }
    }
    this.#spare = this.#walks;
    this.#walks = next;
    this.#weights.fill(1 / this.#count);
  }

  #median(field: number): number {
    const order = Array.from({ length: this.#count }, (_, i) => i);
    order.sort((a, b) => this.#walks[a * STRIDE + field]! - this.#walks[b * STRIDE + field]!);
    let sum = 0;
    for (const i of order) {
      sum += this.#weights[i]!;
      if (sum >= 0.5) return this.#walks[i * STRIDE + field]!;
    }
    return this.#walks[order.at(-1)! * STRIDE + field]!;
  }
}

/** Where on a circle (by its angle) another one crosses it, either of the two places; anywhere when it does not. */
function meetingAngle(a: Point, r: number, b: Point, s: number, draw: Draw): number {
  const apart = Math.hypot(b.x - a.x, b.y - a.y);
  const cosine = (r * r + apart * apart - s * s) / (2 * r * apart);
  if (!(Math.abs(cosine) <= 1)) return 2 * Math.PI * draw();
  const side = draw() < 0.5 ? -1 : 1;
  return Math.atan2(b.y - a.y, b.x - a.x) + side * Math.acos(cosine);
}
