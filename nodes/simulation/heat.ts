/**
 * Regions that are divided and made one again while everything else goes on: the directory and the watch for hot regions of
 * one process, as `main.ts` makes them. What is hot and what is cool is told by people and windows alone, and by so few
 * people and so short windows that a region which is divided now is one again soon, and divided anew.
 */
import { depthMax, type Layouts } from '../../actors/geo/layout.ts';
import type { ProximityRules } from '../../actors/geo/rules.ts';
import { shardOf } from '../../protocol/shard.ts';
import { type HeatLimits, HotRegions } from '../hotRegions.ts';
import type { NodeOptions, TownNode } from '../node.ts';
import { KvRegionDirectory } from '../regionDirectory.ts';
import type { Dice } from './dice.ts';

export type Heat = Partial<HeatLimits>;

/** One world in so many has regions that are divided. */
const ONE_IN = 4;
/** As in the product three report periods, and longer than a region waits for what another one knows. */
const WINDOW_MS = 6_000;
/** More than there are people. */
const NEVER = 1_000;

/** What makes a region hot in this world; null where none ever is. */
export function heatOf(dice: Dice): Heat | null {
  if (!dice.chance(1 / ONE_IN)) return null;
  return {
    windowMs: WINDOW_MS,
    probeMs: 1_000,
    hotWindows: 1,
    coolWindows: 1,
    // a few are enough for the whole cell, or for the quads of all levels too
    hotMembers: dice.pick([1, 3, 6]),
    coolShare: NEVER,
    // turns take no virtual time
    watchedShare: 0,
  };
}

export class Divisions {
  readonly layouts: Layouts;
  readonly #directory: KvRegionDirectory;
  readonly #hot: HotRegions;

  /** @param node asked when everything is composed */
  constructor(
    heat: Heat,
    { enterMaxM, exitMarginM }: ProximityRules,
    { clock, scheduler, log, metrics, cluster }: Omit<NodeOptions, 'behaviours'>,
    node: () => TownNode,
  ) {
    const world = { clock, scheduler, log };
    this.#directory = new KvRegionDirectory({ ...world, metrics, kv: cluster!.kv, pauseMs: heat.windowMs! });
    this.layouts = this.#directory;
    this.#hot = new HotRegions({
      ...world,
      door: {
        ask: (to, message, done, options) => node().door.ask(to, message, done, options),
        tell: (to, message, options) => node().door.tell(to, message, options),
      },
      directory: this.#directory,
      depth: depthMax(enterMaxM + exitMarginM),
      serves: id => node().coordinator.epochOf(shardOf('region', id)) !== null,
      limits: heat,
    });
  }

  /** Reads the directory; before the node starts. */
  read(): Promise<void> {
    return this.#directory.start();
  }

  served(regionId: string, tookMs: number): void {
    this.#hot.served(regionId, tookMs);
  }

  /** Looks for hot regions from now on. */
  watch(): void {
    this.#hot.start();
  }

  /** What is divided stays so. */
  rest(): void {
    this.#hot.stop();
  }
}
