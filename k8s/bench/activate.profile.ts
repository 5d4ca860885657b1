/**
 * Cold activation, seen from inside one process: the real runtime, the real user actors and the real reads from
 * PostgreSQL, without gateway and sockets. Runs in a worker of its own, so that what its heap grows by is the actors.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { areaBehaviour } from '../../actors/area.ts';
import { budgetBehaviour } from '../../actors/budget.ts';
import { offerBehaviour } from '../../actors/offer.ts';
import { pairBehaviour } from '../../actors/pair.ts';
import { regionBehaviour } from '../../actors/region.ts';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { userBehaviour } from '../../actors/user.ts';
import { systemClock, systemScheduler } from '../../infra/clock.ts';
import { loadKeys } from '../../infra/keys.ts';
import { PgEpochStore } from '../../infra/postgres/epochStore.ts';
import { PgQueryStore } from '../../infra/postgres/queryStore.ts';
import { systemRandom } from '../../infra/random.ts';
import { ActorSystem } from '../../nodes/actorSystem.ts';
import { LIMITS } from '../../nodes/limits.ts';
import { LocalCoordinator } from '../../nodes/localCoordinator.ts';
import type { Log } from '../../nodes/ports.ts';
import { Histogram, type HistogramData } from '../swarm/histogram.ts';
import type { Job } from '../swarm/worker.ts';

export interface ActivateArgs {
  readonly databaseUrl: string;
  readonly dataDir: string;
  /** Woken before the measured ones: compilation, plans, pages. */
  readonly warmIds: readonly string[];
  readonly ids: readonly string[];
  /** Asks under way at once. */
  readonly inFlight: number;
}

export interface ActivateResult {
  readonly latency: HistogramData;
  readonly seconds: number;
  readonly refused: number;
  readonly firstRefusal: string | null;
  /** Actors in memory when the bytes were counted. */
  readonly actors: number;
  /** What heap and buffers, and the whole process, grew by. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

const quiet: Log = {
  debug: () => {},
  info: () => {},
  warn: (fields, message) => console.error(message, fields),
  error: (fields, message) => console.error(message, fields),
};
const nobody = { push: () => {}, close: () => {} };
const noMetrics = { count: () => {}, observe: () => {}, gauge: () => {} };

/** V8 gives pages back in steps, and what died in the first collection is freed by the next. */
const COLLECTIONS = 4;
const COLLECT_PAUSE_MS = 250;

interface Memory {
  readonly heap: number;
  readonly rss: number;
}

const collector = (): (() => Promise<Memory>) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  return async () => {
    for (let i = 0; i < COLLECTIONS; i++) {
      collect();
      await pause(COLLECT_PAUSE_MS);
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    return { heap: heapUsed + external, rss };
  };
};

export const run = async (job: Job<ActivateArgs>): Promise<ActivateResult> => {
  const { databaseUrl, dataDir, warmIds, ids, inFlight } = job.args;
  if (inFlight > LIMITS.hydratingMax) throw new Error(`at most ${LIMITS.hydratingMax} may wake at once`);
  const measureMemory = collector();
  const store = { url: databaseUrl, log: quiet };
  const epochs = new PgEpochStore(store);
  const queries = new PgQueryStore({ ...store, scheduler: systemScheduler });
  await Promise.all([epochs.tried(), queries.tried()]);
  const coordinator = new LocalCoordinator('bench', epochs, quiet, () => {});
  await coordinator.start();
  const keys = loadKeys(dataDir);
  const qr = { newest: Math.max(...keys.qrMasters.keys()), masters: keys.qrMasters };
  const system = new ActorSystem({
    behaviours: {
      user: userBehaviour(DEFAULT_RULES, qr),
      region: regionBehaviour(DEFAULT_RULES.proximity),
      area: areaBehaviour(DEFAULT_RULES.area),
      pair: pairBehaviour(DEFAULT_RULES),
      offer: offerBehaviour(),
      budget: budgetBehaviour(),
    },
    coordinator,
    writer: { submit: () => {} },
    queries,
    sink: nobody,
    clock: systemClock(1),
    scheduler: systemScheduler,
    random: systemRandom(),
    log: quiet,
    metrics: noMetrics,
  });

  let refused = 0;
  let firstRefusal: string | null = null;
  /** Asks everybody for their balance, so many at a time; each ask wakes an actor that nobody woke before. */
  const wake = (users: readonly string[], latency: Histogram | null): Promise<void> =>
    new Promise(resolve => {
      let next = 0;
      let under = 0;
      const more = (): void => {
        while (under < inFlight && next < users.length) {
          const id = users[next++]!;
          under++;
          const askedAt = performance.now();
          system.ask({ kind: 'user', id }, { type: 'balance' }, result => {
            latency?.record(performance.now() - askedAt);
            if (!result.ok) {
              refused++;
              firstRefusal ??= `${result.code} ${result.message}`;
            }
            under--;
            if (next < users.length) more();
            else if (under === 0) resolve();
          });
        }
      };
      more();
    });

  await wake(warmIds, null);
  const before = await measureMemory();
  const warm = system.count('user');
  const latency = new Histogram();
  job.watch.begin();
  const began = performance.now();
  await wake(ids, latency);
  const seconds = (performance.now() - began) / 1000;
  const after = await measureMemory();
  const actors = system.count('user') - warm;
  system.stop();
  await coordinator.stop();
  await Promise.all([epochs.close(), queries.close()]);
  return {
    latency: latency.data(),
    seconds,
    refused,
    firstRefusal,
    actors,
    heapBytes: after.heap - before.heap,
    rssBytes: after.rss - before.rss,
  };
};
