/**
 * What was evaluated, written down behind: a movement carries the trace of its evaluation, and whoever has it explained
 * later finds under it what the rule was given. Inputs are few words, so a town has few different evaluations, each of
 * which a node writes once. Nothing waits for it but the end of the node; what cannot be written is tried again, and the
 * oldest make room: those are evaluated again when they are asked for again, so that they come back here.
 */
import type { Log, Metrics, Scheduler } from '../ports.ts';
import { RULE_LIMITS } from './limits.ts';
import type { Evaluated } from './ruleBook.ts';
import type { RuleStore } from './store.ts';

export interface EvaluationsOptions {
  readonly store: Pick<RuleStore, 'keep'>;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface Waiting {
  readonly evaluated: Evaluated;
  /** Several inputs may be one evaluation. */
  readonly forget: (() => void)[];
}

export class Evaluations {
  readonly #options: EvaluationsOptions;
  readonly #waiting = new Map<string, Waiting>();
  #writing = false;
  #stopped = false;

  constructor(options: EvaluationsOptions) {
    this.#options = options;
  }

  /** @param forget lets it be evaluated again when it is asked for again */
  add(evaluated: Evaluated, forget: () => void): void {
    const { trace } = evaluated;
    const known = this.#waiting.get(trace);
    if (known) known.forget.push(forget);
    else this.#waiting.set(trace, { evaluated, forget: [forget] });
    if (this.#waiting.size > RULE_LIMITS.unwritten) {
      const [oldest] = this.#waiting.values() as Iterable<Waiting>;
      this.#waiting.delete(oldest!.evaluated.trace);
      for (const again of oldest!.forget) again();
      this.#options.metrics.count('heyblue_rules_unwritten_total');
    }
    this.#write();
  }

  /** Resolves when what waits is written, cannot be, or is not after a moment. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const { scheduler, log, metrics } = this.#options;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    let isOver = false;
    const cancel = scheduler.after(RULE_LIMITS.flushMs, resolve);
    const writing = async (): Promise<void> => {
      while (this.#waiting.size > 0 && !isOver) await this.#writeSome();
    };
    const failed = (error: unknown) => log.debug({ err: error }, 'evaluations cannot be written');
    await Promise.race([writing().catch(failed), late]);
    isOver = true;
    cancel();
    const { size } = this.#waiting;
    if (size === 0) return;
    metrics.count('heyblue_rules_unwritten_total', {}, size);
    log.warn({ evaluations: size }, 'the node stops before what it evaluated is written down');
  }

  #write(): void {
    if (this.#writing || this.#stopped || this.#waiting.size === 0) return;
    this.#writing = true;
    const { scheduler, log } = this.#options;
    this.#writeSome().then(
      () => {
        this.#writing = false;
        this.#write();
      },
      error => {
        log.debug({ err: error }, 'evaluations cannot be written; tried again');
        scheduler.after(RULE_LIMITS.retryMs, () => {
          this.#writing = false;
          this.#write();
        });
      },
    );
  }

  async #writeSome(): Promise<void> {
    const some = [...this.#waiting.values()].slice(0, RULE_LIMITS.writtenAtOnce);
    await Promise.all(
      some.map(async one => {
        await this.#options.store.keep(one.evaluated);
        this.#waiting.delete(one.evaluated.trace);
      }),
    );
  }
}
