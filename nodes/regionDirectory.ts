/**
 * The directory of layouts: how hot cells are divided among regions (`actors/geo/layout.ts`), in the coordination store,
 * one small record per cell that was ever divided (`layout.<cell>`). Actors read the copy of their node without waiting.
 *
 * A record is written by compare-and-set only, and its version rises with each change. Nothing rests on everybody knowing
 * the newest one: regions and users with different copies find each other (`actors/regionDivision.ts`). So a watch that
 * lags or misses something costs a detour, and a list now and then makes up for it. Rubbish in the store is counted and
 * passed over; a bucket that was made anew, or rolled back, is told again by whoever remembers. A call that hangs is given
 * up: it holds up no start of a node, and no later look.
 */
import { CELL_COUNT } from '../actors/geo/grid.ts';
import {
  dividedAt,
  type Layout,
  type Layouts,
  mergedAt,
  packLayout,
  readLayout,
  UNDIVIDED,
} from '../actors/geo/layout.ts';
import { type Answer, within } from './cluster/storeCalls.ts';
import { CLUSTER_LIMITS, HEAT_LIMITS } from './limits.ts';
import type { Clock, KvEntry, KvStore, Log, Metrics, Scheduler } from './ports.ts';

/** `written`: it is so now. `refused`: the layout does not allow it, or somebody was faster. `failed`: perhaps, perhaps not. */
export type LayoutOutcome = 'written' | 'refused' | 'failed';

export interface LayoutView {
  readonly cell: number;
  readonly layout: Layout;
}

/** The port: what the node and its actors need of the directory. */
export interface RegionDirectory extends Layouts {
  /** Divides a region into four. */
  divide(cell: number, path: string, depthMax: number, fixesPerS: number): Promise<LayoutOutcome>;
  /** Makes the four regions of a quad one again. */
  merge(cell: number, path: string): Promise<LayoutOutcome>;
  /** Every cell that was ever divided. */
  all(): LayoutView[];
  start(): Promise<void>;
  stop(): void;
}

export interface RegionDirectoryOptions {
  readonly kv: KvStore;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A cell is not changed again for so long. */
  readonly pauseMs?: number;
}

const PREFIX = 'layout.';
const keyOf = (cell: number): string => `${PREFIX}${cell}`;
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** The cell of a key; null when it is no key of the directory, -1 when there is no such cell. */
function cellOfKey(key: string): number | null {
  if (!key.startsWith(PREFIX)) return null;
  const cell = Number(key.slice(PREFIX.length));
  return Number.isSafeInteger(cell) && cell >= 0 && cell < CELL_COUNT && keyOf(cell) === key ? cell : -1;
}

function layoutOf(value: Uint8Array): Layout | null {
  if (value.length > CLUSTER_LIMITS.recordBytes) return null;
  try {
    return readLayout(JSON.parse(DECODER.decode(value)));
  } catch {
    return null;
  }
}

export class KvRegionDirectory implements RegionDirectory {
  readonly #options: RegionDirectoryOptions;
  readonly #layouts = new Map<number, Layout>();
  #changes = 0;
  #stopWatch: () => void = () => {};
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: RegionDirectoryOptions) {
    this.#options = options;
  }

  get changes(): number {
    return this.#changes;
  }

  of(cell: number): Layout | undefined {
    return this.#layouts.get(cell);
  }

  all(): LayoutView[] {
    return [...this.#layouts].map(([cell, layout]) => ({ cell, layout }));
  }

  /** Begins to follow; resolves after the first look, whatever came of it. */
  async start(): Promise<void> {
    this.#stopWatch = this.#options.kv.watch(entry => this.#hear(entry));
    await this.look();
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    this.#stopWatch();
    this.#cancel?.();
  }

  divide(cell: number, path: string, depthMax: number, fixesPerS: number): Promise<LayoutOutcome> {
    const { clock } = this.#options;
    return this.#change(cell, 'split', layout => dividedAt(layout, path, depthMax, fixesPerS, clock.nowMs()));
  }

  merge(cell: number, path: string): Promise<LayoutOutcome> {
    return this.#change(cell, 'merge', layout => mergedAt(layout, path, this.#options.clock.nowMs()));
  }

  /** Reads every record: for the timer and for tests. */
  async look(): Promise<void> {
    const { kv, log } = this.#options;
    const entries = await this.#call(() => kv.list());
    if (!entries.ok) {
      log.debug({ fault: entries.fault }, 'the directory of layouts cannot be read; the copy stays');
      return;
    }
    const found = new Set<number>();
    for (const entry of entries.value) {
      const cell = cellOfKey(entry.key);
      if (cell !== null && cell >= 0) found.add(cell);
      this.#hear(entry);
    }
    // the store forgot: whoever remembers says it again
    for (const [cell, layout] of this.#layouts) if (!found.has(cell)) await this.#put(cell, layout, 0);
  }

  async #change(
    cell: number,
    way: 'split' | 'merge',
    next: (layout: Layout) => Layout | null,
  ): Promise<LayoutOutcome> {
    const result = await this.#write(cell, next);
    this.#options.metrics.count('heyblue_region_layout_changes_total', { way, result });
    return result;
  }

  async #write(cell: number, next: (layout: Layout) => Layout | null): Promise<LayoutOutcome> {
    const { kv, clock } = this.#options;
    const entry = await this.#call(() => kv.get(keyOf(cell)));
    if (!entry.ok) return 'failed';
    if (entry.value) this.#hear(entry.value);
    const layout = this.#layouts.get(cell) ?? UNDIVIDED;
    const youngest = layout.former.reduce((newest, one) => Math.max(newest, one.atMs), 0);
    // one change after the other: first everybody is where the one before put him
    if (clock.nowMs() - youngest < (this.#options.pauseMs ?? HEAT_LIMITS.windowMs)) return 'refused';
    const wanted = next(layout);
    if (wanted === null) return 'refused';
    const put = await this.#put(cell, wanted, entry.value?.revision ?? 0);
    if (!put.ok) return put.fault === 'conflict' ? 'refused' : 'failed';
    this.#learn(cell, wanted);
    return 'written';
  }

  #put(cell: number, layout: Layout, revision: number): Promise<Answer<number>> {
    const value = ENCODER.encode(JSON.stringify(packLayout(layout)));
    return this.#call(() => this.#options.kv.put(keyOf(cell), value, revision));
  }

  #call<T>(call: () => Promise<T>): Promise<Answer<T>> {
    return within(this.#options.scheduler, CLUSTER_LIMITS.callMs, call);
  }

  #hear(entry: KvEntry): void {
    const cell = cellOfKey(entry.key);
    // a removal says nothing: the next look says it again
    if (cell === null || entry.value.length === 0) return;
    const layout = cell < 0 ? null : layoutOf(entry.value);
    if (layout === null) {
      this.#options.metrics.count('heyblue_region_layout_rubbish_total');
      return;
    }
    this.#learn(cell, layout);
  }

  #learn(cell: number, layout: Layout): void {
    const known = this.#layouts.get(cell);
    if (known !== undefined && known.version >= layout.version) return;
    if (known === undefined && this.#layouts.size >= HEAT_LIMITS.layoutsMax) return;
    this.#layouts.set(cell, layout);
    this.#changes++;
    const divided = [...this.#layouts.values()].filter(one => one.divided.length > 0).length;
    this.#options.metrics.gauge('heyblue_region_layouts', divided);
    this.#options.log.info(
      { version: layout.version, regions: 1 + 3 * layout.divided.length },
      'a cell is laid out anew',
    );
  }

  #again(): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.scheduler.after(HEAT_LIMITS.lookMs, () => {
      void this.look().then(() => this.#again());
    });
  }
}
