/**
 * When a soak has passed (reference/reliability.md 3). Pure: a recording in, findings out, so that each rule is shown by a
 * test to fail when it should, and an old recording can be judged again.
 */
import { Histogram } from '../swarm/histogram.ts';
import { moreOpen } from './openFiles.ts';
import type { AtRest, FloorSample, NodeSample, OpsSample, Recording } from './recording.ts';
import { mannKendall, type Point, TREND_POINTS_MIN, theilSen } from './statistics.ts';

export const RULES = {
  /** Memory of a pod (k8s/base); a leak that would take a quarter of it in a day is one. */
  limitBytes: 1024 ** 3,
  dayGrowthShare: 0.25,
  trendP: 0.05,
  /** A life begins with caches that fill and code that is compiled (reference/reliability.md 3: five minutes). */
  lifeSettlesS: 300,
  /** A slope over less than this says nothing of a day. */
  lifeJudgedS: 600,
  /** Later is at most so much worse than earlier, and by more than what nobody would notice. */
  ageing: 1.2,
  ageingMs: 5,
  ageingGcShare: 0.005,
  majorGcShare: 0.02,
  /** Of a third of a run; a percentile of fewer is chance. */
  opsMin: 500,
  fdsShare: 0.02,
  heapShare: 0.1,
  /** After seconds of warming up, code is still compiled and tables still grow. */
  heapShortShare: 0.25,
  loopP99Ms: 50,
  /** Looks of 5 s in which it may have been more. */
  loopLooksShare: 0.01,
  loopMaxMs: 250,
  pushP99Ms: 250,
  successShare: 0.999,
} as const;

const FORBIDDEN = /\bassert|invariant|FATAL/;

export interface Finding {
  readonly rule: string;
  /** null: the run was too short, or on purpose not timed. */
  readonly ok: boolean | null;
  readonly words: string;
}

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

const DAY_S = 86_400;
const MIB = 2 ** 20;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;

export interface Growth {
  readonly node: string;
  readonly pid: number;
  readonly what: 'heap' | 'rss';
  readonly points: number;
  readonly perDayBytes: number;
  readonly p: number;
  readonly leak: boolean;
}

/**
 * Trend of what stayed after collections, of each life that was long enough and that nobody looked into, at equal numbers of
 * people: shards move between nodes, and who has more of them holds more. What a person takes is what the first collection of
 * the life left beyond what the node held at rest, by head.
 */
export const growthOf = (recording: Recording, start: readonly AtRest[]): Growth[] => {
  const lives = Map.groupBy(recording.floors, one => one.pid);
  return [...lives].flatMap(([pid, all]) => {
    if (!recording.isUntouched(pid)) return [];
    const some = all.filter(one => one.upS >= RULES.lifeSettlesS);
    if (some.length < TREND_POINTS_MIN || some.at(-1)!.tS - some[0]!.tS < RULES.lifeJudgedS) return [];
    const [first] = some as [FloorSample];
    const rest = start.find(one => one.node === first.node)?.heapUsed ?? first.heapUsed;
    const each = Math.max(0, first.heapUsed - rest) / Math.max(1, first.actors);
    return (['heap', 'rss'] as const).map(what => {
      const points = some.map((one): Point => {
        const bytes = what === 'heap' ? one.heapUsed : one.rss;
        return [one.tS, bytes - each * (one.actors - first.actors)];
      });
      const perDayBytes = theilSen(points) * DAY_S;
      const { p, z } = mannKendall(points);
      const leak = p < RULES.trendP && z > 0 && perDayBytes > RULES.dayGrowthShare * RULES.limitBytes;
      return { node: some[0]!.node, pid, what, points: points.length, perDayBytes, p, leak };
    });
  });
};

const leaks = (grown: readonly Growth[]): Finding => {
  const bad = grown.filter(one => one.leak);
  const say = (one: Growth): string =>
    `${one.what} of ${one.node} ${one.perDayBytes < 0 ? 'falls' : 'grows'} by ${mib(Math.abs(one.perDayBytes))} a day (p ${one.p.toFixed(3)}, ${one.points} points)`;
  return {
    rule: 'no leak: what stays after collections does not grow by a quarter of a pod in a day',
    ok: grown.length === 0 ? null : bad.length === 0,
    words:
      grown.length === 0
        ? 'no life was long enough to say'
        : (bad.length > 0 ? bad : grown).map(say).join('; '),
  };
};

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
      rule: 'nothing lost, nothing doubled, all stores agree, everybody is served in the end',
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
    loop(recording, timed),
    ...served(recording, timed),
    {
      rule: 'logs say nothing of asserts, invariants, FATAL',
      ok: bad.length === 0,
      words: few(bad, 'nothing'),
    },
  ];
  // what is wrong is wrong however busy the generator was; times that it spoiled itself are not
  const failed = findings.filter(one => one.ok === false);
  const times = /^(no ageing|event loop|push|success|collections)/;
  if (failed.some(one => !(saturated && times.test(one.rule)))) return { verdict: 'fail', findings, growths };
  return { verdict: saturated && timed ? 'invalid' : 'pass', findings, growths };
};
