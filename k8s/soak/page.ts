/** The report of a soak as one page: the verdict rule by rule, what was broken, and everything that was recorded as plots. */
import { escaped } from '../html.ts';
import { Histogram } from '../swarm/histogram.ts';
import { AGED } from './ageing.ts';
import type { Grown } from './heapDiff.ts';
import { type Band, type Plot, plotSvg, type Series } from './plot.ts';
import type { NodeSample, OpsSample, Recording } from './recording.ts';
import type { Verdict } from './rules.ts';

export interface PageFacts {
  readonly title: string;
  /** What people ask first: seed, commit, machine, command. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly verdict: Verdict;
  readonly recording: Recording;
  readonly aged: boolean;
  /** What the first node holds more of in the end than the last one did in the beginning, when the run failed. */
  readonly grown: readonly Grown[];
}

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;max-width:1040px;margin:2em auto;padding:0 1em;color:#1f2328}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #d1d9e0;padding:.3em .6em;text-align:left;vertical-align:top}
.pass{color:#1a7f37}.fail{color:#d1242f}.none{color:#57606a}figure{margin:1.2em 0}svg{width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:#57606a}.grid{stroke:#eaeef2}.band{fill:#d1242f;opacity:.12}.limit{stroke:#d1242f;stroke-dasharray:4 4}`;

const MIB = 2 ** 20;
const GIB = 2 ** 30;

const perNode = (nodes: readonly NodeSample[], of: (one: NodeSample) => number): Series[] =>
  [...Map.groupBy(nodes, one => one.node)].map(([name, some]) => ({
    name,
    points: some.map(one => [one.tS, of(one)] as const),
  }));

/** Looks of all processes of the generator that belong together, by the number of the look. */
const together = (ops: readonly OpsSample[]): OpsSample[][] => {
  const byWorker = [...Map.groupBy(ops, one => one.worker).values()];
  const looks = Math.max(0, ...byWorker.map(some => some.length));
  return Array.from({ length: looks }, (_, i) => byWorker.flatMap(some => some[i] ?? []));
};

const percentile = (ops: readonly OpsSample[], kind: 'meet' | 'push' | 'ask', percent: number): Series => ({
  name: `${kind} p${percent}`,
  points: together(ops).flatMap(some => {
    const sum = Histogram.sum(some.map(one => one[kind]));
    return sum.count === 0 ? [] : [[some[0]!.tS, sum.percentileMs(percent)] as const];
  }),
});

const counted = (ops: readonly OpsSample[], name: string, of: (one: OpsSample) => number): Series => ({
  name,
  points: together(ops).map(some => [some[0]!.tS, some.reduce((sum, one) => sum + of(one), 0)] as const),
});

const rates = (nodes: readonly NodeSample[], of: (one: NodeSample) => number): Series[] =>
  [...Map.groupBy(nodes, one => one.node)].map(([name, some]) => ({
    name,
    points: some.flatMap((one, i) => {
      const before = some[i - 1];
      if (before === undefined || before.pid !== one.pid) return [];
      return [[one.tS, (of(one) - of(before)) / (one.tS - before.tS)] as const];
    }),
  }));

export const plotsOf = (recording: Recording): Plot[] => {
  const { nodes, servers, ops, floors, stores, faults } = recording;
  const endS = Math.max(1, ...nodes.map(one => one.tS), ...ops.map(one => one.tS));
  const bands: Band[] = faults.map(({ fromS, toS, fault, node, hit }) => ({
    fromS,
    toS,
    words: `${fault} of ${node}: ${hit}`,
  }));
  const plot = (title: string, unit: string, series: readonly Series[], limit?: number): Plot => ({
    title,
    unit,
    series,
    bands,
    endS,
    ...(limit === undefined ? {} : { limit }),
  });
  const floorSeries = (what: 'heapUsed' | 'rss'): Series[] =>
    [...Map.groupBy(floors, one => one.pid)].map(([pid, some]) => ({
      name: `${some[0]!.node} (${pid})`,
      points: some.map(one => [one.tS, one[what] / MIB] as const),
    }));
  return [
    plot('Commands in 5 s', 'commands', [
      counted(ops, 'ok', one => one.ok),
      counted(ops, 'failed', one => one.failed),
      counted(ops, 'unknown', one => one.unknown),
    ]),
    plot('Phones with a connection', 'phones', [counted(ops, 'connected', one => one.connected)]),
    plot(
      'Latency p99',
      'ms',
      (['meet', 'push', 'ask'] as const).map(kind => percentile(ops, kind, 99)),
      250,
    ),
    plot(
      'Latency p50',
      'ms',
      (['meet', 'push', 'ask'] as const).map(kind => percentile(ops, kind, 50)),
    ),
    plot('Heap after a collection', 'MiB', floorSeries('heapUsed')),
    plot('Memory of a node after a collection (RSS)', 'MiB', floorSeries('rss')),
    plot(
      'Memory of a node (RSS)',
      'MiB',
      perNode(nodes, one => one.rss / MIB),
    ),
    plot(
      'Event loop: late by p99',
      'ms',
      perNode(nodes, one => one.loopP99Ms),
      50,
    ),
    plot(
      'Event loop: late at most',
      'ms',
      perNode(nodes, one => one.loopMaxMs),
      250,
    ),
    plot(
      'CPU of a node',
      'cores',
      rates(nodes, one => one.cpuS),
    ),
    plot(
      'Time in collections',
      'ms a second',
      rates(nodes, one => one.gcMajorMs + one.gcMinorMs + one.gcOtherMs),
    ),
    plot(
      'Open files',
      'files',
      perNode(nodes, one => one.fds),
    ),
    plot(
      'People in memory',
      'actors',
      perNode(nodes, one => one.actors),
    ),
    plot(
      'Timers of actors',
      'timers',
      perNode(nodes, one => one.timers),
    ),
    plot(
      'Rows that wait to be published',
      'rows',
      perNode(nodes, one => one.outbox),
    ),
    plot(
      'Statements that took a connection to PostgreSQL, and how long they waited',
      'a second, ms a second',
      [
        ...rates(nodes, one => one.poolTakes).map(one => ({ ...one, name: `${one.name} taken` })),
        ...rates(nodes, one => one.poolWaitMs).map(one => ({ ...one, name: `${one.name} waited` })),
      ],
    ),
    plot(
      'Sockets closed because their phone was too slow (4102)',
      'since the start of a node',
      perNode(nodes, one => one.slowClosed),
    ),
    plot(
      'Servers and generator (RSS)',
      'MiB',
      [...Map.groupBy(servers, one => one.name)].map(([name, some]) => ({
        name,
        points: some.map(one => [one.tS, one.rss / MIB] as const),
      })),
    ),
    plot('PostgreSQL', 'connections, locks that wait', [
      { name: 'connections', points: stores.map(one => [one.tS, one.connections] as const) },
      { name: 'locks that wait', points: stores.map(one => [one.tS, one.locksWaiting] as const) },
    ]),
    plot('Disk', 'GiB', [
      { name: 'all servers', points: stores.map(one => [one.tS, one.diskBytes / GIB] as const) },
      { name: 'database', points: stores.map(one => [one.tS, one.databaseBytes / GIB] as const) },
      { name: 'JetStream', points: stores.map(one => [one.tS, one.jetStreamBytes / GIB] as const) },
    ]),
  ];
};

const row = (...cells: readonly string[]): string =>
  `<tr>${cells.map(cell => `<td>${cell}</td>`).join('')}</tr>`;

const mark = (ok: boolean | null): string =>
  ok === null
    ? '<span class="none">not judged</span>'
    : `<span class="${ok ? 'pass' : 'fail'}">${ok ? 'holds' : 'broken'}</span>`;

const agedTable = (): string =>
  `<h2>Times that were a tenth, and those that were not</h2><table>${AGED.map(one =>
    row(
      escaped(one.what),
      one.by === 'setting'
        ? `<code>${one.name}=${one.value}</code>`
        : one.by === 'patch'
          ? `patched in <code>${one.file}</code>: <code>${escaped(one.replace.trim().split(',')[0]!)}</code>`
          : `as it is: ${escaped(one.why)}`,
    ),
  ).join('')}</table>`;

const grownTable = (grown: readonly Grown[]): string =>
  grown.length === 0
    ? ''
    : `<h2>More of in the end</h2><table>${grown
        .map(one => row(String(one.bytes), String(one.count), escaped(one.name)))
        .join('')}</table>`;

export const pageOf = ({ title, facts, verdict, recording, aged, grown }: PageFacts): string => {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escaped(title)}</title><style>${STYLE}</style>
<h1>${escaped(title)}: <span class="${verdict.verdict === 'pass' ? 'pass' : 'fail'}">${verdict.verdict}</span></h1>
<table>${facts.map(([name, value]) => row(escaped(name), escaped(value))).join('')}</table>
<h2>Rules</h2>
<table>${verdict.findings.map(({ rule, ok, words }) => row(mark(ok), escaped(rule), escaped(words))).join('')}</table>
<h2>Growth of what stays after collections</h2>
<table><tr><th>life</th><th>of</th><th>MiB a day (Theil-Sen)</th><th>p (Mann-Kendall)</th><th>points</th></tr>${verdict.growths
    .map(one =>
      row(
        `${one.node} (${one.pid})`,
        one.what,
        (one.perDayBytes / MIB).toFixed(1),
        one.p.toFixed(4),
        String(one.points),
      ),
    )
    .join('')}</table>
<h2>What was broken</h2>
<table>${recording.faults.map(one => row(`${one.fromS.toFixed(0)} to ${one.toS.toFixed(0)} s`, escaped(`${one.fault} of ${one.node}`), escaped(one.hit))).join('') || row('nothing')}</table>
<h2>What was recorded</h2><p>Red: something was broken, or getting well.</p>
${plotsOf(recording).map(plotSvg).join('\n')}
${grownTable(grown)}
${aged ? agedTable() : ''}
</html>
`;
};
