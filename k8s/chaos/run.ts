/** One run from an empty folder to its verdict: a cluster, its load, the faults, the final read of everything, the checkers. */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { commitOf } from '../commit.ts';
import { Random } from '../swarm/random.ts';
import { runFaults } from './driver.ts';
import type { Evidence } from './evidence.ts';
import type { Fault } from './fault.ts';
import { judge, readFinalState, type Verdict } from './judge.ts';
import { LOAD_ENV } from './load/limits.ts';
import { startLoad } from './load/load.ts';
import { startProcesses } from './processes/processTarget.ts';
import { reportPage } from './report.ts';
import type { ChaosTarget, FaultRecord } from './target.ts';

export interface RunPlan {
  readonly seed: number;
  readonly minutes: number;
  readonly nodes: number;
  readonly faults: readonly Fault[];
  /** Where history, timeline, verdict and, after a failure, logs go. */
  readonly out: string;
  /** Settings of the nodes, and modules that they load before their own: a test build is made of those. */
  readonly env?: Record<string, string>;
  readonly imports?: readonly string[];
  /** Another back end than processes of this machine: `nodes`, `env` and `imports` are its own affair. */
  readonly start?: () => Promise<ChaosTarget>;
  readonly log: (line: string) => void;
}

export interface RunVerdict extends Verdict {
  /** How long the process with the load and the wires was kept from working, milliseconds: most of what is late then is ours. */
  readonly loop_p99_ms: number;
  readonly loop_max_ms: number;
  /** It was kept longer than a lease lives: what this run says of times says nothing of the product. */
  readonly starved: boolean;
}

export interface Run {
  readonly verdict: RunVerdict;
  readonly evidence: Evidence;
}

/** Everything must work so long at the end. */
const QUIET_S = 20;
/** Start, stop and settling, beside the faults: the load has people enough for so long. */
const AROUND_S = 60;
/** A node stops by itself when its lease was not renewed for so long, and its wire runs here. */
const STARVED_MS = 2_000;
const NS = 1e6;

/** What faults saw by themselves counts as much as what a checker finds. */
const withProblems = (verdict: Verdict, problems: readonly string[]): Verdict =>
  problems.length === 0
    ? verdict
    : {
        ...verdict,
        failed: [...verdict.failed, 'faults'],
        problems: [...problems, ...verdict.problems],
        verdict: 'fail',
      };

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1).padStart(7)} s`;

const lineOf = ({ t_ms, phase, fault, what, counts }: FaultRecord): string => {
  const figures = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return `${seconds(t_ms)}  ${phase.padEnd(7)} ${fault}: ${what}${figures.length === 0 ? '' : ` (${figures.join(', ')})`}`;
};

export const runChaos = async (plan: RunPlan): Promise<Run> => {
  const { seed, minutes, nodes, faults, log } = plan;
  const out = resolve(plan.out);
  mkdirSync(out, { recursive: true });
  const timelineFile = join(out, 'timeline.jsonl');
  const historyFile = join(out, 'history.jsonl');
  for (const file of [timelineFile, historyFile]) rmSync(file, { force: true });
  const random = new Random(seed);
  const processes = () =>
    startProcesses({
      nodes,
      random: random.fork('target'),
      env: { ...LOAD_ENV, ...plan.env },
      ...(plan.imports === undefined ? {} : { imports: plan.imports }),
      log,
    });
  const target = await (plan.start ?? processes)();
  try {
    await target.steady();
    const load = await startLoad(target, {
      random: random.fork('load'),
      seconds: minutes * 60 + QUIET_S + AROUND_S,
      file: historyFile,
    });
    try {
      log(`${seconds(target.nowMs())}  the load is on`);
      const loop = monitorEventLoopDelay({ resolution: 20 });
      loop.enable();
      const timeline = await runFaults(
        target,
        { seed, random: random.fork('faults'), minutes, faults, quietS: QUIET_S },
        {
          onRecord: record => {
            log(lineOf(record));
            appendFileSync(timelineFile, `${JSON.stringify(record)}\n`);
          },
        },
      );
      loop.disable();
      const history = await load.stop();
      const { attempted, ok, fail, unknown } = load.counts;
      log(
        `${seconds(target.nowMs())}  ${attempted} operations: ${ok} ok, ${fail} refused, ${unknown} unknown; reading everything`,
      );
      const state = await readFinalState(target.stores, history, timeline);
      const evidence: Evidence = { history, timeline, state, crashes: [...target.crashes] };
      const judged = withProblems(judge(evidence, commitOf()), timeline.problems);
      const verdict: RunVerdict = {
        ...judged,
        loop_p99_ms: Math.round(loop.percentile(99) / NS),
        loop_max_ms: Math.round(loop.max / NS),
        starved: loop.max / NS > STARVED_MS,
      };
      if (verdict.starved)
        log(`This machine had other work: nothing ran here for ${verdict.loop_max_ms} ms.`);
      writeFileSync(join(out, 'verdict.json'), `${JSON.stringify(verdict, null, 2)}\n`);
      writeFileSync(join(out, 'report.html'), reportPage(evidence, verdict));
      if (verdict.verdict === 'fail') target.keepLogs(join(out, 'logs'));
      return { verdict, evidence };
    } finally {
      load.end();
    }
  } catch (error) {
    target.keepLogs(join(out, 'logs'));
    throw error;
  } finally {
    await target.stop();
  }
};
