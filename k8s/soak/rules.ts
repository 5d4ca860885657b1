/**
 * When a soak has passed (reliability study 3). Pure: a recording in, findings out, so that each rule is shown by a
 * test to fail when it should, and an old recording can be judged again.
 */
import { Histogram } from '../swarm/histogram.ts';
import { type Growth, growthOf, leaks } from './growth.ts';
import { type Finding, mib, RULES } from './limits.ts';
import { moreOpen } from './openFiles.ts';
import type { AtRest, NodeSample, OpsSample, Recording } from './recording.ts';

const FORBIDDEN = /\bassert|invariant|FATAL/;

/** What a verdict is made from, beside the recording. */
export interface Evidence {
  readonly recording: Recording;
  readonly start: readonly AtRest[];
  readonly end: readonly AtRest[];
  /** Every sentence of judge, auditor, stores and phones. */
  readonly problems: readonly string[];
  readonly troubles: readonly string[];
  readonly crashes: readonly string[];
  /** Lines of logs of the nodes. */
  readonly logs: Iterable<string>;
  /** The times of this run mean something: on a machine of its own, long enough. */
  readonly timed: boolean;
  /** The generator was the bottleneck. */
  readonly saturated: boolean;
}

/** Looks of peace in the first and in the last third of the run. */
const thirds = (recording: Recording): [OpsSample[], OpsSample[]] => {
  const quiet = recording.ops.filter(one => recording.isQuietLook(one));
  const from = Math.min(...recording.ops.map(one => one.tS));
  const to = Math.max(...recording.ops.map(one => one.tS));
  const third = (to - from) / 3;
  return [quiet.filter(one => one.tS < from + third), quiet.filter(one => one.tS > to - third)];
};

const KINDS = ['meet', 'push', 'ask'] as const;

const ageing = (recording: Recording, timed: boolean): Finding => {
  const [first, last] = thirds(recording);
  const rule = 'no ageing: p99 of the last third at most 1.2 times that of the first, outside faults';
  const pairs = KINDS.map(kind => {
    const [a, b] = [Histogram.sum(first.map(one => one[kind])), Histogram.sum(last.map(one => one[kind]))];
    return { kind, a, b, worse: b.percentileMs(99) > a.percentileMs(99) * RULES.ageing + RULES.ageingMs };
  });
  const words = pairs
    .map(
      ({ kind, a, b }) => `${kind} ${a.percentileMs(99).toFixed(1)} and ${b.percentileMs(99).toFixed(1)} ms`,
    )
    .join(', ');
  const enough = pairs.every(({ a, b }) => Math.min(a.count, b.count) >= RULES.opsMin);
  return { rule, ok: timed && enough ? !pairs.some(one => one.worse) : null, words };
};

/** Share of the time that a life spent in collections, between the first and the last of these looks. */
const gcShare = (samples: readonly NodeSample[], of: (one: NodeSample) => number): number => {
  let gcMs = 0;
  let wallMs = 0;
  for (const life of Map.groupBy(samples, one => one.pid).values()) {
    gcMs += of(life.at(-1)!) - of(life[0]!);
    wallMs += (life.at(-1)!.tS - life[0]!.tS) * 1_000;
  }
  return wallMs === 0 ? 0 : gcMs / wallMs;
};

const collections = (nodes: readonly NodeSample[], timed: boolean): Finding => {
  const to = Math.max(0, ...nodes.map(one => one.tS));
  const all = (one: NodeSample): number => one.gcMajorMs + one.gcMinorMs + one.gcOtherMs;
  const first = gcShare(
    nodes.filter(one => one.tS < to / 3),
    all,
  );
  const last = gcShare(
    nodes.filter(one => one.tS > (2 * to) / 3),
    all,
  );
  const major = gcShare(nodes, one => one.gcMajorMs);
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  return {
    rule: 'collections: whole ones at most 2 % of the time, all of them not more in the end than in the beginning',
    ok: !timed ? null : major <= RULES.majorGcShare && last <= first * RULES.ageing + RULES.ageingGcShare,
    words: `whole ${percent(major)}; all ${percent(first)}, in the last third ${percent(last)}`,
  };
};

/**
 * What is held by a node at rest in the end that it did not hold at rest in the beginning.
 *
 * @param isUntouched whether the memory of a life is its own doing; files and timers are in any case
 */
export const leftBehind = (
  start: readonly AtRest[],
  end: readonly AtRest[],
  timed = true,
  isUntouched: (pid: number) => boolean = () => true,
): string[] =>
  end.flatMap(one => {
    const before = start.find(other => other.node === one.node);
    if (before === undefined) return [`${one.node} was not there in the beginning`];
    const more = (
      name: 'otherActors' | 'subscriptions' | 'timeouts' | 'timers' | 'fds',
      slack: number,
    ): string[] =>
      one[name] > before[name] + slack ? [`${one.node}: ${name} ${one[name]}, before ${before[name]}`] : [];
    return [
      ...(['sockets', 'actors', 'outbox'] as const)
        .filter(name => one[name] !== 0)
        .map(name => `${one.node}: ${name} ${one[name]}`),
      ...more('fds', Math.max(2, Math.ceil(before.fds * RULES.fdsShare))).map(
        words => `${words} (${moreOpen(before.open, one.open)})`,
      ),
      // shards move between nodes, and with them the few regions that are known
      ...more('otherActors', 20),
      ...more('subscriptions', 0),
      ...more('timeouts', 3),
      ...more('timers', 10),
      ...(isUntouched(one.pid) &&
      one.heapUsed > before.heapUsed * (1 + (timed ? RULES.heapShare : RULES.heapShortShare))
        ? [`${one.node}: heap ${mib(one.heapUsed)}, before ${mib(before.heapUsed)}`]
        : []),
    ];
  });

const few = (all: readonly string[], none: string): string =>
  all.length === 0 ? none : `${all.length}: ${all.slice(0, 5).join('; ')}`;

const rest = ({ start, end, timed, recording }: Evidence): Finding => {
  const left = leftBehind(start, end, timed, pid => recording.isUntouched(pid));
  const say = (one: AtRest): string =>
    `${one.node} heap ${mib(one.heapUsed)}${recording.isUntouched(one.pid) ? '' : ' (not judged: it was looked into)'}, ${one.fds} files`;
  return {
    rule: 'back to start: nobody there, files, subscriptions, timers and heap as before',
    ok: left.length === 0,
    words: few(left, end.map(say).join('; ')),
  };
};

const loop = (recording: Recording, timed: boolean): Finding => {
  const quiet = recording.nodes.filter(one => recording.isQuietLook(one));
  const late = quiet.filter(one => one.loopP99Ms > RULES.loopP99Ms).length;
  const max = Math.max(0, ...quiet.map(one => one.loopMaxMs));
  return {
    rule: 'event loop: p99 at most 50 ms in 99 of 100 looks, never later than 250 ms, outside faults',
    ok:
      timed && quiet.length > 0
        ? late <= RULES.loopLooksShare * quiet.length && max <= RULES.loopMaxMs
        : null,
    words: `${late} of ${quiet.length} looks above ${RULES.loopP99Ms} ms, at most ${max.toFixed(0)} ms`,
  };
};

const served = (recording: Recording, timed: boolean): Finding[] => {
  const quiet = recording.ops.filter(one => recording.isQuietLook(one));
  const ok = quiet.reduce((sum, one) => sum + one.ok, 0);
  const all = quiet.reduce((sum, one) => sum + one.ok + one.failed + one.unknown, 0);
  const push = Histogram.sum(quiet.map(one => one.push));
  const p99 = push.percentileMs(99);
  return [
    {
      rule: 'success: 99.9 % of the commands outside faults',
      // of a few, on a machine that others use, a single one that took too long would be more than that
      ok: all === 0 || (!timed && all < RULES.opsMin) ? null : ok / all >= RULES.successShare,
      words: `${ok} of ${all}`,
    },
    {
      rule: 'push: from a scan to the other phone at most 250 ms (p99), outside faults',
      ok: timed && push.count >= RULES.opsMin ? p99 <= RULES.pushP99Ms : null,
      words: `p50 ${push.percentileMs(50).toFixed(1)}, p99 ${p99.toFixed(1)} ms of ${push.count}`,
    },
  ];
};

/** How far a counter rose from look to look, where nothing was broken between the two. */
const risen = <T extends { readonly tS: number }>(
  recording: Recording,
  looks: readonly T[],
  of: (one: T) => number,
): number =>
  looks.reduce((sum, one, i) => {
    const before = looks[i - 1];
    if (before === undefined || !recording.isQuiet(before.tS, one.tS)) return sum;
    return sum + of(one) - of(before);
  }, 0);

const tooSlow = (recording: Recording): Finding => {
  const lives = [...Map.groupBy(recording.nodes, one => one.pid).values()];
  const ofNodes = (of: (one: NodeSample) => number): number =>
    lives.reduce((sum, life) => sum + risen(recording, life, of), 0);
  const closed = ofNodes(one => one.slowClosed);
  const broke = ofNodes(one => one.natsDisconnects);
  const cut = risen(recording, recording.stores, one => one.natsSlow);
  return {
    rule: 'nobody too slow: no phone closed with 4102, no slow consumer and no lost connection of NATS, outside faults',
    ok: recording.nodes.length + recording.stores.length === 0 ? null : closed + broke + cut === 0,
    words: `4102 ${closed} times, slow consumers of NATS ${cut}, its connections lost ${broke}`,
  };
};

/** I8: also while something is broken. */
const bounded = ({ nodes }: Recording): Finding => {
  const most = (of: (one: NodeSample) => number): number => Math.max(0, ...nodes.map(of));
  const [rss, buffered] = [most(one => one.rss), most(one => one.bufferedMax)];
  return {
    rule: 'bounded: no node takes more than a pod has, no socket holds back more than it may, at any time',
    ok: nodes.length === 0 ? null : rss <= RULES.limitBytes && buffered <= RULES.bufferedBytes,
    words: `a node ${mib(rss)} of ${mib(RULES.limitBytes)}, a socket ${buffered} of ${RULES.bufferedBytes} bytes`,
  };
};

const back = (recording: Recording, timed: boolean): Finding => {
  const tookS = recording.ops.flatMap(({ tS, gaps }) =>
    gaps.flatMap(([agoS, lastedS]) => {
      const toS = tS - agoS;
      return recording.isQuiet(toS - lastedS, toS) ? [lastedS] : [];
    }),
  );
  const p99 = tookS.toSorted((a, b) => a - b)[Math.ceil(tookS.length * 0.99) - 1] ?? 0;
  return {
    rule: 'back: phones that lost their connection have another one within 8 s (p99), outside faults',
    ok: timed && tookS.length >= RULES.backMin ? p99 <= RULES.backP99S : null,
    words: `p99 ${p99.toFixed(1)} s of ${tookS.length}`,
  };
};

/** Lines of a log that no log may have. */
export const forbidden = (logs: Iterable<string>): string[] => {
  const found: string[] = [];
  for (const line of logs) {
    if (found.length >= 20) break;
    if (FORBIDDEN.test(line)) found.push(line.slice(0, 300));
  }
  return found;
};

export interface Verdict {
  /** `invalid`: the generator was its own bottleneck, so that what was measured says little about the nodes. */
  readonly verdict: 'pass' | 'fail' | 'invalid';
  readonly findings: readonly Finding[];
  readonly growths: readonly Growth[];
}

export const judgeSoak = (evidence: Evidence): Verdict => {
  const { recording, timed, saturated } = evidence;
  const bad = forbidden(evidence.logs);
  const growths = growthOf(recording, evidence.start);
  const findings: Finding[] = [
    {
      rule: 'nothing lost, nothing doubled, nothing of an older owner; all stores agree, everybody is served and shown who shares',
      ok: evidence.problems.length === 0,
      words: few(evidence.problems, 'so it is'),
    },
    leaks(growths),
    ageing(recording, timed),
    collections(recording.nodes, timed),
    rest(evidence),
    {
      rule: 'no rejection that nobody handles, no warning of the runtime, no end that nobody asked for',
      ok: evidence.troubles.length + evidence.crashes.length === 0,
      words: few([...evidence.troubles, ...evidence.crashes], 'none'),
    },
    tooSlow(recording),
    bounded(recording),
    loop(recording, timed),
    ...served(recording, timed),
    back(recording, timed),
    {
      rule: 'logs say nothing of asserts, invariants, FATAL',
      ok: bad.length === 0,
      words: few(bad, 'nothing'),
    },
  ];
  // what is wrong is wrong however busy the generator was; times that it spoiled itself are not
  const failed = findings.filter(one => one.ok === false);
  const times = /^(no ageing|event loop|push|success|collections|nobody too slow|back:)/;
  if (failed.some(one => !(saturated && times.test(one.rule)))) return { verdict: 'fail', findings, growths };
  return { verdict: saturated && timed ? 'invalid' : 'pass', findings, growths };
};
