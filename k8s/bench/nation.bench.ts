/**
 * The nation on one node, from sockets to ledger: 15,000 people on sockets of their own send as many positions as the
 * whole nation does at its peak, and as many pairs meet, by hey and by code. Then everything a phone was told is looked
 * for in the ledger, and ledger, balances and streams are compared.
 *
 * Four stretches after each other, so that the price of each thing is known: no phones, phones that say nothing, positions
 * alone, positions and meetings. The last one is the measured one; with the others it makes the table of nodes
 * (`nationPlan.ts`).
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.ts';
import { agreement } from '../swarm/agreement.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { Histogram } from '../swarm/histogram.ts';
import { auditLedger } from '../swarm/ledgerAudit.ts';
import { type LoadTown, startLoadTown } from '../swarm/loadTown.ts';
import { metricSum } from '../swarm/metricsPage.ts';
import { OFFICER_SHARE } from '../swarm/parts.ts';
import { GENERATOR_CORE, pin, SERVER_CORE } from '../swarm/pinning.ts';
import {
  cpuSecondsOf,
  familyCpuSeconds,
  familyOf,
  machineCpuSeconds,
  procCpuSeconds,
  procRssBytes,
} from '../swarm/processCost.ts';
import { anySeed } from '../swarm/random.ts';
import { isSaturated, type Load, worstLoad } from '../swarm/saturation.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg, textArg } from './args.ts';
import { countsOf, encountersIn, reckon } from './encounterRun.ts';
import type { NationArgs, NationCounts, NationResult } from './nation.profile.ts';
import { NATION, type NodePrice, nodesFor, planLines, pricesOf, type Stretch } from './nationPlan.ts';
import { figure, rounded, table } from './table.ts';

const PEOPLE = 15_000;
/** People with the app in use per square kilometre of a city, as in the benchmark `location`. */
const PER_KM2 = 530;
/** One process may open 20,000 files here, and one address has 28,000 ports. */
const PHONES_PER_WORKER = 5_000;
const FIRST_ADDRESS = 2;
const WARM_S = 5;
const QUIET_S = 5;
const ALONE_S = 10;
const AGREE_MS_MAX = 10_000;
const SECONDS_MAX = 600;

interface Plan {
  readonly people: number;
  readonly positionsPerS: number;
  readonly encountersPerS: number;
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
  readonly nodeMib: number;
  /** Folder for a CPU profile of the node, which makes it slower; empty: none. */
  readonly profileDir: string;
  readonly nodeOptions: string;
  /** Which positions the phones want answered, as the client's `locationAnswers`. */
  readonly answers: string;
}

interface Cpu {
  readonly server: number;
  readonly pg: number;
  readonly aws: number;
  /** All the machine, and our own generators. */
  readonly machine: number;
  readonly generators: number;
}

/** What became of positions, as the node counts them. */
interface Positions {
  /** That came over sockets. */
  readonly heard: number;
  /** That the next one of the same phone replaced, at the door or in the mailbox: they never had a turn. */
  readonly replaced: number;
  /** Fixes that a region had no room for. */
  readonly unplaced: number;
}

interface Outcome {
  readonly empty: Stretch;
  readonly quiet: Stretch;
  readonly alone: Stretch;
  readonly both: Stretch;
  readonly pgCores: number;
  readonly awsCores: number;
  readonly generatorCores: number;
  /** What belongs to none of ours: the kernel, and whoever else is at work here. */
  readonly othersCores: number;
  readonly rssEmpty: number;
  readonly rssLoaded: number;
  readonly latency: Histogram;
  readonly heys: Histogram;
  readonly scans: Histogram;
  readonly meetings: number;
  readonly lost: number;
  readonly doubled: number;
  readonly refused: number;
  /** Positions sent in the measured time, and those that the node did not take. */
  readonly sentPerS: number;
  readonly replaced: number;
  readonly unplaced: number;
  readonly closed: number;
  readonly exhausted: boolean;
  readonly failures: readonly string[];
  readonly problems: readonly string[];
  readonly agreedAfterMs: number;
  readonly pinned: boolean;
  readonly load: Load;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Server on its core, stores and generators on the other; whether it is so. */
const pinServers = (load: LoadTown): boolean => {
  const stores = load.town.processes().flatMap(({ pid }) => familyOf(pid));
  const kept = stores.map(pid => pin(pid, GENERATOR_CORE)).every(pinned => pinned);
  return pin(load.node.pid, SERVER_CORE) && kept;
};

const cpuOf = async ({ node, town }: LoadTown, generators: readonly number[] = []): Promise<Cpu> => {
  const [pg, aws] = ['PostgreSQL', 'DynamoDB and Kinesis'].map(
    wanted => town.processes().find(({ name }) => name === wanted)?.pid ?? 0,
  );
  return {
    server: await cpuSecondsOf(node.pid, node.urls.admin),
    pg: familyCpuSeconds(pg!) ?? Number.NaN,
    aws: familyCpuSeconds(aws!) ?? Number.NaN,
    machine: machineCpuSeconds() ?? Number.NaN,
    generators: sum([process.pid, ...generators].map(pid => procCpuSeconds(pid) ?? 0)),
  };
};

const positionsOf = async (admin: string): Promise<Positions> => {
  const page = await (await fetch(`${admin}/metrics`)).text();
  return {
    heard: metricSum(page, 'rt_frames_total', 'dir="in",type="location"'),
    replaced: metricSum(page, 'rt_positions_shed_total') + metricSum(page, 'heyblue_mail_replaced_total'),
    unplaced: metricSum(page, 'heyblue_mailbox_full_total', 'kind="region"'),
  };
};

/** What the node keeps in memory when nothing is left over from before. */
const collectedRss = async (admin: string): Promise<number> => {
  const response = await fetch(`${admin}/debug/gc`, { method: 'POST' });
  if (!response.ok) throw new Error(`POST /debug/gc of the admin port answered ${response.status}`);
  return ((await response.json()) as { rss: number }).rss;
};

/** What a node costs that has no phones. */
const emptyFor = async (load: LoadTown, seconds: number): Promise<Stretch> => {
  const before = await cpuOf(load);
  const began = performance.now();
  await pause(seconds * 1_000);
  const tookS = (performance.now() - began) / 1_000;
  const serverCores = ((await cpuOf(load)).server - before.server) / tookS;
  return { seconds: tookS, serverCores, positionsPerS: 0, encountersPerS: 0 };
};

const nation = async (plan: Plan, report: Report): Promise<Outcome> => {
  const load = await startLoadTown({
    env: {
      HEYBLUE_ADMIN_GC: '1',
      NODE_OPTIONS: [
        plan.nodeOptions,
        plan.profileDir && `--cpu-prof --cpu-prof-dir=${plan.profileDir} --cpu-prof-interval=500`,
      ].join(' '),
    },
  });
  try {
    const { workers } = plan;
    const officers = Math.max(workers, Math.round(plan.people * OFFICER_SHARE));
    const people = await seedPeople(load, { officers, civilians: plan.people - officers });
    const rssEmpty = await collectedRss(load.node.urls.admin);
    const serverPinned = pinServers(load);
    const empty = await emptyFor(load, Math.min(QUIET_S, plan.seconds));
    const swarm = new Swarm<NationResult>({
      profile: import.meta.resolve('./nation.profile.ts'),
      workers,
      seed: plan.seed,
      args: index =>
        ({
          url: load.node.urls.realtime,
          officers: people.officers.filter((_, i) => i % workers === index),
          civilians: people.civilians.filter((_, i) => i % workers === index),
          centre: NEW_YORK,
          sideM: Math.sqrt(plan.people / PER_KM2) * 1_000,
          positionsPerS: plan.positionsPerS / workers,
          encountersPerS: plan.encountersPerS / workers,
          localAddress: `127.0.0.${FIRST_ADDRESS + index}`,
          quiet: plan.answers === 'changes',
        }) satisfies NationArgs,
    });
    try {
      const pinned = swarm.pin(GENERATOR_CORE) && serverPinned;
      const connectingFrom = performance.now();
      await swarm.pass('connected');
      const tookS = (performance.now() - connectingFrom) / 1_000;
      report(`${figure(plan.people)} phones are connected and share, after ${figure(tookS, 1)} s`);

      /** CPU, positions and time between two barriers at which workers tell what they counted. */
      const stretch = async (from: string, to: string, seconds: number) => {
        const counted = await swarm.reached<NationCounts>(from);
        const stood = await positionsOf(load.node.urls.admin);
        const cpu = await cpuOf(load, swarm.pids);
        const began = performance.now();
        await pause(seconds * 1_000);
        swarm.go(from);
        const after = await swarm.reached<NationCounts>(to);
        const now = await cpuOf(load, swarm.pids);
        const tookS = (performance.now() - began) / 1_000;
        const stands = await positionsOf(load.node.urls.admin);
        const replaced = stands.replaced - stood.replaced;
        // what phones know to be taken, and what the node says it took: the less of the two
        const proved = sum(after.map(one => one.taken)) - sum(counted.map(one => one.taken));
        const positions = Math.min(proved, stands.heard - stood.heard - replaced);
        const cores = (of: (one: Cpu) => number): number => (of(now) - of(cpu)) / tookS;
        return {
          seconds: tookS,
          serverCores: cores(one => one.server),
          pgCores: cores(one => one.pg),
          awsCores: cores(one => one.aws),
          generatorCores: cores(one => one.generators),
          othersCores: cores(one => one.machine - one.server - one.pg - one.aws - one.generators),
          positionsPerS: positions / tookS,
          sentPerS: (sum(after.map(one => one.sent)) - sum(counted.map(one => one.sent))) / tookS,
          replaced,
          unplaced: stands.unplaced - stood.unplaced,
        };
      };
      const warm = async (at: string): Promise<void> => {
        await swarm.reached(at);
        await pause(Math.min(WARM_S, plan.seconds) * 1_000);
        swarm.go(at);
      };

      await warm('quiet');
      const quiet = await stretch('is quiet', 'reporting', Math.min(QUIET_S, plan.seconds));
      await warm('reporting');
      const alone = await stretch('alone', 'were alone', Math.min(ALONE_S, plan.seconds));
      swarm.go('were alone');
      await warm('meeting');
      const both = await stretch('begun', 'ended', plan.seconds);
      const rssLoaded = procRssBytes(load.node.pid) ?? (await collectedRss(load.node.urls.admin));
      swarm.go('ended');
      const loads = await swarm.reached<Load>('done');
      const agreed = await agreement(load.town, { patienceMs: AGREE_MS_MAX });
      swarm.go('done');
      const { results } = await swarm.finished();
      const seen = results.flatMap(one => one.seen);
      const { lost, doubled, problems } = reckon(seen, await encountersIn(load.town.databaseUrl));
      const untold = seen.filter(one => one.atOfficer.length === 0 || one.atCivilian.length === 0).length;
      return {
        empty,
        quiet: { ...quiet, encountersPerS: 0 },
        alone: { ...alone, encountersPerS: 0 },
        both: { ...both, encountersPerS: sum(results.map(one => one.settled)) / both.seconds },
        pgCores: both.pgCores,
        awsCores: both.awsCores,
        generatorCores: both.generatorCores,
        othersCores: both.othersCores,
        rssEmpty,
        rssLoaded,
        latency: Histogram.sum(results.map(one => one.latency)),
        heys: Histogram.sum(results.map(one => one.heys)),
        scans: Histogram.sum(results.map(one => one.scans)),
        meetings: seen.length,
        lost: Math.max(lost, untold),
        doubled,
        refused: sum(results.map(one => one.refused)),
        sentPerS: both.sentPerS,
        replaced: both.replaced,
        unplaced: both.unplaced,
        closed: sum(results.map(one => one.closed)),
        exhausted: results.some(one => one.exhausted),
        failures: countsOf(seen),
        problems: [
          ...problems.slice(0, 10),
          ...agreed.problems,
          ...(await auditLedger(load.town.databaseUrl)),
        ],
        agreedAfterMs: agreed.afterMs,
        pinned,
        load: worstLoad(loads),
      };
    } finally {
      await swarm.stop();
    }
  } finally {
    await load.stop();
  }
};

const planOf = (args: readonly string[]): Plan => {
  const people = numberArg(args, 'people', PEOPLE);
  const share = people / PEOPLE;
  const plan: Plan = {
    people,
    positionsPerS: numberArg(args, 'positions', NATION.positionsPerS * share),
    encountersPerS: numberArg(args, 'encounters', NATION.encountersPerS * share),
    seconds: numberArg(args, 'seconds', 60),
    seed: numberArg(args, 'seed', anySeed()),
    workers: numberArg(args, 'workers', Math.max(1, Math.ceil(people / PHONES_PER_WORKER))),
    nodeMib: numberArg(args, 'node-mib', 2_048),
    profileDir: textArg(args, 'profile', ''),
    nodeOptions: textArg(args, 'node-options', ''),
    answers: textArg(args, 'answers', 'changes'),
  };
  if (plan.answers !== 'each' && plan.answers !== 'changes')
    throw new RangeError('--answers takes each or changes');
  if (plan.seconds < 1 || plan.seconds > SECONDS_MAX)
    throw new RangeError(`--seconds takes 1 to ${SECONDS_MAX}`);
  const meetings = plan.encountersPerS * (plan.seconds + WARM_S + 3);
  if (meetings > people * (1 - OFFICER_SHARE))
    throw new RangeError(
      `a civilian meets once: ${figure(plan.encountersPerS)} encounters a second for ${plan.seconds} s take ${figure(meetings)} of them, and there are ${figure(people * (1 - OFFICER_SHARE))}`,
    );
  return plan;
};

export const bench: Bench = {
  name: 'nation',
  description:
    '15,000 people on sockets of their own, the positions and encounters of a nation at its peak, on one node',
  help: [
    `--people N       people, each on a socket of his own (${figure(PEOPLE)}); rates follow unless given`,
    `--positions N    positions a second of all of them (${figure(NATION.positionsPerS)})`,
    `--encounters N   meetings a second, half by hey, half by code (${NATION.encountersPerS})`,
    `--seconds N      measured time, 1 to ${SECONDS_MAX} (60)`,
    '--node-mib N     memory of a node in the table of nodes (2,048)',
    '--workers N      generator processes (one per 5,000 people)',
    '--seed N         another run of the same kind',
    '--answers W      which positions are answered: each, or changes of the period and one in four (changes)',
    '--profile DIR    writes a CPU profile of the node there; it is slower then',
    "--node-options T NODE_OPTIONS of the node, to compare: '--max-semi-space-size=16'",
    'A short one: npm run bench -- nation --people 500 --seconds 5',
  ],
  run: async (report, args) => {
    const plan = planOf(args);
    report(
      `Seed ${plan.seed}; ${figure(plan.people)} people, ${figure(plan.positionsPerS)} positions and ${figure(plan.encountersPerS, 1)} encounters a second for ${plan.seconds} s, ${plan.workers} generator process(es)`,
    );
    const run = await nation(plan, report);
    const { both, latency } = run;
    const price: NodePrice = pricesOf(run, plan.people);
    const nodes = nodesFor(price, plan.nodeMib);
    const saturated = isSaturated(run.load);
    const p99 = (of: Histogram): string => figure(of.percentileMs(99), 1);
    report(
      table([
        ['positions per second', `${figure(both.positionsPerS)}  (goal ${figure(plan.positionsPerS)})`],
        [
          'encounters per second',
          `${figure(both.encountersPerS, 1)}  (goal ${figure(plan.encountersPerS * 0.986, 1)})`,
        ],
        ['server cores', `${figure(both.serverCores, 2)}  (goal 1.0)`],
        ['PostgreSQL cores', figure(run.pgCores, 2)],
        ['cores of DynamoDB and Kinesis, emulated', figure(run.awsCores, 2)],
        [
          'cores of generators, of everybody else',
          `${figure(run.generatorCores, 2)}, ${figure(run.othersCores, 2)}`,
        ],
        ['accept or scan to both phones p50', `${figure(latency.percentileMs(50), 1)} ms`],
        ['accept or scan to both phones p99', `${p99(latency)} ms  (goal 100)`],
        ['the same, heys and scans apart', `${p99(run.heys)} ms, ${p99(run.scans)} ms`],
        ['slowest', `${figure(latency.maxMs, 1)} ms`],
        ['meetings, lost, doubled', `${figure(run.meetings)}, ${run.lost}, ${run.doubled}  (goal 0)`],
        [
          'positions sent per second, replaced by newer ones, without room in a region',
          `${figure(run.sentPerS)}, ${figure(run.replaced)}, ${figure(run.unplaced)}`,
        ],
        ['positions refused, sockets lost', `${run.refused}, ${run.closed}`],
        ['stores agree after', `${figure(run.agreedAfterMs)} ms`],
        [
          'generator: busiest process, p99 late',
          `${figure(run.load.utilization * 100)} %, ${figure(run.load.delayP99Ms, 1)} ms`,
        ],
      ]),
    );
    for (const failure of run.failures.slice(0, 5)) report(`  ${failure}`);
    for (const problem of run.problems) report(`  WRONG: ${problem}`);
    if (run.exhausted) report('  WRONG: nobody was left who had not met');
    if (saturated) report('The generator was at its limit: these latencies contain its own.');
    if (!run.pinned) report('Nothing is pinned to cores here: processes were moved about.');
    for (const line of planLines(price, nodes)) report(line);
    return {
      positions_per_s: Math.round(both.positionsPerS),
      answers: plan.answers,
      encounters_per_s: rounded(both.encountersPerS, 1),
      server_cores: rounded(both.serverCores),
      pg_cores: rounded(run.pgCores),
      aws_cores: rounded(run.awsCores),
      generator_cores: rounded(run.generatorCores),
      others_cores: rounded(run.othersCores),
      push_p50_ms: rounded(latency.percentileMs(50)),
      push_p99_ms: rounded(latency.percentileMs(99)),
      push_max_ms: rounded(latency.maxMs),
      hey_p99_ms: rounded(run.heys.percentileMs(99)),
      scan_p99_ms: rounded(run.scans.percentileMs(99)),
      lost: run.lost,
      doubled: run.doubled,
      meetings: run.meetings,
      refused: run.refused,
      sent_per_s: Math.round(run.sentPerS),
      replaced: run.replaced,
      unplaced: run.unplaced,
      closed: run.closed,
      agreed_after_ms: Math.round(run.agreedAfterMs),
      problems: run.problems,
      people: plan.people,
      seconds: plan.seconds,
      rss_empty: run.rssEmpty,
      rss_loaded: run.rssLoaded,
      empty_cores: rounded(run.empty.serverCores, 3),
      quiet_cores: rounded(run.quiet.serverCores, 3),
      alone_cores: rounded(run.alone.serverCores, 3),
      alone_positions_per_s: Math.round(run.alone.positionsPerS),
      price: {
        us_per_position: rounded(price.usPerPosition, 1),
        us_per_encounter: rounded(price.usPerEncounter),
        us_per_idle_phone_s: rounded(price.usPerPhoneS, 2),
        bytes_per_person: Math.round(price.bytesPerPerson),
        bytes_of_a_node: Math.round(price.bytesPerNode),
        cores_of_a_node: rounded(price.coresPerNode, 3),
      },
      nation: nodes,
      pinned: run.pinned,
      seed: plan.seed,
      generator_saturated: saturated,
      generator_utilization: rounded(run.load.utilization),
      generator_delay_p99_ms: rounded(run.load.delayP99Ms, 1),
    };
  },
};
