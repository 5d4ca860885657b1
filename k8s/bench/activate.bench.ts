/**
 * How fast users wake that are not in memory, and what one costs who sleeps again: 100,000 of them one after the other,
 * a bounded number under way, from the ask to the answer, each with its read from PostgreSQL. Afterwards, idle and after
 * a forced collection, the bytes that the process grew by.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
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

/** Meetings of each civilian, so that an officer has some fifteen times as many. */
const MEETINGS = 4;

interface Plan {
  readonly users: number;
  readonly meetings: number;
  readonly inFlight: number;
  readonly seed: number;
}

/** A past: rows as the commit function leaves them, as far as a starting actor reads them. Commands of a day are remembered. */
const PAST = `
  with people as (
    select id, kind, row_number() over (partition by kind order by id) - 1 as place,
      count(*) over (partition by kind) as many from user_schema.users
  ), met as (
    select gen_random_uuid() as id, o.id as officer, c.id as civilian, n,
        now() - make_interval(hours => n * 20 + 1, secs => c.place % 3600) as at
      from people c cross join generate_series(0, $1::int - 1) as n
        join people o on o.kind = 'officer' and o.place = (c.place + n * 7919) % o.many
      where c.kind = 'civilian'
  ), encounters as (
    insert into meet.encounter (id, officer, civilian, method, cell, at, officer_points, civilian_points)
      select id, officer, civilian, 'qr', '', at, 5, 10 from met
  ), postings as (
    insert into ledger.posting (transfer_id, seq, account_id, stripe, delta, balance_after, account_version_after)
      select id, 1, civilian, 0, 10, 10 * (n + 1), n + 1 from met
  ), transfers as (
    insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at)
      select id, 'encounter', 'encounter', 1, gen_random_uuid(), at from met
  ), accounts as (
    update ledger.account a set balance = 10 * $1::int, version = $1::int
      from people c where a.account_id = c.id and a.stripe = 0 and c.kind = 'civilian'
  )
  insert into ops.idempotency (user_id, key, request_hash, transfer_id, created_at)
    select civilian, gen_random_uuid(), md5(id::text), id, at from met where n = 0`;

const makePast = async (databaseUrl: string, meetings: number): Promise<void> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query(PAST, [meetings]);
    await client.query(
      'vacuum analyze meet.encounter, ops.idempotency, ledger.account, ledger.posting, ledger.transfer, user_schema.users',
    );
  } finally {
    await client.end();
  }
};

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
    if (plan.meetings > 0) await makePast(town.databaseUrl, plan.meetings);
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
      meetings: numberArg(args, 'meetings', MEETINGS),
      inFlight: Math.max(1, numberArg(args, 'in-flight', IN_FLIGHT)),
      seed: numberArg(args, 'seed', anySeed()),
    };
    report(
      `Seed ${plan.seed}; ${figure(plan.users)} users with ${plan.meetings} meetings each, ${plan.inFlight} asks under way at once`,
    );
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
      meetings: plan.meetings,
      in_flight: plan.inFlight,
      seed: plan.seed,
    };
  },
};
