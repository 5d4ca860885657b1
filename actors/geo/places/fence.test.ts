/** One enter and one exit for each visit, whatever the position does at the edge and wherever the actor lived meanwhile. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../../k8s/tracks/crowd.ts';
import { seeded } from '../../../k8s/tracks/seeded.ts';
import { distanceM } from '../distance.ts';
import { type Crossing, endStays, FENCE_RULES, Fences, type Place, type Stay, stepFences } from './fence.ts';
import { PLACES_LIMITS } from './limits.ts';

const SEED = 20_261_123;
const HUB: Place = {
  id: 'hub',
  kind: 'hub',
  name: 'The Hub',
  number: 1,
  poster: 2,
  latE7: 407_000_000,
  lngE7: -740_000_000,
  radiusM: 60,
};

/** A fix so many metres east of a place. */
function fixAt(place: Place, eastM: number, second: number, accuracyM = 10) {
  const { latE7, lngE7 } = destination({ lat: place.latE7 / 1e7, lng: place.lngE7 / 1e7 }, eastM, 0);
  return { latE7, lngE7, accuracyDm: accuracyM * 10, takenAtMs: second * 1_000 };
}

/** Who walks along: what was told, with the number of the fix. */
function walk(
  fences: Fences,
  fixes: readonly ReturnType<typeof fixAt>[],
  carry = (stays: readonly Stay[]) => stays,
) {
  let stays: readonly Stay[] = [];
  const told: string[] = [];
  for (const [i, fix] of fixes.entries()) {
    const next = stepFences(fences, stays, fix);
    told.push(...next.crossings.map(({ way, placeId }) => `${i} ${way} ${placeId}`));
    stays = carry(next.stays);
  }
  return { stays, told };
}
const along = (...metres: number[]) => metres.map((m, i) => fixAt(HUB, m, i));

describe('a visit', () => {
  const fences = new Fences([HUB]);

  it('begins inside the circle and ends with the second fix beyond the margin', () => {
    const { told, stays } = walk(fences, along(200, 61, 59, 20, 70, 84, 86, 90, 200, 200));
    expect(told).toEqual(['2 enter hub', '7 exit hub']);
    expect(stays).toEqual([]);
  });

  it('does not end with one fix that is far away', () => {
    expect(walk(fences, along(20, 300, 20, 300, 84, 300, 59)).told).toEqual(['0 enter hub']);
  });

  it('neither begins nor ends with a fix that is not accurate', () => {
    const rough = [
      fixAt(HUB, 0, 0, 51),
      fixAt(HUB, 0, 1, 50),
      fixAt(HUB, 500, 2, 51),
      fixAt(HUB, 500, 3, 51),
    ];
    expect(walk(fences, rough).told).toEqual(['1 enter hub']);
  });

  it('ends when the place is moved or taken away', () => {
    const { stays } = walk(fences, along(10));
    const gone = stepFences(new Fences([]), stays, fixAt(HUB, 10, 1));
    expect(gone).toEqual({ stays: [], crossings: [{ placeId: 'hub', kind: 'hub', way: 'exit' }] });
    const moved = new Fences([{ ...HUB, lngE7: HUB.lngE7 + 1_000_000 }]);
    const first = stepFences(moved, stays, fixAt(HUB, 10, 1));
    expect(first.crossings).toEqual([]);
    expect(stepFences(moved, first.stays, fixAt(HUB, 10, 2)).crossings).toMatchObject([{ way: 'exit' }]);
  });

  it('keeps the very same value while nothing changes', () => {
    const { stays } = walk(fences, along(10));
    expect(stepFences(fences, stays, fixAt(HUB, 20, 1)).stays).toBe(stays);
    expect(endStays(stays)).toEqual([{ placeId: 'hub', kind: 'hub', way: 'exit' }]);
  });

  it('is at no more places than are kept', () => {
    const many = Array.from({ length: 20 }, (_, i) => ({ ...HUB, id: `${i}` }));
    const { told, stays } = walk(new Fences(many), along(0, 10, 0));
    expect(stays.length).toBe(PLACES_LIMITS.stays);
    expect(told.length).toBe(PLACES_LIMITS.stays);
  });
});

describe(`many places (seed ${SEED})`, () => {
  const chance = seeded(SEED);
  const place = (i: number, lat: number, lng: number): Place => ({
    id: `${i}`,
    kind: i % 2 === 0 ? 'hub' : 'merchant',
    name: `Place ${i}`,
    number: i,
    poster: 0,
    latE7: Math.round(lat * 1e7),
    lngE7: Math.round(lng * 1e7),
    radiusM: Math.round(chance.between(PLACES_LIMITS.radiusMinM, PLACES_LIMITS.radiusMaxM)),
  });
  it.each([
    ['in a city', () => [chance.between(40.6, 40.8), chance.between(-74.1, -73.9)]],
    ['at the antimeridian', () => [chance.between(-17.1, -17), chance.between(179.95, 180.05)]],
    ['at the north pole', () => [chance.between(89.98, 90), chance.between(-180, 180)]],
    ['at the south pole', () => [chance.between(-90, -89.98), chance.between(-180, 180)]],
  ] as const)('are found as brute force finds them %s', (_where, pick) => {
    const at = () => {
      const [lat, lng] = pick() as [number, number];
      return [lat, lng >= 180 ? lng - 360 : lng] as const;
    };
    const places = Array.from({ length: 300 }, (_, i) => place(i, ...at()));
    const fences = new Fences(places);
    let found = 0;
    for (let i = 0; i < 2_000; i++) {
      const [lat, lng] = at().map(degrees => Math.round(degrees * 1e7)) as [number, number];
      const near = places
        .filter(one => distanceM(lat, lng, one.latE7, one.lngE7) <= one.radiusM)
        .map(one => one.id);
      const got = fences.at(lat, lng).map(one => one.id);
      expect(got.toSorted()).toEqual(near.toSorted());
      found += near.length;
    }
    expect(found).toBeGreaterThan(1_000);
  });
});

describe(`somebody who stands at the edge (seed ${SEED + 1})`, () => {
  const chance = seeded(SEED + 1);
  /** GPS wanders with a spread of 8 m (a good phone: 10 m at 67 %, proximity study 0). */
  const noise = (): number => (chance.next() + chance.next() + chance.next() + chance.next() - 2) * 14;

  it('for an hour has entered once; with one edge he would have come and gone hundreds of times', () => {
    const fences = new Fences([HUB]);
    const bare = new Fences([HUB], { ...FENCE_RULES, marginM: 0, exitFixes: 1 });
    const fixes = Array.from({ length: 720 }, (_, i) => fixAt(HUB, 60 + noise(), i * 5));
    expect(walk(fences, fixes).told.length).toBe(1);
    expect(walk(bare, fixes).told.length).toBeGreaterThan(200);
  });

  it('enters and leaves in turn, whatever the way, and again after any hand-over', () => {
    for (let run = 0; run < 200; run++) {
      const places = [HUB, { ...HUB, id: 'near', lngE7: HUB.lngE7 + 8_000, radiusM: 30 }];
      let at = chance.between(-200, 200);
      const fixes = Array.from({ length: 80 }, (_, i) => fixAt(HUB, (at += chance.between(-40, 40)), i));
      const { told, stays } = walk(new Fences(places), fixes);
      for (const { id } of places) {
        const ways = told.filter(one => one.endsWith(` ${id}`)).map(one => one.split(' ')[1]);
        expect(ways).toEqual(ways.map((_, i) => (i % 2 === 0 ? 'enter' : 'exit')));
        expect(stays.some(stay => stay.placeId === id)).toBe(ways.length % 2 === 1);
      }
      // as plain values over the wire, at every fix
      const moved = walk(new Fences(places), fixes, all => structuredClone(all));
      expect(moved.told).toEqual(told);
    }
  });
});

it('crossings are named by what they are', () => {
  const crossing: Crossing = { placeId: 'hub', kind: 'hub', way: 'enter' };
  expect(stepFences(new Fences([HUB]), [], fixAt(HUB, 0, 0)).crossings).toEqual([crossing]);
});

it('a hub is known by the number on its wall, as long as the poster is good', () => {
  const fences = new Fences([HUB, { ...HUB, id: 'shop', kind: 'merchant', number: 7 }]);
  expect(fences.hubOf(1, 2)).toBe(HUB);
  expect([fences.hubOf(1, 1), fences.hubOf(2, 2), fences.hubOf(7, 2)]).toEqual([null, null, null]);
});
