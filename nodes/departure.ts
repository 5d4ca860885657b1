/**
 * How a node goes, in one of two ways.
 *
 * Others stay (SIGTERM to one node, a rolling restart): it leaves nothing behind. Not ready any more; then, at the same
 * time, shards handed over with all that is in memory, and phones told where to go, a few at a time: neither waits for the
 * other, for an actor serves a phone wherever the two are. Then the end. Nobody stays (Ctrl-C of the whole town, a lost
 * parent, a node that is alone): there is nobody to hand over to, so it closes its doors, lets commits finish and goes.
 * The first way may become the second at any moment: somebody is in a hurry.
 */
import { assert } from '../protocol/assert.ts';
import { CLUSTER_LIMITS, LIMITS } from './limits.ts';
import type { Clock, ClusterView, Log, Metrics, Scheduler } from './ports.ts';

/** How a drain ended: every user handed over and every socket told, or one sentence. */
export type Drained =
  | { readonly ok: true; readonly tookMs: number; readonly shardsLeft: number; readonly socketsLeft: number }
  | { readonly ok: false; readonly sentence: string };

/** The gateway, as far as it goes. */
export interface Doors {
  /** Not ready any more and no new sockets. */
  leave(): void;
  /**
   * Sends every phone to the others, as fast as they can welcome them, and slower while `handingOver`; how many are still
   * there after `graceMs`.
   */
  sendAway(graceMs: number, others: number, handingOver: () => boolean): Promise<number>;
  /** Closes everything. */
  stop(graceMs: number): Promise<void>;
}

export interface DepartureOptions {
  readonly doors: Doors;
  readonly view: () => ClusterView;
  /** Hands every shard over. */
  readonly drain: () => Promise<void>;
  /** Lets commits finish and leaves the cluster. */
  readonly stop: (budgetMs: number) => Promise<void>;
  /** Closes what remembers. */
  readonly close: (budgetMs: number) => Promise<void>;
  readonly exit: (code: number) => void;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'count'>;
}

/** Nodes besides this one that could take over. */
export const othersIn = (view: ClusterView): string[] =>
  view.nodes
    .filter(one => one.state === 'up' && one.node !== view.node && one.seenMs < CLUSTER_LIMITS.evictMs)
    .map(one => one.node);

const shardsHere = (view: ClusterView): number => view.owners.filter(owner => owner === view.node).length;

/** Checked with the other limits at start: everything fits into what is promised. */
export function assertDeparture(): void {
  const { drainShardsMs, drainSocketsMs, drainSeenMs, drainMs, handoffMs } = CLUSTER_LIMITS;
  const longestMs = Math.max(drainShardsMs, drainSocketsMs) + drainSeenMs + LIMITS.stopMs;
  assert(longestMs < drainMs, 'a drain fits into its promise');
  assert(handoffMs < drainShardsMs, 'a drain has time for hand-overs');
}

export class Departure {
  readonly #options: DepartureOptions;
  #drained: Promise<Drained> | null = null;
  #asked = false;
  #ending = false;
  readonly #hurry = Promise.withResolvers<void>();

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  /** The node goes and others may stay: it hands over first. Asked a second time, it hurries. */
  async leave(why: string): Promise<void> {
    if (this.#ending) return;
    if (!this.#asked && othersIn(this.#options.view()).length > 0) {
      this.#asked = true;
      await Promise.race([this.#drainAndTell(), this.#hurry.promise]);
    }
    await this.end(why, 0);
  }

  /** Hands everything over and stays, without users and phones, until it is told to go. */
  drain(): Promise<Drained> {
    if (this.#drained !== null) return this.#drained;
    if (othersIn(this.#options.view()).length === 0) {
      const sentence = 'No other node is there to take over: end this one with SIGTERM.';
      return Promise.resolve({ ok: false, sentence });
    }
    this.#drained = this.#handOver();
    return this.#drained;
  }

  /** When something is left, what is under way goes on until that has been read. */
  async #drainAndTell(): Promise<void> {
    const drained = await this.drain();
    if (drained.ok && drained.shardsLeft + drained.socketsLeft > 0)
      await this.#within(CLUSTER_LIMITS.drainSeenMs, new Promise(() => {}));
  }

  async #handOver(): Promise<Drained> {
    const { doors, view, drain, clock, log, metrics } = this.#options;
    const startMs = clock.monotonicMs();
    const others = othersIn(view());
    log.info({ shards: shardsHere(view()), to: others }, 'draining');
    doors.leave();
    let handingOver = true;
    const handedOver = this.#within(CLUSTER_LIMITS.drainShardsMs, drain()).then(() => {
      handingOver = false;
    });
    const [, socketsLeft] = await Promise.all([
      handedOver,
      doors.sendAway(CLUSTER_LIMITS.drainSocketsMs, others.length, () => handingOver),
    ]);
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    const shardsLeft = shardsHere(view());
    // who was in a hurry wanted it so
    if (shardsLeft + socketsLeft > 0 && !this.#ending) {
      metrics.count('heyblue_drain_shards_left_total', {}, shardsLeft);
      metrics.count('rt_drain_phones_left_total', {}, socketsLeft);
      log.warn({ tookMs, shardsLeft, socketsLeft }, 'drained, and left something behind');
    } else log.info({ tookMs, shardsLeft, socketsLeft }, 'drained');
    return { ok: true, tookMs, shardsLeft, socketsLeft };
  }

  /** Goes now: doors first, so that nothing new comes in; then what is under way becomes durable; then the stores. */
  async end(why: string, code: number): Promise<void> {
    if (this.#ending) return;
    this.#ending = true;
    this.#hurry.resolve();
    const { doors, stop, close, exit, scheduler, log } = this.#options;
    log.info({ why }, 'stopping');
    scheduler.after(LIMITS.stopMs, () => exit(1));
    await doors.stop(LIMITS.stopMs / 8);
    await stop(LIMITS.stopMs / 4);
    await close(LIMITS.stopMs / 4);
    log.info({}, 'stopped');
    exit(code);
  }

  /** Waits for the work, at most so long, or until there is a hurry. Work that fails has said so itself. */
  #within(timeoutMs: number, work: Promise<unknown>): Promise<unknown> {
    const late = new Promise<void>(resolve => this.#options.scheduler.after(timeoutMs, resolve));
    return Promise.race([work.catch(() => {}), late, this.#hurry.promise]);
  }
}
