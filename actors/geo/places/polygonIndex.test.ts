/** The index finds what brute force finds: anywhere, over the antimeridian, at the poles, with holes, at every edge. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Seeded, seeded } from '../../../k8s/tracks/seeded.ts';
import { cellOf } from '../grid.ts';
import { HALF_E7, idAt, idsIn, LEVELS, levelOf, wrapE7 } from './bandGrids.ts';
import { readGeoJson } from './geoJson.ts';
import { type CodedShape, PolygonIndex } from './polygonIndex.ts';
import { shapeBytes, shapeOf } from './shape.ts';

type Corner = readonly [lng: number, lat: number];
interface Star {
  /** Corners as they are drawn, longitudes without bounds: what brute force looks at. */
  readonly outside: readonly Corner[];
  readonly hole: readonly Corner[] | null;
}

const SEED = 20_261_121;
const RAD = Math.PI / 180;

/** A star around a point, with corners at whole 1e-7 degrees. */
function star(chance: Seeded, lng: number, lat: number, sizeDeg: number, corners: number): Corner[] {
  const ring = Array.from({ length: corners }, (_, i): Corner => {
    const angle = (i / corners) * 2 * Math.PI;
    const reach = sizeDeg * chance.between(0.4, 1);
    const y = Math.max(-90, Math.min(90, lat + reach * Math.sin(angle)));
    return [Math.round((lng + reach * Math.cos(angle)) * 1e7) / 1e7, Math.round(y * 1e7) / 1e7];
  });
  return [...ring, ring[0]!];
}

const wrapped = (lng: number): number => (lng >= 180 ? lng - 360 : lng < -180 ? lng + 360 : lng);

function shape(rings: readonly (readonly Corner[])[]): Int32Array {
  const numbers = [1, rings.length];
  for (const ring of rings) {
    numbers.push(ring.length);
    for (const [lng, lat] of ring) numbers.push(Math.round(wrapped(lng) * 1e7), Math.round(lat * 1e7));
  }
  return Int32Array.from(numbers);
}

/** The winding number, reckoned another way than the index does: by the angles at which the corners are seen. */
function winds(ring: readonly Corner[], lng: number, lat: number): boolean {
  let angle = 0;
  for (let i = 1; i < ring.length; i++) {
    const [ax, ay] = [ring[i - 1]![0] - lng, ring[i - 1]![1] - lat];
    const [bx, by] = [ring[i]![0] - lng, ring[i]![1] - lat];
    angle += Math.atan2(ax * by - ay * bx, ax * bx + ay * by);
  }
  return Math.abs(angle) > Math.PI;
}

const holds = ({ outside, hole }: Star, lng: number, lat: number): boolean =>
  [-360, 0, 360].some(
    turn => winds(outside, lng + turn, lat) && !(hole !== null && winds(hole, lng + turn, lat)),
  );

function town(chance: Seeded, count: number, at: () => Corner, size: () => number) {
  const stars: Star[] = [];
  for (let i = 0; i < count; i++) {
    const [lng, lat] = at();
    const sizeDeg = size();
    const outside = star(chance, lng, lat, sizeDeg, 3 + chance.int(40));
    // inside the least reach of the outside, and of a polygon with so many corners
    const hole =
      outside.length > 12 && chance.next() < 0.4
        ? star(chance, lng, lat, sizeDeg * 0.3, 3 + chance.int(9))
        : null;
    stars.push({ outside, hole });
  }
  const areas: CodedShape[] = stars.map(({ outside, hole }, i) => ({
    code: `${i}`,
    shape: shape(hole ? [outside, hole] : [outside]),
  }));
  return { stars, index: PolygonIndex.of(areas) };
}

function differences(
  { stars, index }: ReturnType<typeof town>,
  points: number,
  at: () => Corner,
): { found: number; wrong: string[] } {
  const wrong: string[] = [];
  let found = 0;
  for (let i = 0; i < points; i++) {
    const [anyLng, anyLat] = at();
    const [lng, lat] = [Math.round(wrapped(anyLng) * 1e7) / 1e7, Math.round(anyLat * 1e7) / 1e7];
    const first = stars.findIndex(one => holds(one, lng, lat));
    const got = index.at(lat, lng);
    if (got !== null) found++;
    if (got !== (first === -1 ? null : `${first}`)) wrong.push(`${lng} ${lat}: ${got} for ${first}`);
  }
  return { found, wrong };
}

describe(`the index and brute force agree (seed ${SEED})`, () => {
  const chance = seeded(SEED);

  it('in a city', () => {
    const at = (): Corner => [chance.between(-74.3, -73.7), chance.between(40.5, 40.9)];
    const { found, wrong } = differences(
      town(chance, 300, at, () => chance.between(0.001, 0.03)),
      4_000,
      at,
    );
    expect(wrong).toEqual([]);
    expect(found).toBeGreaterThan(1_000);
  });

  it('all over the earth, from a block to a continent', () => {
    const at = (): Corner => [chance.between(-180, 180), Math.asin(chance.between(-0.99, 0.99)) / RAD];
    const { found, wrong } = differences(
      town(chance, 200, at, () => 10 ** chance.between(-3, 1.5)),
      4_000,
      at,
    );
    expect(wrong).toEqual([]);
    expect(found).toBeGreaterThan(500);
  });

  it('on both sides of the antimeridian', () => {
    const at = (): Corner => [chance.between(179, 181), chance.between(-18, -16)];
    const { found, wrong } = differences(
      town(chance, 100, at, () => chance.between(0.01, 0.8)),
      4_000,
      at,
    );
    expect(wrong).toEqual([]);
    expect(found).toBeGreaterThan(1_000);
  });

  it('close to the poles', () => {
    for (const pole of [-1, 1]) {
      const at = (): Corner => [chance.between(-180, 180), pole * chance.between(88, 90)];
      const { found, wrong } = differences(
        town(chance, 60, at, () => chance.between(0.1, 30)),
        2_000,
        at,
      );
      expect(wrong).toEqual([]);
      expect(found).toBeGreaterThan(200);
    }
  });
});

describe('a ring around a pole', () => {
  const ring = (lat: number, step: number): Corner[] =>
    Array.from({ length: 360 / step + 1 }, (_, i): Corner => [wrapped(-180 + i * step), lat]);
  const index = PolygonIndex.of([
    { code: 'ring', shape: shape([ring(80, 10), ring(85, 15)]) },
    { code: 'cap', shape: shape([ring(85, 15)]) },
    { code: 'south', shape: shape([ring(-70, 30)]) },
    // as the standard wants it: along the pole and back
    {
      code: 'north',
      shape: shape([
        [
          [-180, 70],
          [180, 70],
          [180, 90],
          [-180, 90],
          [-180, 70],
        ].map(c => c as unknown as Corner),
      ]),
    },
  ]);

  it.each([
    ['ring', 82, 0],
    ['ring', 80, 17],
    ['ring', 82, -180],
    ['ring', 82, 180],
    ['cap', 85, 3],
    ['cap', 90, 0],
    ['cap', 90, 123],
    ['south', -90, 0],
    ['south', -70.1, 179.99],
    [null, -69.9, 179.99],
  ])('%s holds %d, %d', (code, lat, lng) => expect(index.at(lat, lng)).toBe(code));
});

describe('areas that share edges', () => {
  /** A quilt of squares whose edges are broken by chance, so that they run at any angle; corners are shared. */
  const chance = seeded(SEED + 1);
  const side = 12;
  const step = 0.01;
  for (const [west, south] of [
    [-74, 40],
    [179.95, -17],
  ] as const) {
    it(`hold each of their points in exactly one, corners and edges too, from ${west}`, () => {
      const corner = Array.from({ length: side + 1 }, (_, row) =>
        Array.from({ length: side + 1 }, (_, column): Corner => {
          const edge = row === 0 || column === 0 || row === side || column === side;
          const off = (): number => (edge ? 0 : chance.between(-0.3, 0.3) * step);
          return [
            Math.round((west + column * step + off()) * 1e7) / 1e7,
            Math.round((south + row * step + off()) * 1e7) / 1e7,
          ];
        }),
      );
      const areas: CodedShape[] = [];
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          const at = (r: number, c: number): Corner => corner[row + r]![column + c]!;
          const ring = [at(0, 0), at(0, 1), at(1, 1), at(1, 0), at(0, 0)];
          // half of them the other way around
          if (chance.next() < 0.5) ring.reverse();
          areas.push({ code: `${row}/${column}`, shape: shape([ring]) });
        }
      }
      const alone = areas.map(area => PolygonIndex.of([area]));
      const quilt = PolygonIndex.of(areas);
      const points: Corner[] = corner.slice(1, -1).flatMap(row => row.slice(1, -1));
      for (let row = 1; row < side; row++) {
        for (let column = 1; column < side; column++) {
          const [[ax, ay], [bx, by]] = [corner[row]![column]!, corner[row]![column + 1]!];
          points.push([(ax + bx) / 2, (ay + by) / 2]);
        }
      }
      for (const [lng, lat] of points) {
        const holding = alone.filter(one => one.at(lat, wrapped(lng)) !== null).length;
        expect(holding, `${lng} ${lat}`).toBe(1);
        expect(quilt.at(lat, wrapped(lng))).not.toBeNull();
      }
    });
  }
});

describe('grids', () => {
  it('the finest level has the cells of the grid of regions', () => {
    const chance = seeded(SEED + 2);
    for (let i = 0; i < 10_000; i++) {
      const lat = Math.round(Math.asin(chance.between(-1, 1)) * (1e7 / RAD));
      const lng = Math.round(chance.between(-HALF_E7, HALF_E7 - 1));
      expect(idAt(0, lat, lng)).toBe(cellOf(lat / 1e7, lng / 1e7));
    }
  });

  it('a box knows the cell of each of its points, and touches few', () => {
    const chance = seeded(SEED + 3);
    let most = 0;
    for (let i = 0; i < 5_000; i++) {
      const size = 10 ** chance.between(-4, 2);
      const southE7 = Math.round(chance.between(-89, 89) * 1e7);
      const northE7 = Math.min(9e8, southE7 + Math.round(size * 1e7));
      const box = {
        southE7,
        northE7,
        westE7: Math.round(chance.between(-HALF_E7, HALF_E7 - 1)),
        spanE7: Math.min(3.6e9, Math.round(size * 1e7)),
      };
      const level = levelOf(box);
      expect(level).toBeLessThan(LEVELS);
      const ids = idsIn(level, box);
      expect(new Set(ids).size).toBe(ids.length);
      if (Math.abs(southE7) < 8e8 && northE7 < 8e8) most = Math.max(most, ids.length);
      for (let j = 0; j < 5; j++) {
        const lat = Math.round(chance.between(southE7, northE7));
        const lng = wrapE7(Math.round(box.westE7 + chance.between(0, box.spanE7)));
        expect(ids).toContain(idAt(level, lat, lng));
      }
    }
    expect(most).toBeLessThanOrEqual(20);
  });
});

describe('shapes', () => {
  it('are the same after being bytes, and bytes that are none are refused', () => {
    const one = shape([star(seeded(SEED + 4), 10, 50, 1, 9)]);
    const bytes = shapeBytes(one);
    expect(shapeOf(bytes)).toEqual(one);
    for (const cut of [1, 4, 8, 12, bytes.length - 8])
      expect(() => shapeOf(bytes.slice(0, cut))).toThrow('not a shape');
    expect(() => shapeOf(new Uint8Array(0))).toThrow('not a shape');
    for (let at = 0; at < 12; at++) {
      const broken = bytes.slice();
      broken[at]! ^= 0x80;
      expect(() => shapeOf(broken), `byte ${at}`).toThrow('not a shape');
    }
  });
});

const FILE = fileURLToPath(new URL('../../../../shared/data/nyc-precincts.geojson', import.meta.url));
describe.skipIf(!existsSync(FILE))(
  'the 77 precincts of New York City (skipped without ../shared/data)',
  () => {
    it('are read, and found as brute force finds them', () => {
      const file = readFileSync(FILE);
      const read = readGeoJson(file, 'precinct');
      if (!read.ok) throw new Error(read.message);
      expect(read.value.areas.length).toBe(77);
      expect(read.value).toMatchObject({ features: 77, polygons: 333, slivers: 208 });
      const index = PolygonIndex.of(read.value.areas);
      const { features } = JSON.parse(file.toString()) as {
        features: { properties: { precinct: string }; geometry: { coordinates: Corner[][][] } }[];
      };
      const chance = seeded(SEED + 5);
      let found = 0;
      for (let i = 0; i < 600; i++) {
        const [lng, lat] = [
          Math.round(chance.between(-74.26, -73.7) * 1e7) / 1e7,
          Math.round(chance.between(40.49, 40.92) * 1e7) / 1e7,
        ];
        const inside = features.filter(({ geometry }) =>
          geometry.coordinates.some(
            ([outside, ...holes]) => winds(outside!, lng, lat) && !holes.some(hole => winds(hole, lng, lat)),
          ),
        );
        expect(inside.length).toBeLessThanOrEqual(1);
        expect(index.at(lat, lng)).toBe(inside[0]?.properties.precinct ?? null);
        if (inside.length > 0) found++;
      }
      expect(found).toBeGreaterThan(150);
    });
  },
);
