/** When regions are divided and made one again: by load, over windows, and never for a moment's crowd. */
import { describe, expect, it } from 'vitest';
import { groundOf, regionsOf, UNDIVIDED } from '../actors/geo/layout.ts';
import type { RegionLoad } from '../actors/messages/region.ts';
import { ok } from '../protocol/errors.ts';
import { HotRegions, isCool, isHot, regionsView } from './hotRegions.ts';
import { HEAT_LIMITS } from './limits.ts';
import { MemoryBucket, MemoryKv } from './memory/memoryKv.ts';
import { KvRegionDirectory } from './regionDirectory.ts';

const CELL = 4_711;
const WHOLE = `r${CELL}`;
const log = { debug() {}, info() {}, warn() {}, error() {} };

class Story {
  nowMs = 1_000_000;
  loads = new Map<string, RegionLoad>();
  waitMs = 1;
  readonly clock = { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs };
  readonly scheduler = { after: () => () => {}, immediate: () => {} };
  readonly directory = new KvRegionDirectory({
    kv: new MemoryKv(new MemoryBucket(this.scheduler)),
    clock: this.clock,
    scheduler: this.scheduler,
    log,
    metrics: { count() {}, observe() {}, gauge() {} },
  });
  readonly hot = new HotRegions({
    door: {
      tell() {},
      ask: (to, _message, done) => {
        this.nowMs += this.waitMs;
        done(ok(this.loads.get(to.id) ?? { members: 0, fixes: 0 }));
      },
    },
    directory: this.directory,
    depth: 3,
    serves: id => groundOf(id) !== null,
    clock: this.clock,
    scheduler: this.scheduler,
    log,
  });
  constructor() {
    this.hot.start();
  }
  /** So many windows in which the region is served for `servedMs` of each second and takes `fixes`. */
  async windows(count: number, id: string, servedMs: number, members: number): Promise<void> {
    const lookMs = HEAT_LIMITS.windowMs / 5;
    for (let i = 0; i < count * 5; i++) {
      this.nowMs += lookMs;
      this.hot.served(id, (servedMs * lookMs) / 1_000);
      const fixes = (this.loads.get(id)?.fixes ?? 0) + members;
      this.loads.set(id, { members, fixes });
      await this.hot.look();
    }
  }
  get regions(): string[] {
    return regionsOf(this.directory.of(CELL) ?? UNDIVIDED);
  }
}

describe('a region', () => {
  it('is hot by people, by its share of a core, or by its wait when it is large', () => {
    const calm = { members: 50_000, coreShare: 0.2, waitMs: 50, fixesPerS: 0 };
    expect(isHot(calm, HEAT_LIMITS)).toBe(false);
    expect(isHot({ ...calm, members: 50_001 }, HEAT_LIMITS)).toBe(true);
    expect(isHot({ ...calm, coreShare: 0.21 }, HEAT_LIMITS)).toBe(true);
    expect(isHot({ ...calm, waitMs: 51 }, HEAT_LIMITS)).toBe(true);
    expect(isHot({ ...calm, waitMs: 51, members: 999 }, HEAT_LIMITS)).toBe(false);
  });
  it('is divided when it was hot for two windows, which gives crowd mode its time', async () => {
    const story = new Story();
    await story.windows(1, WHOLE, 300, 2_000);
    expect(story.regions).toEqual(['']);
    await story.windows(1, WHOLE, 100, 2_000);
    await story.windows(1, WHOLE, 300, 2_000);
    expect(story.regions).toEqual(['']);
    expect(story.hot.view()).toMatchObject([{ region: WHOLE, members: 2_000, hotWindows: 1 }]);
    await story.windows(2, WHOLE, 300, 2_000);
    expect(story.regions).toEqual(['0', '1', '2', '3']);
    expect(regionsView(story.directory, story.hot)).toMatchObject({
      divided: [{ cell: WHOLE, version: 1, regions: ['0', '1', '2', '3'].map(path => `${WHOLE}.${path}`) }],
    });
  });
  it('is whole again when its quads were cool together for ten minutes', async () => {
    const story = new Story();
    await story.windows(3, WHOLE, 300, 2_000);
    expect(story.regions).toHaveLength(4);
    story.loads.clear();
    const windows = HEAT_LIMITS.coolWindows;
    await story.windows(windows - 3, 'elsewhere', 0, 0);
    expect(story.regions).toHaveLength(4);
    await story.windows(5, 'elsewhere', 0, 0);
    expect(story.regions).toEqual(['']);
  });
  it('is not cool while one of its quads does not answer', () => {
    const cool = { members: 100, fixesPerS: 10, waitMs: 1 };
    expect(isCool(cool, 100, HEAT_LIMITS)).toBe(true);
    expect(isCool({ ...cool, members: Number.NaN }, 100, HEAT_LIMITS)).toBe(false);
    expect(isCool({ ...cool, fixesPerS: 26 }, 100, HEAT_LIMITS)).toBe(false);
    expect(isCool({ ...cool, members: 12_500 }, 100, HEAT_LIMITS)).toBe(false);
    expect(isCool({ ...cool, waitMs: 13 }, 100, HEAT_LIMITS)).toBe(true);
    expect(isCool({ ...cool, members: 1_000, waitMs: 13 }, 100, HEAT_LIMITS)).toBe(false);
  });
});
