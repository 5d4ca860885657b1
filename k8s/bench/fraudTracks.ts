/**
 * Phones for the measurement of the gates: honest ones made of recorded movements, and cheats, all by seed.
 *
 * The recordings are of cameras and drones: they have no receiver's error, and none of what a phone says beside its
 * position. An honest phone gets both: an error that drifts (3 m, correlated over 30 s) and trembles (0.4 m), an estimate
 * of accuracy that moves, a heading and a speed with errors, and a clock that ticks unevenly.
 */

import type { Sample } from '../../actors/fraud/noise.ts';
import { distanceM } from '../../actors/geo/distance.ts';
import { destination } from '../tracks/crowd.ts';
import type { Seeded } from '../tracks/seeded.ts';
import type { Recording, TrackFix } from '../tracks/track.ts';

export interface Report extends Sample {
  readonly flags: number;
  /** Sharing was switched off and on just before. */
  readonly anew?: true;
}
export type Phone = readonly Report[];

export const START_MS = 1_795_000_000_000;
const DRIFT_M = 3;
const DRIFT_MS = 30_000;
const TREMBLE_M = 0.4;
const TICK_MS = 15;

const normal = (chance: Seeded): number =>
  Math.sqrt(-2 * Math.log(1 - chance.next())) * Math.cos(2 * Math.PI * chance.next());

const moved = (from: { latE7: number; lngE7: number }, eastM: number, northM: number) =>
  destination({ lat: from.latE7 / 1e7, lng: from.lngE7 / 1e7 }, eastM, northM);

const bearingDeg = (a: TrackFix, b: TrackFix): number => {
  const north = b.latE7 - a.latE7;
  const east = (b.lngE7 - a.lngE7) * Math.cos((a.latE7 * Math.PI) / 180 / 1e7);
  return (Math.atan2(east, north) * 180) / Math.PI;
};

/** The recorded way of each person, one sighting each `periodMs`; who was seen less than `fixesMin` times is left out. */
export function ways(recording: Recording, periodMs: number, fixesMin: number): TrackFix[][] {
  const all = new Map<string, TrackFix[]>();
  for (const fix of recording.fixes) {
    const way = all.get(fix.id) ?? [];
    const last = way.at(-1);
    if (last && fix.atMs - last.atMs < periodMs) continue;
    way.push(fix);
    all.set(fix.id, way);
  }
  return [...all.values()].filter(way => way.length >= fixesMin);
}

/** The way as it was recorded, for what judges places alone. */
export const bare = (way: readonly TrackFix[]): Phone =>
  way.map(({ latE7, lngE7, atMs }) => {
    const unsaid = { headingDeg: null, speedDms: null, flags: 0 };
    return { latE7, lngE7, accuracyDm: 50, takenAtMs: START_MS + atMs, ...unsaid };
  });

/** What an honest phone reports on this way. */
export function honest(way: readonly TrackFix[], chance: Seeded): Phone {
  let [east, north] = [DRIFT_M * normal(chance), DRIFT_M * normal(chance)];
  return way.map((fix, i) => {
    const before = way[Math.max(0, i - 1)]!;
    const stepMs = fix.atMs - before.atMs;
    const keeps = Math.exp(-stepMs / DRIFT_MS);
    const fresh = DRIFT_M * Math.sqrt(1 - keeps * keeps);
    east = east * keeps + fresh * normal(chance);
    north = north * keeps + fresh * normal(chance);
    const speed =
      stepMs > 0 ? (distanceM(before.latE7, before.lngE7, fix.latE7, fix.lngE7) * 1_000) / stepMs : 0;
    const heading = Math.round(bearingDeg(before, fix) + 4 * normal(chance));
    return {
      ...moved(fix, east + TREMBLE_M * normal(chance), north + TREMBLE_M * normal(chance)),
      accuracyDm: 30 + chance.int(80),
      headingDeg: speed < 0.3 ? null : ((heading % 360) + 360) % 360,
      speedDms: Math.max(0, Math.round(10 * (speed + 0.2 * normal(chance)))),
      takenAtMs: START_MS + fix.atMs + Math.round(TICK_MS * normal(chance)),
      flags: 0,
    };
  });
}

/** In the middle of the way the phone is elsewhere, and goes on there. */
export function teleported(phone: Phone, chance: Seeded): Phone {
  const at = 2 + chance.int(Math.max(1, phone.length - 5));
  // a kilometre to a thousand, evenly over the orders of magnitude
  const farM = 10 ** chance.between(3, 6);
  const angle = chance.between(0, 2 * Math.PI);
  const [east, north] = [farM * Math.sin(angle), farM * Math.cos(angle)];
  return phone.map((one, i) => (i < at ? one : { ...one, ...moved(one, east, north) }));
}

/** The same phone, with sharing switched off and on before the report of this number. */
export const offAndOn = (phone: Phone, at: number): Phone =>
  phone.map((one, i) => (i === at ? { ...one, anew: true } : one));

/** The first report of `after` that does not go on as `before` did. */
export const firstOther = (before: Phone, after: Phone): number =>
  after.findIndex((one, i) => one.latE7 !== before[i]!.latE7 || one.lngE7 !== before[i]!.lngE7);

/** A joystick pushed to 80 to 300 m/s for ten reports. */
export function rushed(phone: Phone, chance: Seeded): Phone {
  const mps = chance.between(80, 300);
  const at = 2 + chance.int(Math.max(1, phone.length - 12));
  const atMs = phone[at]!.takenAtMs;
  return phone.map((one, i) => {
    const s = (Math.min(one.takenAtMs, phone[Math.min(phone.length - 1, at + 10)]!.takenAtMs) - atMs) / 1_000;
    return i <= at ? one : { ...one, ...moved(one, mps * s, 0) };
  });
}

export interface Script {
  /** Metres of even noise that it adds to its line. */
  readonly noiseM: number;
  /** Accuracy, heading and interval are left as they are drawn. */
  readonly frame: 'constant' | 'varied';
}

/** Walks straight lines between corners, at one pace. */
export function scripted(
  from: Report,
  fixes: number,
  periodS: number,
  script: Script,
  chance: Seeded,
): Phone {
  const pace = chance.between(0.8, 2);
  let angle = chance.between(0, 2 * Math.PI);
  let [east, north] = [0, 0];
  return Array.from({ length: fixes }, (_, i) => {
    if (i % 20 === 19) angle += chance.between(-1, 1);
    east += pace * periodS * Math.sin(angle);
    north += pace * periodS * Math.cos(angle);
    const noise = () => chance.between(-script.noiseM, script.noiseM);
    const heading = (((angle * 180) / Math.PI) % 360) + 360;
    const varied = script.frame === 'varied';
    return {
      ...moved(from, east + noise(), north + noise()),
      accuracyDm: varied ? 30 + chance.int(80) : 50,
      headingDeg: Math.floor(heading + (varied ? chance.between(-5, 5) : 0)) % 360,
      speedDms: Math.round(pace * 10),
      takenAtMs: START_MS + i * periodS * 1_000 + (varied ? chance.int(40) : 0),
      flags: 0,
    };
  });
}

/** One place, and a phone that says that it walks. */
export const stuck = (from: Report, fixes: number): Phone =>
  Array.from({ length: fixes }, (_, i) => ({
    ...from,
    speedDms: 13,
    takenAtMs: START_MS + i * 5_000,
  }));

/** Somebody else's reports, later and thinned out, with so much noise. */
export function cloned(phone: Phone, lateMs: number, every: number, noiseM: number, chance: Seeded): Phone {
  return phone
    .filter((_, i) => i % every === 0)
    .map(one => {
      const noise = () => (noiseM === 0 ? 0 : chance.between(-noiseM, noiseM));
      const place = noiseM === 0 ? {} : moved(one, noise(), noise());
      return { ...one, ...place, takenAtMs: one.takenAtMs + lateMs };
    });
}
