/**
 * The one way of a node to the ledger: group commit.
 *
 * Problem. A durable write costs a flush of the disk and a round trip. One transaction per operation caps a town at a few
 * thousand a second, however fast the rest is. And a commit can end in a way that says neither yes nor no.
 *
 * Guarantee. Every submitted entry gets exactly one outcome. `ok` carries what the store decided. `stale_epoch`,
 * `unavailable`, `rejected` and `full` mean: proven not applied. An outcome that is not known is never reported, it is
 * found out. Entries that share an account, a pair, an id or an idempotency key are applied in the order in which they
 * were submitted.
 *
 * Mechanism. Whatever was submitted while earlier groups are under way forms the next group; there is no delay to tune:
 * alone, an entry leaves at once, and under load groups grow by themselves. Two groups may be under way, as long as
 * they share nothing (`entryQueue.ts`). The store applies a group as a whole or not at all, so
 *   - `poison` (an entry breaks a constraint): the group is halved until the guilty entry stands alone and is rejected;
 *   - `unavailable` (proven not applied): it is tried again until the entries' deadline, then they are told so;
 *   - `unknown` (the connection broke with the commit under way): the ids are looked up, for as long as it takes. What is
 *     found is done; what is proven absent is submitted again, under the same ids. (So an entry that was refused, in a
 *     group whose answer was lost, is decided anew, after the younger entries of that group.)
 * Memory is bounded: beyond `queueEntries` an entry is refused at once (`full`).
 */

import { traceIdOf } from '../protocol/trace.ts';
import { EntryQueue, keysOf, type Waiting } from './entryQueue.ts';
import { WRITER_LIMITS } from './limits.ts';
import type { OperationWriter, WriteOutcome } from './ports.ts';
import {
  type Clock,
  type CommitEntry,
  CommitError,
  type CommitFault,
  type CommitStore,
  type EntryOutcome,
  type Log,
  type Metrics,
  type Scheduler,
  type Tracer,
} from './ports.ts';

type Done = (outcome: WriteOutcome) => void;
type Pending = Waiting<Done>;

export interface LedgerWriterOptions {
  readonly store: CommitStore;
  readonly scheduler: Scheduler;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Records each group as a span that is linked to the traces of its entries; absent: nobody looks. */
  readonly tracer?: Tracer | undefined;
  readonly limits?: Partial<{ [K in keyof typeof WRITER_LIMITS]: number }>;
  /** Told after each group that changed something. */
  readonly onCommitted?: () => void;
}

const AWAY: WriteOutcome = {
  ok: false,
  reason: 'unavailable',
  message: 'the store cannot be reached, try again',
};
const STOPPING: WriteOutcome = { ok: false, reason: 'unavailable', message: 'stopping' };
const FULL: WriteOutcome = { ok: false, reason: 'full', message: 'too many operations wait for the store' };
const STALE: WriteOutcome = { ok: false, reason: 'stale_epoch', message: 'another node owns the shard' };

export class LedgerWriter implements OperationWriter {
  readonly #options: LedgerWriterOptions;
  readonly #limits: { readonly [K in keyof typeof WRITER_LIMITS]: number };
  readonly #queue = new EntryQueue<Done>();
  #inFlight = 0;
  #scheduled = false;
  #expiring = false;
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(options: LedgerWriterOptions) {
    this.#options = options;
    this.#limits = { ...WRITER_LIMITS, ...options.limits };
  }

  /** Entries that wait, not counting the groups under way. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Makes an entry durable; `done` is called once, never before this returns. */
  submit(entry: CommitEntry, done: Done): void {
    if (this.#stopped || this.#queue.size >= this.#limits.queueEntries) {
      const refusal = this.#stopped ? STOPPING : FULL;
      this.#options.scheduler.immediate(() => this.#tell(done, refusal));
      return;
    }
    const deadlineMs = this.#options.clock.monotonicMs() + this.#limits.entryMs;
    this.#queue.push({ entry, done, keys: keysOf(entry), deadlineMs });
    this.#watch();
    this.#schedule();
  }

  /**
   * Waits until nothing is left, at most `budgetMs`; then refuses what still waits and everything that comes.
   * Groups whose outcome is not known yet are given up unanswered: their ids tell the next start.
   */
  async drain(budgetMs: number): Promise<void> {
    if (this.#inFlight > 0 || this.#queue.size > 0) {
      await new Promise<void>(resolve => {
        const cancel = this.#options.scheduler.after(budgetMs, resolve);
        this.#idle.push(() => {
          cancel();
          resolve();
        });
      });
    }
    this.#stopped = true;
    for (const one of this.#queue.expired(Number.POSITIVE_INFINITY)) this.#tell(one.done, STOPPING);
  }

  /** Forms groups after this turn of the event loop, so that what is submitted together goes together. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#limits.groupsInFlight) return;
    this.#scheduled = true;
    this.#options.scheduler.immediate(() => {
      this.#scheduled = false;
      this.#form();
    });
  }

  #form(): void {
    while (this.#inFlight < this.#limits.groupsInFlight) {
      const group = this.#queue.take(this.#limits.groupEntries, this.#limits.scanEntries);
      if (group.length === 0) break;
      this.#inFlight++;
      void this.#settle(group).then(() => {
        this.#inFlight--;
        this.#queue.release(group);
        this.#schedule();
      });
    }
    if (this.#inFlight === 0 && this.#queue.size === 0) for (const idle of this.#idle.splice(0)) idle();
  }

  /** Brings every entry of the group to its outcome, in order. Never rejects. */
  async #settle(group: readonly Pending[]): Promise<void> {
    let pauseMs = this.#limits.retryMinMs;
    let rest = this.#giveUpLate(group);
    while (rest.length > 0) {
      const fault = await this.#commit(rest);
      if (fault === null) return;
      if (fault.fault === 'poison') return this.#isolate(rest, fault);
      if (fault.fault === 'unknown') rest = await this.#lookUp(rest);
      else {
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, this.#limits.retryMaxMs);
      }
      rest = this.#giveUpLate(rest);
    }
  }

  /** One try; null when it went through and everybody is told. */
  async #commit(group: readonly Pending[]): Promise<{ fault: CommitFault; message: string } | null> {
    const { store, clock, metrics, log, onCommitted, tracer } = this.#options;
    const startedMs = clock.monotonicMs();
    const span = tracer?.record('ledger.commit', group.map(traceOf)) ?? null;
    span?.set('heyblue.entries', group.length);
    let outcomes: EntryOutcome[];
    try {
      outcomes = await store.commit(group.map(one => one.entry));
    } catch (error) {
      const fault = error instanceof CommitError ? error.fault : 'unknown';
      const message = error instanceof Error ? error.message : String(error);
      span?.end(fault);
      metrics.count('heyblue_commit_result_total', { code: fault });
      const trace = traceIdOf(group.map(traceOf).find(one => one));
      log.warn({ fault, entries: group.length, error: message, trace }, 'a group did not go through');
      return { fault, message };
    }
    span?.end();
    metrics.observe('heyblue_commit_seconds', (clock.monotonicMs() - startedMs) / 1_000);
    metrics.observe('heyblue_commit_group_size', group.length);
    const codes = new Map<string, number>();
    for (const { code } of outcomes) codes.set(code, (codes.get(code) ?? 0) + 1);
    for (const [code, by] of codes) metrics.count('heyblue_commit_result_total', { code }, by);
    for (let i = 0; i < group.length; i++) {
      const { op, shard, trace } = group[i]!.entry;
      const { code } = outcomes[i]!;
      if (op.type === 'encounter' && code === 'created') {
        metrics.count('heyblue_encounters_total', { method: op.method });
      }
      if (code === 'insufficient_points') {
        metrics.count('heyblue_ledger_backstop_total');
        const fields = { id: op.id, shard, type: op.type, trace: traceIdOf(trace) };
        log.error(fields, 'the store refused points that an actor had let go');
      }
      this.#tell(group[i]!.done, outcomeOf(outcomes[i]!));
    }
    if (codes.has('created')) onCommitted?.();
    return null;
  }

  async #isolate(group: readonly Pending[], fault: { message: string }): Promise<void> {
    if (group.length === 1) {
      const { op, shard, trace } = group[0]!.entry;
      this.#options.log.error(
        { id: op.id, shard, type: op.type, error: fault.message, trace: traceIdOf(trace) },
        'the store rejects an entry',
      );
      this.#options.metrics.count('heyblue_commit_result_total', { code: 'rejected' });
      this.#tell(group[0]!.done, { ok: false, reason: 'rejected', message: fault.message });
      return;
    }
    const half = group.length >> 1;
    await this.#settle(group.slice(0, half));
    await this.#settle(group.slice(half));
  }

  /** Finds out what became of entries; answers those that are there and returns those that are proven absent. */
  async #lookUp(group: readonly Pending[]): Promise<readonly Pending[]> {
    const { store, log } = this.#options;
    let pauseMs = this.#limits.lookupMinMs;
    for (;;) {
      try {
        const found = await store.lookup(group.map(one => one.entry.op));
        const absent = group.filter((_, i) => found[i] === null);
        log.info({ entries: group.length, absent: absent.length }, 'an unknown commit is resolved');
        for (let i = 0; i < group.length; i++) {
          const committed = found[i];
          if (committed) this.#tell(group[i]!.done, { ok: true, committed });
        }
        if (absent.length < group.length) this.#options.onCommitted?.();
        return absent;
      } catch (error) {
        log.warn({ error: String(error) }, 'the outcome of a group is still unknown');
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, this.#limits.lookupMaxMs);
      }
    }
  }

  /** Answers entries that are proven not applied and past their deadline; returns the others. */
  #giveUpLate(group: readonly Pending[]): readonly Pending[] {
    const nowMs = this.#options.clock.monotonicMs();
    if (!this.#stopped && group.every(one => one.deadlineMs > nowMs)) return group;
    return group.filter(one => {
      const late = this.#stopped || one.deadlineMs <= nowMs;
      if (late) this.#tell(one.done, this.#stopped ? STOPPING : AWAY);
      return !late;
    });
  }

  /** Keeps an eye on the oldest entry that waits: groups before it may hang. */
  #watch(): void {
    const deadlineMs = this.#queue.oldestDeadlineMs;
    if (this.#expiring || deadlineMs === null) return;
    this.#expiring = true;
    const { clock, scheduler } = this.#options;
    scheduler.after(Math.max(1, deadlineMs - clock.monotonicMs()), () => {
      this.#expiring = false;
      for (const one of this.#queue.expired(clock.monotonicMs())) this.#tell(one.done, AWAY);
      this.#watch();
    });
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => this.#options.scheduler.after(ms, resolve));
  }

  #tell(done: Done, outcome: WriteOutcome): void {
    try {
      done(outcome);
    } catch (error) {
      this.#options.log.error({ error: String(error) }, 'a listener to an outcome threw');
    }
  }
}

const traceOf = (one: Pending): string | null | undefined => one.entry.trace;

function outcomeOf(outcome: EntryOutcome): WriteOutcome {
  return outcome.code === 'stale_epoch' ? STALE : { ok: true, committed: outcome };
}
