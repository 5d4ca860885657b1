/**
 * Made-up crowds for the tests of matching: groups that walk together, stand, run and drive around a place, with all
 * the mischief of real phones (silence, jumps, repeats, falling numbers, late fixes, poor accuracy, switched-off
 * sharing). Reproducible by seed.
 */
import type { OracleEvent } from './oracle.ts';
import { type Seeded, seeded } from './seeded.ts';

export interface CrowdShape {
  readonly centre: { readonly lat: number; readonly lng: number };
  /** Half the width of the ground that people start on, metres. */
  readonly spreadM: number;
  readonly groups: number;
  readonly groupSize: number;
  readonly durationMs: number;
  /** Mean time between two fixes of a phone. */
  readonly periodMs: number;
  /** Chance of each mischief per fix. */
  readonly mischief: number;
}

interface Walker {
  readonly id: string;
  readonly officer: boolean;
  readonly group: Group;
  dx: number;
  dy: number;
  instant: boolean;
  seq: number;
  nextMs: number;
}
interface Group {
  x: number;
  y: number;
  heading: number;
  speed: number;
  atMs: number;
}

const RADIUS_M = 6_371_008.8;
const PACES = [0, 0, 1.2, 1.2, 1.4, 2.5, 4, 12];

export function* crowd(shape: CrowdShape, seed: number): Generator<OracleEvent> {
  const chance = seeded(seed);
  const walkers: Walker[] = [];
  for (let g = 0; g < shape.groups; g++) {
    const group: Group = {
      x: chance.between(-shape.spreadM, shape.spreadM),
      y: chance.between(-shape.spreadM, shape.spreadM),
      heading: chance.between(0, 2 * Math.PI),
      speed: PACES[chance.int(PACES.length)]!,
      atMs: 0,
    };
    for (let i = 0; i < shape.groupSize; i++) {
      walkers.push({
        id: `p${g}.${i}`,
        officer: chance.next() < 0.35,
        group,
        dx: chance.between(-18, 18),
        dy: chance.between(-18, 18),
        instant: chance.next() < 0.9,
        seq: 0,
        nextMs: chance.int(shape.periodMs),
      });
    }
  }
  for (;;) {
    const walker = walkers.reduce((a, b) => (b.nextMs < a.nextMs ? b : a));
    if (walker.nextMs > shape.durationMs) return;
    yield* report(walker, shape, chance);
  }
}

function* report(walker: Walker, shape: CrowdShape, chance: Seeded): Generator<OracleEvent> {
  const { group } = walker;
  const naughty = (): boolean => chance.next() < shape.mischief;
  const atMs = Math.round(walker.nextMs);
  const passedS = Math.max(0, atMs - group.atMs) / 1000;
  group.atMs = Math.max(group.atMs, atMs);
  group.x += Math.sin(group.heading) * group.speed * passedS;
  group.y += Math.cos(group.heading) * group.speed * passedS;
  if (chance.next() < 0.03) group.heading += chance.between(-2, 2);
  if (chance.next() < 0.02) group.speed = PACES[chance.int(PACES.length)]!;
  if (Math.hypot(group.x, group.y) > 2 * shape.spreadM) group.heading = Math.atan2(-group.x, -group.y);
  walker.dx += chance.between(-0.8, 0.8);
  walker.dy += chance.between(-0.8, 0.8);
  if (naughty()) walker.dx += chance.between(-60, 60);
  if (naughty()) walker.dx = walker.dy = 0;
  if (naughty()) walker.instant = !walker.instant;
  walker.seq += 1 + (naughty() ? 5 : 0);
  const jump = naughty() ? chance.between(-600, 600) : 0;
  const point = destination(shape.centre, group.x + walker.dx + jump, group.y + walker.dy);
  const fix: OracleEvent = {
    type: 'fix',
    id: walker.id,
    officer: walker.officer,
    instant: walker.instant,
    seq: walker.seq,
    ...point,
    accuracyDm: naughty() ? 900 : accuracyDm(chance),
    atMs: naughty() ? Math.max(0, atMs - chance.int(8_000)) : atMs,
  };
  yield fix;
  if (naughty()) yield fix;
  if (naughty()) yield { ...fix, seq: walker.seq - 1, latE7: fix.latE7 + 900 };
  if (naughty()) yield { ...fix, seq: ++walker.seq, atMs: Math.max(0, fix.atMs - 1) };
  if (naughty()) yield { ...fix, seq: ++walker.seq, lngE7: fix.lngE7 };
  if (chance.next() < shape.mischief / 4) yield { type: 'leave', id: walker.id };
  const silence = naughty() ? chance.between(14_000, 90_000) : 0;
  walker.nextMs = atMs + shape.periodMs * chance.between(0.5, 1.5) + silence;
}

/** Most phones are sharp, some are not; some only just. */
const accuracyDm = (chance: Seeded): number =>
  chance.next() < 0.9 ? 30 + chance.int(130) : [200, 201, 300, 301, 250][chance.int(5)]!;

/** The point so many metres east and north of a place, along a great circle: sound at the poles too. */
export function destination(from: { lat: number; lng: number }, east: number, north: number) {
  const angle = Math.hypot(east, north) / RADIUS_M;
  const bearing = Math.atan2(east, north);
  const lat = (from.lat * Math.PI) / 180;
  const sine = Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(bearing);
  const lng =
    (from.lng * Math.PI) / 180 +
    Math.atan2(Math.sin(bearing) * Math.sin(angle) * Math.cos(lat), Math.cos(angle) - Math.sin(lat) * sine);
  const degrees = (lng * 180) / Math.PI;
  return {
    latE7: Math.round((Math.asin(Math.max(-1, Math.min(1, sine))) * 180 * 1e7) / Math.PI),
    lngE7: Math.round((((((degrees + 180) % 360) + 360) % 360) - 180) * 1e7),
  };
}
