/**
 * What ended since somebody last looked, out of the lists that a load writes: they hold what is under way as well, and end
 * in another order than they began.
 */
import type { Op } from '../../nodes/simulation/history.ts';
import type { AskedOp } from '../swarm/clientLoad.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import type { MeetOp } from '../swarm/meetings.ts';

export interface Lists {
  readonly history: readonly MeetOp[];
  readonly ops: readonly Op[];
  readonly asked: readonly AskedOp[];
}

export interface Ended {
  readonly ok: number;
  readonly failed: number;
  readonly unknown: number;
  readonly meet: HistogramData;
  readonly push: HistogramData;
  readonly ask: HistogramData;
}

/** An event that is not there so long after its scan is not waited for here: whether it ever came is judged at the end. */
const UNHEARD_MS = 60_000;
const REASONS_MAX = 50;

/** Hands out the entries of a list once each, when they are over. */
class Cursor<T> {
  readonly #list: readonly T[];
  readonly #isOver: (one: T) => boolean;
  #open: T[] = [];
  #at = 0;

  constructor(list: readonly T[], isOver: (one: T) => boolean) {
    this.#list = list;
    this.#isOver = isOver;
  }

  over(): T[] {
    const looked = [...this.#open, ...this.#list.slice(this.#at)];
    this.#at = this.#list.length;
    this.#open = looked.filter(one => !this.#isOver(one));
    return looked.filter(one => this.#isOver(one));
  }
}

export class Tail {
  readonly reasons: Record<string, number> = {};
  readonly #meets: Cursor<MeetOp>;
  readonly #asks: Cursor<AskedOp>;
  readonly #scans: Cursor<Op>;
  /** Encounters that the other phone was told of, and when. */
  readonly #heard = new Map<string, number>();
  /** Scans that were answered and whose event is not there yet: when they were asked. */
  readonly #unheard = new Map<string, number>();

  constructor(lists: Lists) {
    this.#meets = new Cursor(lists.history, one => one.tookMs > 0);
    this.#asks = new Cursor(lists.asked, () => true);
    this.#scans = new Cursor(lists.ops, one => one.outcome !== null);
  }

  /** The other phone was told of an encounter. */
  heard(encounterId: string, atMs: number): void {
    this.#heard.set(encounterId, atMs);
  }

  #reason(why: string | null): void {
    const words = why ?? 'no reason';
    if (words in this.reasons || Object.keys(this.reasons).length < REASONS_MAX)
      this.reasons[words] = (this.reasons[words] ?? 0) + 1;
  }

  look(): Ended {
    const count = { ok: 0, failed: 0, unknown: 0 };
    const [meet, push, ask] = [new Histogram(), new Histogram(), new Histogram()];
    for (const one of this.#meets.over()) {
      count[one.outcome]++;
      if (one.outcome === 'ok') meet.record(one.tookMs);
      else this.#reason(one.why);
    }
    for (const one of this.#asks.over()) {
      count[one.outcome]++;
      if (one.outcome === 'ok') ask.record(one.tookMs);
      else this.#reason(one.why);
    }
    for (const { result, askedMs } of this.#scans.over()) {
      if (result?.ok) this.#unheard.set((result.value as { encounterId: string }).encounterId, askedMs);
    }
    const newest = Math.max(0, ...this.#unheard.values());
    for (const [encounterId, askedMs] of this.#unheard) {
      const heardMs = this.#heard.get(encounterId);
      if (heardMs === undefined && askedMs > newest - UNHEARD_MS) continue;
      if (heardMs !== undefined) push.record(heardMs - askedMs);
      this.#unheard.delete(encounterId);
      this.#heard.delete(encounterId);
    }
    return { ...count, meet: meet.data(), push: push.data(), ask: ask.data() };
  }
}
