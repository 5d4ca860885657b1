/**
 * Watches for regions that are too hot for one actor, and for those that cooled down, and has the directory divide them or
 * make them one again. What is measured: how long the region was served in each second (told by the run queue, which takes
 * the time anyway), how many people it holds, and how long it takes to answer, which is the wait in its mailbox.
 *
 * A region is watched by the node that serves it. The four quads of a divided one may live anywhere: they are asked by the
 * node that would serve the whole.
 */
import { groundOf, isMergeable, quadId, regionsOf } from '../actors/geo/layout.ts';
import type { RegionLoad } from '../actors/messages/region.ts';
import type { Result } from '../protocol/errors.ts';
import type { ActorDoor } from './gatewayPort.ts';
import { HEAT_LIMITS } from './limits.ts';
import type { Clock, Log, Scheduler } from './ports.ts';
import type { LayoutOutcome, RegionDirectory } from './regionDirectory.ts';

export type HeatLimits = { readonly [K in keyof typeof HEAT_LIMITS]: number };

/** A region over one window. */
export interface Heat {
  readonly members: number;
  /** Of one core. */
  readonly coreShare: number;
  /** 99th percentile of the waits for its turn, milliseconds. */
  readonly waitMs: number;
  readonly fixesPerS: number;
}

/** What an operator sees of a watched region. */
export interface HeatView extends Heat {
  readonly region: string;
  /** Windows in a row in which it was hot. */
  readonly hotWindows: number;
}

export interface HotRegionsOptions {
  readonly door: ActorDoor;
  readonly directory: RegionDirectory;
  /** Levels to which a cell may be divided (`depthMax` of `actors/geo/layout.ts`). */
  readonly depth: number;
  /** Whether a region is served by this node. */
  readonly serves: (regionId: string) => boolean;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly limits?: Partial<HeatLimits>;
}

/** Any of the three makes a region hot. */
export const isHot = (heat: Heat, limits: HeatLimits): boolean =>
  heat.members > limits.hotMembers ||
  heat.coreShare > limits.hotCoreShare ||
  (heat.waitMs > limits.hotWaitMs && heat.members >= limits.waitMembers);

/** Four quads together, beside what made the whole hot. */
export const isCool = (sum: Omit<Heat, 'coreShare'>, fixesThen: number, limits: HeatLimits): boolean =>
  sum.members < limits.coolShare * limits.hotMembers &&
  sum.fixesPerS <= limits.coolShare * fixesThen &&
  (sum.waitMs < limits.coolShare * limits.hotWaitMs || sum.members < limits.waitMembers);

/** For `GET /admin/regions`: each divided cell with its regions, and the regions under load on this node. Nobody's place. */
export const regionsView = (directory: RegionDirectory, hot: HotRegions): object => ({
  divided: directory
    .all()
    .filter(({ layout }) => layout.divided.length > 0)
    .map(({ cell, layout }) => ({
      cell: quadId(cell, ''),
      version: layout.version,
      regions: regionsOf(layout).map(path => quadId(cell, path)),
    })),
  watched: hot.view(),
});

interface Watched {
  servedMs: number;
  waits: number[];
  members: number;
  fixes: number | null;
  fixesAtMs: number;
  fixesBefore: number | null;
  fixesBeforeMs: number;
  hotWindows: number;
  heat: Heat | null;
}

interface Quads {
  fixes: readonly number[];
  atMs: number;
  coolSinceMs: number | null;
}

export class HotRegions {
  readonly #options: HotRegionsOptions;
  readonly #limits: HeatLimits;
  /** A region that is served so little is not looked at; where few people make one hot, they make little work too. */
  readonly #watchedShare: number;
  /** Served since the last probe, by region. */
  #served = new Map<string, number>();
  readonly #watched = new Map<string, Watched>();
  readonly #quads = new Map<string, Quads>();
  #windowMs = 0;
  #isWatching = false;
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: HotRegionsOptions) {
    this.#options = options;
    this.#limits = { ...HEAT_LIMITS, ...options.limits };
    const { watchedShare, hotMembers, waitMembers } = this.#limits;
    this.#watchedShare = watchedShare * Math.min(1, hotMembers / waitMembers);
  }

  /** From the run queue: a region was served for so long. */
  served(regionId: string, tookMs: number): void {
    if (this.#isWatching) this.#served.set(regionId, (this.#served.get(regionId) ?? 0) + tookMs);
  }

  start(): void {
    this.#isWatching = true;
    this.#windowMs = this.#options.clock.monotonicMs();
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  view(): HeatView[] {
    return [...this.#watched].flatMap(([region, { heat, hotWindows }]) =>
      heat === null ? [] : [{ region, ...heat, hotWindows }],
    );
  }

  /** Looks at those who were served since the last time; at the end of a window, judges. For the timer and for tests. */
  async look(): Promise<void> {
    const { clock } = this.#options;
    this.#watch();
    await Promise.all([...this.#watched].map(([id, one]) => this.#probe(id, one)));
    const nowMs = clock.monotonicMs();
    const windowMs = nowMs - this.#windowMs;
    if (windowMs < this.#limits.windowMs) return;
    this.#windowMs = nowMs;
    for (const [id, one] of [...this.#watched]) await this.#judge(id, one, windowMs);
    await this.#lookAtQuads();
  }

  #watch(): void {
    const { watchedMax, probeMs } = this.#limits;
    const watchedShare = this.#watchedShare;
    const served = this.#served;
    this.#served = new Map();
    for (const [id, one] of this.#watched) one.servedMs += served.get(id) ?? 0;
    const busiest = [...served]
      .filter(([id, ms]) => !this.#watched.has(id) && ms >= watchedShare * probeMs)
      .sort((a, b) => b[1] - a[1])
      .slice(0, Math.max(0, watchedMax - this.#watched.size));
    for (const [id, servedMs] of busiest) {
      this.#watched.set(id, {
        ...{
          servedMs,
          waits: [],
          members: 0,
          fixes: null,
          fixesAtMs: 0,
          fixesBefore: null,
          fixesBeforeMs: 0,
        },
        ...{ hotWindows: 0, heat: null },
      });
    }
  }

  async #probe(id: string, one: Watched): Promise<void> {
    const { load, waitMs } = await this.#ask(id);
    one.waits.push(waitMs);
    if (load === null) return;
    one.members = load.members;
    one.fixes = load.fixes;
    one.fixesAtMs = this.#options.clock.monotonicMs();
    if (one.fixesBefore === null || load.fixes < one.fixesBefore) {
      one.fixesBefore = load.fixes;
      one.fixesBeforeMs = one.fixesAtMs;
    }
  }

  #ask(id: string): Promise<{ load: RegionLoad | null; waitMs: number }> {
    const { door, clock } = this.#options;
    const askedMs = clock.monotonicMs();
    return new Promise(resolve => {
      const done = (result: Result<unknown>): void =>
        resolve({
          load: result.ok ? (result.value as RegionLoad) : null,
          waitMs: clock.monotonicMs() - askedMs,
        });
      door.ask({ kind: 'region', id }, { type: 'load' }, done, { timeoutMs: this.#limits.probeTimeoutMs });
    });
  }

  async #judge(id: string, one: Watched, windowMs: number): Promise<void> {
    const { directory, serves, depth, log } = this.#options;
    const limits = this.#limits;
    const waits = one.waits.sort((a, b) => a - b);
    const seconds = (one.fixesAtMs - one.fixesBeforeMs) / 1_000;
    const heat: Heat = {
      members: one.members,
      coreShare: one.servedMs / windowMs,
      waitMs: waits[Math.ceil(0.99 * waits.length) - 1] ?? 0,
      fixesPerS: seconds > 0 ? ((one.fixes ?? 0) - (one.fixesBefore ?? 0)) / seconds : 0,
    };
    const { servedMs } = one;
    one.heat = heat;
    one.servedMs = 0;
    one.waits = [];
    one.fixesBefore = one.fixes;
    one.fixesBeforeMs = one.fixesAtMs;
    const ground = groundOf(id);
    if (ground === null || !serves(id) || servedMs < this.#watchedShare * windowMs) {
      this.#watched.delete(id);
      return;
    }
    one.hotWindows = isHot(heat, limits) ? one.hotWindows + 1 : 0;
    if (one.hotWindows < limits.hotWindows) return;
    const outcome = await directory.divide(ground.cell, ground.path, depth, heat.fixesPerS);
    if (outcome === 'written') {
      const { members, coreShare, waitMs } = heat;
      log.info({ members, coreShare, waitMs, level: ground.path.length }, 'a hot region is divided');
      this.#watched.delete(id);
    }
  }

  async #lookAtQuads(): Promise<void> {
    const { directory, serves, log } = this.#options;
    const seen = new Set<string>();
    for (const { cell, layout } of directory.all()) {
      for (const { path, fixesPerS } of layout.divided) {
        const whole = quadId(cell, path);
        if (!isMergeable(layout, path) || !serves(whole)) continue;
        seen.add(whole);
        const asked = await Promise.all(
          ['0', '1', '2', '3'].map(quarter => this.#ask(quadId(cell, path + quarter))),
        );
        const outcome = await this.#coolDown(whole, asked, fixesPerS, () => directory.merge(cell, path));
        if (outcome === 'written') log.info({ level: path.length }, 'regions that cooled down are one again');
      }
    }
    for (const whole of this.#quads.keys()) if (!seen.has(whole)) this.#quads.delete(whole);
  }

  async #coolDown(
    whole: string,
    asked: readonly { load: RegionLoad | null; waitMs: number }[],
    fixesThen: number,
    merge: () => Promise<LayoutOutcome>,
  ): Promise<LayoutOutcome | null> {
    const atMs = this.#options.clock.monotonicMs();
    const before = this.#quads.get(whole);
    const fixes = asked.map(({ load }) => load?.fixes ?? Number.NaN);
    const next: Quads = { fixes, atMs, coolSinceMs: null };
    this.#quads.set(whole, next);
    if (!before) return null;
    // one that was away and began anew has a smaller number: what it took is what it has taken since
    const taken = fixes.map((count, i) => (count >= before.fixes[i]! ? count - before.fixes[i]! : count));
    const sum = {
      members: asked.reduce((all, { load }) => all + (load?.members ?? Number.NaN), 0),
      fixesPerS: taken.reduce((all, one) => all + one, 0) / ((atMs - before.atMs) / 1_000),
      waitMs: Math.max(...asked.map(one => one.waitMs)),
    };
    if (!isCool(sum, fixesThen, this.#limits)) return null;
    next.coolSinceMs = before.coolSinceMs ?? before.atMs;
    if (atMs - next.coolSinceMs < this.#limits.coolWindows * this.#limits.windowMs) return null;
    return merge();
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.scheduler.after(this.#limits.probeMs, () => {
      void this.look().then(() => this.#again());
    });
  }
}
