/**
 * What it costs to find the zip code of a point: in the 77 precincts of New York City, when their file is there, and in
 * 40,000 areas of 60 corners each, as many as the United States have zip codes, in a country of their size. Points are
 * spread over all of it, so that the processor's cache holds little. `npm run bench -- zips`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { seeded } from '../../../k8s/tracks/seeded.ts';
import { readGeoJson } from './geoJson.ts';
import { type CodedShape, PolygonIndex } from './polygonIndex.ts';

export const name = 'zips';
export const description = 'zip code of a point: 77 precincts and 40,000 areas';

const FILE = fileURLToPath(new URL('../../../../shared/data/nyc-precincts.geojson', import.meta.url));
const LOOKUPS = 500_000;
const ROWS = 160;
const COLUMNS = 250;
const CORNERS = 60;

/** A country of areas that share their wavy edges, 25 degrees high and 57 wide. */
function country(): CodedShape[] {
  const chance = seeded(1);
  const [south, west, stepLat, stepLng] = [24, -124, 25 / ROWS, 57 / COLUMNS];
  const off = Float64Array.from({ length: 4_096 }, () => chance.between(-0.2, 0.2));
  const side = CORNERS / 4;
  const areas: CodedShape[] = [];
  const at = (
    row: number,
    column: number,
    along: number,
    offset: number,
    isRow: boolean,
  ): [number, number] => {
    const wave = offset === 0 ? 0 : off[(row * 7_919 + column * 104_729 + offset) & 4_095]!;
    const [dx, dy] = isRow ? [along, wave] : [wave, along];
    return [west + (column + dx) * stepLng, south + (row + dy) * stepLat];
  };
  for (let row = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++) {
      const ring: [number, number][] = [];
      for (let i = 0; i < side; i++) ring.push(at(row, column, i / side, i, true));
      for (let i = 0; i < side; i++) ring.push(at(row, column + 1, i / side, i, false));
      for (let i = side; i > 0; i--) ring.push(at(row + 1, column, i / side, i % side, true));
      for (let i = side; i > 0; i--) ring.push(at(row, column, i / side, i % side, false));
      ring.push(ring[0]!);
      const shape = [1, 1, ring.length];
      for (const [lng, lat] of ring) shape.push(Math.round(lng * 1e7), Math.round(lat * 1e7));
      areas.push({ code: `${row}-${column}`, shape: Int32Array.from(shape) });
    }
  }
  return areas;
}

const cpuNs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1_000;
};

function lookups(index: PolygonIndex, box: readonly [number, number, number, number]) {
  const chance = seeded(2);
  const [south, north, west, east] = box;
  const lats = Float64Array.from({ length: 65_536 }, () => chance.between(south, north));
  const lngs = Float64Array.from({ length: 65_536 }, () => chance.between(west, east));
  let best = Number.POSITIVE_INFINITY;
  let found = 0;
  for (let run = 0; run < 4; run++) {
    found = 0;
    const startNs = cpuNs();
    for (let i = 0; i < LOOKUPS; i++) if (index.at(lats[i & 65_535]!, lngs[i & 65_535]!) !== null) found++;
    best = Math.min(best, (cpuNs() - startNs) / LOOKUPS);
  }
  return { lookup_ns: Math.round(best), found: Math.round((found / LOOKUPS) * 100) / 100 };
}

function measured(areas: readonly CodedShape[], box: readonly [number, number, number, number]) {
  const startNs = cpuNs();
  const index = PolygonIndex.of(areas);
  const build_ms = Math.round((cpuNs() - startNs) / 1e6);
  return { areas: index.size, polygons: index.polygons, build_ms, ...lookups(index, box) };
}

export async function run(report: (line: string) => void): Promise<object> {
  const results: Record<string, object> = {};
  if (existsSync(FILE)) {
    const file = readFileSync(FILE);
    const startNs = cpuNs();
    const read = readGeoJson(file, 'precinct');
    const read_ms = Math.round((cpuNs() - startNs) / 1e6);
    if (!read.ok) throw new Error(read.message);
    results.precincts = { read_ms, ...measured(read.value.areas, [40.49, 40.92, -74.26, -73.7]) };
  } else report('no file of precincts in ../shared/data: left out');
  results.country = measured(country(), [24, 49, -124, -67]);
  for (const [label, figures] of Object.entries(results)) {
    report(
      `${label.padEnd(12)} ${Object.entries(figures)
        .map(([key, value]) => `${key} ${value}`)
        .join(', ')}`,
    );
  }
  return results;
}

if (import.meta.main) {
  console.log(JSON.stringify(await run(line => console.log(line))));
}
