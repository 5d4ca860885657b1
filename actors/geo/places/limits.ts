/** Bounds of the geography that operators load: areas such as zip codes, and circles around places. */
import { assert } from '../../../protocol/assert.ts';

export const PLACES_LIMITS = {
  /**
   * Bytes of one GeoJSON file. The census' zip code areas of the whole country (33,791 of them, 1:500,000) are some 60 MB;
   * twice that is read in one piece without harm, and no more.
   */
  geoJsonBytes: 96 * 1_048_576,
  /** Features of one file, above the 41,642 zip codes that the United States have. */
  features: 60_000,
  /** Corners of all polygons together, 8 bytes each in the store and some 20 in memory. */
  vertices: 6_000_000,
  /** Corners of one ring: the coast of Alaska in the finest file has fewer than 300,000. */
  ringVertices: 500_000,
  /** Comparisons of edges for the whole file, when looking for rings that cross themselves: a few seconds. */
  edgePairs: 300_000_000,
  /** Square metres of the box around a ring that may cross itself (it is left out): 50 m square, a poor fix of a phone. */
  sliverM2: 2_500,
  /** Characters of a code: zip codes with four more digits have ten. */
  codeChars: 16,

  /** Places of the town: as many geofences as a collection of Amazon Location holds (proximity study 1.2). */
  places: 50_000,
  /** A circle smaller than a phone's accuracy says nothing; a larger one than this is a district, not a place. */
  radiusMinM: 10,
  radiusMaxM: 1_000,
  nameChars: 80,
  /** Places that one person can be at: circles may overlap. */
  stays: 8,
} as const;

assert(PLACES_LIMITS.ringVertices <= PLACES_LIMITS.vertices, 'a ring fits into a file');
