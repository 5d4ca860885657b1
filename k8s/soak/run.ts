/**
 * One soak from beginning to end: a cluster of its own, people who warm it up and leave, the same number of other people
 * who stay for as long as the profile says while things are broken, and who leave as well; then everything that was
 * acknowledged is looked for, and everything that was held must be gone.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Report } from '../bench.ts';
import { layMintLog } from '../chaos/load/mints.ts';
import { type ProcessTarget, startProcesses } from '../chaos/processes/processTarget.ts';
import type { Cluster, ClusterNode } from '../swarm/clusterTown.ts';
import { machineCpuSeconds } from '../swarm/processCost.ts';
import { Random } from '../swarm/random.ts';
import { isSaturated, type Load, SelfWatch, worstLoad } from '../swarm/saturation.ts';
import { agedSettings } from './ageing.ts';
import { breakThings, inWindow, SHORT } from './faults.ts';
import type { SoakResult } from './load.profile.ts';
import { reckon, type SoakOptions, seedFor, swarmOf, warmUp } from './people.ts';
import { orderProbe } from './probed.ts';
import { Recorder } from './recorder.ts';
import { type AtRest, LOOK_S, type Recording } from './recording.ts';
import { atRest } from './rest.ts';
import { judgeSoak, type Verdict } from './rules.ts';

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
/** A silent socket ends after 40 s, a person without one leaves memory after 90 s. */
const REST_MS_MAX = 200_000;
/** No fault begins so shortly before the end: there is to be time for getting well. */
const LAST_FAULT_S = 60;
const PROFILE_S = 15;
/** A snapshot stops its node for about so long per MiB of heap; it is ordered when nobody is connected. */
const SNAPSHOT_MS_MAX = 60_000;

/**
 * While nothing is broken and a loop is late all the same: what is it doing? Once in a run, and not of the first node,
 * whose memory is looked at from beginning to end: a profile leaves some of its own.
 */
const profileTroubles = (
  cluster: Cluster,
  recorder: Recorder,
  out: string,
  probes: string,
): NodeJS.Timeout => {
  let asked = false;
  return setInterval(() => {
    const nowS = recorder.nowS();
    for (const node of cluster.nodes.slice(1).filter(one => one.isRunning && !asked)) {
      const look = recorder.recording.nodes.findLast(one => one.pid === node.pid);
      if (look === undefined || look.loopP99Ms < 100 || !recorder.recording.isQuiet(nowS - 20, nowS))
        continue;
      asked = true;
      recorder.add({ kind: 'instrumented', tS: nowS, node: node.id, pid: node.pid, by: 'CPU profile' });
      const file = join(out, `${node.id}-${node.pid}-late.cpuprofile`);
      orderProbe(probes, node.pid, { kind: 'cpu', file, seconds: PROFILE_S });
    }
  }, LOOK_S * 1_000);
};

/**
 * The one in the beginning is taken of the last node: writing one takes a few hundred megabytes outside of the heap, which
 * the process keeps, and the first node, which nothing ends, is the one whose memory is looked at longest.
 */
const snapshot = async (
  cluster: Cluster,
  out: string,
  probes: string,
  when: 'start' | 'end',
): Promise<ClusterNode> => {
  const node = when === 'start' ? cluster.nodes.at(-1)! : cluster.nodes[0]!;
  const name = `${node.id}-${when}.heapsnapshot`;
  if (!node.isRunning) return node;
  orderProbe(probes, node.pid, { kind: 'heap', file: join(out, name) });
  for (let ms = 0; ms < SNAPSHOT_MS_MAX; ms += 500) {
    if (readdirSync(out).includes(name) && !readdirSync(probes).includes(`order-${node.pid}.json`)) break;
    await pause(500);
  }
  await cluster.steady(cluster.nodes);
  return node;
};

function* linesOf(cluster: Cluster): Iterable<string> {
  for (const { logFile } of cluster.nodes)
    for (const line of readFileSync(logFile, 'utf8').split('\n')) yield line;
}

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
    await layMintLog(cluster.town.databaseUrl);
    const warm = await warmUp(cluster, options);
    report(
      `Warmed up for ${plan.warmS} s by ${plan.phones} people who left; waiting until they are forgotten`,
    );
    const start = await atRest(cluster, REST_MS_MAX);
    const isShort = plan.profile === 'smoke';
    const looked = isShort ? null : await snapshot(cluster, out, probes, 'start');
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
      if (looked !== null)
        recorder.add({
          kind: 'instrumented',
          tS: 0,
          node: looked.id,
          pid: looked.pid,
          by: 'heap snapshot',
        });
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
      await swarm.pass('shown');
      await swarm.reached('settled');
      const own = self.end();
      await recorder.stop();
      const spanS = (performance.now() - beganMs) / 1_000;
      const othersCores = ((machineCpuSeconds() ?? 0) - machineBefore - recorder.recording.cpuS()) / spanS;
      swarm.go('settled');
      const { results, load: theirs } = await swarm.finished();
      const load = worstLoad([own, theirs]);
      const saturated = isSaturated(load);
      report('Everybody left; waiting until they are forgotten');
      const end = await atRest(cluster, REST_MS_MAX);
      writeFileSync(join(out, 'rest.json'), JSON.stringify({ start, end }, null, 1));
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
