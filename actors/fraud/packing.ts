/** What speaks against a person, read from what another node packed; a node of the version before packed nothing of it. */
import type { TimedPoint } from '../geo/distance.ts';
import { CELL_COUNT } from '../geo/grid.ts';
import * as read from '../packed.ts';
import type { Noise, Sample } from './noise.ts';
import { FINDINGS, UNSUSPECTED, type Watch } from './watch.ts';

/** Of the list of times at which another phone came; what another node packed is not believed beyond it. */
const TWINS_MAX = 64;
const RUN_MAX = 1_000;
const LAT_E7 = 900_000_000;
const LNG_E7 = 1_800_000_000;

const pointOf = (packed: read.Fields): TimedPoint => ({
  latE7: read.whole(packed.latE7, -LAT_E7, LAT_E7),
  lngE7: read.whole(packed.lngE7, -LNG_E7, LNG_E7),
  takenAtMs: read.whole(packed.takenAtMs),
});

const sampleOf = (packed: read.Fields): Sample => ({
  ...pointOf(packed),
  accuracyDm: read.number(packed.accuracyDm),
  headingDeg: packed.headingDeg === null ? null : read.number(packed.headingDeg),
  speedDms: packed.speedDms === null ? null : read.number(packed.speedDms),
});

function noiseOf(packed: read.Fields): Noise {
  const { last, northE7, eastE7, stepMs, line, stuck, frame } = packed;
  const run = (value: unknown): number => read.whole(value, 0, RUN_MAX);
  return {
    last: last === null ? null : sampleOf(read.fields(last)),
    northE7: read.whole(northE7, -2 * LAT_E7, 2 * LAT_E7),
    eastE7: read.whole(eastE7, -LNG_E7, LNG_E7),
    stepMs: read.whole(stepMs),
    line: run(line),
    stuck: run(stuck),
    frame: run(frame),
  };
}

/** A node of the version before knows of none. */
function leftOf(value: unknown): Watch['motion']['left'] {
  if (value === null || value === undefined) return null;
  const { cell, atMs } = read.fields(value);
  return { cell: read.whole(cell, 0, CELL_COUNT - 1), atMs: read.whole(atMs) };
}

/** A believed place is kept as it was reported; only where and when travels. */
export function packWatch({ motion, ...watch }: Watch): unknown {
  const { here } = motion;
  const place = here && { latE7: here.latE7, lngE7: here.lngE7, takenAtMs: here.takenAtMs };
  return { ...watch, motion: { ...motion, here: place } };
}

export function untilOf(packed: read.Fields): Watch['until'] {
  const findings = FINDINGS.filter(finding => packed[finding] !== undefined);
  // of nearly everybody there is none
  if (findings.length === 0) return UNSUSPECTED.until;
  return Object.fromEntries(findings.map(finding => [finding, read.number(packed[finding])]));
}

export function watchOf(value: unknown): Watch {
  if (value === undefined) return UNSUSPECTED;
  const packed = read.fields(value);
  const { here, left, astray, owedM, owedAtMs, teleport } = read.fields(packed.motion);
  const dropped = astray === null ? null : read.fields(astray);
  return {
    motion: {
      here: here === null ? null : pointOf(read.fields(here)),
      left: leftOf(left),
      astray: dropped && { ...pointOf(dropped), teleport: read.flag(dropped.teleport) },
      owedM: read.number(owedM),
      owedAtMs: read.whole(owedAtMs),
      teleport: read.flag(teleport),
    },
    noise: noiseOf(read.fields(packed.noise)),
    until: untilOf(read.fields(packed.until)),
    twins: read.list(packed.twins, TWINS_MAX, item => read.number(item)),
  };
}
