/**
 * Reads areas from GeoJSON (RFC 7946) that a stranger wrote. Everything that can be wrong has a word of its own; the first
 * thing that is wrong is told with the place in the file, and nothing is taken. No coordinate stands in what is told.
 *
 * A ring may touch itself; one that crosses itself has no inside and is refused. Official files are not clean: of the 541
 * rings of New York City's precincts, 207 enclose nothing and one of a few square metres crosses itself. Such slivers are
 * left out and counted. More than two numbers of a position, and members that are not known, are skipped, as the standard
 * wants. An area without any ring left is refused.
 */
import { ERROR, ok, type Refusal, type Result, refuse } from '../../../protocol/errors.ts';
import { EARTH_RADIUS_M } from '../limits.ts';
import { PLACES_LIMITS } from './limits.ts';
import type { CodedShape } from './polygonIndex.ts';
import { crossing, type PairBudget } from './ringCheck.ts';
import { type Unrolled, unroll } from './rings.ts';

/** Metres of a degree of latitude. */
const METRES_PER_DEGREE = (Math.PI * EARTH_RADIUS_M) / 180;

/** Everything that can be wrong with a file, each with its sentence. */
export const GEO_JSON_PROBLEMS = {
  too_large: `the file has more than ${PLACES_LIMITS.geoJsonBytes / 1_048_576} MiB`,
  not_json: 'the file is not JSON in UTF-8',
  not_a_collection: 'the file is not a FeatureCollection with an array of features',
  no_features: 'there is no feature',
  too_many_features: `there are more than ${PLACES_LIMITS.features} features`,
  not_a_feature: 'this is not a Feature with an object of properties',
  no_code: 'the property that names the area is not there',
  bad_code: `the name of the area is not 1 to ${PLACES_LIMITS.codeChars} letters, digits or dashes`,
  not_a_polygon: 'the geometry is neither a Polygon nor a MultiPolygon with arrays of rings',
  no_rings: 'the polygon has no ring',
  bad_position: 'a position is not [longitude, latitude] within 180 and 90 degrees',
  ring_too_short: 'a ring has fewer than four positions',
  ring_not_closed: 'a ring does not end where it begins',
  without_area: 'the area encloses nothing',
  ring_too_wide: 'a ring goes around the earth more than once',
  ring_crosses_itself: 'a ring crosses itself',
  too_many_vertices: `there are more than ${PLACES_LIMITS.vertices} positions, or ${PLACES_LIMITS.ringVertices} in one ring`,
  too_intricate: 'the rings are too intricate to be checked',
} as const;
export type GeoJsonProblem = keyof typeof GEO_JSON_PROBLEMS;

/** Names of the property that holds the zip code in files of the census, of New York City and of others. */
const ZIP_PROPERTIES = [
  'zip',
  'zipcode',
  'ZCTA5CE20',
  'ZCTA5CE10',
  'GEOID20',
  'modzcta',
  'postalCode',
] as const;

export interface AreasRead {
  /** One for each code, in the order in which they first came. */
  readonly areas: readonly CodedShape[];
  readonly features: number;
  readonly polygons: number;
  readonly vertices: number;
  /** Rings that were left out because they enclose nothing to speak of. */
  readonly slivers: number;
}

/** What is thrown inside, and never leaves. */
class Wrong {
  readonly problem: GeoJsonProblem;
  readonly where: string;
  constructor(problem: GeoJsonProblem, where = '') {
    this.problem = problem;
    this.where = where;
  }
}

/** What a reader tells: the word first, for programs. */
export const geoJsonRefusal = (problem: GeoJsonProblem, where = ''): Refusal =>
  refuse(
    problem === 'too_large' ? ERROR.tooLarge : problem === 'not_json' ? ERROR.malformed : ERROR.invalid,
    `${problem}: ${GEO_JSON_PROBLEMS[problem]}${where}`,
  );

/**
 * @param property the property that names the area; null takes the first of {@link ZIP_PROPERTIES} that the first feature has
 */
export function readGeoJson(bytes: Uint8Array, property: string | null = null): Result<AreasRead> {
  try {
    return ok(new Reader(property).read(parse(bytes)));
  } catch (error) {
    if (error instanceof Wrong) return geoJsonRefusal(error.problem, error.where);
    throw error;
  }
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length > PLACES_LIMITS.geoJsonBytes) throw new Wrong('too_large');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Wrong('not_json');
  }
}

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;

class Reader {
  #property: string | null;
  /** Polygons of each code, as they will be stored. */
  readonly #areas = new Map<string, number[][]>();
  readonly #budget: PairBudget = { left: PLACES_LIMITS.edgePairs };
  #polygons = 0;
  #vertices = 0;
  #slivers = 0;

  constructor(property: string | null) {
    this.#property = property;
  }

  read(file: unknown): AreasRead {
    const collection = fieldsOf(file);
    if (collection?.type !== 'FeatureCollection' || !Array.isArray(collection.features))
      throw new Wrong('not_a_collection');
    const { features } = collection;
    if (features.length === 0) throw new Wrong('no_features');
    if (features.length > PLACES_LIMITS.features) throw new Wrong('too_many_features');
    for (let i = 0; i < features.length; i++) this.#feature(features[i], ` (feature ${i})`);
    const areas = [...this.#areas].map(([code, polygons]) => ({
      code,
      shape: Int32Array.from([polygons.length].concat(...polygons)),
    }));
    return {
      areas,
      features: features.length,
      polygons: this.#polygons,
      vertices: this.#vertices,
      slivers: this.#slivers,
    };
  }

  #feature(value: unknown, where: string): void {
    const feature = fieldsOf(value);
    const properties = fieldsOf(feature?.properties);
    if (feature?.type !== 'Feature' || properties === null) throw new Wrong('not_a_feature', where);
    this.#property ??= ZIP_PROPERTIES.find(name => Object.hasOwn(properties, name)) ?? null;
    if (this.#property === null || !Object.hasOwn(properties, this.#property))
      throw new Wrong('no_code', where);
    const named = properties[this.#property];
    const code = typeof named === 'number' ? String(named) : named;
    if (typeof code !== 'string' || !/^[A-Za-z0-9-]+$/.test(code) || code.length > PLACES_LIMITS.codeChars)
      throw new Wrong('bad_code', where);
    const polygons = this.#areas.get(code) ?? [];
    this.#areas.set(code, polygons);
    const geometry = fieldsOf(feature.geometry);
    const coordinates = geometry?.coordinates;
    if (!Array.isArray(coordinates)) throw new Wrong('not_a_polygon', where);
    if (geometry?.type !== 'Polygon' && geometry?.type !== 'MultiPolygon')
      throw new Wrong('not_a_polygon', where);
    const given = geometry.type === 'Polygon' ? [coordinates] : coordinates;
    if (given.length === 0) throw new Wrong('no_rings', where);
    const kept = given.flatMap(polygon => {
      const numbers = this.#polygon(polygon, where);
      return numbers === null ? [] : [numbers];
    });
    if (kept.length === 0) throw new Wrong('without_area', where);
    polygons.push(...kept);
  }

  #polygon(rings: unknown, where: string): number[] | null {
    if (!Array.isArray(rings)) throw new Wrong('not_a_polygon', where);
    if (rings.length === 0) throw new Wrong('no_rings', where);
    const numbers = [0];
    for (const [i, ring] of rings.entries()) {
      if (this.#ring(ring, numbers, where)) numbers[0]!++;
      // holes of nothing are in nothing
      else if (i === 0) return null;
    }
    this.#polygons++;
    return numbers;
  }

  #ring(ring: unknown, into: number[], where: string): boolean {
    if (!Array.isArray(ring)) throw new Wrong('not_a_polygon', where);
    const count = ring.length;
    this.#vertices += count;
    if (count > PLACES_LIMITS.ringVertices || this.#vertices > PLACES_LIMITS.vertices)
      throw new Wrong('too_many_vertices', where);
    const lng = new Float64Array(count);
    const lat = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const position = ring[i] as unknown;
      if (!Array.isArray(position) || position.length < 2) throw new Wrong('bad_position', where);
      lng[i] = degrees(position[0], 180, where);
      lat[i] = degrees(position[1], 90, where);
    }
    if (count < 4) throw new Wrong('ring_too_short', where);
    if (lng[0] !== lng[count - 1] || lat[0] !== lat[count - 1]) throw new Wrong('ring_not_closed', where);
    const unrolled = unroll(
      count,
      i => lng[i]!,
      i => lat[i]!,
      360,
      90,
    );
    if (judge(unrolled, this.#budget, where) === 'sliver') {
      this.#slivers++;
      return false;
    }
    into.push(count);
    for (let i = 0; i < count; i++) into.push(Math.round(lng[i]! * 1e7), Math.round(lat[i]! * 1e7));
    return true;
  }
}

const degrees = (value: unknown, max: number, where: string): number => {
  if (typeof value !== 'number' || !(Math.abs(value) <= max)) throw new Wrong('bad_position', where);
  return value;
};

/** Square degrees, a hundred-thousandth of a square millimetre: below, it is the rounding of a line. */
const AREA_MIN = 1e-21;

/** `sliver`: it encloses nothing to speak of, whatever it is. */
function judge(ring: Unrolled, budget: PairBudget, where: string): 'good' | 'sliver' {
  const { x, y, west, east, south, north } = ring;
  if (east - west > 360) throw new Wrong('ring_too_wide', where);
  const found = crossing(ring, budget);
  if (found === 'unknown') throw new Wrong('too_intricate', where);
  const narrow = Math.cos((Math.min(Math.abs(south), Math.abs(north)) * Math.PI) / 180);
  const boxM2 = (east - west) * narrow * (north - south) * METRES_PER_DEGREE ** 2;
  if (found === 'crosses' && boxM2 > PLACES_LIMITS.sliverM2) throw new Wrong('ring_crosses_itself', where);
  let twice = 0;
  for (let i = 1; i < x.length; i++) {
    twice += (x[i - 1]! - west) * (y[i]! - south) - (x[i]! - west) * (y[i - 1]! - south);
  }
  return found === 'crosses' || Math.abs(twice) / 2 < AREA_MIN ? 'sliver' : 'good';
}
