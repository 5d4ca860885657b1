/**
 * How fast users wake that are not in memory, and what one costs who sleeps again: 100,000 of them one after the other,
 * a bounded number under way, from the ask to the answer, each with its read from PostgreSQL. Afterwards, idle and after
 * a forced collection, the bytes that the process grew by.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTown } from '../../infra/embedded/index.ts';
import { migrate } from '../../infra/postgres/migrate.ts';
import type { Bench, Report } from '../bench.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';
import { Histogram } from '../swarm/histogram.ts';
import { anySeed, Random } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import type { ActivateArgs, ActivateResult } from './activate.profile.ts';
import { numberArg } from './args.ts';
import { figure, rounded, table } from './table.ts';

/** Woken before the measured ones. */
const WARM_USERS = 10_000;
/** What one phone's sign-in costs is one ask; this many arrive together when a node that was killed comes back. */
const IN_FLIGHT = 32;

interface Plan {
  readonly users: number;
  readonly inFlight: number;
  readonly seed: number;
}

const wakeAll = async (plan: Plan, report: Report): Promise<ActivateResult> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-activate-'));
  const town = await startTown({ dataDir });
  const stop = stopOnSignal(async () => {
    await town.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  try {
    const { appUrl } = await migrate(town.databaseUrl, null);
    report(`Signing up ${figure(plan.users)} people`);
    const officers = Math.round(plan.users * 0.065);
    const people = await seedPeople(
      { town, dataDir },
      { officers, civilians: plan.users + WARM_USERS - officers, tokenTtlS: 0 },
    );
    const ids = new Random(plan.seed).shuffled(
      [...people.officers, ...people.civilians].map(person => person.userId),
    );
    const swarm = new Swarm<ActivateResult>({
      profile: import.meta.resolve('./activate.profile.ts'),
      workers: 1,
      seed: plan.seed,
      args: () =>
        ({
          databaseUrl: appUrl,
          dataDir,
          warmIds: ids.slice(0, WARM_USERS),
          ids: ids.slice(WARM_USERS),
          inFlight: plan.inFlight,
        }) satisfies ActivateArgs,
    });
    try {
      const { results } = await swarm.finished();
      return results[0]!;
    } finally {
      await swarm.stop();
    }
  } finally {
    await stop();
  }
};

export const bench: Bench = {
  name: 'activate',
  description:
    'cold activation of 100,000 users, each with its read from PostgreSQL, and the bytes of an idle one',
  run: async (report, args) => {
    const plan = {
      users: numberArg(args, 'users', 100_000),
      inFlight: Math.max(1, numberArg(args, 'in-flight', IN_FLIGHT)),
      seed: numberArg(args, 'seed', anySeed()),
    };
    report(`Seed ${plan.seed}; ${figure(plan.users)} users, ${plan.inFlight} asks under way at once`);
    const outcome = await wakeAll(plan, report);
    const latency = new Histogram();
    latency.add(outcome.latency);
    const perS = (latency.count - outcome.refused) / outcome.seconds;
    const bytes = outcome.heapBytes / outcome.actors;
    report(
      table([
        ['ask to answer p50', `${figure(latency.percentileMs(50), 2)} ms  (goal 5)`],
        ['ask to answer p99', `${figure(latency.percentileMs(99), 2)} ms`],
        ['slowest', `${figure(latency.maxMs, 1)} ms`],
        ['activations per second', figure(perS)],
        ['bytes per idle actor', `${figure(bytes)}  (goal 4,096)`],
        ['the same by RSS', figure(outcome.rssBytes / outcome.actors)],
        ['in memory, refused', `${figure(outcome.actors)}, ${outcome.refused}`],
      ]),
    );
    if (outcome.firstRefusal !== null) report(`  first refusal: ${outcome.firstRefusal}`);
    return {
      p50_ms: rounded(latency.percentileMs(50)),
      p99_ms: rounded(latency.percentileMs(99)),
      max_ms: rounded(latency.maxMs),
      per_s: Math.round(perS),
      bytes_per_actor: Math.round(bytes),
      rss_bytes_per_actor: Math.round(outcome.rssBytes / outcome.actors),
      actors: outcome.actors,
      refused: outcome.refused,
      in_flight: plan.inFlight,
      seed: plan.seed,
    };
  },
};
