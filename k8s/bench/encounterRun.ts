/**
 * One run of the encounter load against a town of its own, with or without kills, and the reckoning afterwards. Shared by
 * the benchmark and by the short version in the test suite.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { agreement } from '../swarm/agreement.ts';
import { offset, type Point } from '../swarm/crowd.ts';
import { Histogram } from '../swarm/histogram.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { type LoadTown, startLoadTown } from '../swarm/loadTown.ts';
import { cpuSecondsOf } from '../swarm/processCost.ts';
import { Random } from '../swarm/random.ts';
import { RestClient } from '../swarm/rest.ts';
import type { Load } from '../swarm/saturation.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import type { EncounterArgs, EncounterResult, MeetingCell } from './encounter.profile.ts';
import type { Seen } from './meeting.ts';

export interface EncounterPlan {
  readonly perS: number;
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  readonly kills: number;
  readonly centre: Point;
  /** How long the stores may take to agree afterwards. Default: the goal of the benchmark. */
  readonly agreeMsMax?: number;
  readonly report: (line: string) => void;
}

export interface EncounterOutcome {
  readonly meetings: number;
  /** On both phones. */
  readonly settled: number;
  readonly perS: number;
  readonly latency: Histogram;
  readonly lost: number;
  readonly doubled: number;
  /** Why meetings did not come about, with counts. */
  readonly failures: readonly string[];
  /** What must not be: lost or doubled points, stores that disagree. */
  readonly problems: readonly string[];
  readonly kills: number;
  readonly reconnects: number;
  /**
   * Meetings that a phone read in its list: after a restart of the node a snapshot names the newest 16 and no more, and
   * an officer may have had more under way.
   */
  readonly readLater: number;
  /** People who signed up by REST meanwhile. */
  readonly registered: number;
  readonly agreedAfterMs: number;
  /** NaN when the node was killed meanwhile. */
  readonly serverCores: number;
  readonly saturated: boolean;
  readonly load: Load;
}

/** Cells of people: 15 officers and 75 civilians each, so that a cell's list of officers (16) names them all. */
const OFFICERS_PER_CELL = 15;
const CIVILIANS_PER_CELL = 75;
/** Cells lie this far apart, so that each is in a region of its own. */
const CELL_SPACING_M = 5_000;
const SIGN_UP_MS = 500;
/** After the load, ledger, balances and streams must agree within this. */
export const AGREE_MS_MAX = 5_000;

const cellsFor = async (town: LoadTown, plan: EncounterPlan): Promise<MeetingCell[]> => {
  // Nobody says hey more often than every three seconds or so.
  const civilians = Math.max(plan.perS * 4, Math.ceil((plan.perS * plan.seconds) / OFFICERS_PER_CELL));
  const count = Math.max(plan.workers, Math.ceil(civilians / CIVILIANS_PER_CELL));
  const people = await seedPeople(town, {
    officers: count * OFFICERS_PER_CELL,
    civilians: count * CIVILIANS_PER_CELL,
  });
  return Array.from({ length: count }, (_, i) => ({
    centre: offset(plan.centre, (i % 5) * CELL_SPACING_M, Math.floor(i / 5) * CELL_SPACING_M),
    officers: people.officers.slice(i * OFFICERS_PER_CELL, (i + 1) * OFFICERS_PER_CELL),
    civilians: people.civilians.slice(i * CIVILIANS_PER_CELL, (i + 1) * CIVILIANS_PER_CELL),
  }));
};

/** Ends the node without warning, at moments that only the seed knows, and starts it again. */
const killAgainAndAgain = async (town: LoadTown, plan: EncounterPlan): Promise<void> => {
  const random = new Random(plan.seed).fork('kills');
  const everyMs = (plan.seconds * 1000) / Math.max(1, plan.kills);
  for (let i = 0; i < plan.kills; i++) {
    await pause(random.between(0.2, 1) * everyMs);
    const killedAt = performance.now();
    await town.node.kill('SIGKILL');
    await town.node.restart();
    const awayMs = performance.now() - killedAt;
    plan.report(`  killed and back (${i + 1} of ${plan.kills}), away for ${(awayMs / 1000).toFixed(1)} s`);
  }
};

/** Signs people up, one after the other, each until it is certain; who was told that they are in. */
const keepSigningUp = (restUrl: string): { stop(): Promise<string[]> } => {
  const rest = new RestClient(restUrl);
  const run = crypto.randomUUID().slice(0, 8);
  const registered: string[] = [];
  let stopping = false;
  const work = async (): Promise<void> => {
    for (let i = 0; !stopping; i++) {
      registered.push(await rest.signUpSurely('civilian', `newcomer-${run}-${i}`));
      await pause(SIGN_UP_MS);
    }
  };
  const working = work();
  working.catch(() => {});
  return {
    stop: async () => {
      stopping = true;
      await working;
      return registered;
    },
  };
};

interface LedgerRow {
  readonly id: string;
  readonly officer: string;
  readonly civilian: string;
}

/** Everything any phone was told, looked for in the ledger. */
export const reckon = (seen: readonly Seen[], rows: readonly LedgerRow[]) => {
  const ofPair = new Map<string, string[]>();
  for (const row of rows) {
    const key = `${row.officer}|${row.civilian}`;
    ofPair.set(key, [...(ofPair.get(key) ?? []), row.id]);
  }
  let lost = 0;
  let doubled = 0;
  const problems: string[] = [];
  for (const one of seen) {
    const stored = ofPair.get(`${one.officerId}|${one.civilianId}`) ?? [];
    const told = new Set([...one.acknowledged, ...one.atOfficer, ...one.atCivilian]);
    const missing = [...told].filter(id => !stored.includes(id));
    // In the ledger, but one of the phones never heard of it: lost on the way.
    const silent = stored.filter(id => !one.atOfficer.includes(id) || !one.atCivilian.includes(id));
    if (missing.length > 0 || silent.length > 0) {
      lost++;
      problems.push(
        `officer ${one.officerId}, civilian ${one.civilianId}: answered ${one.acknowledged}, on his phone ` +
          `${one.atOfficer}, on hers ${one.atCivilian}, stored ${stored}${one.failure ? ` (${one.failure})` : ''}`,
      );
    }
    if (stored.length > 1 || told.size > 1) doubled++;
  }
  return { lost, doubled, problems };
};

/** Phones that were given a snapshot read their list over REST, as an app does; how many meetings they found there. */
const readLists = async (
  town: LoadTown,
  cells: readonly MeetingCell[],
  seen: readonly Seen[],
  rows: readonly LedgerRow[],
): Promise<number> => {
  const rest = new RestClient(town.node.urls.rest);
  const people = cells.flatMap(cell => [...cell.officers, ...cell.civilians]);
  const tokens = new Map(people.map(person => [person.userId, person.token]));
  const stored = new Map(rows.map(row => [`${row.officer}|${row.civilian}`, row.id]));
  const lists = new Map<string, Promise<Set<string>>>();
  const listOf = (userId: string): Promise<Set<string>> => {
    const known = lists.get(userId) ?? rest.everyEncounter(tokens.get(userId)!);
    lists.set(userId, known);
    return known;
  };
  let found = 0;
  for (const one of seen) {
    const id = stored.get(`${one.officerId}|${one.civilianId}`);
    if (id === undefined) continue;
    for (const [userId, phone] of [
      [one.officerId, one.atOfficer],
      [one.civilianId, one.atCivilian],
    ] as const) {
      if (phone.includes(id) || !(await listOf(userId)).has(id)) continue;
      phone.push(id);
      found++;
    }
  }
  return found;
};

/** Why meetings did not come about, with counts. */
export const countsOf = (seen: readonly Seen[]): string[] => {
  const counts = new Map<string, number>();
  for (const { failure, atOfficer, atCivilian } of seen) {
    if (atOfficer.length > 0 && atCivilian.length > 0) continue;
    const why = failure ?? 'no event';
    counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  return [...counts].map(([why, count]) => `${count} x ${why}`);
};

export const encounterRun = async (plan: EncounterPlan): Promise<EncounterOutcome> => {
  const town = await startLoadTown();
  try {
    const cells = await cellsFor(town, plan);
    const swarm = new Swarm<EncounterResult>({
      profile: import.meta.resolve('./encounter.profile.ts'),
      workers: plan.workers,
      seed: plan.seed,
      args: index =>
        ({
          url: town.node.urls.realtime,
          cells: cells.filter((_, i) => i % plan.workers === index),
          perS: plan.perS / plan.workers,
          seconds: plan.seconds,
        }) satisfies EncounterArgs,
    });
    try {
      await swarm.reached('connected');
      plan.report(
        `${cells.length * (OFFICERS_PER_CELL + CIVILIANS_PER_CELL)} phones are connected and share`,
      );
      const { pid } = town.node;
      const cpuBefore = await cpuSecondsOf(pid, town.node.urls.admin);
      const began = performance.now();
      swarm.go('connected');
      // Under kills sign-ups go on, so that there is something to lose in the stream of users as well.
      const signingUp = plan.kills > 0 ? keepSigningUp(town.node.urls.rest) : null;
      const killing = killAgainAndAgain(town, plan);
      killing.catch(() => {});
      await swarm.reached('done');
      const tookS = (performance.now() - began) / 1000;
      await killing;
      const cpu = plan.kills > 0 ? Number.NaN : (await cpuSecondsOf(pid, town.node.urls.admin)) - cpuBefore;

      const registered = (await signingUp?.stop()) ?? [];
      const agreed = await agreement(town.town, { patienceMs: plan.agreeMsMax ?? AGREE_MS_MAX, registered });
      swarm.go('done');
      const { results, load, saturated } = await swarm.finished();
      const seen = results.flatMap(result => result.seen);
      const latency = new Histogram();
      for (const result of results) latency.add(result.latency);
      const settled = seen.filter(one => one.atOfficer.length > 0 && one.atCivilian.length > 0).length;
      const spanS = Math.max(plan.seconds, ...results.map(result => result.spanMs / 1000));
      const rows = await encountersIn(town.town.databaseUrl);
      const readLater = plan.kills > 0 ? await readLists(town, cells, seen, rows) : 0;
      const { lost, doubled, problems } = reckon(seen, rows);
      return {
        meetings: seen.length,
        settled,
        perS: settled / spanS,
        latency,
        lost,
        doubled,
        failures: countsOf(seen),
        problems: [
          ...problems.slice(0, 10),
          ...agreed.problems,
          ...(await auditLedger(town.town.databaseUrl)),
        ],
        kills: plan.kills,
        reconnects: results.reduce((sum, result) => sum + result.reconnects, 0),
        registered: registered.length,
        readLater,
        agreedAfterMs: agreed.afterMs,
        serverCores: cpu / tookS,
        saturated,
        load,
      };
    } finally {
      await swarm.stop();
    }
  } finally {
    await town.stop();
  }
};

/** Every encounter that PostgreSQL holds. */
export const encountersIn = async (databaseUrl: string): Promise<LedgerRow[]> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query<LedgerRow>('select id, officer, civilian from meet.encounter')).rows;
  } finally {
    await client.end();
  }
};
