/**
 * Several runs in a row as one answer: every one of them passed. A whole campaign has also tried what it is for: every fault
 * has hit something often enough, and somebody who had lost a shard was refused.
 */
import type { Fault } from './fault.ts';
import { FAULTS } from './faults/index.ts';
import type { RunVerdict } from './run.ts';

/** So many runs with every fault are a whole campaign. */
const RUNS_WHOLE = 10;
/** Each fault must have hit so often over all runs, or it was not tried. */
const HITS_MIN = 3;

export const campaignOf = (seed: number, faults: readonly Fault[], verdicts: readonly RunVerdict[]) => {
  const sum = (of: (one: RunVerdict) => number): number => verdicts.reduce((all, one) => all + of(one), 0);
  const worst = (of: (one: RunVerdict) => number | null): number =>
    Math.max(0, ...verdicts.map(one => of(one) ?? 0));
  const hits = Object.fromEntries(faults.map(({ name }) => [name, sum(one => one.faults[name] ?? 0)]));
  const failed = verdicts.filter(one => one.verdict !== 'pass').map(one => one.seed);
  const seldom = Object.keys(hits).filter(name => hits[name]! < HITS_MIN);
  const staleRejected = sum(one => one.stale_rejected);
  const isWhole = verdicts.length >= RUNS_WHOLE && faults.length === FAULTS.length;
  const isTried = seldom.length === 0 && staleRejected > 0;
  return {
    seed,
    commit: verdicts[0]?.commit ?? 'unknown',
    runs: verdicts.length,
    failed,
    starved: verdicts.filter(one => one.starved).map(one => one.seed),
    faults: hits,
    seldom,
    ops: {
      attempted: sum(one => one.ops.attempted),
      acked: sum(one => one.ops.acked),
      failed: sum(one => one.ops.failed),
      unknown: sum(one => one.ops.unknown),
    },
    lost: sum(one => one.lost),
    doubled: sum(one => one.doubled),
    stale_rejected: staleRejected,
    stale_accepted: sum(one => one.stale_accepted),
    overlap_ms_max: worst(one => one.overlap_ms_max),
    resume_p50_s: worst(one => one.resume_p50_s),
    resume_p99_s: worst(one => one.resume_p99_s),
    ghosts: sum(one => one.ghosts),
    disagree: sum(one => one.disagree),
    illegal: sum(one => one.illegal),
    verdict: failed.length === 0 && (!isWhole || isTried) ? 'pass' : 'fail',
  };
};
