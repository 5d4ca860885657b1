/** Fixes that are taken together bring about what they bring about one by one, and officers around are found as by a search. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import { type Seeded, seeded } from '../../k8s/tracks/seeded.ts';
import type { FixMessage, RegionMessage } from '../messages/region.ts';
import { regionBehaviour } from '../region.ts';
import { FIXES_MAX, Fixes } from './fixes.ts';
import { boxOf, cellOf } from './grid.ts';
import { Matcher } from './matcher.ts';
import { proximityRules } from './rules.ts';

const SEED = 20_261_121;
const CELL = cellOf(40.73, -73.99);
const box = boxOf(CELL);
const CORNER = { lat: box.south, lng: box.west };

interface Crowd {
  readonly people: number;
  readonly officers: number;
  readonly edgeM: number;
}

/** Somebody says something: anew, again, late, without an account, or what cannot be. */
function someFix(chance: Seeded, { people, officers, edgeM }: Crowd, atMs: number, seq: number): FixMessage {
  const i = chance.int(people);
  const role = i < officers ? 'officer' : 'civilian';
  // also beyond the edges of the region
  const place = destination(CORNER, chance.between(-300, edgeM), chance.between(-300, edgeM));
  return {
    ...{ type: 'fix', userId: `p${i}`, role, handle: `the ${i}`, instant: chance.int(5) > 0, seq, ...place },
    ...(chance.int(4) === 0 ? {} : { account: 1_000 + i }),
    accuracyDm: chance.int(10) === 0 ? 290 : chance.int(40) === 0 ? 900 : 50,
    takenAtMs: atMs - (chance.int(20) === 0 ? chance.int(30_000) : 0),
    ...{ speedMps: chance.int(3), eastMps: chance.int(2), northMps: 0 },
    ...(chance.int(30) === 0 ? { absent: true } : {}),
    ...(chance.int(9) === 0 ? { trust: 1 << chance.int(31) } : {}),
    ...(chance.int(50) === 0 ? { latE7: Number.NaN } : {}),
  } as FixMessage;
}

/** What a matcher says of everything, in order. */
function told(take: (matcher: Matcher, batch: readonly FixMessage[]) => readonly unknown[], crowd: Crowd) {
  const chance = seeded(SEED);
  const heard: unknown[] = [];
  const matcher = new Matcher(CELL, proximityRules({ dwellMs: 5_000, crowdMs: 5_000 }), {
    entered: (...all) => heard.push(['entered', ...all]),
    ended: (...all) => heard.push(['ended', ...all]),
    near: near => heard.push(['near', near]),
  });
  let seq = 0;
  for (let atMs = 100_000; atMs < 400_000; atMs += 1_000) {
    const batch = Array.from({ length: 1 + chance.int(40) }, () => someFix(chance, crowd, atMs, ++seq));
    heard.push(...take(matcher, batch));
    if (chance.int(4) === 0) matcher.leave(`p${chance.int(crowd.people)}`, atMs);
    if (chance.int(4) === 0) matcher.leave(`p${chance.int(crowd.people)}`);
  }
  return { heard, packed: matcher.pack() };
}

describe('fixes that are taken together', () => {
  const oneByOne = (matcher: Matcher, batch: readonly FixMessage[]) =>
    batch.flatMap(fix => [...matcher.move(fix, 0).meetings]);
  const together = (matcher: Matcher, batch: readonly FixMessage[]) => {
    const fixes = new Fixes();
    for (const fix of batch) fixes.add(fix);
    return matcher.takeAll(fixes, 0).meetings;
  };
  const crowds: Crowd[] = [
    { people: 60, officers: 8, edgeM: 400 },
    { people: 120, officers: 60, edgeM: 700 },
    { people: 300, officers: 60, edgeM: 2_300 },
  ];
  it.each(crowds)(`bring about what they bring about one by one (seed ${SEED}, %o)`, crowd => {
    const alone = told(oneByOne, crowd);
    expect(alone.heard.length).toBeGreaterThan(50);
    expect(told(together, crowd)).toEqual(alone);
  });

  it('come out as they went in, and one that cannot be does not come in', () => {
    const chance = seeded(SEED);
    const fixes = new Fixes();
    const sound: FixMessage[] = [];
    for (let i = 0; i < 100; i++) {
      const fix = someFix(chance, crowds[0]!, 100_000, i);
      fixes.add(fix);
      if (!Number.isNaN(fix.latE7)) sound.push(fix);
    }
    expect(sound.length).toBeLessThan(100);
    expect(sound.map((_, i) => fixes.at(i))).toEqual(sound);
    fixes.clear();
    expect(fixes.count).toBe(0);
    expect(new Set(fixes.numbers).size).toBe(1);
  });

  it('know by which layout they came, and where officers were before', () => {
    const chance = seeded(SEED);
    const fix = (seq: number): FixMessage => ({ ...someFix(chance, crowds[0]!, 100_000, seq), latE7: seq });
    const said = [
      { ...fix(1), layout: 3 },
      { ...fix(2), layout: 3, fromLatE7: 5, fromLngE7: 6 },
    ];
    const fixes = new Fixes();
    for (const one of said) fixes.add(one);
    expect(said.map((_, i) => fixes.at(i))).toEqual(said);
    const takes = [
      fix(3),
      { ...fix(3), layout: 4 },
      { ...fix(3), layout: 3 },
      { ...fix(3), layout: 3, dual: true as const },
    ];
    expect(takes.map(one => fixes.takes(one))).toEqual([false, false, true, false]);
    fixes.clear();
    fixes.add(fix(4));
    fixes.add(fix(5));
    expect([fixes.at(0), fixes.at(1)].map(({ layout, fromLatE7 }) => [layout, fromLatE7])).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  it('are found around a civilian whoever came and went, where more are than a list holds too', () => {
    const chance = seeded(SEED);
    const near: string[] = [];
    const rules = proximityRules({ nearAgainMs: 0 });
    const matcher = new Matcher(CELL, rules, {
      entered: () => {},
      ended: () => {},
      near: one => near.push(one.officer.id),
    });
    const officers = new Map<string, FixMessage>();
    const flat = { accuracyDm: 50, takenAtMs: 100_000 };
    for (let seq = 1; seq < 3_000; seq++) {
      const crowd = { people: 40, officers: 40, edgeM: seq % 1_000 < 500 ? 100 : 1_500 };
      const { absent: _, ...one } = { ...someFix(chance, crowd, 0, seq), ...flat };
      if (Number.isNaN(one.latE7)) continue;
      if (chance.int(3) === 0) {
        matcher.leave(one.userId);
        officers.delete(one.userId);
      } else {
        matcher.move(one, 0);
        officers.set(one.userId, one);
      }
      if (seq % 7 !== 0) continue;
      const { latE7, lngE7 } = one;
      matcher.leave('c');
      near.length = 0;
      matcher.move({ ...one, userId: 'c', account: 1, role: 'civilian', latE7: latE7 + 5_000 }, 0);
      const metres = (fix: FixMessage): number =>
        Math.hypot(
          (fix.latE7 - latE7 - 5_000) * 0.011_119_5,
          (fix.lngE7 - lngE7) * 0.011_119_5 * Math.cos((fix.latE7 / 1e7 / 180) * Math.PI),
        );
      for (const [id, fix] of officers) {
        if (Math.abs(metres(fix) - rules.nearM) < 1) continue;
        expect(near.includes(id), `seed ${SEED}, step ${seq}, ${id}`).toBe(metres(fix) < rules.nearM);
      }
    }
  });
});

it('a region takes the fixes that wait one behind the other in one turn, as many as a turn may take', () => {
  const { join } = regionBehaviour(proximityRules());
  const chance = seeded(SEED);
  const crowd: Crowd = { people: 10, officers: 1, edgeM: 100 };
  let waiting: RegionMessage = { ...someFix(chance, crowd, 100_000, 0), latE7: 0 };
  let seq = 0;
  for (;;) {
    const joined = join!(waiting, { ...someFix(chance, crowd, 100_000, ++seq), latE7: 0 });
    if (joined === null) break;
    waiting = joined;
  }
  expect(waiting.type === 'fixes' && waiting.fixes.count).toBe(FIXES_MAX);
  expect(seq).toBe(FIXES_MAX);
  const leave: RegionMessage = { type: 'leave', userId: 'p1' };
  expect(join!(waiting, leave)).toBeNull();
  expect(join!(leave, someFix(chance, crowd, 100_000, 0))).toBeNull();
  const one = { ...someFix(chance, crowd, 100_000, 1), latE7: 0 };
  expect(join!(one, { ...one, layout: 1 })).toBeNull();
  expect(join!({ ...one, dual: true }, one)).toBeNull();
  expect(join!({ ...one, layout: 1 }, { ...one, layout: 1 })?.type).toBe('fixes');
});
