/** Where fixes go: everywhere they matter, nowhere else, and no work when nothing changed. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import { seeded } from '../../k8s/tracks/seeded.ts';
import type { RegionMessage } from '../messages/region.ts';
import type { Address } from '../turn.ts';
import { boxOf, cellOf, cover, regionId } from './grid.ts';
import { isNewer, type Person, publishFix, publishLeave, routeFix, type Track } from './publish.ts';

const REACH_M = 100;
const HOME = { lat: 40.73, lng: -73.99 };
const box = boxOf(cellOf(HOME.lat, HOME.lng));
const centre = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };
const eastEdge = { lat: centre.lat, lng: box.east };

class Outbox {
  readonly sent: { to: string; message: RegionMessage }[] = [];
  tell = (to: Address, message: object): void => {
    this.sent.push({ to: to.id, message: message as RegionMessage });
  };
  take(): string[] {
    return this.sent.splice(0).map(({ to, message }) => `${message.type} ${to}`);
  }
}

const person = (role: Person['role']): Person => ({ userId: 'u', role, handle: 'h', instant: true });
const at = (place: { lat: number; lng: number }, eastM: number, seq: number) => ({
  seq,
  ...destination(place, eastM, 0),
  accuracyDm: 50,
  takenAtMs: seq * 10_000,
});
const here = regionId(cellOf(centre.lat, centre.lng));
const next = regionId(cellOf(eastEdge.lat, eastEdge.lng + 0.001));

describe('a civilian', () => {
  it('is told to one region inside it, to both near a border, and leaves the one out of reach', () => {
    const outbox = new Outbox();
    let track = publishFix(outbox, person('civilian'), null, at(centre, 0, 1), REACH_M);
    expect(outbox.take()).toEqual([`fix ${here}`]);
    expect(track.fix.speedMps).toBe(-1);
    track = publishFix(outbox, person('civilian'), track, at(eastEdge, -60, 2), REACH_M);
    expect(outbox.take().sort()).toEqual([`fix ${here}`, `fix ${next}`].sort());
    expect(track.left).toEqual([]);
    track = publishFix(outbox, person('civilian'), track, at(eastEdge, 60, 3), REACH_M);
    expect(outbox.take().sort()).toEqual([`fix ${here}`, `fix ${next}`].sort());
    expect(track.route.owner.id).toBe(next);
    expect(track.fix.speedMps).toBeCloseTo(12, 3);
    track = publishFix(outbox, person('civilian'), track, at(eastEdge, 160, 4), REACH_M);
    expect(outbox.take()).toEqual([`leave ${here}`, `fix ${next}`]);
    expect(track.left).toEqual([here]);
    publishLeave(outbox, track);
    expect(outbox.take()).toEqual([`leave ${next}`]);
  });
});

describe('an officer', () => {
  it('is told to the region he stands in alone, and passed on by the one he leaves', () => {
    const outbox = new Outbox();
    let track = publishFix(outbox, person('officer'), null, at(eastEdge, -5, 1), REACH_M);
    expect(outbox.take()).toEqual([`fix ${here}`]);
    const { latE7, lngE7 } = track.fix;
    track = publishFix(outbox, person('officer'), track, at(eastEdge, 5, 2), REACH_M);
    const departing = { type: 'depart', fix: track.fix, to: next, latE7, lngE7 };
    expect(outbox.sent).toEqual([{ to: here, message: departing }]);
    expect(track.left).toEqual([here]);
    outbox.take();
    publishFix(outbox, person('officer'), track, at(eastEdge, 15, 3), REACH_M);
    expect(outbox.take()).toEqual([`fix ${next}`]);
  });
});

describe('a route', () => {
  it('is the same object while it holds, and always what a fresh computation gives', () => {
    const chance = seeded(4);
    for (const role of ['officer', 'civilian'] as const) {
      let reused = 0;
      for (const start of [HOME, { lat: 0, lng: 180 }, { lat: -89.97, lng: 5 }, { lat: 71, lng: -180 }]) {
        let track: Track | null = null;
        let [x, y] = [0, 0];
        for (let i = 0; i < 3_000; i++) {
          x += chance.between(-40, 40);
          y += chance.between(-40, 40);
          const { latE7, lngE7 } = destination(start, x, y);
          const before = track?.route ?? null;
          const route = routeFix(before, role, latE7, lngE7, REACH_M);
          if (route === before) reused++;
          const cell = cellOf(latE7 / 1e7, lngE7 / 1e7);
          const cells = role === 'officer' ? [cell] : cover(latE7 / 1e7, lngE7 / 1e7, REACH_M);
          expect(route.owner.id).toBe(regionId(cell));
          expect(route.regions.map(one => one.id)).toEqual(cells.map(regionId));
          track = { route } as Track;
        }
      }
      expect(reused).toBeGreaterThan(11_000);
    }
  });
});

describe('copies of a fix', () => {
  const SEED = 20_261_122;
  const POINTS = 20_000;
  const copies = (reachM: number, latOf: (chance: ReturnType<typeof seeded>) => number): number => {
    const chance = seeded(SEED);
    let sum = 0;
    for (let i = 0; i < POINTS; i++) {
      const [latE7, lngE7] = [latOf(chance) * 1e7, chance.between(-180, 180) * 1e7].map(Math.round);
      sum += routeFix(null, 'civilian', latE7!, lngE7!, reachM).regions.length;
    }
    return sum / POINTS;
  };
  // uniform on the sphere, and where it is flat, in the north, and around a pole
  const grounds: [name: string, latOf: (chance: ReturnType<typeof seeded>) => number][] = [
    ['everywhere', chance => (Math.asin(chance.between(-1, 1)) * 180) / Math.PI],
    ['in New York', chance => chance.between(40.5, 40.9)],
    ['in the far north', chance => chance.between(69, 71)],
    ['in the Antarctic', chance => -chance.between(85, 89)],
  ];
  it.each(grounds)(`are 1.5 at most on average at 200 m, %s (seed ${SEED})`, (_name, latOf) => {
    const average = copies(200, latOf);
    // ((2,048 + 400) / 2,048) squared
    expect(average).toBeGreaterThan(1.3);
    expect(average).toBeLessThanOrEqual(1.5);
    expect(copies(50, latOf)).toBeLessThanOrEqual(1.15);
  });
});

it('a position follows only with a higher number and not taken earlier', () => {
  const track = publishFix(new Outbox(), person('civilian'), null, at(HOME, 0, 5), REACH_M);
  expect(isNewer(null, at(HOME, 0, 1))).toBe(true);
  expect(isNewer(track, at(HOME, 0, 6))).toBe(true);
  expect(isNewer(track, at(HOME, 0, 5))).toBe(false);
  expect(isNewer(track, { ...at(HOME, 0, 6), takenAtMs: 49_999 })).toBe(false);
  expect(isNewer(track, { ...at(HOME, 0, 6), takenAtMs: 50_000 })).toBe(true);
});
