/** The machine of presence by itself: what is shown when, and what no script of devices can make it do. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ACTOR_LIMITS } from '../limits.ts';
import { type Attending, dueMs, graceMsOf, judge, OFFLINE, type Presence, viewOf } from './presence.ts';

const START_MS = 1_790_000_000_000;
const GRACE_MS = ACTOR_LIMITS.graceMs;
const { awayShownMs, idleMs, heardStepMs, returnedMs } = ACTOR_LIMITS;

/** A person with devices, on a clock of its own, judged when an actor would judge. */
class Person {
  nowMs = START_MS;
  presence: Presence = OFFLINE;
  sessions: readonly (Attending & { readonly device: number })[] = [];
  readonly edges: { readonly atMs: number; readonly to: string; readonly version: number }[] = [];
  readonly graceMs: number;

  constructor(graceMs: number = GRACE_MS) {
    this.graceMs = graceMs;
  }

  judge(isGoodbye = false): void {
    const before = this.presence;
    this.presence = judge(before, this.sessions, this.graceMs, this.nowMs, isGoodbye);
    const { shown, version } = this.presence;
    if (shown !== before.shown) this.edges.push({ atMs: this.nowMs, to: shown, version });
  }
  /** Time passes; the machine is looked at when it said so, and not before. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (let looks = 0; ; looks++) {
      if (looks > 100) throw new Error('it wants to be looked at again and again');
      const dueAtMs = dueMs(this.presence, this.sessions, this.graceMs, this.nowMs);
      if (dueAtMs === null || dueAtMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, dueAtMs);
      this.judge();
    }
    this.nowMs = untilMs;
  }
  attach(device = 0, more: Partial<Attending> = {}): void {
    const fresh = { device, foreground: true, heardMs: this.nowMs, activeFromMs: 0, ...more };
    this.sessions = [...this.sessions.filter(one => one.device !== device), fresh];
    this.judge();
  }
  detach(device = 0, isGoodbye = false): void {
    const { length } = this.sessions;
    this.sessions = this.sessions.filter(one => one.device !== device);
    if (this.sessions.length < length) this.judge(isGoodbye);
  }
  set(device: number, change: Partial<Attending>): void {
    this.sessions = this.sessions.map(one => (one.device === device ? { ...one, ...change } : one));
    this.judge();
  }
  get shown(): string {
    return this.presence.shown;
  }
}

describe('one device', () => {
  test('is online at once, away after ten seconds in the background, online at once again', () => {
    const one = new Person();
    one.attach();
    expect(one.edges).toMatchObject([{ to: 'online', atMs: START_MS, version: START_MS }]);
    one.set(0, { foreground: false });
    expect(one.presence.state).toBe('away');
    one.pass(awayShownMs - 1);
    expect(one.shown).toBe('online');
    one.pass(1);
    expect(one.shown).toBe('away');
    one.set(0, { foreground: true, heardMs: one.nowMs });
    expect(one.shown).toBe('online');
  });

  test('in the background for a moment is no news', () => {
    const one = new Person();
    one.attach();
    for (let i = 0; i < 50; i++) {
      one.set(0, { foreground: false });
      one.pass(awayShownMs - 1);
      one.set(0, { foreground: true, heardMs: one.nowMs });
      one.pass(5_000);
    }
    expect(one.edges).toHaveLength(1);
  });

  test('that says nothing for a minute is away', () => {
    const one = new Person();
    one.attach();
    one.pass(idleMs);
    expect(one.presence.state).toBe('online');
    one.pass(heardStepMs);
    expect(one.presence.state).toBe('away');
    one.pass(awayShownMs);
    expect(one.edges.map(edge => edge.to)).toEqual(['online', 'away']);
    one.set(0, { heardMs: one.nowMs });
    expect(one.shown).toBe('online');
  });

  test('that comes back within grace was never gone; after it, it is offline and then online', () => {
    const one = new Person();
    one.attach();
    one.detach();
    expect(one.presence.state).toBe('grace');
    one.pass(GRACE_MS - 1);
    one.attach();
    expect(one.edges).toHaveLength(1);
    one.detach();
    one.pass(GRACE_MS);
    expect(viewOf(one.presence)).toMatchObject({
      state: 'offline',
      lastSeenMin: Math.floor((one.nowMs - GRACE_MS) / 60_000),
    });
    one.attach();
    expect(one.edges.map(edge => edge.to)).toEqual(['online', 'offline', 'online']);
  });

  test('that says goodbye is offline at once', () => {
    const one = new Person();
    one.attach();
    one.detach(0, true);
    expect([one.presence.state, one.shown]).toEqual(['offline', 'offline']);
  });

  test('away stays away over a loss', () => {
    const one = new Person();
    one.attach();
    one.set(0, { foreground: false });
    one.pass(60_000);
    one.detach();
    one.pass(5_000);
    // as the actor has it for a device that was in the background
    one.attach(0, { activeFromMs: one.nowMs + returnedMs });
    one.pass(500);
    one.set(0, { foreground: false });
    one.pass(60_000);
    expect(one.edges.map(edge => edge.to)).toEqual(['online', 'away']);
  });

  test('a till is given up sooner', () => {
    const till = new Person(graceMsOf('merchant'));
    till.attach();
    till.detach();
    till.pass(ACTOR_LIMITS.tillGraceMs);
    expect(till.shown).toBe('offline');
  });
});

test('several devices are one person: the best of them counts', () => {
  const one = new Person();
  one.attach(0);
  one.attach(1);
  one.set(0, { foreground: false });
  one.pass(30_000);
  one.detach(0, true);
  expect(one.edges).toHaveLength(1);
  one.set(1, { foreground: false });
  one.pass(30_000);
  one.attach(2);
  one.detach(2);
  one.pass(60_000);
  expect(one.edges.map(edge => edge.to)).toEqual(['online', 'away', 'online', 'away']);
});

test('the version goes on from the clock when an actor starts again', () => {
  const one = new Person();
  one.attach();
  for (let i = 0; i < 20; i++) {
    one.detach(0, true);
    one.attach(0);
  }
  const before = one.presence.version;
  const next = new Person();
  // no node takes over sooner than that after another died
  next.nowMs = one.nowMs + 4_500;
  next.attach();
  expect(next.presence.version).toBeGreaterThan(before);
});

const step = fc.oneof(
  fc.record({ k: fc.constant('attach' as const), device: fc.nat(4), foreground: fc.boolean() }),
  fc.record({ k: fc.constant('detach' as const), device: fc.nat(4), bye: fc.boolean() }),
  fc.record({ k: fc.constant('front' as const), device: fc.nat(4), foreground: fc.boolean() }),
  fc.record({ k: fc.constant('heard' as const), device: fc.nat(4) }),
  fc.record({ k: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
  fc.record({ k: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
);

test('whatever devices do: versions rise, edges are bounded, and what is shown becomes the truth', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), script => {
      const one = new Person();
      let byes = 0;
      for (const move of script) {
        if (move.k === 'attach') one.attach(move.device, { foreground: move.foreground });
        else if (move.k === 'front')
          one.set(move.device, { foreground: move.foreground, heardMs: one.nowMs });
        else if (move.k === 'heard') one.set(move.device, { heardMs: one.nowMs });
        else if (move.k === 'pass') one.pass(move.ms);
        else {
          if (move.bye) byes++;
          one.detach(move.device, move.bye);
        }
        // there is no session of a ghost, and nobody who is there is offline
        if (one.sessions.length === 0) expect(['grace', 'offline']).toContain(one.presence.state);
        else expect(['online', 'away']).toContain(one.presence.state);
        if (one.presence.state === 'online') expect(one.shown).toBe('online');
      }
      const versions = one.edges.map(edge => edge.version);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      // Each time somebody goes it took ten seconds, or a goodbye; who comes had gone before.
      const gone = one.edges.filter(edge => edge.to !== 'online').length;
      expect(gone).toBeLessThanOrEqual((one.nowMs - START_MS) / awayShownMs + byes);
      expect(one.edges.length).toBeLessThanOrEqual(2 * gone + 1);
      const truth = one.sessions.length > 0 ? 'away' : 'offline';
      one.pass(GRACE_MS + idleMs + heardStepMs + awayShownMs);
      expect(one.shown).toBe(truth);
      expect(dueMs(one.presence, one.sessions, GRACE_MS, one.nowMs)).toBeNull();
    }),
    { numRuns: 500 },
  );
});
