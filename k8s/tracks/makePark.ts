/**
 * Makes `park.csv`, the small recording that ships for the README: twelve people in a park for five minutes, a fix every
 * two seconds. Some stroll alone, some stop at a fountain and talk, one runs, one drives by.
 * `npx node k8s/tracks/makePark.ts > k8s/tracks/park.csv`
 */
import { destination } from './crowd.ts';
import { seeded } from './seeded.ts';

/** Prospect Park, Brooklyn. */
const PARK = { lat: 40.6617, lng: -73.969 };
const STEP_S = 2;
const LENGTH_S = 300;

interface Stroll {
  readonly id: number;
  /** Metres east and north of the middle at the start, and per second. */
  readonly from: readonly [number, number];
  readonly pace: readonly [number, number];
  /** Stops between these seconds. */
  readonly rests: readonly [number, number];
}

const STROLLS: readonly Stroll[] = [
  { id: 1, from: [-60, 0], pace: [1.2, 0], rests: [50, 170] },
  { id: 2, from: [55, 10], pace: [-1.1, -0.1], rests: [50, 180] },
  { id: 3, from: [0, 70], pace: [0, -1.3], rests: [48, 160] },
  { id: 4, from: [8, -75], pace: [0, 1.2], rests: [60, 75] },
  { id: 5, from: [-300, -200], pace: [1, 0.6], rests: [400, 400] },
  { id: 6, from: [-296, -205], pace: [1, 0.6], rests: [400, 400] },
  { id: 7, from: [-308, -196], pace: [1, 0.6], rests: [130, 140] },
  { id: 8, from: [200, 180], pace: [0, 0], rests: [0, 300] },
  { id: 9, from: [210, 185], pace: [0, 0], rests: [0, 300] },
  { id: 10, from: [-250, 190], pace: [3.6, -0.3], rests: [400, 400] },
  { id: 11, from: [-1_200, 30], pace: [9, 0], rests: [400, 400] },
  { id: 12, from: [400, -300], pace: [-1.3, 0.2], rests: [200, 220] },
];

export function makePark(): string {
  const chance = seeded(12);
  const lines = ['track_id,lon,lat,speed,time'];
  for (let s = 0; s <= LENGTH_S; s += STEP_S) {
    for (const { id, from, pace, rests } of STROLLS) {
      const walkedS = Math.min(s, rests[0]) + Math.max(0, s - rests[1]);
      const east = from[0] + pace[0] * walkedS + chance.between(-0.6, 0.6);
      const north = from[1] + pace[1] * walkedS + chance.between(-0.6, 0.6);
      const { latE7, lngE7 } = destination(PARK, east, north);
      const resting = s >= rests[0] && s < rests[1];
      const speedKmh = resting ? 0 : Math.hypot(...pace) * 3.6;
      const time = new Date(s * 1_000).toISOString().replace('T', ' ').replace('Z', '');
      lines.push(
        `${id},${(lngE7 / 1e7).toFixed(7)},${(latE7 / 1e7).toFixed(7)},${speedKmh.toFixed(1)},${time}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

if (import.meta.main) process.stdout.write(makePark());
