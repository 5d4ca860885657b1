/**
 * One soak from beginning to end: a cluster of its own, people who warm it up and leave, the same number of other people
 * who stay for as long as the profile says while things are broken, and who leave as well; then everything that was
 * acknowledged is looked for, and everything that was held must be gone.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Report } from '../bench.ts';
import { type ProcessTarget, startProcesses } from '../chaos/processes/processTarget.ts';
import { agreement } from '../swarm/agreement.ts';
import type { Cluster } from '../swarm/clusterTown.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { judge, readMeetings, untold } from '../swarm/judge.ts';
import { machineCpuSeconds } from '../swarm/processCost.ts';
import { Random } from '../swarm/random.ts';
import { isSaturated, type Load, SelfWatch, worstLoad } from '../swarm/saturation.ts';
import { type SeededPeople, seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { agedSettings } from './ageing.ts';
import { breakThings, inWindow, SHORT } from './faults.ts';
import type { SoakArgs, SoakResult, Told } from './load.profile.ts';
import { orderProbe } from './probed.ts';
import { OFFICER_SHARE, type SoakPlan, VISITOR_SHARE } from './profiles.ts';
import { atRest, EVERY_S, Recorder } from './recorder.ts';
import type { AtRest, Recording } from './recording.ts';
import { judgeSoak, type Verdict } from './rules.ts';

export interface SoakOptions {
  readonly plan: SoakPlan;
  readonly seed: number;
  /** Folder of the recording, and of snapshots and profiles. */
  readonly out: string;
  /** Processes of the generator. */
  readonly workers: number;
  readonly report: Report;
}

export interface SoakOutcome {
  readonly verdict: Verdict;
  readonly recording: Recording;
  readonly start: readonly AtRest[];
  readonly end: readonly AtRest[];
  readonly problems: readonly string[];
  readonly results: readonly SoakResult[];
  readonly load: Load;
  readonly saturated: boolean;
  /** Cores that everybody else on this machine kept busy meanwhile. */
  readonly othersCores: number;
  /** Snapshots of the heap, and profiles, that were kept. */
  readonly kept: readonly string[];
}

const PROBE = fileURLToPath(new URL('./probe.ts', import.meta.url));
const PER_KM2 = 530;
/** Source addresses of the phones: 127.0.0.11 and on. */
const FIRST_ADDRESS = 11;
const TOKEN_S = 900;
const TOKEN_AGED_S = 90;
/** A silent socket ends after 40 s, a person without one leaves memory after 90 s. */
const REST_MS_MAX = 200_000;
const AGREE_MS_MAX = 30_000;
/** No fault begins so shortly before the end: there is to be time for getting well. */
const LAST_FAULT_S = 60;
const PROFILE_S = 15;
/** A snapshot stops its node for about so long per MiB of heap; it is ordered when nobody is connected. */
const SNAPSHOT_MS_MAX = 60_000;

const partOf = <T>(all: readonly T[], index: number, of: number): T[] =>
  all.filter((_, i) => i % of === index);

const swarmOf = (
  cluster: Cluster,
  people: SeededPeople,
  options: SoakOptions,
  onTold: (worker: number, told: Told) => void,
): Swarm<SoakResult> => {
  const { plan, seed, workers } = options;
  const visitors = Math.round(people.civilians.length * VISITOR_SHARE);
  return new Swarm<SoakResult>({
    profile: import.meta.resolve('./load.profile.ts'),
    workers,
    seed,
    onProgress: (index, data) => onTold(index, data as Told),
    args: index =>
      ({
        urls: cluster.nodes.map(node => node.urls.realtime),
        officers: partOf(people.officers, index, workers),
        civilians: partOf(people.civilians.slice(visitors), index, workers),
        visitors: partOf(people.civilians.slice(0, visitors), index, workers),
        positionsPerS: plan.positionsPerS / workers,
        meetingsPerS: plan.meetingsPerS / workers,
        asksPerS: plan.asksPerS / workers,
        churnPerS: (plan.phones * plan.churnPerMinute) / 60 / workers,
        days: plan.days,
        seconds: plan.seconds,
        centre: NEW_YORK,
        sideM: Math.sqrt(plan.phones / PER_KM2) * 1_000,
        localAddress: `127.0.0.${FIRST_ADDRESS + index}`,
        dataDir: cluster.dataDir,
        tokenTtlS: plan.aged ? TOKEN_AGED_S : TOKEN_S,
      }) satisfies SoakArgs,
  });
};

const seedFor = (cluster: Cluster, plan: SoakPlan): Promise<SeededPeople> => {
  const officers = Math.max(2, Math.round(plan.phones * OFFICER_SHARE));
  return seedPeople(cluster, { officers, civilians: plan.phones - officers });
};

/** Load by people who are not looked at, so that the beginning is that of a node which has worked. */
const warmUp = async (cluster: Cluster, options: SoakOptions): Promise<SoakResult[]> => {
  const swarm = swarmOf(cluster, await seedFor(cluster, options.plan), options, () => {});
  try {
    await swarm.pass('connected');
    await pause(options.plan.warmS * 1_000);
    await swarm.pass('loaded');
    await swarm.pass('settled');
    return (await swarm.finished()).results;
  } finally {
    await swarm.stop();
  }
};

/** While nothing is broken and a loop is late all the same: what is it doing? Once for each life. */
const profileTroubles = (
  cluster: Cluster,
  recorder: Recorder,
  out: string,
  probes: string,
): NodeJS.Timeout => {
  const asked = new Set<number>();
  return setInterval(() => {
    const nowS = recorder.nowS();
    for (const node of cluster.nodes.filter(one => one.isRunning && !asked.has(one.pid))) {
      const look = recorder.recording.nodes.findLast(one => one.pid === node.pid);
      if (look === undefined || look.loopP99Ms < 100 || !recorder.recording.isQuiet(nowS - 20, nowS))
        continue;
      asked.add(node.pid);
      const file = join(out, `${node.id}-${node.pid}-late.cpuprofile`);
      orderProbe(probes, node.pid, { kind: 'cpu', file, seconds: PROFILE_S });
    }
  }, EVERY_S * 1_000);
};

const snapshot = async (cluster: Cluster, out: string, probes: string, when: string): Promise<void> => {
  const witness = cluster.nodes[0]!;
  const name = `${witness.id}-${when}.heapsnapshot`;
  if (!witness.isRunning) return;
  orderProbe(probes, witness.pid, { kind: 'heap', file: join(out, name) });
  for (let ms = 0; ms < SNAPSHOT_MS_MAX; ms += 500) {
    if (readdirSync(out).includes(name) && !readdirSync(probes).includes(`order-${witness.pid}.json`)) break;
    await pause(500);
  }
  await cluster.steady(cluster.nodes);
};

function* linesOf(cluster: Cluster): Iterable<string> {
  for (const { logFile } of cluster.nodes)
    for (const line of readFileSync(logFile, 'utf8').split('\n')) yield line;
}

/** All that the phones, the ledger, the tables and the streams say is wrong. */
const reckon = async (
  cluster: Cluster,
  results: readonly SoakResult[],
  cooldownH: number,
): Promise<string[]> => {
  const { databaseUrl, dynamodbEndpoint, kinesisEndpoint, awsEnv } = cluster.town;
  const history = results.flatMap(one => one.history);
  const ops = results.flatMap(one => one.ops).map((op, i) => ({ ...op, id: i + 1 }));
  const verdict = await judge(databaseUrl, { history, ops }, cooldownH);
  const { meetings } = await readMeetings(databaseUrl);
  const told = new Map(results.flatMap(one => one.told).map(([userId, ids]) => [userId, new Set(ids)]));
  const silent = untold(meetings, told);
  const stores = { databaseUrl, dynamodbEndpoint, kinesisEndpoint, awsEnv };
  const agreed = await agreement(stores, { patienceMs: AGREE_MS_MAX });
  return [
    ...verdict.problems,
    ...results.flatMap(one => one.problems),
    ...(silent.length > 0 ? [`${silent.length} encounters were told to only one of the two`] : []),
    ...agreed.problems,
  ];
};

/** A rolling restart of all nodes but the witness. */
const rollAll = async (target: ProcessTarget, recorder: Recorder, report: Report): Promise<void> => {
  for (const node of target.nodes.slice(1))
    await inWindow(target, { ...hooksOf(recorder), report }, 'rolling restart', async () => {
      const hit = await target.drain([node]);
      await target.start(node);
      return hit;
    });
};

const hooksOf = (recorder: Recorder) => ({
  nowS: () => recorder.nowS(),
  add: (window: Parameters<Recorder['add']>[0]) => recorder.add(window),
});

/** Breaks things while the load runs; resolves when the run is over. */
const trouble = async (
  target: ProcessTarget,
  recorder: Recorder,
  { plan, seed, report }: SoakOptions,
  endMs: number,
): Promise<void> => {
  const random = new Random(seed).fork('faults');
  const short = plan.profile === 'smoke';
  const parts = plan.rollings + 1;
  const beganMs = performance.now();
  for (let part = 1; part <= parts && plan.peaceS !== null; part++) {
    const untilMs =
      beganMs + ((endMs - beganMs) * part) / parts - (part === parts ? LAST_FAULT_S * 1_000 : 0);
    const { peaceS } = plan;
    const inTurn = short ? SHORT : null;
    await breakThings(target, { random, peaceS, untilMs, inTurn, ...hooksOf(recorder), report });
    if (part < parts) await rollAll(target, recorder, report);
  }
  const leftMs = endMs - performance.now();
  if (leftMs > 0) await pause(leftMs);
};

/** @throws StartFailure with one sentence when a server or a node does not come up */
export const runSoak = async (options: SoakOptions): Promise<SoakOutcome> => {
  const { plan, out, report } = options;
  const probes = join(out, 'probes');
  mkdirSync(probes, { recursive: true });
  const target = await startProcesses({
    nodes: plan.nodes,
    random: new Random(options.seed).fork('target'),
    imports: [PROBE],
    env: {
      HEYBLUE_ADMIN_GC: '1',
      SOAK_DIR: probes,
      SOAK_REPORTS: out,
      ...(plan.aged ? { SOAK_AGED: '1', ...agedSettings() } : {}),
    },
    log: report,
  });
  const { cluster } = target;
  try {
    await cluster.steady();
    const warm = await warmUp(cluster, options);
    report(
      `Warmed up for ${plan.warmS} s by ${plan.phones} people who left; waiting until they are forgotten`,
    );
    const start = await atRest(cluster, REST_MS_MAX);
    const isShort = plan.profile === 'smoke';
    if (!isShort) await snapshot(cluster, out, probes, 'start');
    const people = await seedFor(cluster, plan);
    let recorder: Recorder | null = null;
    const swarm = swarmOf(cluster, people, options, (worker, told) =>
      recorder?.add({ kind: 'ops', tS: recorder.nowS(), worker, ...told }),
    );
    try {
      await swarm.reached('connected');
      recorder = new Recorder({ cluster, file: join(out, 'recording.jsonl'), probes, workers: swarm.pids });
      const machineBefore = machineCpuSeconds() ?? 0;
      const beganMs = performance.now();
      await recorder.start();
      // the wires and doors of the cluster run here
      const self = new SelfWatch();
      self.begin();
      swarm.go('connected');
      report(`${plan.phones} phones are connected to ${plan.nodes} nodes; ${plan.seconds} s begin`);
      const profiling = profileTroubles(cluster, recorder, out, probes);
      try {
        await Promise.race([
          trouble(target, recorder, options, beganMs + plan.seconds * 1_000),
          swarm.finished(),
        ]);
      } finally {
        clearInterval(profiling);
      }
      await cluster.steady(cluster.nodes);
      await swarm.pass('loaded');
      await swarm.reached('settled');
      const own = self.end();
      await recorder.stop();
      const spanS = (performance.now() - beganMs) / 1_000;
      const othersCores = ((machineCpuSeconds() ?? 0) - machineBefore - ourCpuS(recorder.recording)) / spanS;
      swarm.go('settled');
      const { results, load: theirs } = await swarm.finished();
      const load = worstLoad([own, theirs]);
      const saturated = isSaturated(load);
      report('Everybody left; waiting until they are forgotten');
      const end = await atRest(cluster, REST_MS_MAX);
      const problems = await reckon(cluster, [...warm, ...results], plan.aged ? 2.4 : 24);
      const verdict = judgeSoak({
        recording: recorder.recording,
        start,
        end,
        problems,
        troubles: recorder.troubles,
        crashes: cluster.crashes,
        logs: linesOf(cluster),
        timed: !isShort,
        saturated,
      });
      if (!isShort || verdict.verdict === 'fail') await snapshot(cluster, out, probes, 'end');
      const kept = readdirSync(out).filter(name => /\.(heapsnapshot|cpuprofile)$/.test(name));
      const { recording } = recorder;
      return { verdict, recording, start, end, problems, results, load, saturated, othersCores, kept };
    } finally {
      await recorder?.stop();
      await swarm.stop();
    }
  } finally {
    await target.stop();
  }
};

/** CPU seconds of every process of ours over the recording. */
const ourCpuS = ({ nodes, servers }: Recording): number => {
  const spent = (samples: readonly { readonly cpuS: number }[]): number =>
    Math.max(0, samples.at(-1)!.cpuS - samples[0]!.cpuS);
  let sum = 0;
  // a life that began meanwhile spent all of it meanwhile
  for (const life of Map.groupBy(nodes, one => one.pid).values())
    sum += life[0]!.tS > 2 * EVERY_S ? life.at(-1)!.cpuS : spent(life);
  for (const one of Map.groupBy(servers, server => server.name).values()) sum += spent(one);
  return sum;
};
