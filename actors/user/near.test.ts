/** "An officer is near": once in half an hour and officer, whatever flaps; never to one who drives, never to officers. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeServerFrame, openVolatile, type ServerFrame } from '../../protocol/index.ts';
import { areaRules } from '../geo/areaRules.ts';
import type { Turn } from '../turn.ts';
import { NOBODY_NEAR, notifyNear } from './near.ts';
import type { Area, UserState } from './state.ts';

const RULES = areaRules();
const AGAIN_MS = RULES.nearAgainMs;

class Phone {
  nowMs = 1_000_000_000;
  /** When it was notified of whom. */
  readonly heard: { readonly atMs: number; readonly officers: readonly string[] }[] = [];
  state = {
    me: { kind: 'civilian' },
    around: { home: 'a1', areas: [] },
    track: null,
    sessions: [],
    near: NOBODY_NEAR,
    areas: [],
  } as unknown as UserState;

  drives(speedMps: number): void {
    this.state = { ...this.state, track: { fix: { speedMps } } as unknown as UserState['track'] };
  }
  sees(areas: Readonly<Record<string, readonly string[]>>, rules = RULES): void {
    const lists: Area[] = Object.entries(areas).map(([area, ids]) => ({
      area,
      version: this.nowMs,
      hubs: [],
      officers: ids.map(name => ({
        id: `00000000-0000-7000-8000-${name.charCodeAt(0).toString(16).padStart(12, '0')}`,
        handle: name,
      })),
    }));
    const pushed: string[] = [];
    const push = (_to: unknown, bytes: Uint8Array): void => {
      const opened = openVolatile(decodeServerFrame(bytes) as ServerFrame & { type: 'volatile' });
      if (opened?.name === 'officer.near')
        pushed.push(...(opened.body?.officers ?? []).map(one => one.handle));
    };
    const turn = { nowMs: this.nowMs, push } as unknown as Turn;
    this.state = notifyNear({ ...this.state, areas: lists }, rules, turn);
    if (pushed.length > 0) this.heard.push({ atMs: this.nowMs, officers: pushed });
  }
}

describe('a civilian', () => {
  test('is notified once of an officer, and again after half an hour', () => {
    const phone = new Phone();
    for (let minute = 0; minute <= 61; minute++) {
      phone.sees({ a1: minute % 2 === 0 ? ['x'] : [] });
      phone.nowMs += 60_000;
    }
    expect(phone.heard.map(({ atMs }) => (atMs - 1_000_000_000) / 60_000)).toEqual([0, 30, 60]);
  });
  test('who drives is not, and is when he walks', () => {
    const phone = new Phone();
    phone.drives(RULES.nearSpeedMps + 0.1);
    phone.sees({ a1: ['x'] });
    expect(phone.heard).toEqual([]);
    expect(phone.state.near.waits).toBe(true);
    phone.drives(RULES.nearSpeedMps);
    phone.sees({ a1: ['x'] });
    expect(phone.heard).toHaveLength(1);
    expect(phone.state.near.waits).toBe(false);
  });
  test('hears of a neighbouring area only where the rules say so', () => {
    const [wide, narrow] = [new Phone(), new Phone()];
    wide.sees({ a2: ['x'] });
    narrow.sees({ a2: ['x'] }, areaRules({ nearNeighbours: false }));
    expect([wide.heard.length, narrow.heard.length]).toEqual([1, 0]);
  });
});

test('no officer is told twice in half an hour, whatever comes and goes', () => {
  const step = fc.record({
    ms: fc.integer({ min: 0, max: 900_000 }),
    a1: fc.subarray(['x', 'y', 'z']),
    a2: fc.subarray(['x', 'y', 'z']),
    speed: fc.constantFrom(-1, 1, 30),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const phone = new Phone();
      const latest = new Map<string, number>();
      for (const { ms, a1, a2, speed } of steps) {
        phone.nowMs += ms;
        phone.drives(speed);
        const before = phone.heard.length;
        phone.sees({ a1, a2 });
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
