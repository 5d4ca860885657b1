/**
 * Where operators load the geography of the town: zip codes as one file, places one by one, and the report of participation.
 * As at the other desk, each request is of a known operator and stands in the audit log before it takes effect; the line
 * says which and how many, never where.
 */
import { Type } from 'typebox';
import {
  type AreaReader,
  geoJsonRefusal,
  PLACE_KINDS,
  PLACES_LIMITS,
  type PlaceGiven,
  type PlaceRecord,
  type PlaceStore,
} from '../../nodes/placesPort.ts';
import type { AuditState } from '../../nodes/ports.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import { Id } from '../rest/schemas.ts';
import {
  type Answer,
  answered,
  attend,
  bodyOf,
  type Deed,
  type Line,
  type LineOptions,
  type Request,
  said,
} from './entrance.ts';
import { OPERATOR } from './limits.ts';
import { daysOf, reported } from './reports.ts';

export interface PlacesDeskOptions extends Verifier, LineOptions {
  readonly store: PlaceStore;
  readonly readAreas: AreaReader;
}

export const PLACE_ROUTES = [
  'GET    /admin/zips                       how many zip codes are loaded',
  'PUT    /admin/zips?property=&dryRun=     replaces all of them by a GeoJSON file of polygons; dryRun=true only reads it',
  'GET    /admin/places?after=              hubs and merchants by id',
  'PUT    /admin/places/{id}                {kind, name, lat, lng, radiusM, active?, owner?, poster?}',
  'DELETE /admin/places/{id}',
  'GET    /admin/reports/zips?from=&to=     people and encounters by zip code and day (UTC)',
] as const;

const Place = Type.Object(
  {
    kind: Type.Enum([...PLACE_KINDS]),
    name: Type.String({ pattern: `^[^\\x00-\\x1f\\x7f]{1,${PLACES_LIMITS.nameChars}}$` }),
    lat: Type.Number({ minimum: -90, maximum: 90 }),
    lng: Type.Number({ minimum: -180, maximum: 180 }),
    radiusM: Type.Integer({ minimum: PLACES_LIMITS.radiusMinM, maximum: PLACES_LIMITS.radiusMaxM }),
    active: Type.Optional(Type.Boolean()),
    owner: Type.Optional(Type.Union([Id, Type.Null()])),
    poster: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
  },
  { additionalProperties: false },
);

const noSuchPlace = refuse(ERROR.notFound, 'no such place');
const busy = refuse(ERROR.conflict, 'another file of zip codes is being read: wait for it');
const badFlag = refuse(ERROR.invalid, 'dryRun is true or false');

const placeView = ({ latE7, lngE7, ...rest }: PlaceRecord): object => ({
  ...rest,
  lat: latE7 / 1e7,
  lng: lngE7 / 1e7,
});

/** Not where it is: no place stands in the trail. */
const stateOf = ({ kind, radiusM, active, poster, owner }: PlaceGiven): AuditState => ({
  kind,
  radiusM,
  active,
  poster,
  owner,
});

/** Concerns nobody in particular. */
const lineOf = (action: Line['action'], detail: Line['detail'] = {}): Line => ({
  action,
  userId: null,
  detail,
});

export class PlacesDesk {
  readonly #options: PlacesDeskOptions;
  /** Whose file of zip codes is being read. */
  #reading: Request | null = null;

  constructor(options: PlacesDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const find = this.#routeOf(request);
    if (find === null) return null;
    try {
      return said(await attend(this.#options, request, find));
    } finally {
      if (this.#reading === request) this.#reading = null;
    }
  }

  #routeOf(request: Request): (() => Deed | Result<never> | Promise<Deed | Result<never>>) | null {
    const { method, path } = request;
    switch (`${method} ${path}`) {
      case 'GET /admin/zips':
        return () => this.#zips();
      case 'PUT /admin/zips':
        return () => this.#replace(request);
      case 'GET /admin/places':
        return () => this.#list(request);
      case 'GET /admin/reports/zips':
        return () => this.#report(request);
    }
    const id = /^\/admin\/places\/([^/]+)$/.exec(path)?.[1];
    if (id === undefined) return null;
    if (method === 'PUT') return () => this.#put(id, request);
    if (method === 'DELETE') return () => this.#delete(id);
    return null;
  }

  #zips(): Deed {
    return {
      line: lineOf('zips.look'),
      work: async () => answered(200, await this.#options.store.zipCount()),
    };
  }

  async #replace(request: Request): Promise<Deed | Result<never>> {
    if (this.#reading !== null) return busy;
    this.#reading = request;
    const { store, readAreas } = this.#options;
    const { query } = request;
    const flag = query.get('dryRun') ?? 'false';
    if (flag !== 'true' && flag !== 'false') return badFlag;
    const bytes = await request.bytes(PLACES_LIMITS.geoJsonBytes, OPERATOR.zipFileMs);
    if (!bytes.ok) return bytes.code === ERROR.tooLarge ? geoJsonRefusal('too_large') : bytes;
    const read = await readAreas(bytes.value, query.get('property'));
    if (!read.ok) return read;
    const { areas, features, polygons, vertices, slivers } = read.value;
    const counts = { areas: areas.length, features, polygons, vertices, slivers };
    const dryRun = flag === 'true';
    return {
      line: lineOf('zips.replace', { ...counts, dryRun }),
      ...(!dryRun && { change: { before: () => store.zipCount(), after: { areas: areas.length } } }),
      work: async () => {
        if (dryRun) return answered(200, { dryRun, version: null, ...counts });
        const done = await store.replaceZips(areas);
        return done.ok ? answered(200, { dryRun, version: done.value.version, ...counts }) : done;
      },
    };
  }

  #list({ query }: Request): Deed | Result<never> {
    const after = query.get('after') || null;
    if (after !== null && !isUuid(after)) return noSuchPlace;
    const limit = OPERATOR.placesShown;
    return {
      line: lineOf('places.list'),
      work: async () => {
        const read = await this.#options.store.placePage(after?.toLowerCase() ?? null, limit + 1);
        const items = read.slice(0, limit);
        const next = read.length > limit ? items.at(-1)!.id : null;
        return answered(200, { items: items.map(placeView), next });
      },
    };
  }

  async #put(id: string, request: Request): Promise<Deed | Result<never>> {
    if (!isUuid(id)) return noSuchPlace;
    const body = await bodyOf(Place, request);
    if (!body.ok) return body;
    const { lat, lng, active = true, owner = null, poster = 0, ...rest } = body.value;
    const place = {
      ...rest,
      id: id.toLowerCase(),
      latE7: Math.round(lat * 1e7),
      lngE7: Math.round(lng * 1e7),
      active,
      owner: owner?.toLowerCase() ?? null,
      poster,
    };
    return {
      line: lineOf('place.put', { placeId: place.id }),
      change: { before: () => this.#placeNow(place.id), after: stateOf(place) },
      work: async () => {
        const done = await this.#options.store.putPlace(place);
        return done.ok ? answered(200, placeView(done.value)) : done;
      },
    };
  }

  #delete(given: string): Deed | Result<never> {
    if (!isUuid(given)) return noSuchPlace;
    const id = given.toLowerCase();
    return {
      line: lineOf('place.delete', { placeId: id }),
      change: { before: () => this.#placeNow(id), after: null },
      work: async () => ((await this.#options.store.deletePlace(id)) ? answered(200, { id }) : noSuchPlace),
    };
  }

  async #placeNow(id: string): Promise<AuditState | null> {
    const place = await this.#options.store.place(id);
    return place && { ...stateOf(place), version: place.version };
  }

  #report({ query }: Request): Deed | Result<never> {
    const days = daysOf(query);
    if (!days.ok) return days;
    const { from, to } = days.value;
    return {
      line: lineOf('report.zips', { from, to }),
      work: async () => {
        const rows = await this.#options.store.zipReport(from, to, OPERATOR.reportRows + 1);
        return reported(days.value, rows, row => row.people);
      },
    };
  }
}
