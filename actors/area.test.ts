/** What an area tells to whom, and when: and what nobody can learn from it. */
import { describe, expect, it } from 'vitest';
import { AreaTown } from '../k8s/tracks/areaTown.ts';
import { seeded } from '../k8s/tracks/seeded.ts';
import { type AreaRules, areaRules, openAreas } from './geo/areaRules.ts';
import { AREAS, areaId } from './geo/grid.ts';
import {
  AREA_RENEW_MS,
  AREA_SWEEP_MAX,
  AREA_SWEEP_MS,
  OFFICER_SILENT_MS,
  SILENT_MS,
  SILENT_SWEEP_MS,
} from './geo/limits.ts';

const SEED = 20_261_121;
const CELL = AREAS.cellOf(40.73, -73.99);
const HERE = areaId(CELL);
const box = AREAS.boxOf(CELL);
const MIDDLE = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };
const NEXT = areaId(AREAS.cellOf(MIDDLE.lat, box.east + 0.01));
const METRE_DEG = 1 / 111_195;

class Story extends AreaTown {
  constructor(rules: AreaRules = areaRules(), seed = SEED) {
    const chance = seeded(seed);
    super(rules, () => chance.int(2 ** 32));
  }
  /** Somebody stands in the middle, or so far from the eastern border (negative: before it). */
  stands(userId: string, eastOfBorderM: number | null = null): void {
    const role = userId.startsWith('officer') ? 'officer' : 'civilian';
    const perDeg = Math.cos((MIDDLE.lat * Math.PI) / 180);
    const lng = eastOfBorderM === null ? MIDDLE.lng : box.east + (eastOfBorderM * METRE_DEG) / perDeg;
    const often = userId === 'officer who reports often';
    this.at(
      { userId, role, handle: `the ${userId}`, often },
      Math.round(MIDDLE.lat * 1e7),
      Math.round(lng * 1e7),
    );
  }
  passes(ms: number): void {
    this.until(this.nowMs + ms);
  }
  /** What this person was told, without what he was told before. */
  news(userId: string): string[] {
    const mine = this.told.filter(one => one.userId === userId);
    for (const one of mine) this.told.splice(this.told.indexOf(one), 1);
    return mine.map(({ area, officers }) => `${area}: ${officers.join(' ')}`.trim());
  }
  newest(userId: string): string {
    const officers = this.told.findLast(one => one.userId === userId)?.officers ?? [];
    return officers.join(' ');
  }
}

const LATEST_MS = areaRules().delayMaxMs + AREA_SWEEP_MS;
/** A new area has said what it says to everybody. */
const SETTLED_MS = AREA_RENEW_MS + LATEST_MS;

describe('a list', () => {
  it('names who shares in the block, to those in it and to those close behind its border', () => {
    const story = new Story(openAreas());
    story.stands('officer', -2_000);
    story.stands('civilian1');
    story.stands('civilian2', 150);
    story.stands('civilian3', 250);
    story.passes(AREA_SWEEP_MS);
    expect(story.news('civilian1')).toEqual([`${HERE}: officer`]);
    expect(story.news('civilian2')).toEqual([`${HERE}: officer`]);
    expect(story.news('civilian3')).toEqual([]);
    expect(story.areas.get(NEXT)!.participants).toBe(2);
  });
  it('is the same wherever in the block the officer is, and hears nothing of his steps', () => {
    const story = new Story(openAreas());
    story.stands('officer');
    story.stands('civilian');
    story.passes(AREA_SWEEP_MS);
    story.news('civilian');
    const heard = story.heard;
    for (let i = 0; i < 30; i++) {
      story.passes(1_000);
      story.stands('officer', -10 - 100 * i);
    }
    expect(story.heard).toBe(heard);
    story.passes(AREA_RENEW_MS);
    expect(story.news('civilian')).toEqual([]);
  });
  it('is told a bounded number at a time, to everybody in the end, also when it goes on changing', () => {
    const story = new Story(openAreas());
    const crowd = 2 * AREA_SWEEP_MAX + 7;
    for (let i = 0; i < crowd; i++) story.stands(`civilian${i}`);
    story.passes(AREA_SWEEP_MS);
    story.told.length = 0;
    for (let i = 0; i < 5; i++) {
      story.stands(`officer${i}`);
      const before = story.told.length;
      story.passes(AREA_SWEEP_MS);
      expect(story.told.length - before).toBeLessThanOrEqual(AREA_SWEEP_MAX);
    }
    story.passes(10 * AREA_SWEEP_MS);
    const last = 'officer0 officer1 officer2 officer3 officer4';
    for (let i = 0; i < crowd; i++) expect(story.newest(`civilian${i}`)).toBe(last);
    // nobody waits until it stops changing: within two rounds everybody has heard something
    expect(story.told.length).toBeLessThanOrEqual(3 * crowd);
  });
  it('names at most sixteen, and news beyond those is none', () => {
    const story = new Story(openAreas());
    for (let i = 0; i < 20; i++) story.stands(`officer${i}`);
    story.stands('civilian');
    story.passes(AREA_SWEEP_MS);
    expect(story.told.at(-1)!.officers).toHaveLength(16);
    story.told.length = 0;
    story.stands('officer20');
    story.leave('officer18');
    story.passes(AREA_SWEEP_MS);
    expect(story.told).toEqual([]);
    story.leave('officer3');
    story.passes(AREA_SWEEP_MS);
    expect(story.told.at(-1)!.officers).toContain('officer16');
  });
  it('carries a version that rises, also for one who comes back and after a crash', () => {
    const story = new Story(openAreas());
    story.stands('civilian');
    for (const officer of ['officer1', 'officer2', 'officer3']) {
      story.stands(officer);
      story.passes(AREA_SWEEP_MS);
    }
    story.leave('civilian');
    story.passes(60_000);
    story.stands('civilian');
    story.crash();
    story.passes(AREA_RENEW_MS);
    for (const one of ['civilian', 'officer1', 'officer2', 'officer3']) story.stands(one);
    story.passes(AREA_RENEW_MS);
    const versions = story.told.map(({ version }) => version);
    expect(versions.length).toBeGreaterThanOrEqual(5);
    for (let i = 1; i < versions.length; i++) {
      const cameBack = story.told[i]!.officers.length === story.told[i - 1]!.officers.length;
      // the owner declared the area void one above the version that he knew
      expect(versions[i]! - versions[i - 1]!).toBeGreaterThan(cameBack ? 1 : 0);
    }
  });
  it('is never told to an officer', () => {
    const story = new Story(openAreas());
    story.stands('officer1');
    for (let i = 0; i < 30; i++) {
      story.stands(`civilian${i}`);
      story.stands('officer2', i % 2 === 0 ? -50 : 50);
      story.passes(5_000);
    }
    expect(story.told.filter(({ userId }) => userId.startsWith('officer'))).toEqual([]);
    expect(story.told.length).toBeGreaterThan(30);
  });
});

describe('a change', () => {
  it('is told 30 to 120 s after it came about, at the same moment to all who look', () => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 40; seed++) {
      const story = new Story(areaRules(), seed);
      for (let i = 0; i < 5; i++) story.stands(`civilian${i}`);
      story.passes(SETTLED_MS);
      story.told.length = 0;
      const cameMs = story.nowMs;
      story.stands('officer');
      story.passes(LATEST_MS);
      expect(story.told).toHaveLength(5);
      expect(new Set(story.told.map(({ atMs }) => atMs)).size).toBe(1);
      const wentMs = story.nowMs;
      delays.push(story.told[0]!.atMs - cameMs);
      story.told.length = 0;
      story.leave('officer');
      story.passes(LATEST_MS);
      expect(story.told.map(({ officers }) => officers)).toEqual([[], [], [], [], []]);
      expect(new Set(story.told.map(({ atMs }) => atMs)).size).toBe(1);
      delays.push(story.told[0]!.atMs - wentMs);
    }
    const { delayMinMs, delayMaxMs } = areaRules();
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(delayMinMs);
    expect(Math.max(...delays)).toBeLessThanOrEqual(delayMaxMs + AREA_SWEEP_MS);
    // drawn from all of it
    expect(Math.min(...delays)).toBeLessThan(delayMinMs + 10_000);
    expect(Math.max(...delays)).toBeGreaterThan(delayMaxMs - 10_000);
  });
  it('is not seen earlier by who comes after it, or goes and comes back again', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const story = new Story(areaRules(), seed);
      for (let i = 0; i < 3; i++) story.stands(`civilian${i}`);
      story.stands('officer1');
      story.passes(LATEST_MS);
      story.told.length = 0;
      story.stands('officer2');
      story.leave('officer1');
      // what each account sees at each second; some look by coming, some by staying
      for (let s = 0; s < 130; s++) {
        if (s % 5 === 0) story.leave('civilian0');
        story.stands('civilian0');
        story.stands(`new${s}`);
        story.passes(1_000);
        const lists = new Set([story.newest('civilian0'), story.newest(`new${s}`)]);
        // the sweep of the last second may be under way
        const before = new Set(
          story.told.filter(({ atMs }) => atMs <= story.nowMs - 1_000).map(one => one.officers.join(' ')),
        );
        const staying = story.newest('civilian1') || 'officer1';
        for (const list of lists) expect([staying, ...before, 'officer1']).toContain(list);
        if (staying === 'officer1' && before.size <= 1) expect(lists).toEqual(new Set(['officer1']));
      }
      expect(story.newest('civilian1')).toBe('officer2');
    }
  });
  it('that is taken back before it was told is none: who walks along a border is no news', () => {
    const story = new Story();
    for (let i = 0; i < 3; i++) story.stands(`civilian${i}`);
    story.passes(SETTLED_MS);
    story.told.length = 0;
    for (let i = 0; i < 120; i++) {
      story.stands('officer', i % 2 === 0 ? -10 : 10);
      story.passes(10_000);
    }
    expect(story.told).toEqual([]);
  });
  it('of a phone that is not there is told when it did not come back, the same to who comes newly', () => {
    const story = new Story();
    for (const one of ['civilian1', 'civilian2', 'officer']) story.stands(one);
    story.passes(LATEST_MS);
    story.told.length = 0;
    for (const there of [false, true, false, true]) {
      story.presence('officer', there);
      story.passes(20_000);
    }
    expect(story.told).toEqual([]);
    story.presence('officer', false);
    story.stands('civilian3');
    expect(story.news('civilian3')).toEqual([`${HERE}: officer`]);
    story.passes(30_000);
    story.leave('officer');
    story.passes(LATEST_MS);
    expect(story.news('civilian1')).toEqual([`${HERE}:`]);
  });
  it('keeps its moment when the area moves to another node', () => {
    const run = (moving: boolean) => {
      const story = new Story();
      for (let i = 0; i < 4; i++) story.stands(`civilian${i}`);
      story.passes(LATEST_MS);
      story.stands('officer1');
      for (let s = 0; s < 300; s++) {
        story.passes(1_000);
        if (s === 20) story.stands('officer2');
        if (s === 70) story.leave('officer1');
        if (s === 100) story.leave('civilian0');
        if (moving && s % 7 === 0) story.move();
      }
      return story.told;
    };
    const staying = run(false);
    const moved = run(true);
    expect(moved.map(one => [one.userId, one.officers])).toEqual(
      staying.map(one => [one.userId, one.officers]),
    );
    // a batch that is under way begins its second anew on the next node
    for (const [i, one] of moved.entries())
      expect(one.atMs - staying[i]!.atMs).toBeLessThanOrEqual(AREA_SWEEP_MS);
    expect(staying.length).toBeGreaterThan(8);
  });
});

describe('an area of few', () => {
  it('names nobody before three share in it, of either role, at home there', () => {
    const story = new Story();
    story.stands('officer');
    story.stands('civilian1');
    // those behind the border look, and do not count
    story.stands('civilian2', 50);
    story.stands('civilian3', 60);
    story.passes(2 * LATEST_MS);
    expect(story.told.filter(({ officers }) => officers.length > 0)).toEqual([]);
    story.stands('civilian4');
    story.passes(29_000);
    expect(story.told.filter(({ officers }) => officers.length > 0)).toEqual([]);
    story.passes(LATEST_MS);
    for (const one of ['civilian1', 'civilian2', 'civilian4']) expect(story.newest(one)).toBe('officer');
  });
  it('is closed after a delay as well: who brings the others himself does not see when the officer goes', () => {
    const delays: number[] = [];
    for (let seed = 1; seed <= 30; seed++) {
      const story = new Story(areaRules(), seed);
      for (const one of ['civilian1', 'civilian2', 'officer']) story.stands(one);
      story.passes(LATEST_MS);
      story.told.length = 0;
      const wentMs = story.nowMs;
      story.leave('officer');
      story.passes(LATEST_MS);
      expect(story.newest('civilian1')).toBe('');
      delays.push(story.told[0]!.atMs - wentMs);
    }
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(areaRules().delayMinMs);
    expect(new Set(delays).size).toBeGreaterThan(20);
  });
});

describe('an area', () => {
  it('forgets who is silent, and leaves memory when nobody is left and everything is told', () => {
    const story = new Story();
    for (const one of ['civilian1', 'civilian2', 'officer']) story.stands(one);
    story.passes(LATEST_MS);
    story.passes(SILENT_MS);
    for (const one of ['civilian1', 'civilian2']) story.stands(one);
    story.passes(SILENT_SWEEP_MS + LATEST_MS);
    expect(story.newest('civilian1')).toBe('');
    expect(story.areas.get(HERE)!.members).toHaveLength(2);
    for (const one of ['civilian1', 'civilian2']) story.leave(one);
    story.passes(LATEST_MS);
    expect(story.areas.size).toBe(0);
  });
  it('soon forgets an officer who shares and says nothing any more, as he whose node crashed before he switched off', () => {
    const story = new Story();
    const officers = ['officer who reports often', 'officer whose cell is shared'];
    for (const one of ['civilian1', 'civilian2', ...officers]) story.stands(one);
    story.passes(LATEST_MS);
    expect(story.newest('civilian1')).toBe(officers.join(' '));
    // civilians where nobody is around, and who shares a cell, report each five minutes
    story.passes(OFFICER_SILENT_MS + SILENT_SWEEP_MS);
    expect(story.areas.get(HERE)!.byId.has(officers[0]!)).toBe(false);
    expect(story.areas.get(HERE)!.members).toHaveLength(3);
    story.passes(LATEST_MS);
    expect(story.newest('civilian1')).toBe(officers[1]);
  });
  it('that lost everything says nothing until people had the time to say that they are there', () => {
    const story = new Story();
    for (const one of ['civilian1', 'civilian2', 'officer']) story.stands(one);
    story.passes(LATEST_MS);
    story.told.length = 0;
    story.crash();
    for (let s = 0; s < 240; s += 10) {
      story.passes(10_000);
      for (const one of ['civilian1', 'civilian2', 'officer']) story.stands(one);
    }
    expect(story.told.map(({ officers }) => officers)).toEqual([['officer'], ['officer']]);
  });
  it.each([
    ['stays', false],
    ['moves', true],
  ])('that had an officer before a crash says that he is gone, if he is, when it %s', (_what, moves) => {
    const story = new Story();
    for (const one of ['civilian1', 'civilian2', 'officer']) story.stands(one);
    story.passes(LATEST_MS);
    story.told.length = 0;
    story.crash();
    story.leave('officer');
    for (let s = 0; s < 240; s += 10) {
      story.passes(10_000);
      for (const one of ['civilian1', 'civilian2']) story.stands(one);
      if (moves) story.move();
    }
    expect(story.told.map(({ userId, officers }) => [userId, officers])).toEqual([
      ['civilian1', []],
      ['civilian2', []],
    ]);
  });
});
