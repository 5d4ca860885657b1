/** What civilians are told of the hubs in an area, and when: and what nobody can learn from it. */
import { describe, expect, it } from 'vitest';
import { AreaTown } from '../k8s/tracks/areaTown.ts';
import { seeded } from '../k8s/tracks/seeded.ts';
import { type AreaRules, areaRules, openAreas } from './geo/areaRules.ts';
import { AREAS, areaId } from './geo/grid.ts';
import { AREA_HUBS_MAX, AREA_RENEW_MS, AREA_SWEEP_MS, SILENT_MS, SILENT_SWEEP_MS } from './geo/limits.ts';

const SEED = 20_261_122;
const CELL = AREAS.cellOf(40.73, -73.99);
const HERE = areaId(CELL);
const box = AREAS.boxOf(CELL);
const at = (low: number, high: number): number => Math.round((low + high) * 5e6);
const [LAT_E7, LNG_E7] = [at(box.south, box.north), at(box.west, box.east)];
const { delayMinMs, delayMaxMs } = areaRules();

class Story extends AreaTown {
  constructor(rules: AreaRules = areaRules(), seed = SEED) {
    const chance = seeded(seed);
    super(rules, () => chance.int(2 ** 32));
  }
  comes(userId: string): void {
    const role = userId.startsWith('officer') ? 'officer' : 'civilian';
    this.at({ userId, role, handle: userId }, LAT_E7, LNG_E7);
  }
  opens(officer: string, hub = 'hub'): void {
    this.hub(HERE, officer, hub, true);
  }
  closes(officer: string, hub = 'hub'): void {
    this.hub(HERE, officer, hub, false);
  }
  passes(ms: number): void {
    this.until(this.nowMs + ms);
  }
  /** What this person was told since this was asked last: the hubs of each notice. */
  news(userId: string): string[] {
    const mine = this.told.filter(one => one.userId === userId);
    for (const one of mine) this.told.splice(this.told.indexOf(one), 1);
    return mine.map(({ hubs }) => hubs.join(' '));
  }
  /** An area in which a civilian was told all that there is. */
  settled(): this {
    this.comes('civilian');
    this.passes(AREA_RENEW_MS + delayMaxMs + AREA_SWEEP_MS);
    this.news('civilian');
    return this;
  }
}

describe('an open hub', () => {
  it('is told to one who is alone, since nobody is named, and to who comes later', () => {
    const story = new Story().settled();
    story.opens('officer');
    story.passes(delayMaxMs + AREA_SWEEP_MS);
    expect(story.news('civilian')).toEqual(['hub']);
    story.comes('civilian2');
    expect(story.news('civilian2')).toEqual(['hub']);
    story.closes('officer');
    story.passes(delayMaxMs + AREA_SWEEP_MS);
    expect(story.news('civilian')).toEqual(['']);
    expect(story.news('civilian2')).toEqual(['']);
  });

  it('opens and closes with the delay of every change, drawn for each', () => {
    const waited = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const story = new Story(areaRules(), SEED + seed).settled();
      for (const act of [() => story.opens('officer'), () => story.closes('officer')]) {
        const fromMs = story.nowMs;
        act();
        story.passes(delayMinMs - 1);
        expect(story.told).toEqual([]);
        story.passes(delayMaxMs + AREA_SWEEP_MS);
        expect(story.told).toHaveLength(1);
        waited.add(story.told[0]!.atMs - fromMs);
        story.told.length = 0;
      }
    }
    expect(waited.size).toBeGreaterThan(60);
  });

  it('does not tell who is there, nor how many, nor that the first was followed by a second', () => {
    const said = (steps: (story: Story) => void): string => {
      const story = new Story(openAreas());
      story.comes('civilian');
      story.opens('officer1');
      story.passes(AREA_SWEEP_MS);
      steps(story);
      story.passes(10 * AREA_SWEEP_MS);
      return JSON.stringify(story.told);
    };
    const alone = said(() => {});
    expect(alone).not.toContain('officer1');
    const crowd = said(story => {
      for (const other of ['officer2', 'officer3']) story.opens(other);
      story.passes(AREA_SWEEP_MS);
      for (const gone of ['officer1', 'officer3']) story.closes(gone);
    });
    expect(crowd).toBe(alone);
  });

  it('that closes before it was told is no news, and neither is one that opens again in time', () => {
    const story = new Story().settled();
    story.opens('officer');
    story.passes(delayMinMs - 1);
    story.closes('officer');
    story.passes(2 * delayMaxMs);
    expect(story.told).toEqual([]);
    expect(story.areas.get(HERE)!.hubs.size).toBe(0);
    story.opens('officer');
    story.passes(delayMaxMs + AREA_SWEEP_MS);
    story.news('civilian');
    story.closes('officer');
    story.passes(delayMinMs - 1);
    story.opens('officer2');
    story.passes(2 * delayMaxMs);
    expect(story.told).toEqual([]);
  });

  it('closes when nothing is heard of who was there', () => {
    const story = new Story().settled();
    story.opens('officer');
    story.passes(delayMaxMs + AREA_SWEEP_MS);
    for (let ms = 0; ms < SILENT_MS - 2 * delayMaxMs; ms += AREA_RENEW_MS) {
      story.comes('civilian');
      story.passes(AREA_RENEW_MS);
    }
    expect(story.news('civilian')).toEqual(['hub']);
    for (let ms = 0; ms < 2 * SILENT_SWEEP_MS + 4 * delayMaxMs; ms += AREA_RENEW_MS) {
      story.comes('civilian');
      story.passes(AREA_RENEW_MS);
    }
    expect(story.news('civilian')).toEqual(['']);
  });

  it('goes with the area to another node, with the moment at which it is told', () => {
    const tell = (moving: boolean): string => {
      const story = new Story().settled();
      story.opens('officer1', 'told');
      story.passes(delayMaxMs + AREA_SWEEP_MS);
      story.opens('officer2', 'new');
      story.closes('officer1', 'told');
      if (moving) story.move();
      story.passes(delayMaxMs + AREA_SWEEP_MS);
      if (moving) story.move();
      story.closes('officer2', 'new');
      story.passes(delayMaxMs + AREA_SWEEP_MS);
      return JSON.stringify(story.told.map(({ hubs, userId }) => [userId, hubs]));
    };
    expect(tell(true)).toBe(tell(false));
    expect(tell(true)).toContain('[["civilian",["told"]]');
  });

  it('is known again after a crash when its officers say so, and is told as it was', () => {
    const story = new Story().settled();
    story.opens('officer');
    story.passes(delayMaxMs + AREA_SWEEP_MS);
    expect(story.news('civilian')).toEqual(['hub']);
    story.crash();
    for (let ms = 0; ms < 2 * AREA_RENEW_MS + delayMaxMs; ms += AREA_RENEW_MS) {
      story.passes(AREA_RENEW_MS);
      story.comes('civilian');
      story.opens('officer');
    }
    story.passes(delayMaxMs + AREA_SWEEP_MS);
    expect(new Set(story.news('civilian'))).toEqual(new Set(['hub']));
  });

  it('is one of sixteen at most', () => {
    const story = new Story(openAreas());
    story.comes('civilian');
    for (let i = 0; i < AREA_HUBS_MAX + 4; i++) story.opens('officer', `hub${i}`);
    story.passes(AREA_SWEEP_MS);
    expect(story.told.at(-1)!.hubs).toHaveLength(AREA_HUBS_MAX);
  });
});
