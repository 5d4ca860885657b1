/**
 * Positions that are too good. A receiver wanders by decimetres from second to second, its estimate of its own accuracy
 * moves, its heading trembles, its clock ticks unevenly. A script that walks a line has none of that.
 *
 * Kept of a person: the last two fixes and how long each sign has lasted. Three findings, each over `perfectFixes` fixes:
 * - the path: while moving, each position lies within `noiseM` of where the two before it point to;
 * - the claim: the phone says that it moves, and its positions do not differ by `noiseM`;
 * - the frame: while moving, accuracy, heading and interval are the same again and again.
 * A phone that stands still and says so may repeat one position for hours: operating systems do that to save power.
 *
 * What a script escapes with is noise of its own, drawn well; `npm run bench -- fraud` prints how much.
 */
import { distanceM, type TimedPoint } from '../geo/distance.ts';
import type { FraudRules } from './rules.ts';

/** A report as far as its noise goes. */
export interface Sample extends TimedPoint {
  readonly accuracyDm: number;
  /** Null: the phone does not say. */
  readonly headingDeg: number | null;
  /** Decimetres a second; null: the phone does not say. */
  readonly speedDms: number | null;
}

export interface Noise {
  readonly last: Sample | null;
  /** The step to `last`: degrees times 1e7, and milliseconds; 0 when there was none. */
  readonly northE7: number;
  readonly eastE7: number;
  readonly stepMs: number;
  /** How many steps in a row: on a drawn line; in one place although the phone moves; with one and the same frame. */
  readonly line: number;
  readonly stuck: number;
  readonly frame: number;
}

export const UNHEARD: Noise = {
  last: null,
  northE7: 0,
  eastE7: 0,
  stepMs: 0,
  line: 0,
  stuck: 0,
  frame: 0,
};

/** Counted no further: what is kept of a person is small, and stays so. */
const ENOUGH = 1_000;
const TURN_E7 = 3_600_000_000;
const around = (e7: number): number =>
  e7 > TURN_E7 / 2 ? e7 - TURN_E7 : e7 < -TURN_E7 / 2 ? e7 + TURN_E7 : e7;
const longer = (run: number, lasts: boolean): number => (lasts ? Math.min(ENOUGH, run + 1) : 0);

/** Takes a report that was believed (`motion.ts`), and keeps it. */
export function hear(noise: Noise, sample: Sample, rules: FraudRules): Noise {
  const { latE7, lngE7, accuracyDm, headingDeg, speedDms, takenAtMs } = sample;
  const { last } = noise;
  if (last === null) return { ...UNHEARD, last: sample };
  const stepMs = takenAtMs - last.takenAtMs;
  if (stepMs < rules.stepMs) return noise;
  const northE7 = latE7 - last.latE7;
  const eastE7 = around(lngE7 - last.lngE7);
  const movedM = distanceM(last.latE7, last.lngE7, latE7, lngE7);
  const isMoving = (movedM * 1_000) / stepMs >= rules.standMps;
  const saysMoving = (speedDms ?? 0) / 10 >= rules.standMps;
  const stuck = longer(noise.stuck, saysMoving && movedM < rules.noiseM);
  if (noise.stepMs === 0) return { last: sample, northE7, eastE7, stepMs, line: 0, stuck, frame: 0 };
  const scale = stepMs / noise.stepMs;
  const boundLat = last.latE7 + noise.northE7 * scale;
  const boundLng = last.lngE7 + noise.eastE7 * scale;
  const isDrawn = isMoving && distanceM(boundLat, boundLng, latE7, lngE7) < rules.noiseM;
  const isSameFrame =
    isMoving &&
    headingDeg !== null &&
    headingDeg === last.headingDeg &&
    accuracyDm === last.accuracyDm &&
    Math.abs(stepMs - noise.stepMs) < rules.sameIntervalMs;
  const line = longer(noise.line, isDrawn);
  return { last: sample, northE7, eastE7, stepMs, line, stuck, frame: longer(noise.frame, isSameFrame) };
}

/** The reports of so many fixes are too good to be a receiver's. */
export const isTooPerfect = ({ line, stuck, frame }: Noise, { perfectFixes }: FraudRules): boolean =>
  // n fixes are n - 1 steps, and n - 2 of them follow a step
  line >= perfectFixes - 2 || stuck >= perfectFixes - 1 || frame >= perfectFixes - 2;
