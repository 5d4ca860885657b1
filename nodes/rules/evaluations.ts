/**
 * What was evaluated, written down behind: a movement carries the trace of its evaluation, and whoever has it explained
 * later finds under it what the rule was given. Inputs are few words, so a town has few different evaluations, each of
 * which a node writes once. Nothing waits for it; what cannot be written is tried again, and the oldest make room.
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

export class Evaluations {
  readonly #options: EvaluationsOptions;
  readonly #waiting = new Map<string, Evaluated>();
  #writing = false;
  #stopped = false;

  constructor(options: EvaluationsOptions) {
    this.#options = options;
  }

  add(evaluated: Evaluated): void {
    this.#waiting.set(evaluated.trace, evaluated);
    if (this.#waiting.size > RULE_LIMITS.unwritten) {
      const [oldest] = this.#waiting.keys();
      this.#waiting.delete(oldest!);
      this.#options.metrics.count('heyblue_rules_unwritten_total');
    }
    this.#write();
  }

  stop(): void {
    this.#stopped = true;
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
        await this.#options.store.keep(one);
        if (this.#waiting.get(one.trace) === one) this.#waiting.delete(one.trace);
      }),
    );
  }
}
