/**
 * What is wrong with an expression, held against what nodes really tell: a series that does not exist is no error to Prometheus,
 * it is an alert that never comes. So names, labels, their values and the bounds of histograms are all looked up.
 */
import { METRICS, type MetricRow } from '../../infra/telemetry/metric-table.ts';
import { type Matcher, readPromql, type Selector } from './promql.ts';

/** Labels that Prometheus adds to what it collects from a pod. */
const TARGET_LABELS = ['job', 'pod', 'instance', 'namespace'];
const SUFFIX = /_(bucket|sum|count)$/;

export interface Known {
  /** Series that rules record. */
  readonly recorded: ReadonlySet<string>;
  /** What the process tells of itself, and Prometheus of the process. */
  readonly others: ReadonlySet<string>;
}

const tableOf = (name: string): { row: MetricRow; part: string } | null => {
  const table = METRICS as Record<string, MetricRow>;
  const whole = table[name];
  if (whole !== undefined) return { row: whole, part: '' };
  const [suffix, part = ''] = SUFFIX.exec(name) ?? [];
  const row = suffix === undefined ? undefined : table[name.slice(0, -suffix.length)];
  return row?.kind === 'histogram' ? { row, part } : null;
};

/** The values that a matcher lets through, as far as they are written out. */
const valuesOf = ({ op, value }: Matcher): string[] => (op.endsWith('~') ? value.split('|') : [value]);

const labelsOf = ({ row, part }: { row: MetricRow; part: string }): string[] => [
  ...TARGET_LABELS,
  ...Object.keys(row.labels ?? {}),
  ...(part === 'bucket' ? ['le'] : []),
];

function* selectorFaults({ metric, matchers }: Selector, known: Known): Generator<string> {
  const asked = tableOf(metric);
  if (asked === null) {
    if (!known.recorded.has(metric) && !known.others.has(metric)) yield `there is no series ${metric}`;
    for (const { label } of matchers)
      if (!TARGET_LABELS.includes(label)) yield `${metric} has no label ${label}`;
    return;
  }
  const { row, part } = asked;
  if (row.kind === 'histogram' && part === '') yield `${metric} is a histogram: _bucket, _sum or _count`;
  for (const matcher of matchers) {
    const { label } = matcher;
    if (!labelsOf(asked).includes(label)) yield `${metric} has no label ${label}`;
    const bound = row.labels?.[label];
    for (const value of valuesOf(matcher)) {
      if (label === 'le' && !row.buckets?.includes(Number(value))) yield `${metric} has no bucket ${value}`;
      if (Array.isArray(bound) && !bound.includes(value)) yield `${label} of ${metric} is never ${value}`;
    }
  }
}

/** One sentence for each fault. */
export const faultsOf = (expr: string, known: Known): string[] => {
  // Grafana puts a duration in its place
  const read = readPromql(expr.replaceAll('$__rate_interval', '5m'));
  if (!read.ok) return [`no PromQL at ${read.at}: ${expr.slice(read.at, read.at + 20)}`];
  const { selectors, groupings, functions } = read.asked;
  const faults = selectors.flatMap(one => [...selectorFaults(one, known)]);
  if (selectors.length === 0) faults.push('asks for no series');
  const labels = new Set(
    selectors.flatMap(({ metric }) => (tableOf(metric) ? labelsOf(tableOf(metric)!) : TARGET_LABELS)),
  );
  for (const label of groupings) if (!labels.has(label)) faults.push(`nothing here has the label ${label}`);
  for (const { metric } of selectors) {
    const counts = tableOf(metric)?.row.kind === 'counter';
    if (counts && !functions.some(one => ['rate', 'increase'].includes(one)))
      faults.push(`${metric} only ever grows: rate or increase of it`);
  }
  return faults;
};
