/**
 * The metrics of one node, behind the port that everybody uses (`nodes/ports.ts`).
 *
 * Counting is on the hot path of every position, and prom-client sorts and hashes labels at each call; so counts are
 * collected in plain numbers and handed over when somebody asks for them. A wrong name or label never throws into a
 * turn: it is counted itself, and a test looks for such names in the sources.
 */
import { getHeapStatistics } from 'node:v8';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Metrics } from '../../nodes/ports.ts';
import { type LabelBound, METRICS, type MetricName, type MetricRow } from './metric-table.ts';

export interface NodeMetrics extends Metrics {
  /** What `/metrics` answers: the text and its content type. */
  expose(): Promise<{ text: string; contentType: string }>;
  /** A gauge that is read when somebody asks, for what is counted elsewhere anyway. */
  sample(name: MetricName, read: () => number): void;
}

const OTHER = 'other';
const NO_LABELS: Record<string, string> = {};

/** Keeps the values of one label to those that were declared. */
class LabelValues {
  private readonly seen: Set<string>;
  private readonly room: number;
  constructor(bound: LabelBound) {
    this.seen = new Set(typeof bound === 'number' ? [] : bound);
    this.room = typeof bound === 'number' ? bound : 0;
  }
  bounded(value: string | undefined): string {
    if (value === undefined) return OTHER;
    if (this.seen.has(value)) return value;
    if (this.seen.size >= this.room) return OTHER;
    this.seen.add(value);
    return value;
  }
}

/** Every combination of the values of its labels; none where a label takes what nobody listed. */
const listedSeries = (labels: MetricRow['labels'] = {}): Record<string, string>[] =>
  Object.entries(labels).reduce<Record<string, string>[]>(
    (all, [name, bound]) =>
      typeof bound === 'number' ? [] : all.flatMap(one => bound.map(value => ({ ...one, [name]: value }))),
    [{}],
  );

interface Declared {
  kind: MetricRow['kind'];
  labels: [name: string, values: LabelValues][];
  /** Counts since the last look, by joined label values. */
  pending: Map<string, { labels: Record<string, string>; by: number }>;
  gauge?: Gauge;
  histogram?: Histogram;
}

/** @param withProcess also the metrics of the process (CPU, memory, event loop delay, collections) */
export function createMetrics(withProcess = true): NodeMetrics {
  const registry = new Registry();
  const declared = new Map<string, Declared>();

  for (const [name, row] of Object.entries<MetricRow>(METRICS)) {
    const bounds = Object.entries(row.labels ?? {});
    const metric: Declared = {
      kind: row.kind,
      labels: bounds.map(([label, bound]) => [label, new LabelValues(bound)]),
      pending: new Map(),
    };
    const shape = { name, help: row.help, labelNames: bounds.map(([label]) => label), registers: [registry] };
    if (row.kind === 'counter') {
      const counter = new Counter({
        ...shape,
        collect() {
          for (const { labels, by } of metric.pending.values()) this.inc(labels, by);
          metric.pending.clear();
        },
      });
      // a series that begins at 1 never rose: who asks for its increase would miss the first time
      for (const labels of listedSeries(row.labels)) counter.inc(labels, 0);
    } else if (row.kind === 'gauge') metric.gauge = new Gauge(shape);
    else metric.histogram = new Histogram({ ...shape, buckets: [...(row.buckets ?? [])] });
    declared.set(name, metric);
  }

  function bounded(metric: Declared, given: Record<string, string>): Record<string, string> {
    if (metric.labels.length === 0) return NO_LABELS;
    const labels: Record<string, string> = {};
    for (const [name, values] of metric.labels) labels[name] = values.bounded(given[name]);
    return labels;
  }

  function add(metric: Declared, labels: Record<string, string>, by: number): void {
    let key = '';
    for (const [name] of metric.labels) key += `${labels[name]}\n`;
    const entry = metric.pending.get(key);
    if (entry) entry.by += by;
    else metric.pending.set(key, { labels: bounded(metric, labels), by });
  }

  function find(name: string, kind: MetricRow['kind']): Declared | null {
    const metric = declared.get(name);
    if (metric?.kind === kind) return metric;
    add(declared.get('heyblue_metric_misuse_total')!, NO_LABELS, 1);
    return null;
  }

  const own: NodeMetrics = {
    count: (name, labels = NO_LABELS, by = 1) => {
      const metric = find(name, 'counter');
      if (metric && by > 0) add(metric, labels, by);
    },
    observe: (name, value, labels = NO_LABELS) => {
      const metric = find(name, 'histogram');
      metric?.histogram?.observe(bounded(metric, labels), value);
    },
    gauge: (name, value, labels = NO_LABELS) => {
      const metric = find(name, 'gauge');
      metric?.gauge?.set(bounded(metric, labels), value);
    },
    sample: (name, read) => {
      const gauge = find(name, 'gauge')?.gauge as (Gauge & { collect?: () => void }) | undefined;
      if (gauge) gauge.collect = () => gauge.set(read());
    },
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
  };
  if (withProcess) {
    collectDefaultMetrics({ register: registry });
    own.sample('heyblue_heap_limit_bytes', () => getHeapStatistics().heap_size_limit);
  }
  return own;
}
