/**
 * Durable timers: what an actor wants to hear later, also when it, its node or the whole town has died meanwhile.
 *
 * Problem. A timer in memory dies with its node. A timer in a table must be found by whoever owns the actor when it falls
 * due, once and not by everybody; it must not fire for an owner that lost the shard, not be lost by one that dies while
 * it fires, and an outage of an hour must not end in a flood.
 *
 * Guarantee. A timer whose setting was committed is delivered at its time or later, again and again until the actor has
 * answered it and the answer's commits are durable; then its row is removed. So: at least once, with (name, dueAtMs) as
 * the key of a repeat. A timer that was replaced or cancelled is not delivered after that commit, except one that was on
 * its way already: the actor compares `dueAtMs` with what it remembers.
 *
 * Mechanism. One row per (actor, name) in the store, written under the fence of the actor's shard.
 *   - Load. The owner keeps what falls due within the next window in memory: one read for all its shards each half
 *     window, and one at once for shards that were opened (together, not one by one). Everything overdue is part of it.
 *   - Follow. Operations of the actors pass through `submit`, or come with points (`stored`); when one is committed, the
 *     copy in memory changes too. A
 *     read that was under way at that moment may know less, so what it says of such a timer is ignored.
 *   - Deliver. As an ask, `due`. The actor's answer leaves through its output gate, so it proves that the commits of the
 *     turn are done. `ok`, or a refusal that is final (no such actor), completes: a fenced removal of exactly this
 *     dueAtMs, so that what the actor set again meanwhile stays. Everything else is tried again, six times with growing,
 *     jittered pauses; then the timer rests until a later window reads it again. Nothing is ever dropped.
 *   - Missed ticks are one: there is one row, however long nobody looked. Overdue timers are delivered in portions.
 *
 * Time. `dueAtMs` is on the town clock, the one that actors see and phones are told; in a replay that runs faster, timers
 * come faster. How fast it runs is measured from one look to the next, so that the next look comes in time; should the
 * clock jump, it comes a few seconds late. Two nodes' clocks may differ: a timer then moves by as much when its actor
 * does. Nothing that must be exact depends on it: cooldowns are judged by the database clock, ownership by monotonic time.
 */
import type { TimerOp } from '../../actors/durable.ts';
import { ERROR, type Result } from '../../protocol/errors.ts';
import type { ActorDoor } from '../gatewayPort.ts';
import { TIMER_LIMITS } from '../limits.ts';
import type {
  Clock,
  CommitEntry,
  Coordinator,
  Log,
  Metrics,
  OperationWriter,
  Random,
  Scheduler,
  TimerStore,
  WriteOutcome,
} from '../ports.ts';
import { timerKey } from './timerRules.ts';
import { type Entry, type Owned, TimerWindow } from './timerWindow.ts';
import { TownPace } from './townPace.ts';

export interface DurableTimersOptions {
  readonly store: Pick<TimerStore, 'due'>;
  /** A `LedgerWriter` over the same store. */
  readonly writer: OperationWriter;
  readonly door: Pick<ActorDoor, 'ask'>;
  readonly coordinator: Pick<Coordinator, 'serving' | 'epochOf' | 'lost'>;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'count'>;
  readonly limits?: Partial<{ [K in keyof typeof TIMER_LIMITS]: number }>;
}

export class DurableTimers implements OperationWriter {
  readonly #options: DurableTimersOptions;
  readonly #limits: { readonly [K in keyof typeof TIMER_LIMITS]: number };
  readonly #window = new TimerWindow();
  readonly #pace: TownPace;
  /** Opened and not read yet. */
  readonly #fresh = new Set<Owned>();
  /** Timers that changed since the read under way began; null while none is. */
  #touched: Set<string> | null = null;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #readAtTownMs = 0;
  #nextLookTownMs = 0;
  #failures = 0;
  #pauseUntilMs = 0;
  #notBeforeMs = 0;
  #cancelTick: (() => void) | null = null;
  #stopped = false;

  constructor(options: DurableTimersOptions) {
    this.#options = options;
    this.#pace = new TownPace(options.clock);
    this.#limits = { ...TIMER_LIMITS, ...options.limits };
  }

  /** Timers in memory: due soon, or under way. */
  get size(): number {
    return this.#window.size;
  }

  /** The way of an actor's timer to the store. */
  submit(entry: CommitEntry, done: (outcome: WriteOutcome) => void): void {
    this.#options.writer.submit(entry, outcome => {
      if (outcome.ok && entry.op.type === 'timer') this.stored(entry.shard, entry.op);
      done(outcome);
    });
  }

  /** An operation on a timer is durable, on whatever way: the copy in memory follows. */
  stored(shard: number, op: TimerOp): void {
    this.#touched?.add(timerKey(op));
    this.#window.follow(shard, op);
    if (this.#cancelTick !== null && this.#window.queue.nextMs < this.#nextLookTownMs)
      this.#tickAfter(this.#limits.tickMs);
  }

  /** This node owns the shard from now on. Shards opened in the same moment are read together. */
  opened(shard: number, epoch: number): void {
    this.#fresh.add(this.#window.open(shard, epoch));
    this.#tickAfter(0);
  }

  /** Handed over, lost or dropped: nothing of it is delivered from here any more. */
  closed(shard: number): void {
    this.#window.close(shard);
  }

  closedAll(): void {
    this.#window.closeAll();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTick?.();
    this.#cancelTick = null;
    this.closedAll();
  }

  /** Never before the pause after a full portion is over. */
  #tickAfter(wantedMs: number): void {
    if (this.#stopped) return;
    const { clock, scheduler } = this.#options;
    const delayMs = Math.max(wantedMs, this.#pauseUntilMs - clock.monotonicMs());
    this.#cancelTick?.();
    this.#nextLookTownMs = this.#pace.after(delayMs);
    this.#cancelTick = scheduler.after(delayMs, () => {
      this.#cancelTick = null;
      this.#tick();
    });
  }

  #tick(): void {
    if (this.#window.shards === 0) return;
    const { coordinator, clock } = this.#options;
    let sleepMs = this.#sleepMs();
    // a suspended node waits: it may be evicted, or go on as if nothing had been
    if (coordinator.serving()) {
      this.#read();
      const nowMs = clock.nowMs();
      let room = this.#limits.catchUp;
      for (; room > 0; room--) {
        const entry = this.#window.queue.shift(nowMs);
        if (entry === null) break;
        this.#deliver(entry);
      }
      if (room === 0) {
        sleepMs = this.#limits.catchUpMs;
        this.#pauseUntilMs = clock.monotonicMs() + sleepMs;
      }
    }
    if (this.#cancelTick === null) this.#tickAfter(sleepMs);
  }

  /** Until something may have to be done. */
  #sleepMs(): number {
    const { tickMs, restMs, loadMs } = this.#limits;
    this.#pace.look();
    if (this.#fresh.size > 0) return tickMs;
    const untilMs = this.#pace.until(Math.min(this.#window.queue.nextMs, this.#readAtTownMs + loadMs));
    return Math.min(restMs, Math.max(tickMs, untilMs));
  }

  // --- reading ------------------------------------------------------------------------------------------------------

  /** One read at a time: of everything when the half window is over by either clock, else of what was opened. */
  #read(): void {
    const { clock } = this.#options;
    const monotonicMs = clock.monotonicMs();
    if (this.#touched !== null || monotonicMs < this.#notBeforeMs) return;
    const nowMs = clock.nowMs();
    const { loadMs, windowMs } = this.#limits;
    const due = monotonicMs - this.#readAtMs >= loadMs || Math.abs(nowMs - this.#readAtTownMs) >= loadMs;
    const shards = (due ? this.#window.all() : [...this.#fresh]).filter(one => this.#window.holds(one));
    this.#fresh.clear();
    if (shards.length === 0) return;
    if (due) {
      this.#readAtMs = monotonicMs;
      this.#readAtTownMs = nowMs;
    }
    this.#touched = new Set();
    void this.#readShards(shards, nowMs + windowMs);
  }

  async #readShards(shards: readonly Owned[], untilMs: number): Promise<void> {
    const { store, log, clock } = this.#options;
    // from now on what actors set within the new window is kept in memory, read or not
    const before = shards.map(owned => owned.untilMs);
    for (const owned of shards) owned.untilMs = untilMs;
    try {
      const limit = this.#limits.loadTimers;
      const numbers = shards.map(owned => owned.shard);
      const found = await store.due(numbers, untilMs, limit);
      this.#failures = 0;
      const byShard = new Map(shards.map(owned => [owned.shard, owned]));
      for (const timer of found) {
        if (!this.#touched?.has(timerKey(timer))) this.#window.take(byShard.get(timer.shard)!, timer);
      }
      // more is due than one read may bring: the rest when half of these are on their way
      if (found.length === limit) this.#readAgain(shards, (found.at(-1)!.dueAtMs - clock.nowMs()) / 2);
    } catch (error) {
      shards.forEach((owned, i) => {
        owned.untilMs = before[i]!;
      });
      this.#readAgain(shards, this.#limits.tickMs * 2 ** this.#failures++);
      log.warn({ shards: shards.length, error: String(error) }, 'due timers could not be read');
    } finally {
      this.#touched = null;
      if (!this.#stopped) this.#tickAfter(0);
    }
  }

  #readAgain(shards: readonly Owned[], pauseMs: number): void {
    for (const owned of shards) if (this.#window.holds(owned)) this.#fresh.add(owned);
    const { tickMs, loadMs } = this.#limits;
    this.#notBeforeMs = this.#options.clock.monotonicMs() + Math.min(loadMs, Math.max(tickMs, pauseMs));
  }

  // --- delivering ---------------------------------------------------------------------------------------------------

  #deliver(entry: Entry): void {
    const { door, coordinator } = this.#options;
    if (entry.gone) return;
    // on its way to another node: who opens the shard there delivers it
    if (coordinator.epochOf(entry.shard) !== entry.owned.epoch) return this.#retry(entry);
    const { kind, actor, name, dueAtMs, message } = entry;
    entry.attempt++;
    door.ask(
      { kind, id: actor },
      { type: 'due', name, dueAtMs, message },
      result => {
        if (entry.gone) return;
        if (isFinal(result)) this.#complete(entry);
        else this.#retry(entry);
      },
      { timeoutMs: this.#limits.askMs, keyed: true },
    );
  }

  /** Removes exactly what was delivered. */
  #complete(entry: Entry): void {
    const { writer, random, clock, coordinator } = this.#options;
    const { shard, kind, actor, name, dueAtMs } = entry;
    const op: TimerOp = {
      type: 'timer',
      id: random.uuid(clock.nowMs()),
      kind,
      actor,
      name,
      dueAtMs: null,
      onlyDueAtMs: dueAtMs,
      message: null,
    };
    this.#count('delivered');
    writer.submit({ shard, epoch: entry.owned.epoch, op }, outcome => {
      if (outcome.ok) this.stored(shard, op);
      else if (outcome.reason !== 'stale_epoch') this.#retry(entry);
      else if (this.#window.holds(entry.owned)) {
        this.closed(shard);
        coordinator.lost(shard);
      }
    });
  }

  #retry(entry: Entry): void {
    if (entry.gone) return;
    const { scheduler, random, log } = this.#options;
    const { attempts, retryMinMs, retryMaxMs } = this.#limits;
    if (entry.attempt >= attempts) {
      this.#count('rested');
      log.error({ kind: entry.kind, name: entry.name }, 'a due timer is not answered; it rests for a while');
      return this.#window.forget(entry.owned, entry.key);
    }
    this.#count('retried');
    const pauseMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.max(0, entry.attempt - 1));
    const jitter = 0.75 + (random.uint32() / 2 ** 32) * 0.5;
    scheduler.after(pauseMs * jitter, () => {
      if (entry.gone) return;
      this.#window.queue.push(entry);
      this.#tickAfter(0);
    });
  }

  #count(result: string): void {
    this.#options.metrics.count('heyblue_timers_total', { result });
  }
}

/** Done, or there is nobody (any more) for whom it could be. A bug or a passing trouble is neither. */
const isFinal = (result: Result<unknown>): boolean =>
  result.ok || (!result.retryable && result.code !== ERROR.internal);
