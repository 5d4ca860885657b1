/** Fixes that cannot be, and parcels that nobody packed: nothing changes, and who is there goes on as if nothing had come. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import { seeded } from '../../k8s/tracks/seeded.ts';
import { Town } from '../../k8s/tracks/town.ts';
import { TurnCollector } from '../../nodes/effects.ts';
import { seededRandom, VirtualTime } from '../../nodes/simulation/virtualTime.ts';
import type { FixMessage, Role } from '../messages/region.ts';
import { regionBehaviour } from '../region.ts';
import { boxOf, cellOf, regionId } from './grid.ts';
import { Matcher, type Near } from './matcher.ts';
import { proximityRules } from './rules.ts';

const CELL = cellOf(40.73, -73.99);
const box = boxOf(CELL);
const CENTRE = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };
const RULES = proximityRules({ dwellMs: 20_000 });

const fixOf = (
  userId: string,
  role: Role,
  eastM: number,
  s: number,
  change: Partial<FixMessage> = {},
): FixMessage => ({
  ...{
    type: 'fix',
    userId,
    role,
    handle: userId,
    instant: true,
    seq: s + 1,
    ...destination(CENTRE, eastM, 0),
  },
  ...{ accuracyDm: 50, takenAtMs: s * 1_000, speedMps: 0, eastMps: 0, northMps: 0, ...change },
});

/** A matcher that says who is near whom, and when it said so. */
function watched(): { readonly matcher: Matcher; readonly nears: string[] } {
  const nears: string[] = [];
  const near = ({ atMs }: Near) => void nears.push(`near ${atMs}`);
  return { matcher: new Matcher(CELL, RULES, { entered: () => {}, ended: () => {}, near }), nears };
}

/** Two who are together, and what they bring about in a minute. */
function pairUp(matcher: Matcher, between: (s: number) => void = () => {}): string[] {
  const met: string[] = [];
  for (let s = 0; s <= 60; s += 5) {
    between(s);
    const fix = s % 10 === 0 ? fixOf('o', 'officer', 0, s) : fixOf('c', 'civilian', 10, s);
    met.push(...matcher.move(fix, s * 1_000).meetings.map(one => `met ${one.atMs}`));
  }
  return met;
}

describe('a fix that cannot be', () => {
  const junk = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, undefined, null, 'x', {}];
  const places = [...junk, 1e9 + 1, -1e9 - 1, 1e18];
  const cases: [field: keyof FixMessage, values: readonly unknown[]][] = [
    ['latE7', [...places, 900_000_001, -900_000_001]],
    ['lngE7', [...places.slice(0, 7), 1_800_000_001, -1_800_000_001, 1e18]],
    ['takenAtMs', junk],
    ['seq', junk],
    ['accuracyDm', [Number.NaN, Number.NEGATIVE_INFINITY, undefined, 'x', {}, -1]],
  ];
  for (const [field, values] of cases) {
    it(`changes nothing: ${field}`, () => {
      const quiet = watched();
      expect(pairUp(quiet.matcher)).toEqual(['met 25000']);
      expect(quiet.nears).toEqual(['near 5000']);
      const { matcher, nears } = watched();
      const met = pairUp(matcher, s => {
        const before = JSON.stringify(matcher.pack());
        for (const value of values) {
          for (const [id, role] of [
            ['o', 'officer'],
            ['c', 'civilian'],
            ['new', 'civilian'],
          ] as const)
            expect(matcher.move(fixOf(id, role, 5, s + 1, { [field]: value }), 0).meetings).toEqual([]);
        }
        expect(JSON.stringify(matcher.pack())).toBe(before);
      });
      expect(met).toEqual(['met 25000']);
      expect(nears).toEqual(quiet.nears);
    });
  }
});

describe('fixes that can be, but should not', () => {
  it('at the poles and on the antimeridian are places like others', () => {
    const corners = [
      [900_000_000, 0],
      [-900_000_000, 0],
      [900_000_000, 1_800_000_000],
      [0, 1_800_000_000],
      [0, -1_800_000_000],
    ] as const;
    for (const [latE7, lngE7] of corners) {
      const matcher = new Matcher(cellOf(latE7 / 1e7, lngE7 / 1e7), RULES);
      matcher.move(fixOf('o', 'officer', 0, 0, { latE7, lngE7 }), 0);
      // the same point by another name
      const name = Math.abs(latE7) === 900_000_000 ? 123_456_789 : -lngE7;
      matcher.move(fixOf('c', 'civilian', 0, 1, { latE7, lngE7: name }), 0);
      expect([latE7, lngE7, matcher.slotCount]).toEqual([latE7, lngE7, 1]);
    }
  });
  it('in reversed order: only the newest counts', () => {
    const matcher = new Matcher(CELL, RULES);
    for (let s = 60; s >= 0; s -= 5) {
      matcher.move(fixOf('o', 'officer', 0, s), 0);
      expect(matcher.move(fixOf('c', 'civilian', 10, s), 0).meetings).toEqual([]);
    }
    expect(matcher.members.count).toBe(2);
    expect(matcher.slotCount).toBe(1);
  });
  it('ten thousand in a second from one phone are one person who runs about', () => {
    const matcher = new Matcher(CELL, RULES);
    matcher.move(fixOf('o', 'officer', 0, 0), 0);
    let met = 0;
    for (let i = 0; i < 10_000; i++) {
      const change = { seq: i + 2, takenAtMs: 1_000 + Math.floor(i / 10), speedMps: 0 };
      met += matcher.move(fixOf('c', 'civilian', i % 40, 1, change), 0).meetings.length;
    }
    expect([met, matcher.members.count, matcher.slotCount]).toEqual([0, 2, 1]);
  });
  it('from far outside the region find nobody and harm nobody', () => {
    const { matcher, nears } = watched();
    const met = pairUp(matcher, s => {
      matcher.move(fixOf(`far ${s}`, 'civilian', 10, s, { latE7: -300_000_000, lngE7: 1_500_000_000 }), 0);
    });
    expect([...nears, ...met]).toEqual(['near 5000', 'met 25000']);
  });
});

describe('a parcel that nobody packed', () => {
  it('is refused, or is a region that goes on; never a throw', () => {
    const behaviour = regionBehaviour(RULES);
    const town = new Town(RULES);
    const person = { userId: 'o', role: 'officer', handle: 'o', instant: true } as const;
    const place = { seq: 1, ...destination(CENTRE, 0, 0), accuracyDm: 50, takenAtMs: 1 };
    town.fix(person, place);
    town.fix({ ...person, userId: 'c', role: 'civilian' }, place);
    const good = behaviour.pack!(town.regions.get(regionId(CELL))!) as Record<string, unknown>;
    const turn = new TurnCollector(new VirtualTime(), seededRandom(1), 1_000);
    const read = (packed: unknown) => {
      turn.begin({ kind: 'region', id: regionId(CELL) }, null, null);
      const result = behaviour.unpack!(regionId(CELL), packed, turn);
      turn.take();
      return result;
    };
    expect(read(good).ok).toBe(true);
    const chance = seeded(7);
    const junk = [Number.NaN, -1, 1e18, 0.5, null, 'x', [], {}, [[]], true, 2 ** 31, 900_000_001];
    for (const field of Object.keys(good)) {
      for (const value of junk) expect(typeof read({ ...good, [field]: value }).ok).toBe('boolean');
    }
    const rows = ['members', 'slots', 'known'] as const;
    let refused = 0;
    for (let i = 0; i < 2_000; i++) {
      const packed = structuredClone(good) as Record<string, unknown[][]>;
      const list = packed[rows[chance.int(3)]!]!;
      const row = list[chance.int(list.length)];
      if (!row) continue;
      row[chance.int(row.length)] = junk[chance.int(junk.length)];
      const result = read(packed);
      if (!result.ok) {
        refused++;
        continue;
      }
      const { matcher } = result.value;
      pairUp(matcher);
      for (const id of ['o', 'c']) matcher.leave(id);
      expect(matcher.slotCount).toBe(0);
    }
    expect(refused).toBeGreaterThan(1_000);
  });
});
