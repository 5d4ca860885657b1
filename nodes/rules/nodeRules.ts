/** The rules of one node, put together: the book that answers, who follows, who writes down, and who serves operators. */
import type { Bus, Clock, Log, Metrics, Scheduler } from '../ports.ts';
import type { FirstNumbers } from './builtIn.ts';
import type { RuleEngine } from './engine.ts';
import { Evaluations } from './evaluations.ts';
import { Explainer } from './explainer.ts';
import { type LastKnown, RuleFollower, rulesSubject } from './follower.ts';
import { RuleKeeper } from './keeper.ts';
import { RULE_LIMITS } from './limits.ts';
import type { RulesPort } from './port.ts';
import { RuleBook } from './ruleBook.ts';
import { seedRules } from './seeds.ts';
import type { RuleStore, RuleTeller } from './store.ts';
import { Whereabouts, type WhereaboutsOptions } from './whereabouts.ts';

export interface NodeRulesOptions extends WhereaboutsOptions {
  /** What of the configuration stands in version 1. */
  readonly numbers: FirstNumbers;
  readonly engine: RuleEngine;
  readonly store: RuleStore;
  readonly teller: RuleTeller;
  readonly lastKnown: LastKnown;
  /** Null for a node that is alone. */
  readonly bus: Bus | null;
  readonly cluster: string;
  readonly clock: Clock;
  /** Unix milliseconds of the real clock. */
  readonly wallMs: () => number;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface NodeRules {
  /** Answers actors and doors. */
  readonly port: RulesPort;
  /** Serves operators. */
  readonly keeper: RuleKeeper;
  /** Serves who asks why points moved. */
  readonly explainer: Explainer;
  /** Begins to follow; resolves when the store has answered, or has not for a moment: then what is known counts. */
  start(): Promise<void>;
  /** Resolves when what was evaluated is written down, or after a moment. */
  stop(): Promise<void>;
}

export function nodeRules(options: NodeRulesOptions): NodeRules {
  const { numbers, engine, store, teller, lastKnown, bus, cluster, clock, wallMs, scheduler, log, metrics } =
    options;
  const world = { scheduler, log, metrics };
  const seeds = seedRules(numbers);
  const evaluations = new Evaluations({ ...world, store });
  const { stateOf } = new Whereabouts(options);
  const book = new RuleBook({
    engine,
    clock,
    log,
    metrics,
    stateOf,
    onEvaluated: (one, forget) => evaluations.add(one, forget),
  });
  const follower = new RuleFollower({
    ...world,
    store,
    teller,
    book,
    seeds,
    lastKnown,
    bus,
    subject: rulesSubject(cluster),
  });
  const keeper = new RuleKeeper({
    store,
    teller,
    engine,
    rules: book,
    refused: id => follower.refused(id),
    changed: () => follower.changed(),
    wallMs,
  });
  return {
    port: book,
    keeper,
    explainer: new Explainer({ store, engine, seeds }),
    start: () =>
      new Promise(resolve => {
        const giveUp = scheduler.after(RULE_LIMITS.startMs, resolve);
        void follower.start().then(() => {
          giveUp();
          resolve();
        });
      }),
    stop() {
      follower.stop();
      return evaluations.stop();
    },
  };
}
