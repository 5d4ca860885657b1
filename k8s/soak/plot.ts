/** Lines over time as SVG that stands in the page itself: nothing is loaded, nothing is run. */
import { escaped } from '../html.ts';

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [tS: number, value: number])[];
}

export interface Band {
  readonly fromS: number;
  readonly toS: number;
  readonly words: string;
}

export interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
  readonly bands: readonly Band[];
  readonly endS: number;
  /** A line that should not be crossed. */
  readonly limit?: number;
}

const WIDTH = 1_000;
const HEIGHT = 190;
const LEFT = 62;
const TOP = 8;
const BOTTOM = 22;
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#9a6700', '#8250df', '#57606a', '#bf3989', '#0a7ea4'];
/** A life that ends leaves a gap; so do looks that nobody answered. */
const GAP_S = 16;

/** 1, 2 or 5 times a power of ten, so that about four of them fit. */
export const stepOf = (max: number): number => {
  const raw = Math.max(max, 1e-9) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map(one => one * power).find(one => one >= raw)!;
};

const number = (value: number): string =>
  value >= 1e6
    ? `${+(value / 1e6).toPrecision(3)}M`
    : value >= 1e4
      ? `${+(value / 1e3).toPrecision(3)}k`
      : `${+value.toPrecision(3)}`;

export const plotSvg = ({ title, unit, series, bands, endS, limit }: Plot): string => {
  const drawn = series.filter(one => one.points.length > 0);
  const max = Math.max(1e-9, ...drawn.flatMap(one => one.points.map(([, value]) => value)));
  const step = stepOf(max);
  const top = Math.ceil(max / step) * step;
  const span = Math.max(1, endS);
  const x = (tS: number): string => (LEFT + (Math.min(tS, span) / span) * (WIDTH - LEFT - 8)).toFixed(1);
  const y = (value: number): string =>
    (TOP + (1 - Math.min(value, top) / top) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const out: string[] = [`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`];
  for (const { fromS, toS, words } of bands)
    out.push(
      `<rect class="band" x="${x(fromS)}" y="${TOP}" width="${(Number(x(toS)) - Number(x(fromS))).toFixed(1)}" height="${HEIGHT - TOP - BOTTOM}"><title>${escaped(words)}</title></rect>`,
    );
  for (let value = 0; value <= top + step / 2; value += step)
    out.push(
      `<path class="grid" d="M${LEFT} ${y(value)}H${WIDTH - 8}"/><text x="${LEFT - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${number(value)}</text>`,
    );
  const minutes = Math.max(1, Math.ceil(span / 60 / 12));
  for (let tS = 0; tS <= span; tS += minutes * 60)
    out.push(`<text x="${x(tS)}" y="${HEIGHT - 6}" text-anchor="middle">${tS / 60} min</text>`);
  if (limit !== undefined && limit <= top)
    out.push(`<path class="limit" d="M${LEFT} ${y(limit)}H${WIDTH - 8}"/>`);
  for (const [i, { points }] of drawn.entries()) {
    const colour = COLOURS[i % COLOURS.length]!;
    let path = '';
    let before = Number.NEGATIVE_INFINITY;
    for (const [tS, value] of points) {
      path += `${tS - before > GAP_S ? 'M' : 'L'}${x(tS)} ${y(value)}`;
      before = tS;
    }
    out.push(`<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.4"/>`);
  }
  out.push('</svg>');
  const legend = drawn.map(
    ({ name }, i) => `<span style="color:${COLOURS[i % COLOURS.length]}">&#9632;</span> ${escaped(name)}`,
  );
  return `<figure><figcaption><b>${escaped(title)}</b> (${escaped(unit)}) ${legend.join(' ')}</figcaption>${out.join('')}</figure>`;
};
