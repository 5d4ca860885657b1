/** A chart as SVG, for a page or a report: no script, no font of its own. */
import { type Chart, figure } from './chart.ts';

const WIDTH = 900;
const LEFT = 220;
const RIGHT = 90;
const TOP = 60;
const ROW = 24;
const PLOT_HEIGHT = 360;
const LEGEND_ROW = 18;
const TICKS = 5;
/** Told apart also by those who see few colours (Okabe and Ito, "Color Universal Design", 2008). */
const COLORS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#000000', '#999999'];
const LABEL_MAX = 32;

const escaped = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;');
const short = (text: string): string =>
  escaped(text.length <= LABEL_MAX ? text : `${text.slice(0, LABEL_MAX - 1)}…`);
const px = (value: number): string => value.toFixed(1);

const text = (x: number, y: number, said: string, anchor = 'start'): string =>
  `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}">${said}</text>`;

function page(chart: Chart, height: number, parts: readonly string[]): string {
  const left = chart.left === 0 ? '' : ` (${chart.left} more are left out)`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(chart.title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="20" y="28" font-size="16">${escaped(chart.title)}</text>`,
    text(20, 46, escaped(`${chart.y} by ${chart.x}${left}`)),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function bars(chart: Chart): string {
  const values = chart.series[0]!.values.map(value => Math.max(0, value ?? 0));
  const max = Math.max(...values, 1);
  const parts = chart.xs.flatMap((x, i) => {
    const y = TOP + i * ROW;
    const width = (values[i]! / max) * (WIDTH - LEFT - RIGHT);
    return [
      text(LEFT - 8, y + 15, short(x), 'end'),
      `<rect x="${LEFT}" y="${px(y + 3)}" width="${px(width)}" height="${ROW - 6}" fill="${COLORS[0]}"/>`,
      text(LEFT + width + 6, y + 15, figure(chart.series[0]!.values[i] ?? 0)),
    ];
  });
  return page(chart, TOP + chart.xs.length * ROW + 20, parts);
}

function lines(chart: Chart): string {
  const left = 90;
  const all = chart.series.flatMap(({ values }) => values.filter(value => value !== null));
  const [low, high] = [Math.min(...all, 0), Math.max(...all, 0)];
  const span = high - low || 1;
  const atX = (i: number): number =>
    left + (chart.xs.length < 2 ? 0 : (i / (chart.xs.length - 1)) * (WIDTH - left - 30));
  const atY = (value: number): number => TOP + (1 - (value - low) / span) * PLOT_HEIGHT;
  const ticks = Array.from({ length: TICKS + 1 }, (_, i) => low + (span * i) / TICKS);
  const parts = ticks.flatMap(value => [
    `<line x1="${left}" y1="${px(atY(value))}" x2="${WIDTH - 30}" y2="${px(atY(value))}" stroke="#ddd"/>`,
    text(left - 8, atY(value) + 4, figure(value), 'end'),
  ]);
  const foot = TOP + PLOT_HEIGHT + 18;
  parts.push(
    text(left, foot, short(chart.xs[0] ?? '')),
    text(WIDTH - 30, foot, short(chart.xs.at(-1) ?? ''), 'end'),
  );
  for (const [n, { name, values }] of chart.series.entries()) {
    const color = COLORS[n % COLORS.length]!;
    const points = values.flatMap((value, i) => (value === null ? [] : [`${px(atX(i))},${px(atY(value))}`]));
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const point of points) {
      const [x, y] = point.split(',');
      parts.push(`<circle cx="${x}" cy="${y}" r="2" fill="${color}"/>`);
    }
    const y = foot + 22 + n * LEGEND_ROW;
    parts.push(
      `<rect x="${left}" y="${y - 10}" width="12" height="12" fill="${color}"/>`,
      text(left + 18, y, short(name)),
    );
  }
  return page(chart, foot + 30 + chart.series.length * LEGEND_ROW, parts);
}

export const svgOf = (chart: Chart): string => (chart.kind === 'bar' ? bars(chart) : lines(chart));
