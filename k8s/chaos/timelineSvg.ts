/**
 * The run as a picture: what was broken when, in bands, over how many ops were acknowledged each second and how long they
 * took. Plain SVG inside the page, so that it can be read from a file without anything else.
 */
import { escaped } from '../html.ts';
import { quantile, type Spell } from './evidence.ts';
import type { OpRecord } from './history.ts';

const WIDTH = 1_100;
const LEFT = 64;
const RIGHT = 16;
const BAND = 14;
const PLOT = 130;
const GAP = 34;
const BUCKET_MS = 2_000;
/** Latencies are shown on a logarithmic scale between these, milliseconds. */
const LATENCY_MS = [1, 100_000] as const;

interface Bucket {
  ok: number;
  fail: number;
  unknown: number;
  readonly latencies: number[];
}

const bucketsOf = (ops: readonly OpRecord[], endMs: number): Bucket[] => {
  const buckets = Array.from(
    { length: Math.max(1, Math.ceil(endMs / BUCKET_MS)) },
    (): Bucket => ({ ok: 0, fail: 0, unknown: 0, latencies: [] }),
  );
  for (const op of ops) {
    // counted when it was due: an outage shows where it was felt
    const bucket = buckets[Math.min(buckets.length - 1, Math.max(0, Math.floor(op.t_ms / BUCKET_MS)))]!;
    bucket[op.outcome]++;
    if (op.outcome === 'ok') bucket.latencies.push(op.latency_ms);
  }
  return buckets;
};

/** Rows in which spells do not overlap. */
const rowsOf = (spells: readonly Spell[]): Spell[][] => {
  const rows: Spell[][] = [];
  for (const spell of spells.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const free = rows.find(row => row.at(-1)!.toMs <= spell.fromMs);
    if (free === undefined) rows.push([spell]);
    else free.push(spell);
  }
  return rows;
};

const HUES: Readonly<Record<string, number>> = {
  '1': 0,
  '2': 30,
  '3': 55,
  '4': 90,
  '5': 120,
  '6': 200,
  '7': 170,
};
const colourOf = (row: string): string => `hsl(${HUES[Number.parseInt(row, 10)] ?? 280} 70% 55%)`;

export const timelineSvg = (
  ops: readonly OpRecord[],
  spells: readonly Spell[],
  { quietFromMs, endMs }: { readonly quietFromMs: number; readonly endMs: number },
): string => {
  const x = (ms: number): number => LEFT + (Math.min(ms, endMs) / endMs) * (WIDTH - LEFT - RIGHT);
  const rows = rowsOf(spells);
  const bandsTop = 20;
  const plotTop = bandsTop + rows.length * BAND + GAP;
  const latencyTop = plotTop + PLOT + GAP;
  const height = latencyTop + PLOT + 30;
  const buckets = bucketsOf(ops, endMs);
  const most = Math.max(1, ...buckets.map(one => one.ok + one.fail + one.unknown));
  const yOps = (count: number): number => plotTop + PLOT * (1 - count / most);
  const [low, high] = LATENCY_MS.map(Math.log10) as [number, number];
  const yLatency = (ms: number): number =>
    latencyTop + PLOT * (1 - (Math.log10(Math.max(LATENCY_MS[0], ms)) - low) / (high - low));
  const parts: string[] = [];
  const text = (tx: number, ty: number, words: string, more = ''): void =>
    void parts.push(`<text x="${tx.toFixed(1)}" y="${ty.toFixed(1)}" ${more}>${escaped(words)}</text>`);

  // what was broken, over everything below
  for (const [i, row] of rows.entries()) {
    for (const { fault, row: number, what, fromMs, toMs } of row) {
      const [left, width] = [x(fromMs), Math.max(2, x(toMs) - x(fromMs))];
      const top = bandsTop + i * BAND;
      const fill = colourOf(number);
      parts.push(
        `<rect x="${left.toFixed(1)}" y="${plotTop}" width="${width.toFixed(1)}" height="${latencyTop + PLOT - plotTop}" fill="${fill}" opacity="0.12"/>`,
        `<rect x="${left.toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="${BAND - 3}" fill="${fill}"><title>${escaped(`${fault} (row ${number}): ${what}, ${((toMs - fromMs) / 1_000).toFixed(1)} s`)}</title></rect>`,
      );
    }
  }
  parts.push(
    `<rect x="${x(quietFromMs).toFixed(1)}" y="${bandsTop}" width="${(x(endMs) - x(quietFromMs)).toFixed(1)}" height="${latencyTop + PLOT - bandsTop}" fill="green" opacity="0.06"><title>quiet phase</title></rect>`,
  );
  const barWidth = Math.max(1, (WIDTH - LEFT - RIGHT) / buckets.length - 0.5);
  for (const [i, { ok, fail, unknown }] of buckets.entries()) {
    let from = 0;
    for (const [count, fill] of [
      [ok, '#3a7d44'],
      [fail, '#d9822b'],
      [unknown, '#b3261e'],
    ] as const) {
      if (count > 0)
        parts.push(
          `<rect x="${x(i * BUCKET_MS).toFixed(1)}" y="${yOps(from + count).toFixed(1)}" width="${barWidth.toFixed(1)}" height="${(yOps(from) - yOps(from + count)).toFixed(1)}" fill="${fill}"/>`,
        );
      from += count;
    }
  }
  for (const [share, colour] of [
    [0.5, '#2458a6'],
    [0.99, '#b3261e'],
  ] as const) {
    const points = buckets.flatMap(({ latencies }, i) => {
      const at = quantile(latencies, share);
      return at === null ? [] : `${x((i + 0.5) * BUCKET_MS).toFixed(1)},${yLatency(at).toFixed(1)}`;
    });
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`);
  }
  text(LEFT, bandsTop - 7, 'what was broken (point at a band)');
  text(
    LEFT,
    plotTop - 7,
    'ops each second, when they were due: acknowledged (green), refused (orange), unknown (red)',
  );
  text(LEFT, latencyTop - 7, 'until acknowledged, milliseconds: median (blue), 99th percentile (red)');
  text(LEFT - 6, plotTop + 8, String(Math.round((most * 1_000) / BUCKET_MS)), 'text-anchor="end"');
  text(LEFT - 6, plotTop + PLOT, '0', 'text-anchor="end"');
  for (let ms = LATENCY_MS[0]; ms <= LATENCY_MS[1]; ms *= 10) {
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${yLatency(ms).toFixed(1)}" y2="${yLatency(ms).toFixed(1)}" stroke="#8884"/>`,
    );
    text(LEFT - 6, yLatency(ms) + 4, String(ms), 'text-anchor="end"');
  }
  const stepS = Math.max(10, Math.ceil(endMs / 1_000 / 12 / 10) * 10);
  for (let s = 0; s * 1_000 <= endMs; s += stepS)
    text(x(s * 1_000), latencyTop + PLOT + 18, `${s} s`, 'text-anchor="middle"');
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Faults over throughput and latency">${parts.join('\n')}</svg>`;
};
