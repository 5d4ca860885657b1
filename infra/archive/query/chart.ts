/** An answer as a chart: what stands where, whether it is drawn in a terminal or as SVG. */
import type { ChartOf } from './queries.ts';
import type { Answer, Value } from './warehouse.ts';

/** More bars than these are no picture. */
const BARS_MAX = 20;
/** More lines than these nobody tells apart. */
const LINES_MAX = 8;

export interface Series {
  readonly name: string;
  /** In the order of the chart's `xs`; null where it has none. */
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly kind: 'bar' | 'line';
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly xs: readonly string[];
  readonly series: readonly Series[];
  /** Bars or lines that were left out: the smallest ones. */
  readonly left: number;
}

const numberOf = (value: Value | undefined): number | null => {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
};

const largest = ({ values }: Series): number => Math.max(...values.map(value => Math.abs(value ?? 0)));

/** The chart that a query asks for; a sentence when its answer has not the columns, or nothing to draw. */
export function chartFrom(answer: Answer, chart: ChartOf, title: string): Chart | string {
  const place = (name: string): number => answer.columns.indexOf(name);
  for (const name of [chart.x, chart.y, ...(chart.series === null ? [] : [chart.series])]) {
    if (place(name) < 0) return `The chart asks for the column ${name}, and there is none.`;
  }
  const points = answer.rows.map(row => ({
    x: String(row[place(chart.x)] ?? ''),
    y: numberOf(row[place(chart.y)]),
    series: chart.series === null ? chart.y : String(row[place(chart.series)] ?? ''),
  }));
  if (points.every(({ y }) => y === null)) return 'There is nothing to draw.';
  const base = { kind: chart.kind, title, x: chart.x, y: chart.y };
  if (chart.kind === 'bar') {
    const kept = points.slice(0, BARS_MAX);
    const values = kept.map(({ y }) => y);
    const xs = kept.map(({ x }) => x);
    return { ...base, xs, series: [{ name: chart.y, values }], left: points.length - kept.length };
  }
  const xs = [...new Set(points.map(({ x }) => x))].sort();
  const at = new Map(xs.map((x, i) => [x, i]));
  const lines = new Map<string, (number | null)[]>();
  for (const { x, y, series } of points) {
    const values = lines.get(series) ?? xs.map(() => null);
    values[at.get(x)!] = y;
    lines.set(series, values);
  }
  const series = [...lines].map(([name, values]) => ({ name, values }));
  series.sort((a, b) => largest(b) - largest(a));
  return { ...base, xs, series: series.slice(0, LINES_MAX), left: Math.max(0, series.length - LINES_MAX) };
}

const BAR_WIDTH = 50;
const LABEL_WIDTH = 36;
const STEPS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

const label = (text: string): string => {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ');
  return plain.length <= LABEL_WIDTH ? plain : `${plain.slice(0, LABEL_WIDTH - 1)}…`;
};
/** As people read it: one digit behind the point at most. */
export const figure = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });

function bar(value: number, max: number): string {
  const eighths = max === 0 ? 0 : Math.round((Math.max(0, value) / max) * BAR_WIDTH * 8);
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]!;
}

/** A line in one row; of many points each column is the mean of those that fall into it. */
function spark(values: readonly (number | null)[], low: number, high: number): string {
  const width = Math.min(values.length, BAR_WIDTH);
  let drawn = '';
  for (let i = 0; i < width; i++) {
    const [from, to] = [i, i + 1].map(n => Math.floor((n * values.length) / width));
    const some = values.slice(from, to).filter(value => value !== null);
    if (some.length === 0) {
      drawn += ' ';
      continue;
    }
    const mean = some.reduce((sum, value) => sum + value, 0) / some.length;
    drawn += STEPS[high === low ? 0 : Math.round(((mean - low) / (high - low)) * (STEPS.length - 1))];
  }
  return drawn;
}

export function drawn(chart: Chart): string {
  const left = chart.left === 0 ? [] : [`and ${chart.left} more`];
  if (chart.kind === 'bar') {
    const values = chart.series[0]!.values.map(value => value ?? 0);
    const max = Math.max(...values, 0);
    const names = chart.xs.map(label);
    const width = Math.max(...names.map(name => name.length));
    const lines = names.map(
      (name, i) => `${name.padEnd(width)}  ${bar(values[i]!, max)} ${figure(values[i]!)}`,
    );
    return [`${chart.y} by ${chart.x}`, ...lines, ...left].join('\n');
  }
  const names = chart.series.map(({ name }) => label(name));
  const width = Math.max(...names.map(name => name.length));
  const lines = chart.series.map(({ values }, i) => {
    const there = values.filter(value => value !== null);
    const [low, high] = [Math.min(...there, 0), Math.max(...there, 0)];
    return `${names[i]!.padEnd(width)}  ${spark(values, low, high)}  ${figure(low)} to ${figure(high)}`;
  });
  return [`${chart.y} by ${chart.x}, ${chart.xs[0]} to ${chart.xs.at(-1)}`, ...lines, ...left].join('\n');
}
