/** Whatever a stranger's file holds: it is read, or it is refused with one word, and quickly. */
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../k8s/tracks/seeded.ts';
import { type AreasRead, GEO_JSON_PROBLEMS, type GeoJsonProblem, readGeoJson } from './geoJson.ts';
import { PLACES_LIMITS } from './limits.ts';
import { PolygonIndex } from './polygonIndex.ts';

type Json = unknown;
const SQUARE = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
  [0, 0],
];
const feature = (coordinates: Json, code: Json = '10001', type = 'Polygon'): Json => ({
  type: 'Feature',
  properties: { zip: code },
  geometry: { type, coordinates },
});
const collection = (...features: Json[]): Json => ({ type: 'FeatureCollection', features });
const bytesOf = (value: Json): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

const problemOf = (value: Json, property: string | null = null): string => {
  const read = readGeoJson(bytesOf(value), property);
  return read.ok ? 'none' : read.message.split(':')[0]!;
};
const areasOf = (value: Json, property: string | null = null): AreasRead => {
  const read = readGeoJson(bytesOf(value), property);
  if (!read.ok) throw new Error(read.message);
  return read.value;
};
const ring = (...corners: Json[]): Json => collection(feature([corners]));

const far = JSON.stringify(ring([0, 0], [1, 0], [1, 1], [0, 0])).replace('[1,0]', '[1e9,0]');
const HOSTILE: readonly (readonly [string, Json, GeoJsonProblem])[] = [
  ['nothing', '', 'not_json'],
  ['words', 'hello', 'not_json'],
  ['half a file', JSON.stringify(ring(...SQUARE)).slice(0, -3), 'not_json'],
  ['NaN', far.replace('1e9', 'NaN'), 'not_json'],
  ['a number', '17', 'not_a_collection'],
  ['null', 'null', 'not_a_collection'],
  ['a lone feature', feature([SQUARE]), 'not_a_collection'],
  ['features that are no list', { type: 'FeatureCollection', features: { length: 3 } }, 'not_a_collection'],
  ['no features', collection(), 'no_features'],
  ['a feature that is null', collection(null), 'not_a_feature'],
  ['a feature that is a list', collection([]), 'not_a_feature'],
  [
    'properties that are null',
    collection({ type: 'Feature', properties: null, geometry: null }),
    'not_a_feature',
  ],
  ['no zip code', collection({ type: 'Feature', properties: { area: 3 }, geometry: null }), 'no_code'],
  ['a zip code that is an object', collection(feature([SQUARE], {})), 'bad_code'],
  ['an empty zip code', collection(feature([SQUARE], '')), 'bad_code'],
  ['a zip code with markup', collection(feature([SQUARE], '<b>1</b>')), 'bad_code'],
  ['a very long zip code', collection(feature([SQUARE], '1'.repeat(17))), 'bad_code'],
  ['no geometry', collection({ type: 'Feature', properties: { zip: '1' }, geometry: null }), 'not_a_polygon'],
  ['a point', collection(feature([1, 2], '1', 'Point')), 'not_a_polygon'],
  [
    'a collection inside',
    collection({
      type: 'Feature',
      properties: { zip: '1' },
      geometry: { type: 'GeometryCollection', geometries: [] },
    }),
    'not_a_polygon',
  ],
  ['rings that are numbers', collection(feature([1, 2, 3])), 'not_a_polygon'],
  ['polygons that are text', collection(feature(['a'], '1', 'MultiPolygon')), 'not_a_polygon'],
  ['a polygon without rings', collection(feature([])), 'no_rings'],
  ['no polygons', collection(feature([], '1', 'MultiPolygon')), 'no_rings'],
  ['positions that are numbers', ring(1, 2, 3, 1), 'bad_position'],
  ['positions that are text', ring(['0', '0'], [1, 0], [1, 1], ['0', '0']), 'bad_position'],
  ['positions that are null', ring([null, 0], [1, 0], [1, 1], [null, 0]), 'bad_position'],
  ['positions of one number', ring([0], [1], [2], [0]), 'bad_position'],
  ['1e9', far, 'bad_position'],
  ['1e999', far.replace('1e9', '1e999'), 'bad_position'],
  [
    'latitude and longitude the wrong way around',
    ring([40, -74], [41, -74], [41, 100], [40, -74]),
    'bad_position',
  ],
  [
    'feet instead of degrees',
    ring([981106, 196919], [981200, 196919], [981200, 197000], [981106, 196919]),
    'bad_position',
  ],
  ['an empty ring', ring(), 'ring_too_short'],
  ['a ring of two corners', ring([0, 0], [1, 0], [0, 0]), 'ring_too_short'],
  ['a ring that is not closed', ring([0, 0], [1, 0], [1, 1], [0, 1]), 'ring_not_closed'],
  ['a line', ring([0, 0], [1, 0], [2, 0], [0, 0]), 'without_area'],
  ['one point, four times', ring([5, 5], [5, 5], [5, 5], [5, 5]), 'without_area'],
  ['a bow tie', ring([0, 0], [1, 1], [1, 0], [0, 1], [0, 0]), 'ring_crosses_itself'],
  [
    'a bow tie over the antimeridian',
    ring([179.5, 0], [-179.5, 1], [-179.5, 0], [179.5, 1], [179.5, 0]),
    'ring_crosses_itself',
  ],
  [
    'a ring twice around the pole',
    ring(...Array.from({ length: 9 }, (_, i) => [((i * 90 + 180) % 360) - 180, 80 - i]), [0, 80]),
    'ring_too_wide',
  ],
];

describe('every mistake has its word', () => {
  it.each(HOSTILE)('%s', (_name, file, problem) => expect(problemOf(file)).toBe(problem));

  it('bytes that are no UTF-8', () => {
    const read = readGeoJson(Uint8Array.from([0x22, 0xff, 0x22]));
    expect(read).toMatchObject({ ok: false, message: expect.stringMatching(/^not_json: /) });
  });

  it('too many features', () => {
    const many = `{"type":"FeatureCollection","features":[${'0,'.repeat(PLACES_LIMITS.features)}0]}`;
    expect(problemOf(many)).toBe('too_many_features');
  });

  it('too many corners in one ring', () => {
    const corners = `[${'[0,0],'.repeat(PLACES_LIMITS.ringVertices)}[0,0]]`;
    expect(problemOf(JSON.stringify(ring()).replace('[[]]', `[${corners}]`))).toBe('too_many_vertices');
  });

  it('too many bytes, before anything is read', () => {
    expect(readGeoJson(new Uint8Array(PLACES_LIMITS.geoJsonBytes + 1))).toMatchObject({
      ok: false,
      message: `too_large: ${GEO_JSON_PROBLEMS.too_large}`,
    });
  });

  it('lists in lists in lists', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    expect(problemOf(deep)).toBe('not_a_collection');
    expect(problemOf(JSON.stringify(ring()).replace('[[]]', `[[${deep}]]`))).toBe('bad_position');
  });

  it('a ring of edges that all overlap is not compared for hours', () => {
    const corners = Array.from({ length: 60_000 }, (_, i) => [i % 2 === 0 ? i / 1e7 : 1 - i / 1e7, i / 1e7]);
    expect(problemOf(ring(...corners, corners[0]))).toMatch(/^(too_intricate|none|ring_crosses_itself)$/);
  });

  it('has been tried here, except what the reader of the body says', () => {
    const tried = new Set(HOSTILE.map(one => one[2]));
    const apart = ['too_large', 'too_many_features', 'too_many_vertices', 'too_intricate'];
    expect([...tried, ...apart].sort()).toEqual(Object.keys(GEO_JSON_PROBLEMS).sort());
  });

  it('is told with the feature, and without a coordinate', () => {
    const read = readGeoJson(
      bytesOf(
        collection(
          feature([SQUARE]),
          feature([
            [
              [40.123456, -74.2],
              [1, 2],
              [3, 4],
              [5, 6],
            ],
          ]),
        ),
      ),
    );
    expect(read.ok ? '' : read.message).toBe(
      'ring_not_closed: a ring does not end where it begins (feature 1)',
    );
  });
});

describe('what is right is taken', () => {
  it('touching itself in a point, going either way around, height, unknown members', () => {
    const eight = [
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 1],
      [2, 2],
      [1, 2],
      [1, 1],
      [0, 1],
      [0, 0],
    ];
    const index = PolygonIndex.of(
      areasOf({ crs: 3, ...(collection(feature([eight.map(c => [...c, 17.5])])) as object) }).areas,
    );
    expect([index.at(0.5, 0.5), index.at(1.5, 1.5), index.at(0.5, 1.5)]).toEqual(['10001', '10001', null]);
    const other = PolygonIndex.of(areasOf(collection(feature([eight.toReversed()]))).areas);
    expect([other.at(0.5, 0.5), other.at(1.5, 1.5), other.at(1.5, 0.5)]).toEqual(['10001', '10001', null]);
  });

  it('one code in several features, and codes that are numbers', () => {
    const shifted = SQUARE.map(([x, y]) => [x! + 5, y]);
    const read = areasOf(
      collection(
        feature([SQUARE], 10001),
        feature([shifted], '10001'),
        feature([[...shifted].map(([x, y]) => [x! + 5, y])], 2),
      ),
    );
    expect(read).toMatchObject({ features: 3, polygons: 3, vertices: 15, slivers: 0 });
    expect(read.areas.map(area => area.code)).toEqual(['10001', '2']);
    const index = PolygonIndex.of(read.areas);
    expect([index.at(0.5, 5.5), index.at(0.5, 10.5), index.at(0.5, 3)]).toEqual(['10001', '2', null]);
  });

  it('the property that is named, or one that is known', () => {
    const file = collection({
      type: 'Feature',
      properties: { a: 'x', ZCTA5CE20: 'y' },
      geometry: { type: 'Polygon', coordinates: [SQUARE] },
    });
    expect(areasOf(file).areas[0]!.code).toBe('y');
    expect(areasOf(file, 'a').areas[0]!.code).toBe('x');
    expect(problemOf(file, 'b')).toBe('no_code');
    expect(problemOf(file, '__proto__')).toBe('no_code');
  });

  it('slivers are left out, holes are holes', () => {
    const hole = [
      [0.2, 0.2],
      [0.4, 0.2],
      [0.4, 0.4],
      [0.2, 0.2],
    ];
    const line = [
      [0.5, 0.5],
      [0.6, 0.6],
      [0.7, 0.7],
      [0.5, 0.5],
    ];
    const read = areasOf(collection(feature([[SQUARE, line, hole], [line]], '1', 'MultiPolygon')));
    expect(read).toMatchObject({ polygons: 1, slivers: 2 });
    const index = PolygonIndex.of(read.areas);
    expect([index.at(0.25, 0.35), index.at(0.6, 0.6)]).toEqual([null, '1']);
  });
});

describe('broken files', () => {
  const SEED = 20_261_122;
  it(`are refused or read, never worse (seed ${SEED})`, () => {
    const chance = seeded(SEED);
    const good = bytesOf(
      collection(
        feature([
          SQUARE,
          [
            [0.2, 0.2],
            [0.4, 0.2],
            [0.4, 0.4],
            [0.2, 0.2],
          ],
        ]),
        feature([[SQUARE]], 2, 'MultiPolygon'),
      ),
    );
    for (let i = 0; i < 3_000; i++) {
      const bytes = good.slice(0, chance.next() < 0.2 ? chance.int(good.length) : good.length);
      for (let flips = chance.int(4); flips >= 0; flips--)
        bytes[chance.int(bytes.length)] = 32 + chance.int(95);
      const read = readGeoJson(bytes);
      if (read.ok) PolygonIndex.of(read.value.areas).at(0.5, 0.5);
      else expect(Object.keys(GEO_JSON_PROBLEMS)).toContain(read.message.split(':')[0]);
    }
  });
});
