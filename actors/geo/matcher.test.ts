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
    return this.matcher.move(this.fix('o', 'officer', eastM, atS, more), 0).meetings.length;
  }
  civilian(eastM: number, atS: number, more: Partial<FixMessage> = {}): number {
    return this.matcher.move(this.fix('c', 'civilian', eastM, atS, more), 0).meetings.length;
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
    const more = { trust: 6 };
    expect(ground.matcher.move(ground.fix('c', 'civilian', 10, 1, more), 0).meetings).toEqual([
      {
        officer: { id: 'o', handle: 'O', trust: 0 },
        civilian: { id: 'c', handle: 'C', trust: 6 },
        atMs: 1_000,
        offeredMs: 1_000,
      },
    ]);
  });
  it('needs fixes of both sides', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 3 });
    ground.officer(0, 0);
    expect([1, 2, 3, 4, 5].map(s => ground.civilian(5, s))).toEqual([0, 0, 0, 0, 0]);
    expect([6, 7].map(s => ground.officer(0, s))).toEqual([0, 1]);
  });
  it('begins within enter and goes on until exit, twice in a row', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 3 });
    const slots = (eastM: number, atS: number): number => {
      ground.civilian(eastM, atS);
      return ground.matcher.slotCount;
    };
    ground.officer(0, 0);
    expect(slots(25.1, 1)).toBe(0);
    expect(slots(24.9, 2)).toBe(1);
    expect(slots(49.9, 3)).toBe(1);
    expect(slots(50.1, 4)).toBe(1);
    expect(slots(49.9, 5)).toBe(1);
    expect(slots(50.1, 6)).toBe(1);
    ground.officer(0.5, 7);
    expect(slots(50.1, 8)).toBe(1);
    expect(slots(50.6, 9)).toBe(1);
    ground.officer(0, 10);
    expect(slots(50.1, 11)).toBe(0);
  });
  it('is wider for phones that know less', () => {
    for (const [dm, enterM] of [
      [50, 25],
      [120, 30],
      [160, 40],
      [300, 40],
    ] as const) {
      for (const [eastM, expected] of [
        [enterM - 0.1, 1],
        [enterM + 0.1, 0],
      ] as const) {
        const ground = new Ground();
        ground.officer(0, 0, { accuracyDm: dm });
        ground.civilian(eastM, 1, { accuracyDm: dm });
        expect([dm, eastM, ground.matcher.slotCount]).toEqual([dm, eastM, expected]);
        if (expected === 0) continue;
        for (const s of [2, 3]) ground.civilian(enterM + 24.9, s, { accuracyDm: dm });
        expect(ground.matcher.slotCount).toBe(1);
        for (const s of [4, 5]) ground.civilian(enterM + 25.1, s, { accuracyDm: dm });
        expect(ground.matcher.slotCount).toBe(0);
      }
    }
  });
  it('ends at once beyond reach', () => {
    const ground = new Ground();
    ground.officer(0, 0);
    ground.civilian(10, 1);
    ground.civilian(201, 2);
    expect(ground.matcher.slotCount).toBe(0);
  });
  it('is between an officer and a civilian only', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 1 });
    ground.officer(0, 0);
    expect(ground.matcher.move(ground.fix('o2', 'officer', 1, 1), 0).meetings).toEqual([]);
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
  it('counts nothing above 20 m of accuracy, and ends above 30 m', () => {
    expect(new Ground().together(0, 300, { accuracyDm: 200 })).toEqual([35]);
    expect(new Ground().together(0, 300, { accuracyDm: 201 })).toEqual([]);
    const blurred = new Ground();
    blurred.together(0, 20);
    expect(blurred.together(25, 30, { accuracyDm: 300 })).toEqual([]);
    expect(blurred.matcher.slotCount).toBe(1);
    // both are sharp again at 45 s, too long after the last counted look at 20 s; 15 s were collected until then
    expect(blurred.together(40, 60)).toEqual([60]);
    const poor = new Ground({ dwellMs: 0, dwellFixes: 1 });
    poor.officer(0, 0, { accuracyDm: 301 });
    expect(poor.civilian(5, 1)).toBe(0);
    expect(poor.officer(0, 2)).toBe(1);
    poor.civilian(5, 3, { accuracyDm: 301 });
    expect(poor.matcher.slotCount).toBe(1);
    poor.civilian(5, 4, { accuracyDm: 301 });
    expect(poor.matcher.slotCount).toBe(0);
  });
  it('does not count two who pass each other', () => {
    const ground = new Ground();
    const past: number[] = [];
    for (let s = 0; s <= 100; s += 5) {
      const officer = s % 10 === 0;
      const move = { speedMps: 1.2, eastMps: officer ? 1.2 : -1.2 };
      if (officer ? ground.officer(0, s, move) : ground.civilian(10, s, move)) past.push(s);
    }
    expect(past).toEqual([]);
    expect(new Ground().together(0, 300, { speedMps: 2.9, eastMps: 2, northMps: -2.1 })).toEqual([35]);
  });
  it('waits, complete, for instant match of both', () => {
    const ground = new Ground();
    expect(ground.together(0, 60, { instant: false })).toEqual([]);
    expect(ground.officer(0, 62)).toBe(0);
    expect(ground.civilian(10, 63)).toBe(1);
  });
  it('is offered again, as the same one, when what became of it is not known', () => {
    const ground = new Ground();
    expect(ground.together(0, 50)).toEqual([35]);
    const again: [officer: string, civilian: string][] = [
      ['o', 'c'],
      ['o', 'nobody'],
      ['nobody', 'c'],
    ];
    for (const [officer, civilian] of again) ground.matcher.unknown(officer, civilian);
    const [meeting] = ground.matcher.move(ground.fix('c', 'civilian', 10, 55), 0).meetings;
    expect(meeting).toMatchObject({ atMs: 55_000, offeredMs: 35_000 });
    expect(ground.together(60, 100)).toEqual([]);
  });
  it('is the same one after days of tries, by whichever way its region goes on', () => {
    const rules = { dwellMs: 0, dwellFixes: 1, silenceMs: 500_000_000, freshMs: 500_000_000 };
    for (const waitS of [0, 1, 86_400, 5 * 86_400]) {
      const before = new Ground(rules);
      before.officer(0, 0);
      expect(before.civilian(5, 1)).toBe(1);
      before.matcher.unknown('o', 'c');
      const ground = new Ground(rules);
      ground.matcher.restore(before.matcher.pack());
      const brought = ground.matcher.departOfficer('o', waitS * 1_000);
      const fix = ground.fix('o', 'officer', 0, waitS + 1, { seq: 900 });
      expect(ground.matcher.adopt(fix, brought, 0).meetings, `${waitS} s`).toMatchObject([
        { atMs: (waitS + 1) * 1_000, offeredMs: 1_000 },
      ]);
    }
  });
  it('stays a match of the officer while it is offered again, and that one goes when it is refused', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 1, capMatches: 2 });
    const comes = (userId: string, atS: number): number[] =>
      ground.matcher
        .move(ground.fix(userId, 'civilian', 5, atS), 0)
        .meetings.map(({ offeredMs }) => offeredMs / 1_000);
    ground.officer(0, 0);
    expect(comes('a', 1)).toEqual([1]);
    ground.matcher.unknown('o', 'a');
    expect(comes('b', 2)).toEqual([2]);
    // two there are, whatever became of the first: offered again it is no third, and one more would be
    expect(comes('a', 3)).toEqual([1]);
    expect(comes('c', 4)).toEqual([]);
    // the first of them, and not the latest, was none
    ground.matcher.refused('o', 1_000);
    ground.matcher.refused('o', 1_000);
    ground.matcher.refused('nobody', 2_000);
    expect(ground.matcher.tellings.officers.get(ground.matcher.members.indexOf('o'))!.matchedMs).toEqual([
      2_000,
    ]);
    expect(comes('c', 5)).toEqual([5]);
    expect(comes('d', 6)).toEqual([]);
  });
});

describe('a fix', () => {
  it('that comes twice, or late, changes nothing', () => {
    const ground = new Ground({ dwellMs: 0, dwellFixes: 2 });
    const officer = ground.fix('o', 'officer', 0, 0);
    const civilian = ground.fix('c', 'civilian', 5, 1);
    ground.matcher.move(officer, 0);
    for (let i = 0; i < 5; i++) expect(ground.matcher.move(civilian, 0).meetings).toEqual([]);
    expect(ground.matcher.move(ground.fix('c', 'civilian', 5, 0.5), 0).meetings).toEqual([]);
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
    const departure = a.matcher.departOfficer('o', 35_000);
    expect(departure.slots).toMatchObject([{ civilianId: 'c', dwellMs: 25_000, stage: 'counting' }]);
    expect(a.matcher.members.count).toBe(1);
    expect(a.matcher.slotCount).toBe(0);
    const fix = b.fix('o', 'officer', 0, 35);
    expect(b.matcher.adopt(fix, departure, 0).meetings).toHaveLength(1);
  });
  it('does not take along who is out of reach there', () => {
    const a = new Ground();
    a.together(0, 30);
    const b = new Ground();
    b.matcher.adopt(b.fix('o', 'officer', 0, 35), a.matcher.departOfficer('o', 35_000), 0);
    expect(b.matcher.slotCount).toBe(0);
    expect(b.matcher.departOfficer('stranger', 35_000).slots).toEqual([]);
    expect(b.matcher.departOfficer('c', 35_000).slots).toEqual([]);
    expect(b.matcher.members.count).toBe(1);
  });
  it('installs what arrives after a newer fix', () => {
    const a = new Ground();
    a.together(0, 30);
    const b = new Ground({ dwellFixes: 3 });
    b.civilian(10, 25);
    const late = b.fix('o', 'officer', 0, 35);
    b.officer(0, 60);
    expect(b.matcher.adopt(late, a.matcher.departOfficer('o', 35_000), 0).meetings).toEqual([]);
    expect(b.matcher.slotCount).toBe(1);
  });
});

describe('memory', () => {
  it('holds as many as come, and forgets who leaves', () => {
    const ground = new Ground({ enterM: 25.5, enterMaxM: 25.5, crowdCivilians: 1_000 });
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
    expect(ground.matcher.sweep(1_000, 5_000)).toEqual([]);
    expect(ground.matcher.sweep(1_001, 1_001)).toEqual(['c']);
    expect(ground.matcher.members.count).toBe(1);
    expect(ground.matcher.slotCount).toBe(0);
    expect(ground.matcher.sweep(1_001, 5_001)).toEqual(['o']);
  });
});

describe('rules', () => {
  it('keep their order', () => {
    expect(proximityRules({ enterM: 10 })).toMatchObject({ enterMaxM: 40, reachM: 200 });
    expect(proximityRules({ enterM: 100 })).toMatchObject({ enterMaxM: 100, reachM: 200 });
    expect(proximityRules({ enterM: 500, exitMarginM: 500 })).toMatchObject({ reachM: 1_000 });
    for (const wrong of [
      { enterM: 0 },
      { enterM: 30, enterMaxM: 29 },
      { exitMarginM: -1 },
      { reachM: 199 },
      { reachM: 2_001 },
      { nearM: 201, reachM: 200 },
      { sharpAccuracyM: 31 },
      { dwellFixes: 0 },
      { dwellFixes: 101 },
      { dwellMs: Number.NaN },
      { gapMs: 70_000 },
      { capMatches: 0 },
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
