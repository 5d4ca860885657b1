/**
 * The regions find exactly the meetings that brute force finds, to the pair and the millisecond: in made-up crowds and
 * in the recorded ones. Tried by removal: without hysteresis, adopted slots, fixes to neighbours, `leave`, freshness,
 * the longest gap, forgetting, the speed gates, accuracy, the turn at the antimeridian, the wide search at the poles or
 * the marks of looked-at members, at least one of these tests fails.
 */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { boxOf, cellOf } from '../../actors/geo/grid.ts';
import { proximityRules } from '../../actors/geo/rules.ts';
import { eventsOf } from '../replay.ts';
import { compare } from './compare.ts';
import { type CrowdShape, crowd } from './crowd.ts';
import type { OracleEvent } from './oracle.ts';
import { readTrackFile } from './read.ts';
import { recall } from './recall.ts';
import { drawOfficers } from './roles.ts';
import { seeded } from './seeded.ts';

const corner = (lat: number, lng: number) => {
  const box = boxOf(cellOf(lat, lng));
  return { lat: box.north, lng: box.east };
};

const PLACES = {
  'the corner of four regions in New York': corner(40.73, -73.99),
  'the middle of a region in Athens': { lat: 37.985, lng: 23.73 },
  'the antimeridian in Fiji': { lat: corner(-16.5, 179.99).lat, lng: 180 },
  'the equator on the antimeridian': { lat: 0.01, lng: -180 },
  'the far north': corner(84.9, 12),
  'a hundred metres from the north pole': { lat: 89.9991, lng: 40 },
  'the south pole': { lat: -90, lng: 0 },
  'the edge of the polar cell': corner(89.98, -130),
} as const;

const RULES = [
  proximityRules({ dwellMs: 5_000 }),
  proximityRules({ dwellMs: 60_000 }),
  proximityRules({ enterM: 10, dwellMs: 20_000 }),
  proximityRules({ enterM: 10, enterMaxM: 10, exitMarginM: 0, dwellMs: 5_000, dwellFixes: 2 }),
  proximityRules({ enterM: 60, dwellMs: 0, dwellFixes: 1 }),
  proximityRules({ exitMarginM: 59.5, nearM: 90, reachM: 100, dwellMs: 40_000, nearAgainMs: 100_000 }),
];

describe('regions against brute force, made-up crowds', () => {
  for (const [name, centre] of Object.entries(PLACES)) {
    it(`agree around ${name}`, () => {
      let meetings = 0;
      for (let seed = 1; seed <= 24; seed++) {
        const chance = seeded(seed * 7919);
        const shape: CrowdShape = {
          centre,
          spreadM: [60, 150, 400, 1_500][seed % 4]!,
          groups: 2 + chance.int(6),
          groupSize: 2 + chance.int(4),
          durationMs: 420_000,
          periodMs: [1_000, 4_000, 9_000, 14_000][chance.int(4)]!,
          mischief: [0, 0.01, 0.04][seed % 3]!,
        };
        const events = [...crowd(shape, seed)];
        const rules = RULES[seed % RULES.length]!;
        const { expected, missing, extra } = compare(events, rules);
        expect({ seed, missing, extra }).toEqual({ seed, missing: [], extra: [] });
        meetings += expected.length;
      }
      expect(meetings).toBeGreaterThan(100);
    }, 60_000);
  }

  it('agree whatever the longitude, on both hemispheres, and find the same', () => {
    const shape: CrowdShape = {
      centre: { lat: 51.5, lng: 0 },
      spreadM: 200,
      groups: 6,
      groupSize: 4,
      durationMs: 300_000,
      periodMs: 5_000,
      mischief: 0.02,
    };
    const rules = proximityRules({ dwellMs: 20_000 });
    const events = [...crowd(shape, 5)];
    const home = pairsOf(compare(events, rules).found);
    expect(home.length).toBeGreaterThan(5);
    const chance = seeded(11);
    for (const turnE7 of [1_800_000_000, ...Array.from({ length: 8 }, () => chance.int(3_600_000_000))]) {
      const moved = events.map(event => (event.type === 'fix' ? turned(event, turnE7) : event));
      const { found, missing, extra } = compare(moved, rules);
      expect({ turnE7, missing, extra }).toEqual({ turnE7, missing: [], extra: [] });
      expect(pairsOf(found)).toEqual(home);
    }
    const mirrored = events.map(event => (event.type === 'fix' ? { ...event, latE7: -event.latE7 } : event));
    expect(pairsOf(compare(mirrored, rules).found)).toEqual(home);
  });
});

const pairsOf = (meetings: readonly { officerId: string; civilianId: string; atMs: number }[]) =>
  meetings.map(one => `${one.officerId}|${one.civilianId}@${one.atMs}`).sort();

function turned(event: Extract<OracleEvent, { type: 'fix' }>, byE7: number): OracleEvent {
  const lngE7 = ((event.lngE7 + byE7 + 1_800_000_000) % 3_600_000_000) - 1_800_000_000;
  return { ...event, lngE7 };
}

const DATA = fileURLToPath(new URL('../../../shared/data/', import.meta.url));
const PARK = fileURLToPath(new URL('park.csv', import.meta.url));
const RECORDED = [
  PARK,
  ...['athens-vehicles.csv', 'eth-pedestrians.txt', 'hotel-pedestrians.txt'].map(file => `${DATA}${file}`),
];
const RADII_M = [10, 25, 50];

function recorded(path: string): OracleEvent[] {
  const read = readTrackFile(path);
  if (!read.ok) throw new Error(read.problem);
  return eventsOf(read.recording, drawOfficers(read.recording.ids, 0.1, 1));
}

describe('regions against brute force, recorded crowds', () => {
  for (const path of RECORDED) {
    const file = basename(path);
    it.skipIf(!existsSync(path))(
      `agree on ${file} (skipped when it is not there)`,
      () => {
        const events = recorded(path);
        for (const enterM of RADII_M) {
          for (const dwellMs of [5_000, 60_000]) {
            const { course, missing, extra, expected } = compare(events, proximityRules({ enterM, dwellMs }));
            const what = `${file} enter ${enterM} m dwell ${dwellMs / 1000} s`;
            console.log(
              `${what}: ${expected.length} meetings, ${course.rims} of ${course.looks} looks at a rim`,
            );
            expect({ what, missing, extra }).toEqual({ what, missing: [], extra: [] });
          }
        }
      },
      60_000,
    );
  }
  it('find who meets in the park also when phones report as often as they are told', () => {
    const { always, kept, alwaysFixes, keptFixes } = recall(recorded(PARK), proximityRules());
    console.log(`park: ${kept} of ${always} pairs, ${keptFixes} of ${alwaysFixes} positions`);
    expect([kept, always]).toEqual([3, 3]);
    expect(keptFixes).toBeLessThan(alwaysFixes / 4);
  });
  /**
   * Share of the pairs that are still found when phones report as often as they are told. The pedestrians are in the picture
   * for 15 s, one and a half periods of reports, so what is found of them says little.
   */
  const FLOORS = { 'athens-vehicles.csv': 0.85, 'eth-pedestrians.txt': 0.05, 'hotel-pedestrians.txt': 0.05 };
  for (const [file, floor] of Object.entries(FLOORS)) {
    it.skipIf(!existsSync(`${DATA}${file}`))(
      `find ${100 * floor} % at least of who is together for 5 s in ${file} (skipped when it is not there)`,
      () => {
        const rules = proximityRules({ dwellMs: 5_000, dwellFixes: 2 });
        const { always, kept, alwaysFixes, keptFixes } = recall(recorded(`${DATA}${file}`), rules);
        console.log(`${file}: ${kept} of ${always} pairs, ${keptFixes} of ${alwaysFixes} positions`);
        expect(always).toBeGreaterThan(10);
        expect(kept).toBeGreaterThanOrEqual(floor * always);
        expect(keptFixes).toBeLessThan(alwaysFixes / 4);
      },
    );
  }
});
