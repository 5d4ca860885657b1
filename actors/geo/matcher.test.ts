/** Each rule of a meeting by itself; that they hold together is shown against brute force in `k8s/tracks`. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import type { FixMessage, Role } from '../messages/region.ts';
import { boxOf, cellOf } from './grid.ts';
import { Matcher } from './matcher.ts';
import { reportPeriodS } from './period.ts';
import { type ProximityRules, proximityRules } from './rules.ts';

const CELL = cellOf(40.73, -73.99);
const box = boxOf(CELL);
const CENTRE = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };

/** A matcher with a few words to move people: metres east of the middle, seconds. */
class Ground {
  readonly matcher: Matcher;
  #seq = 0;
  constructor(changes: Partial<ProximityRules> = {}) {
    this.matcher = new Matcher(CELL, proximityRules({ dwellMs: 30_000, ...changes }));
  }
  fix(userId: string, role: Role, eastM: number, atS: number, more: Partial<FixMessage> = {}): FixMessage {
    const handle = userId.toUpperCase();
    return {
      ...{ type: 'fix', userId, role, handle, instant: true, seq: ++this.#seq },
      ...destination(CENTRE, eastM, 0),
      ...{ accuracyDm: 50, takenAtMs: atS * 1_000, speedMps: 0 },
      ...more,
    } as FixMessage;
  }
  officer(eastM: number, atS: number, more: Partial<FixMessage> = {}): number {
    return this.matcher.move(this.fix('o', 'officer', eastM, atS, more), 0).length;
  }
  civilian(eastM: number, atS: number, more: Partial<FixMessage> = {}): number {
    return this.matcher.move(this.fix('c', 'civilian', eastM, atS, more), 0).length;
  }
  /** Both stand there, reporting each 10 s in turn; seconds at which they met. */
  together(fromS: number, toS: number, more: Partial<FixMessage> = {}): number[] {
    const met: number[] = [];
    for (let s = fromS; s <= toS; s += 5) {
      if ((s / 5) % 2 === 0 ? this.officer(0, s, more) : this.civilian(10, s, more)) met.push(s);
    }
    return met;
  }
}

describe('a meeting', () => {
  it('takes the dwell, and happens once', () => {
    expect(new Ground().together(0, 300)).toEqual([35]);
  });
  it('names both', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 1 });
    ground.officer(0, 0);
    expect(ground.matcher.move(ground.fix('c', 'civilian', 10, 1), 0)).toEqual([
      { officer: { id: 'o', handle: 'O' }, civilian: { id: 'c', handle: 'C' }, atMs: 1_000 },
    ]);
  });
  it('needs fixes of both sides', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 3 });
    ground.officer(0, 0);
    expect([1, 2, 3, 4, 5].map(s => ground.civilian(5, s))).toEqual([0, 0, 0, 0, 0]);
    expect([6, 7].map(s => ground.officer(0, s))).toEqual([0, 1]);
  });
  it('begins within enter and goes on until exit', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 2 });
    ground.officer(0, 0);
    expect(ground.civilian(25.1, 1)).toBe(0);
    expect(ground.matcher.slotCount).toBe(0);
    ground.civilian(24.9, 2);
    expect(ground.matcher.slotCount).toBe(1);
    ground.civilian(49.9, 3);
    expect(ground.matcher.slotCount).toBe(1);
    ground.civilian(50.1, 4);
    expect(ground.matcher.slotCount).toBe(0);
  });
  it('is between an officer and a civilian only', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 1 });
    ground.officer(0, 0);
    expect(ground.matcher.move(ground.fix('o2', 'officer', 1, 1), 0)).toEqual([]);
    expect(ground.matcher.slotCount).toBe(0);
  });
  it('does not count vehicles, nor time at a run', () => {
    expect(new Ground().together(0, 300, { speedMps: 8 })).toEqual([]);
    expect(new Ground().together(0, 300, { speedMps: 4 })).toEqual([]);
    const ground = new Ground();
    expect(ground.together(0, 30)).toEqual([]);
    ground.officer(0, 31, { speedMps: 8 });
    expect(ground.together(35, 100)).toEqual([65]);
  });
  it('does not count silence of more than 20 s, and starts anew after 60 s', () => {
    const ground = new Ground({ freshMs: 60_000 });
    for (const s of [0, 21, 42, 63, 84]) {
      ground.officer(0, s);
      ground.civilian(5, s);
    }
    expect(ground.together(90, 200)).toEqual([115]);
    const again = new Ground();
    again.together(0, 25);
    expect(again.together(90, 200)).toEqual([125]);
  });
  it('does not count fixes taken more than 15 s apart', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 1 });
    ground.officer(0, 0);
    expect(ground.civilian(5, 15.1)).toBe(0);
    expect(ground.matcher.slotCount).toBe(0);
    expect(ground.officer(0, 30.1)).toBe(1);
  });
  it('does not count fixes that are not accurate', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 1 });
    ground.officer(0, 0, { accuracyDm: 501 });
    expect(ground.civilian(5, 1)).toBe(0);
    expect(ground.officer(0, 2)).toBe(1);
    expect(new Ground().together(0, 300, { accuracyDm: 501 })).toEqual([]);
    const later = new Ground({ dwellFixes: 1 });
    for (let s = 0; s <= 100; s += 10) {
      expect(later.officer(0, s)).toBe(0);
      expect(later.civilian(5, s + 5, s === 0 ? {} : { accuracyDm: 501 })).toBe(0);
    }
    expect(later.matcher.slotCount).toBe(1);
  });
  it('waits, complete, for instant match of both', () => {
    const ground = new Ground();
    expect(ground.together(0, 60, { instant: false })).toEqual([]);
    expect(ground.officer(0, 62)).toBe(0);
    expect(ground.civilian(10, 63)).toBe(1);
  });
  it('is offered again when it could not be settled', () => {
    const ground = new Ground();
    expect(ground.together(0, 50)).toEqual([35]);
    ground.matcher.reopen('o', 'c');
    ground.matcher.reopen('o', 'nobody');
    expect(ground.together(55, 100)).toEqual([55]);
  });
});

describe('a fix', () => {
  it('that comes twice, or late, changes nothing', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 2 });
    const officer = ground.fix('o', 'officer', 0, 0);
    const civilian = ground.fix('c', 'civilian', 5, 1);
    ground.matcher.move(officer, 0);
    for (let i = 0; i < 5; i++) expect(ground.matcher.move(civilian, 0)).toEqual([]);
    expect(ground.matcher.move(ground.fix('c', 'civilian', 5, 0.5), 0)).toEqual([]);
    ground.civilian(5, 2);
    expect(ground.officer(0, 3)).toBe(1);
  });
});

describe('a border', () => {
  it('is crossed with everything a dwell has collected', () => {
    const a = new Ground();
    const b = new Ground();
    expect(a.together(0, 30)).toEqual([]);
    b.civilian(10, 25);
    const slots = a.matcher.departOfficer('o');
    expect(slots).toMatchObject([{ civilianId: 'c', dwellMs: 25_000, stage: 'counting' }]);
    expect(a.matcher.members.count).toBe(1);
    expect(a.matcher.slotCount).toBe(0);
    const fix = b.fix('o', 'officer', 0, 35);
    expect(b.matcher.adopt(fix, slots, 0)).toHaveLength(1);
  });
  it('does not take along who is out of reach there', () => {
    const a = new Ground();
    a.together(0, 30);
    const b = new Ground();
    b.matcher.adopt(b.fix('o', 'officer', 0, 35), a.matcher.departOfficer('o'), 0);
    expect(b.matcher.slotCount).toBe(0);
    expect(b.matcher.departOfficer('stranger')).toEqual([]);
  });
  it('installs what arrives after a newer fix', () => {
    const a = new Ground();
    a.together(0, 30);
    const b = new Ground({ dwellFixes: 3 });
    b.civilian(10, 25);
    const late = b.fix('o', 'officer', 0, 35);
    b.officer(0, 60);
    expect(b.matcher.adopt(late, a.matcher.departOfficer('o'), 0)).toEqual([]);
    expect(b.matcher.slotCount).toBe(1);
  });
});

describe('memory', () => {
  it('holds as many as come, and forgets who leaves', () => {
    const ground = new Ground({ enterM: 25.5 });
    for (let i = 0; i < 500; i++) ground.matcher.move(ground.fix(`c${i}`, 'civilian', i, 1), 0);
    for (let i = 0; i < 500; i++) ground.matcher.move(ground.fix(`o${i}`, 'officer', i, 2), 0);
    const open = ground.matcher.slotCount;
    expect(open).toBeGreaterThan(20_000);
    ground.matcher.leave('o250');
    expect(ground.matcher.slotCount).toBe(open - 51);
    for (let i = 0; i < 500; i++) ground.matcher.leave(`o${i}`);
    expect(ground.matcher.slotCount).toBe(0);
    ground.matcher.leave('nobody');
    expect(ground.matcher.members.count).toBe(500);
    for (let i = 0; i < 500; i++) ground.matcher.move(ground.fix(`n${i}`, 'officer', i, 3), 0);
    expect(ground.matcher.members.highest).toBe(1_000);
    expect(ground.matcher.slotCount).toBe(open);
  });
  it('forgets the silent by the time of arrival', () => {
    const ground = new Ground();
    ground.matcher.move(ground.fix('c', 'civilian', 0, 1), 1_000);
    ground.matcher.move(ground.fix('o', 'officer', 0, 1), 5_000);
    expect(ground.matcher.sweep(1_000)).toEqual([]);
    expect(ground.matcher.sweep(1_001)).toEqual(['c']);
    expect(ground.matcher.members.count).toBe(1);
    expect(ground.matcher.slotCount).toBe(0);
  });
});

describe('rules', () => {
  it('keep their order', () => {
    expect(proximityRules({ enterM: 10 })).toMatchObject({ enterM: 10, exitM: 35, reachM: 100 });
    expect(proximityRules({ enterM: 100 })).toMatchObject({ exitM: 125, reachM: 126 });
    for (const wrong of [
      { enterM: 0 },
      { exitM: 10 },
      { exitM: 100, reachM: 100 },
      { dwellFixes: 0 },
      { gapMs: 70_000 },
    ]) {
      expect(() => proximityRules(wrong)).toThrow(RangeError);
    }
  });
});

describe('the report period', () => {
  it('tells an officer nothing, and a civilian only what he already sees', () => {
    const periods = [true, false].flatMap(instant =>
      [true, false].map(near => reportPeriodS('officer', instant, near)),
    );
    expect(new Set(periods).size).toBe(1);
    expect(reportPeriodS('civilian', true, false)).toBe(300);
    expect(reportPeriodS('civilian', false, true)).toBe(60);
    expect(reportPeriodS('civilian', true, true)).toBe(10);
  });
});
