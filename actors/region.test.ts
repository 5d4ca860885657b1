/** What a region says to whom: pairs, civilians, its neighbours; and what it never says. */
import { describe, expect, it } from 'vitest';
import { destination } from '../k8s/tracks/crowd.ts';
import { Town } from '../k8s/tracks/town.ts';
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { boxOf, cellOf, regionId } from './geo/grid.ts';
import { AREA_SWEEP_MAX, SILENT_MS } from './geo/limits.ts';
import { type ProximityRules, proximityRules } from './geo/rules.ts';

const CELL = cellOf(40.73, -73.99);
const box = boxOf(CELL);
const HERE = regionId(CELL);
const MIDDLE = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };
const EDGE = { lat: MIDDLE.lat, lng: box.east };
const NEXT = regionId(cellOf(EDGE.lat, EDGE.lng + 0.001));

/** A town in which people are put somewhere with a word. */
class Story extends Town {
  #seq = 0;
  constructor(changes: Partial<ProximityRules> = {}) {
    super(proximityRules({ dwellMs: 0, dwellFixes: 1, ...changes }));
  }
  at(userId: string, place: { lat: number; lng: number }, eastM = 0, instant = true): void {
    // room for what is said anew in between
    this.#seq += 20;
    this.nowMs += 1_000;
    const role = userId.startsWith('officer') ? 'officer' : 'civilian';
    this.fix(
      { userId, role, handle: `the ${userId}`, instant },
      { seq: this.#seq, ...destination(place, eastM, 0), accuracyDm: 50, takenAtMs: this.nowMs },
    );
  }
  /** What this user was told since the last time: `cell: officers`. */
  news(userId: string): string[] {
    const mine = this.areas.filter(one => one.userId === userId);
    for (const one of mine) this.areas.splice(this.areas.indexOf(one), 1);
    return mine.map(({ area }) => `${area.cell}: ${area.officers.map(one => one.id).join(' ')}`.trim());
  }
}

describe('meetings', () => {
  it('go to the pair as proximity evidence of the cell, without a place', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 10);
    expect(story.observed).toEqual([
      {
        type: 'observe',
        evidence: { method: 'proximity', id: null, cell: HERE },
        officer: { id: 'officer', handle: 'the officer' },
        civilian: { id: 'civilian', handle: 'the civilian' },
      },
    ]);
  });
  it('are offered again while the pair cannot settle them, and only then', () => {
    const story = new Story();
    story.settle = refuse(ERROR.unavailable, 'the store is away');
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 10);
    story.at('officer', MIDDLE);
    expect(story.observed).toHaveLength(2);
    story.settle = refuse(ERROR.conflict, 'they met today');
    story.at('civilian', MIDDLE, 10);
    story.at('civilian', MIDDLE, 10);
    expect(story.observed).toHaveLength(3);
    story.settle = ok({});
    story.at('officer', MIDDLE);
    expect(story.observed).toHaveLength(3);
  });
  it('happen across a border, and survive its crossing', () => {
    const story = new Story({ dwellMs: 40_000, dwellFixes: 3 });
    for (let i = 0; i < 12; i++) {
      story.nowMs += 3_000;
      story.at('officer', EDGE, -12 + 2 * i);
      story.at('civilian', EDGE, -12 + 2 * i);
    }
    expect(story.observed).toHaveLength(1);
    expect(story.observed[0]!.evidence.cell).toBe(NEXT);
    expect(story.regions.get(HERE)!.matcher.slotCount).toBe(0);
  });
});

describe('areas', () => {
  it('are told on the first fix, also when empty, and then only when they changed', () => {
    const story = new Story();
    story.at('civilian', MIDDLE);
    expect(story.news('civilian')).toEqual([`${HERE}:`]);
    story.at('civilian', MIDDLE, 5);
    expect(story.news('civilian')).toEqual([]);
    story.at('officer', MIDDLE, 900);
    story.at('civilian', MIDDLE);
    expect(story.news('civilian')).toEqual([`${HERE}: officer`]);
    story.at('officer', MIDDLE, 800);
    story.at('civilian', MIDDLE);
    expect(story.news('civilian')).toEqual([]);
  });
  it('rise in version: for each change of one millisecond, and for one who comes back', () => {
    const story = new Story();
    const versions: number[] = [];
    const note = () => versions.push(...story.areas.splice(0).map(({ area }) => area.version));
    story.at('civilian', MIDDLE);
    note();
    for (const officer of ['officer1', 'officer2', 'officer3']) {
      story.at(officer, MIDDLE);
      story.nowMs = versions[0]!;
      story.fireTimers('areas');
      note();
    }
    story.leave('civilian');
    story.nowMs += 60_000;
    story.at('civilian', MIDDLE);
    note();
    expect(versions).toHaveLength(5);
    for (let i = 1; i < 5; i++) expect(versions[i]).toBeGreaterThan(versions[i - 1]!);
    // The owner declared the cell void one above the version he knew.
    expect(versions[4]).toBeGreaterThan(versions[3]! + 1);
  });
  it('reach those who stand still by the sweep, with a rising version', () => {
    const story = new Story();
    story.at('civilian', MIDDLE);
    const before = story.areas.at(-1)!.area.version;
    story.news('civilian');
    story.at('officer', MIDDLE);
    expect(story.fireTimers('areas')).toBe(1);
    expect(story.areas.at(-1)!.area.version).toBeGreaterThan(before);
    expect(story.news('civilian')).toEqual([`${HERE}: officer`]);
    story.leave('officer');
    story.fireTimers('areas');
    expect(story.news('civilian')).toEqual([`${HERE}:`]);
    expect(story.fireTimers('areas')).toBe(0);
  });
  it('are told to a crowd a bounded number at a time, to everybody in the end', () => {
    const story = new Story();
    const crowd = 2 * AREA_SWEEP_MAX + 7;
    for (let i = 0; i < crowd; i++) story.at(`civilian${i}`, MIDDLE, i / 10 - 50);
    story.areas.length = 0;
    story.at('officer', MIDDLE, 500);
    const turns: number[] = [];
    while (story.fireTimers('areas') > 0) turns.push(story.areas.splice(0).length);
    expect(Math.max(...turns)).toBeLessThanOrEqual(AREA_SWEEP_MAX);
    expect(turns.reduce((a, b) => a + b)).toBe(crowd);
  });
  it('name at most sixteen, and news beyond those is none', () => {
    const story = new Story();
    for (let i = 0; i < 20; i++) story.at(`officer${i}`, MIDDLE);
    story.at('civilian', MIDDLE, 300);
    expect(story.areas.at(-1)!.area.officers).toHaveLength(16);
    story.news('civilian');
    story.at('officer20', MIDDLE);
    story.leave('officer18');
    story.at('civilian', MIDDLE, 300);
    expect(story.news('civilian')).toEqual([]);
    story.leave('officer3');
    story.at('civilian', MIDDLE, 300);
    expect(story.areas.at(-1)!.area.officers.map(one => one.id)).toContain('officer16');
  });
  it('near a border are those of both sides, each for itself', () => {
    const story = new Story();
    story.at('officer', EDGE, 700);
    story.at('civilian', EDGE, -50);
    expect(story.news('civilian').sort()).toEqual([`${HERE}:`, `${NEXT}: officer`].sort());
    story.at('officer', EDGE, -700);
    story.fireTimers('areas');
    expect(story.news('civilian').sort()).toEqual([`${HERE}: officer`, `${NEXT}:`].sort());
  });
  it('say the same wherever in the cell the officer is', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 5);
    const first = story.areas.at(-1)!.area;
    story.areas.length = 0;
    story.at('officer', MIDDLE, 900);
    story.at('civilian', MIDDLE, 5);
    story.fireTimers('areas');
    expect(story.areas).toEqual([]);
    expect(Object.keys(first).sort()).toEqual(['cell', 'officers', 'type', 'version']);
    expect(Object.keys(first.officers[0]!).sort()).toEqual(['handle', 'id']);
  });
});

describe('somebody whose phone is not there for the moment', () => {
  it('is not offered to who comes newly, and what runs goes on', () => {
    const story = new Story({ dwellMs: 20_000, dwellFixes: 3 });
    story.at('officer', MIDDLE);
    story.at('civilian1', MIDDLE, 10);
    story.presence('officer', false);
    for (let i = 0; i < 2; i++) story.at('civilian2', MIDDLE, 5);
    story.presence('officer', false);
    const { matcher } = story.regions.get(HERE)!;
    expect(matcher.slotCount).toBe(1);
    story.presence('officer', true);
    // the presence said anew is no further fix of a dwell, but it begins one with who is there
    expect(matcher.slotCount).toBe(2);
    for (let i = 0; i < 12; i++) {
      story.at('officer', MIDDLE);
      story.at('civilian1', MIDDLE, 10);
    }
    expect(story.observed.map(one => one.civilian.id)).toEqual(['civilian1']);
  });
  it('does not collect fixes of a dwell by leaving and coming back', () => {
    const story = new Story({ dwellMs: 0, dwellFixes: 3 });
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 10);
    story.at('officer', MIDDLE);
    for (let i = 0; i < 5; i++) for (const there of [false, true]) story.presence('civilian', there);
    story.at('officer', MIDDLE);
    expect(story.observed).toEqual([]);
    story.at('civilian', MIDDLE, 10);
    story.at('civilian', MIDDLE, 10);
    expect(story.observed).toHaveLength(1);
  });
  it('stays in the lists of those who saw him: a short loss is no news for anybody', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 300);
    expect(story.news('civilian')).toEqual([`${HERE}: officer`]);
    for (const there of [false, true, false, true]) {
      story.presence('officer', there);
      story.at('civilian', MIDDLE, 300);
      story.fireTimers('areas');
    }
    expect(story.news('civilian')).toEqual([]);
  });
  it('is left out for who comes newly, and named when he is back; or gone for all', () => {
    const story = new Story();
    story.at('officer1', MIDDLE);
    story.at('officer2', MIDDLE);
    story.at('civilian1', MIDDLE, 300);
    story.presence('officer1', false);
    story.at('civilian2', MIDDLE, 300);
    story.at('civilian2', MIDDLE, 300);
    const version = story.areas.at(-1)!.area.version;
    expect(story.news('civilian1')).toEqual([`${HERE}: officer1 officer2`]);
    expect(story.news('civilian2')).toEqual([`${HERE}: officer2`]);
    story.presence('officer1', true);
    story.fireTimers('areas');
    expect(story.areas.at(-1)!.area.version).toBeGreaterThan(version);
    expect([story.news('civilian1'), story.news('civilian2')]).toEqual([[], [`${HERE}: officer1 officer2`]]);
    story.presence('officer2', false);
    story.leave('officer2');
    story.fireTimers('areas');
    expect([story.news('civilian1'), story.news('civilian2')]).toEqual([
      [`${HERE}: officer1`],
      [`${HERE}: officer1`],
    ]);
  });
  it('is there again with his next position, also beyond a border', () => {
    const story = new Story();
    story.at('officer', EDGE, -10);
    story.presence('officer', false);
    // a fix of his own is a sign that he is there
    story.at('officer', EDGE, 10);
    story.at('civilian', EDGE, 20);
    expect(story.observed).toHaveLength(1);
  });
});

it('an officer is told nothing at all', () => {
  const story = new Story();
  story.at('officer', MIDDLE);
  for (let i = 0; i < 30; i++) {
    story.at(`civilian${i}`, MIDDLE, i);
    story.at('officer', i % 2 ? EDGE : MIDDLE, i);
  }
  story.fireTimers('areas');
  story.leave('civilian3');
  expect(story.news('officer')).toEqual([]);
});

describe('a region', () => {
  it('leaves memory when nobody is left', () => {
    const story = new Story();
    story.at('officer', EDGE, -10);
    story.at('civilian', EDGE, -300);
    story.at('officer', EDGE, 10);
    expect([...story.regions.keys()].sort()).toEqual([HERE, NEXT].sort());
    story.leave('civilian');
    expect([...story.regions.keys()]).toEqual([NEXT]);
    story.leave('officer');
    expect(story.regions.size).toBe(0);
  });
  it('forgets the silent, officers from its list too', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.nowMs += SILENT_MS;
    story.at('civilian', MIDDLE, 100);
    expect(story.news('civilian')).toEqual([`${HERE}: officer`]);
    story.fireTimers('silent');
    story.fireTimers('areas');
    expect(story.news('civilian')).toEqual([`${HERE}:`]);
    expect(story.regions.get(HERE)!.matcher.members.count).toBe(1);
    story.nowMs += 2 * SILENT_MS;
    story.fireTimers('silent');
    expect(story.regions.size).toBe(0);
  });
  it('is rebuilt from the next fixes after a crash', () => {
    const story = new Story({ dwellMs: 20_000 });
    for (let i = 0; i < 5; i++) {
      story.at('officer', MIDDLE);
      story.at('civilian', MIDDLE, 10);
    }
    const version = story.areas.at(-1)!.area.version;
    story.news('civilian');
    story.regions.clear();
    for (let i = 0; i < 12; i++) {
      story.at('officer', MIDDLE);
      story.at('civilian', MIDDLE, 10);
    }
    expect(story.areas.at(-1)!.area.version).toBeGreaterThan(version);
    expect(story.news('civilian')).toEqual([`${HERE}: officer`]);
    expect(story.observed).toHaveLength(1);
  });
  it('that does not exist refuses', () => {
    const story = new Story();
    expect(() => story.tell('nowhere', { type: 'leave', userId: 'x' })).toThrow('no such region');
  });
});
