/** Several runs in a row as one answer: every one of them passed, and every fault has hit something often enough. */
import type { Fault } from './fault.ts';
import type { RunVerdict } from './run.ts';

/** Each fault must have hit so often over all runs, or it was not tried. */
const HITS_MIN = 3;

export const campaignOf = (seed: number, faults: readonly Fault[], verdicts: readonly RunVerdict[]) => {
  const sum = (of: (one: RunVerdict) => number): number => verdicts.reduce((all, one) => all + of(one), 0);
  const worst = (of: (one: RunVerdict) => number | null): number =>
    Math.max(0, ...verdicts.map(one => of(one) ?? 0));
  const hits = Object.fromEntries(faults.map(({ name }) => [name, sum(one => one.faults[name] ?? 0)]));
  const failed = verdicts.filter(one => one.verdict !== 'pass').map(one => one.seed);
  return {
    seed,
    commit: verdicts[0]?.commit ?? 'unknown',
    runs: verdicts.length,
    failed,
    starved: verdicts.filter(one => one.starved).map(one => one.seed),
    faults: hits,
    seldom: Object.keys(hits).filter(name => hits[name]! < HITS_MIN),
    ops: {
      attempted: sum(one => one.ops.attempted),
      acked: sum(one => one.ops.acked),
      failed: sum(one => one.ops.failed),
      unknown: sum(one => one.ops.unknown),
    },
    lost: sum(one => one.lost),
    doubled: sum(one => one.doubled),
    stale_rejected: sum(one => one.stale_rejected),
    stale_accepted: sum(one => one.stale_accepted),
    overlap_ms_max: worst(one => one.overlap_ms_max),
    resume_p50_s: worst(one => one.resume_p50_s),
    resume_p99_s: worst(one => one.resume_p99_s),
    ghosts: sum(one => one.ghosts),
    disagree: sum(one => one.disagree),
    illegal: sum(one => one.illegal),
    verdict: failed.length === 0 ? 'pass' : 'fail',
  };
};
