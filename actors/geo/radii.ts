/**
 * The radii of the rules as squares of lines, by the sum of two accuracies; made once for all regions of a node, so that
 * they stay in its cache.
 */
import { lineSquared, RIM_M } from './ground.ts';
import type { ProximityRules } from './rules.ts';

/** Meridians turn against each other by less than this within the largest reach where the ground is flat. */
const TURN_RAD = 0.002;

export class Radii {
  /** Decimetres; stands for every accuracy that is too bad: with any other it makes a sum beyond those of two good ones. */
  readonly poorDm: number;
  readonly sharpDm: number;
  readonly keepDm: number;
  /** By the sum of two accuracies in decimetres, squares of lines; -1 where one of them is poor. */
  readonly enter: Float64Array;
  readonly exit: Float64Array;
  readonly near: Float64Array;
  /** What a civilian's one search for officers must see where (10) is asked, and how far that is at most, metres. */
  readonly wide: Float64Array;
  readonly wideM: number;
  /** {@link wide} is {@link near}. */
  readonly isWideNear: boolean;
  readonly far: number;
  /** A square that is closer to one of these than this is looked at again by the haversine formula. */
  readonly rim: number;
  /** Square of a speed, and what the same is for it. */
  readonly relative: number;
  readonly relativeRim: number;

  constructor(rules: ProximityRules) {
    this.sharpDm = rules.sharpAccuracyM * 10;
    this.keepDm = rules.keepAccuracyM * 10;
    this.poorDm = 2 * Math.ceil(this.keepDm) + 1;
    const table = (radiusM: (sumM: number) => number): Float64Array =>
      Float64Array.from({ length: 2 * this.poorDm + 1 }, (_, sumDm) =>
        sumDm < this.poorDm ? lineSquared(radiusM(sumDm / 10)) : -1,
      );
    const enterM = (sumM: number): number =>
      Math.min(rules.enterMaxM, Math.max(rules.enterM, rules.enterPerAccuracy * sumM));
    this.enter = table(enterM);
    this.exit = table(sumM => enterM(sumM) + rules.exitMarginM);
    this.near = table(() => rules.nearM);
    this.wide = this.near.map((near, sum) => Math.max(near, this.enter[sum]!));
    this.wideM = Math.max(rules.nearM, rules.enterMaxM);
    this.isWideNear = rules.nearM >= rules.enterMaxM;
    this.far = lineSquared(rules.reachM);
    this.rim = 2 * (rules.reachM + RIM_M) * RIM_M;
    this.relative = rules.relativeMps ** 2;
    const turned = TURN_RAD * Math.max(0, rules.walkMps);
    this.relativeRim = 2 * turned * (2 * rules.relativeMps + turned) + 1e-9;
  }

  static readonly #made = new WeakMap<ProximityRules, Radii>();

  static of(rules: ProximityRules): Radii {
    let radii = Radii.#made.get(rules);
    if (!radii) Radii.#made.set(rules, (radii = new Radii(rules)));
    return radii;
  }
}
