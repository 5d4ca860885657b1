/**
 * The geography that operators load: areas such as zip codes, and places. The truth is in a store; every node follows it and
 * answers from memory. Here stands what the parts agree on, and what both sides reckon with.
 */

import type { Fences, Place } from '../actors/geo/places/fence.ts';
import type { AreasRead } from '../actors/geo/places/geoJson.ts';
import type { CodedShape } from '../actors/geo/places/polygonIndex.ts';
import type { Result } from '../protocol/errors.ts';

export { boxOf, cellOfRegion } from '../actors/geo/grid.ts';
export { Fences, NO_FENCES, PLACE_KINDS, type Place } from '../actors/geo/places/fence.ts';
export { type AreasRead, geoJsonRefusal, readGeoJson } from '../actors/geo/places/geoJson.ts';
export { PLACES_LIMITS } from '../actors/geo/places/limits.ts';
export {
  buildPolygons,
  type CodedShape,
  PolygonIndex,
  type PolygonTable,
} from '../actors/geo/places/polygonIndex.ts';
export { shapeBytes, shapeOf } from '../actors/geo/places/shape.ts';

/** What an operator says of a place. */
export interface PlaceGiven extends Omit<Place, 'number' | 'poster'> {
  /** Account of the merchant; null when it has none. */
  readonly owner: string | null;
  /** Of no use to anybody while it is not. */
  readonly active: boolean;
  /** Codes on its wall with a lower number are withdrawn (`protocol/hubToken.ts`). */
  readonly poster: number;
}

export interface PlaceRecord extends PlaceGiven {
  /** What the code on its wall carries instead of the id; given by the store. */
  readonly number: number;
  /** Of the places of the town, when this one changed last. */
  readonly version: number;
  /** Unix milliseconds of the store's clock. */
  readonly changedAtMs: number;
}

/** Rise with every change; 0 before the first. */
export interface PlaceVersions {
  readonly zips: number;
  readonly places: number;
}

/** Meetings of one day (UTC) in one zip code; `zip` is null for those whose place is not known. */
export interface ZipDay {
  readonly day: string;
  readonly zip: string | null;
  readonly encounters: number;
  /** Different people who met there that day, officers and civilians. */
  readonly people: number;
}

/** Rejects when the store cannot be reached. */
export interface PlaceStore {
  versions(): Promise<PlaceVersions>;
  zips(): Promise<{ readonly version: number; readonly areas: readonly CodedShape[] }>;
  /** How many zip codes count, and since which version. */
  zipCount(): Promise<{ readonly version: number; readonly areas: number }>;
  /** All or nothing. 409 when somebody else replaced them meanwhile. */
  replaceZips(areas: readonly CodedShape[]): Promise<Result<{ readonly version: number }>>;
  /** Every place, by id. */
  places(): Promise<{ readonly version: number; readonly places: readonly PlaceRecord[] }>;
  /** By id, those behind `after`, at most `limit`. */
  placePage(after: string | null, limit: number): Promise<readonly PlaceRecord[]>;
  place(id: string): Promise<PlaceRecord | null>;
  /** Makes it or replaces it. 409 when there are as many as there may be. */
  putPlace(place: PlaceGiven): Promise<Result<PlaceRecord>>;
  /** Whether there was one. */
  deletePlace(id: string): Promise<boolean>;
  /** Days from the first to the last, `2026-11-21` both, at most `limit` rows by day and zip. */
  zipReport(fromDay: string, toDay: string, limit: number): Promise<readonly ZipDay[]>;
}

/** Reads a file of areas without keeping the node's turns waiting. */
export type AreaReader = (bytes: Uint8Array, property: string | null) => Promise<Result<AreasRead>>;

/** What a node knows of the geography, from memory. */
export interface Atlas {
  /** Zip code at the middle of a coarse cell; null when none is known there. */
  zipOf(cell: string): string | null;
  /** The active places. */
  readonly fences: Fences;
}
