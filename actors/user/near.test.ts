/** "An officer is near": once in half an hour and officer, whatever flaps; never to one who drives, never to officers. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeServerFrame, openVolatile, type ServerFrame } from '../../protocol/index.ts';
import { areaRules } from '../geo/areaRules.ts';
import { AREAS, areaId, type Box, cellOf } from '../geo/grid.ts';
import { AREA_REACH_M } from '../geo/limits.ts';
import type { Turn } from '../turn.ts';
import { NOBODY_NEAR, notifyMoved, notifyNear } from './near.ts';
import type { Area, UserState } from './state.ts';

const RULES = areaRules();
const AGAIN_MS = RULES.nearAgainMs;
const middleOf = ({ south, north, west, east }: Box) => ({
  latE7: (south + north) * 5e6,
  lngE7: (west + east) * 5e6,
});
/** In New York. */
const AREA = AREAS.cellOf(40.78, -73.97);

/** The civilian's own, and the one to its east. */
const AREA_IDS: Readonly<Record<string, string>> = { home: areaId(AREA), east: areaId(AREA + 1) };

class Phone {
  nowMs = 1_000_000_000;
  /** When it was notified of whom. */
  readonly heard: { readonly atMs: number; readonly officers: readonly string[] }[] = [];
  state = {
    me: { kind: 'civilian' },
    around: { home: areaId(AREA), areas: [] },
    track: { fix: { ...middleOf(AREAS.boxOf(AREA)), speedMps: 0 } },
    sessions: [],
    near: NOBODY_NEAR,
    areas: [],
  } as unknown as UserState;

  drives(speedMps: number): void {
    const fix = { ...this.state.track!.fix, speedMps };
    this.state = { ...this.state, track: { ...this.state.track!, fix } };
  }
  /** As a share of the way from the middle of the area to its north-eastern corner. */
  stands(share: number): void {
    const { south, north, west, east } = AREAS.boxOf(AREA);
    const { latE7, lngE7 } = middleOf(AREAS.boxOf(AREA));
    const at = { latE7: latE7 + share * (north - south) * 5e6, lngE7: lngE7 + share * (east - west) * 5e6 };
    const fix = { ...this.state.track!.fix, ...at };
    this.state = { ...this.state, track: { ...this.state.track!, fix } };
  }
  sees(areas: Readonly<Record<string, readonly string[]>>, rules = RULES): void {
    const lists: Area[] = Object.entries(areas).map(([area, ids]) => ({
      area: AREA_IDS[area] ?? area,
      version: this.nowMs,
      hubs: [],
      officers: ids.map(name => ({
        id: `00000000-0000-7000-8000-${name.charCodeAt(0).toString(16).padStart(12, '0')}`,
        handle: name,
      })),
    }));
    this.#hears(turn => notifyNear({ ...this.state, areas: lists }, rules, turn));
  }
  /** A position comes after which he is as `change` makes him. */
  moves(change: () => void, now = false, rules = RULES): void {
    const before = this.state;
    change();
    this.#hears(turn => notifyMoved(before, this.state, now, rules, turn));
  }
  #hears(said: (turn: Turn) => UserState): void {
    const pushed: string[] = [];
    const push = (_to: unknown, bytes: Uint8Array): void => {
      const opened = openVolatile(decodeServerFrame(bytes) as ServerFrame & { type: 'volatile' });
      if (opened?.name === 'officer.near')
        pushed.push(...(opened.body?.officers ?? []).map(one => one.handle));
    };
    this.state = said({ nowMs: this.nowMs, push } as unknown as Turn);
    if (pushed.length > 0) this.heard.push({ atMs: this.nowMs, officers: pushed });
  }
}

describe('a civilian', () => {
  test('is notified once of an officer, and again after half an hour', () => {
    const phone = new Phone();
    for (let minute = 0; minute <= 61; minute++) {
      phone.sees({ home: minute % 2 === 0 ? ['x'] : [] });
      phone.nowMs += 60_000;
    }
    expect(phone.heard.map(({ atMs }) => (atMs - 1_000_000_000) / 60_000)).toEqual([0, 30, 60]);
  });
  test('who drives is not, and is when he walks', () => {
    const phone = new Phone();
    phone.drives(RULES.nearSpeedMps + 0.1);
    phone.sees({ home: ['x'] });
    expect(phone.heard).toEqual([]);
    expect(phone.state.near.waits).toBe(true);
    phone.drives(RULES.nearSpeedMps);
    phone.sees({ home: ['x'] });
    expect(phone.heard).toHaveLength(1);
    expect(phone.state.near.waits).toBe(false);
  });
  test('who waits is looked at when he stops, and otherwise once in a while', () => {
    const [stops, goesOn] = [new Phone(), new Phone()];
    for (const phone of [stops, goesOn]) {
      phone.drives(RULES.nearSpeedMps + 1);
      phone.sees({ home: ['x'] });
      phone.moves(() => phone.drives(RULES.nearSpeedMps + 2));
    }
    stops.moves(() => stops.drives(0));
    expect([stops.heard.length, goesOn.heard.length]).toEqual([1, 0]);
    // time alone changed something: here the rule
    const patient = areaRules({ nearSpeedMps: RULES.nearSpeedMps + 3 });
    goesOn.moves(() => {}, false, patient);
    expect(goesOn.heard).toHaveLength(0);
    goesOn.moves(() => {}, true, patient);
    expect(goesOn.heard).toHaveLength(1);
  });
  test('hears of a neighbouring area only where the rules say so', () => {
    const [wide, narrow] = [new Phone(), new Phone()];
    wide.sees({ east: ['x'] });
    narrow.sees({ east: ['x'] }, areaRules({ nearNeighbours: false }));
    expect([wide.heard.length, narrow.heard.length]).toEqual([1, 0]);
  });
});

describe('with a radius a civilian', () => {
  const rules = areaRules({ nearRadiusM: 3_500 });

  test('is notified where his cell is close enough to the middle of the area, and not before he is there', () => {
    const phone = new Phone();
    phone.stands(0.95);
    phone.sees({ home: ['x'] }, rules);
    expect(phone.heard).toEqual([]);
    expect(phone.state.near.waits).toBe(true);
    phone.moves(() => phone.stands(0), false, rules);
    expect(phone.heard.map(({ officers }) => officers)).toEqual([['x']]);
  });

  test('hears the same wherever in his cell he stands, precisely or coarsely', () => {
    const answers = new Map<number, Set<boolean>>();
    for (let share = -1; share <= 1; share += 0.01) {
      const [precise, coarse] = [new Phone(), new Phone()];
      precise.stands(share);
      const { latE7, lngE7 } = precise.state.track!.fix;
      const cell = cellOf(latE7 / 1e7, lngE7 / 1e7);
      coarse.state = { ...coarse.state, track: null, coarse: { cell, takenAtMs: 0 } };
      for (const phone of [precise, coarse]) {
        phone.sees({ home: ['x'] }, rules);
        answers.set(cell, (answers.get(cell) ?? new Set()).add(phone.heard.length === 1));
      }
    }
    expect([...answers.values()].map(({ size }) => size)).toEqual(Array(answers.size).fill(1));
    expect(new Set([...answers.values()].flatMap(seen => [...seen])).size).toBe(2);
  });

  test('without one hears of every area within reach, at the poles too', () => {
    for (let cell = 0; cell < 40; cell++) {
      const { south, north, west, east } = AREAS.boxOf(cell);
      for (const [lat, lng] of [
        [south, west],
        [north, east],
        [north, (west + east) / 2],
      ] as const)
        for (const area of AREAS.cover(lat, lng, AREA_REACH_M)) {
          const phone = new Phone();
          const coarse = { cell: cellOf(lat, lng), takenAtMs: 0 };
          const around = { home: areaId(area), areas: [] };
          phone.state = { ...phone.state, track: null, coarse, around } as unknown as UserState;
          phone.sees({ [areaId(area)]: ['x'] });
          expect(phone.heard).toHaveLength(1);
        }
    }
  });
});

test('no officer is told twice in half an hour, whatever comes and goes', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 900_000 }),
    home: fc.subarray(['x', 'y', 'z']),
    east: fc.subarray(['x', 'y', 'z']),
    speed: fc.constantFrom(-1, 1, 30),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const phone = new Phone();
      const latest = new Map<string, number>();
      for (const { ms, home, east, speed } of steps) {
        phone.nowMs += ms;
        phone.drives(speed);
        const before = phone.heard.length;
        phone.sees({ home, east });
        for (const { atMs, officers } of phone.heard.slice(before))
          for (const id of officers) {
            expect(atMs - (latest.get(id) ?? Number.NEGATIVE_INFINITY)).toBeGreaterThanOrEqual(AGAIN_MS);
            latest.set(id, atMs);
          }
        if (speed > RULES.nearSpeedMps) expect(phone.heard.length).toBe(before);
      }
    }),
    { seed: 20_261_121, numRuns: 200 },
  );
});
