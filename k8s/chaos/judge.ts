/** The verdict of a run: every checker over the same evidence, and the figures that are published. */
import { acknowledged } from './checkers/acknowledged.ts';
import { balances, balancesFollow } from './checkers/balances.ts';
import { bounds } from './checkers/bounds.ts';
import { failStop } from './checkers/failStop.ts';
import { handover } from './checkers/handover.ts';
import { isolation, unaffected } from './checkers/isolation.ts';
import { liveness } from './checkers/liveness.ts';
import { meetings } from './checkers/meetings.ts';
import { once } from './checkers/once.ts';
import { order } from './checkers/order.ts';
import { owners } from './checkers/owners.ts';
import { presence } from './checkers/presence.ts';
import { resumeQuantile, resumes } from './checkers/resumes.ts';
import { repeatsOf, streams } from './checkers/streams.ts';
import { type Checker, type Evidence, type Finding, findings, quantile, type Wrong } from './evidence.ts';
import { type History, opsOf } from './history.ts';
import { type FinalState, readStores } from './stores.ts';
import type { FaultRecord, Stores, Timeline } from './target.ts';

/** In a run that is worth its name nobody waits longer to be resumed, at the 99th percentile. */
const RESUME_P99_S_MAX = 8;
/** Followers of PostgreSQL have caught up within this. */
const FOLLOW_MS_MAX = 90_000;
const WORDS_MAX = 40;

/** What a phone noticed by itself: the same command answered in two ways, a session that was ended for good. */
const contradictions: Checker = ({ history }) => {
  const { found, fail } = findings('I7');
  for (const words of history.contradictions) fail('disagree', words);
  return found;
};

const promptResumes: Checker = evidence => {
  const { found, fail } = findings('I4');
  const p99 = resumeQuantile(evidence, 0.99);
  if (p99 !== null && p99 > RESUME_P99_S_MAX)
    fail('not resumed', `99 % of the phones that lost their socket were back only after ${p99} s`);
  return found;
};

export const CHECKERS = {
  acknowledged,
  once,
  balances,
  owners,
  resumes,
  promptResumes,
  handover,
  order,
  presence,
  meetings,
  contradictions,
  bounds,
  isolation,
  liveness,
  failStop,
  streams,
} satisfies Readonly<Record<string, Checker>>;

/** How often each fault hit something, by its name. */
const hitsOf = (faults: readonly FaultRecord[]): Record<string, number> => {
  const hits: Record<string, number> = {};
  for (const { fault, phase } of faults) if (phase === 'hit') hits[fault] = (hits[fault] ?? 0) + 1;
  return hits;
};

export interface Verdict {
  readonly seed: number;
  readonly commit: string;
  readonly faults: Readonly<Record<string, number>>;
  readonly ops: {
    readonly attempted: number;
    readonly acked: number;
    readonly failed: number;
    readonly unknown: number;
  };
  readonly lost: number;
  readonly doubled: number;
  readonly stale_rejected: number;
  readonly stale_accepted: number;
  /** Longest time that two nodes said of one shard that it is theirs, by their own words; what they did is `stale_accepted`. */
  readonly overlap_ms_max: number;
  readonly resume_p50_s: number | null;
  readonly resume_p99_s: number | null;
  readonly resumes: number;
  readonly ghosts: number;
  readonly missing: number;
  readonly disagree: number;
  readonly illegal: number;
  readonly untold: number;
  readonly not_handed_over: number;
  readonly disorder: number;
  readonly not_live: number;
  readonly not_isolated: number;
  readonly not_stopped: number;
  readonly unbounded: number;
  /** The most that one node held at any look: memory, heap of it, rows that waited in the outbox. */
  readonly rss_mb_max: number;
  readonly heap_mb_max: number;
  readonly outbox_max: number;
  readonly stream_wrong: number;
  /** Records of the stream that told of something again: consumers must expect them. */
  readonly stream_repeats: number;
  readonly transfers: number;
  readonly latency_p50_ms: number | null;
  readonly latency_p99_ms: number | null;
  /** Questions that had nothing to do with the node that was sick, and their slowest percent. */
  readonly isolated: { readonly asked: number; readonly p99_ms: number | null };
  /** Checkers that found something. */
  readonly failed: readonly string[];
  /** The first thing that each of them found, in words. */
  readonly found: Readonly<Record<string, string>>;
  readonly problems: readonly string[];
  readonly verdict: 'pass' | 'fail';
}

const rounded = (value: number | null, digits = 0): number | null =>
  value === null ? null : Number(value.toFixed(digits));

/** Reads PostgreSQL, DynamoDB and the stream, when they agree or have had the time to. */
export const readFinalState = (stores: Stores, history: History, timeline: Timeline): Promise<FinalState> =>
  readStores(
    stores,
    state => {
      const evidence = { history, timeline, state, crashes: [] };
      return state.outboxLeft === 0 && [balancesFollow, streams].every(check => check(evidence).length === 0);
    },
    FOLLOW_MS_MAX,
  );

const wordsOf = ({ invariant, wrong, words }: Finding): string => `${invariant} ${wrong}: ${words}`;

export const judge = (evidence: Evidence, commit: string): Verdict => {
  const { history, timeline, state } = evidence;
  const byChecker = Object.entries<Checker>(CHECKERS).map(
    ([name, check]) => [name, check(evidence)] as const,
  );
  const all: readonly Finding[] = byChecker.flatMap(([, found]) => found);
  const count = (wrong: Wrong): number => all.filter(one => one.wrong === wrong).length;
  const ops = opsOf(history);
  const ended = (outcome: string): number => ops.filter(op => op.outcome === outcome).length;
  const acked = ops.filter(op => op.outcome === 'ok').map(op => op.latency_ms);
  const stale = new Map<string, number>();
  for (const one of history.records) if (one.type === 'sample') stale.set(one.node, one.stale_rejected);
  const overlaps = history.records.flatMap(one => (one.type === 'overlap' ? one.lasted_ms : []));
  const most = (of: 'rss_mb' | 'heap_mb' | 'outbox_depth'): number =>
    Math.max(0, ...history.records.map(one => (one.type === 'sample' ? (one[of] ?? 0) : 0)));
  const { during } = unaffected(evidence);
  return {
    seed: timeline.seed,
    commit,
    faults: hitsOf(timeline.faults),
    ops: {
      attempted: ops.length,
      acked: acked.length,
      failed: ended('fail'),
      unknown: ended('unknown'),
    },
    lost: count('lost'),
    doubled: count('doubled'),
    // what nodes counted, or what was seen on the wire of sleepers, who may give up before they read it
    stale_rejected: Math.max(
      [...stale.values()].reduce((sum, n) => sum + n, 0),
      timeline.faults.reduce(
        (sum, one) => sum + (one.phase === 'healed' ? (one.counts.staleRefused ?? 0) : 0),
        0,
      ),
    ),
    stale_accepted: count('stale'),
    overlap_ms_max: Math.round(Math.max(0, ...overlaps)),
    resume_p50_s: rounded(resumeQuantile(evidence, 0.5), 3),
    resume_p99_s: rounded(resumeQuantile(evidence, 0.99), 3),
    resumes: history.records.filter(one => one.type === 'welcome' && one.resumed).length,
    ghosts: count('ghost'),
    missing: count('missing'),
    disagree: count('disagree'),
    illegal: count('illegal'),
    untold: count('untold'),
    not_handed_over: count('not handed over'),
    disorder: count('order'),
    not_live: count('not live'),
    not_isolated: count('not isolated'),
    not_stopped: count('not stopped'),
    unbounded: count('unbounded'),
    rss_mb_max: most('rss_mb'),
    heap_mb_max: most('heap_mb'),
    outbox_max: most('outbox_depth'),
    stream_wrong: count('stream'),
    stream_repeats: repeatsOf(state),
    transfers: state.transfers.length,
    latency_p50_ms: rounded(quantile(acked, 0.5)),
    latency_p99_ms: rounded(quantile(acked, 0.99)),
    isolated: {
      asked: during.length,
      p99_ms: rounded(
        quantile(
          during.map(op => op.latency_ms),
          0.99,
        ),
      ),
    },
    failed: byChecker.filter(([, found]) => found.length > 0).map(([name]) => name),
    found: Object.fromEntries(
      byChecker.flatMap(([name, [first]]) => (first === undefined ? [] : [[name, wordsOf(first)]])),
    ),
    problems: all.slice(0, WORDS_MAX).map(wordsOf),
    verdict: all.length === 0 ? 'pass' : 'fail',
  };
};
