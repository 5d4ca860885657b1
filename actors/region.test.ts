/** What a region says to whom: pairs and its neighbours. */
import { describe, expect, it } from 'vitest';
import { destination } from '../k8s/tracks/crowd.ts';
import { Town } from '../k8s/tracks/town.ts';
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { boxOf, cellOf, regionId } from './geo/grid.ts';
import { OFFICER_SILENT_MS, SILENT_MS, SILENT_SWEEP_MS } from './geo/limits.ts';
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
}

describe('meetings', () => {
  it('go to the pair as proximity evidence of the cell, without a place', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 10);
    expect(story.observed).toEqual([
      {
        type: 'observe',
        evidence: { method: 'proximity', id: String(story.nowMs), cell: HERE, metBy: proximityRules().rule },
        officer: { id: 'officer', handle: 'the officer' },
        civilian: { id: 'civilian', handle: 'the civilian' },
      },
    ]);
  });
  it('are offered again as the very same proof, also beyond a border and by another node', () => {
    const story = new Story();
    story.settle = refuse(ERROR.timeout, 'the answer was lost');
    story.at('officer', EDGE, -12);
    story.at('civilian', EDGE, -4);
    const first = story.observed[0]!.evidence.id;
    story.at('officer', EDGE, -8);
    story.move();
    story.settle = null;
    story.at('officer', EDGE, 4);
    story.at('civilian', EDGE, 4);
    story.move();
    expect(story.observed.map(({ evidence }) => evidence.id)).toEqual([first, first, first]);
    // who parts and meets again brings another proof
    story.settle = ok({});
    story.at('civilian', EDGE, 300);
    story.at('civilian', EDGE, 4);
    expect(story.observed.at(-1)!.evidence.id).not.toBe(first);
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
  it('of whom the pair has not answered are offered again beyond a border: the answer would not find the officer', () => {
    const story = new Story();
    story.settle = null;
    story.at('officer', EDGE, -12);
    story.at('civilian', EDGE, -4);
    story.at('officer', EDGE, 4);
    story.at('civilian', EDGE, 4);
    expect(story.observed.map(({ evidence }) => evidence.cell)).toEqual([HERE, NEXT]);
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
  it('forgets the silent', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.nowMs += SILENT_MS;
    story.at('civilian', MIDDLE, 100);
    story.fireTimers('silent');
    expect(story.regions.get(HERE)!.matcher.members.count).toBe(1);
    story.nowMs += 2 * SILENT_MS;
    story.fireTimers('silent');
    expect(story.regions.size).toBe(0);
  });
  it('forgets an officer who says nothing any more, and where he walked, long before a civilian', () => {
    const story = new Story();
    story.at('officer', MIDDLE);
    story.at('civilian', MIDDLE, 500);
    story.nowMs += OFFICER_SILENT_MS - 1_000;
    story.fireTimers('silent');
    const { matcher, footprints } = story.regions.get(HERE)!;
    expect(matcher.members.count).toBe(2);
    story.nowMs += SILENT_SWEEP_MS;
    story.fireTimers('silent');
    expect(matcher.members.indexOf('officer')).toBe(-1);
    expect(matcher.members.count).toBe(1);
    expect(footprints.people).toBe(1);
  });
  it('is rebuilt from the next fixes after a crash', () => {
    const story = new Story({ dwellMs: 20_000 });
    for (let i = 0; i < 5; i++) {
      story.at('officer', MIDDLE);
      story.at('civilian', MIDDLE, 10);
    }
    story.regions.clear();
    for (let i = 0; i < 12; i++) {
      story.at('officer', MIDDLE);
      story.at('civilian', MIDDLE, 10);
    }
    expect(story.observed).toHaveLength(1);
  });
  it('that does not exist refuses', () => {
    const story = new Story();
    expect(() => story.tell('nowhere', { type: 'leave', userId: 'x' })).toThrow('no such region');
  });
});
