/**
 * The auditor that never sleeps: one node of the cluster looks at everything again and again, seals the days that are over,
 * closes those of merchants, and lets go of what nobody can ask for any more.
 *
 * Which node is decided as for everything else: it owns a shard. For a moment two may, and no harm is done: an audit reads, a
 * seal says how far its day was when it began, and what is too old is so for both.
 */
import type { Coordinator, Log, Metrics, Scheduler } from '../../nodes/ports.ts';
import { shardOf } from '../../protocol/shard.ts';
import { Lines } from '../postgres/lines.ts';
import { liveUrl } from '../postgres/liveUrl.ts';
import type { AuditOptions } from './audit.ts';
import {
  BOUND_S,
  JOB_STATEMENT_MS_MAX,
  LEAD_MS,
  LOGGED_MAX,
  PRUNE_MS,
  SEAL_AFTER_S,
  SEAL_LOOK_MS,
  SETTLE_LOOK_MS,
} from './limits.ts';
import { PRUNED, prune } from './pruning.ts';
import { differencesOf, type Report } from './report.ts';
import { settleDays } from './settling.ts';
import type { AuditedStores } from './stores.ts';
import { onThread, type ThreadAnswer, type ThreadOrder } from './thread.ts';

/** Whoever owns this shard audits. */
export const AUDIT_SHARD = shardOf('audit', 'town');

export interface AuditJobOptions {
  /** As the role that owns the tables, as the one that serves, and as one that may only read (empty: made by the owner). */
  readonly ownerUrl: string;
  readonly appUrl: string;
  readonly auditUrl: string;
  readonly stores: Omit<AuditedStores, 'databaseUrl'>;
  readonly cooldownS: number;
  readonly archiveBoundS: number;
  /** Streams, tables and archive are shared with other towns. */
  readonly shared?: boolean;
  /** Between two audits; 0: none. */
  readonly intervalMs: number;
  readonly wallMs: () => number;
  readonly coordinator: Pick<Coordinator, 'epochOf'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Whether a day is over and not sealed, and there is anything to seal. */
const SEAL_DUE = `
  select day > coalesce((select max(s.day) from ledger.day_seal s where s.sealed_at is not null), '-infinity')
    and exists (select from ledger.transfer t where t.at < day + 1)
  from (select ((now() - interval '${SEAL_AFTER_S} seconds') at time zone 'utc')::date - 1 as day) d`;

/** Its own timers, each of which begins anew when its work is done. */
type Chore = 'audit' | 'seal' | 'settle' | 'prune';

export class AuditJob {
  readonly #options: AuditJobOptions;
  #lines: Lines | null = null;
  readonly #chores = new Map<Chore, () => void>();
  readonly #threads = new Set<{ stop(): void }>();
  #cancelLook: () => void;
  #closed = false;

  constructor(options: AuditJobOptions) {
    this.#options = options;
    this.#cancelLook = options.scheduler.after(LEAD_MS, () => this.#look());
  }

  /** What is under way ends at once: nothing of it has to be finished. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook();
    await this.#standBy();
  }

  #look(): void {
    const { coordinator, scheduler, metrics } = this.#options;
    const leads = coordinator.epochOf(AUDIT_SHARD) !== null;
    if (leads && this.#lines === null) this.#lead();
    if (!leads && this.#lines !== null) void this.#standBy();
    metrics.gauge('heyblue_audit_leading', leads ? 1 : 0);
    this.#cancelLook = scheduler.after(LEAD_MS, () => this.#look());
  }

  #lead(): void {
    const { appUrl, log, intervalMs } = this.#options;
    this.#lines = new Lines(1, {
      url: appUrl,
      log,
      name: 'audit',
      settings: { statement_timeout: `${JOB_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: 2 * JOB_STATEMENT_MS_MAX,
    });
    this.#again('prune', PRUNE_MS, () => this.#prune());
    this.#again('seal', SEAL_LOOK_MS, () => this.#seal());
    this.#again('settle', SETTLE_LOOK_MS, () => this.#settle());
    if (intervalMs > 0) this.#again('audit', intervalMs, () => this.#audit());
  }

  async #standBy(): Promise<void> {
    for (const cancel of this.#chores.values()) cancel();
    this.#chores.clear();
    for (const thread of this.#threads) thread.stop();
    const lines = this.#lines;
    this.#lines = null;
    await lines?.close();
  }

  /** Does it after a pause, and again, as long as this node leads. */
  #again(chore: Chore, pauseMs: number, work: () => Promise<void>): void {
    const { scheduler, log } = this.#options;
    const lines = this.#lines;
    const cancel = scheduler.after(pauseMs, () => {
      // the first chore may come before the connection stands
      Promise.resolve(lines?.tried())
        .then(work)
        .catch(error =>
          log.warn({ chore, error: String(error) }, 'the auditor could not do it, and tries again'),
        )
        .finally(() => {
          if (!this.#closed && lines !== null && this.#lines === lines) this.#again(chore, pauseMs, work);
        });
    });
    this.#chores.set(chore, cancel);
  }

  async #prune(): Promise<void> {
    const gone = await prune(this.#lines!);
    for (const what of PRUNED) {
      if (gone[what] > 0) this.#options.metrics.count('heyblue_pruned_total', { what }, gone[what]);
    }
  }

  async #seal(): Promise<void> {
    const [due] = await this.#lines!.run({ name: 'seal_due', text: SEAL_DUE, values: [] });
    if (due?.[0] !== true) return;
    const answer = await this.#onThread({ type: 'seal', url: liveUrl(this.#options.appUrl) });
    if (answer === null) return;
    if (answer.type !== 'sealed') throw new Error(answer.type === 'failed' ? answer.why : answer.type);
    for (const day of answer.days) this.#options.log.info({ day }, 'the ledger of a day is sealed');
    this.#options.metrics.count('heyblue_sealed_days_total', {}, answer.days.length);
  }

  async #settle(): Promise<void> {
    const closed = await settleDays(this.#lines!);
    this.#options.metrics.count('heyblue_settled_days_total', {}, closed);
  }

  async #audit(): Promise<void> {
    const { ownerUrl, auditUrl, stores, cooldownS, archiveBoundS, shared = false, metrics } = this.#options;
    const options: Omit<AuditOptions, 'say' | 'stores'> = {
      only: null,
      // another one each time, whichever node it is that looks
      chainDay: Math.floor(this.#options.wallMs() / this.#options.intervalMs),
      shared,
      hours: null,
      boundS: BOUND_S,
      cooldownS,
      archiveBoundS,
    };
    const answer = await this.#onThread({
      type: 'audit',
      options,
      stores,
      ownerUrl: liveUrl(ownerUrl),
      auditUrl,
    });
    if (answer === null) return;
    if (answer.type !== 'audited') {
      metrics.count('heyblue_audits_total', { result: 'failed' });
      throw new Error(answer.type === 'failed' ? answer.why : answer.type);
    }
    this.#tell(answer.report, answer.ms);
  }

  #tell(report: Report, ms: number): void {
    const { log, metrics } = this.#options;
    const wrong = differencesOf(report);
    const result = wrong > 0 ? 'wrong' : report.ok ? 'clean' : 'unreadable';
    metrics.count('heyblue_audits_total', { result });
    metrics.gauge('heyblue_audit_differences', wrong);
    metrics.gauge('heyblue_audit_seconds', ms / 1_000);
    for (const { check, store, differences, found } of report.checks) {
      if (differences === 0) continue;
      log.error(
        { check, store, differences, found: found.slice(0, LOGGED_MAX) },
        'the audit found differences',
      );
    }
    for (const { store, why } of report.unreachable)
      log.warn({ store, why }, 'the audit could not read a store');
    if (report.ok) log.info({ ms: Math.round(ms) }, 'the audit found nothing wrong');
  }

  /** Null when this node has to stand by meanwhile. */
  async #onThread(order: ThreadOrder): Promise<ThreadAnswer | null> {
    const lines = this.#lines;
    const thread = onThread(order);
    this.#threads.add(thread);
    const answer = await thread.answer;
    this.#threads.delete(thread);
    return this.#lines === lines ? answer : null;
  }
}
