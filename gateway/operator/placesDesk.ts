/**
 * Where operators load the geography of the town: zip codes as one file, places one by one, and the report of participation.
 * As at the other desk, each request is of a known operator and stands in the audit log before it takes effect; the line
 * says which and how many, never where.
 */
import { type Static, Type } from 'typebox';
import {
  type AreaReader,
  geoJsonRefusal,
  PLACE_KINDS,
  PLACES_LIMITS,
  type PlaceRecord,
  type PlaceStore,
  type ZipDay,
} from '../../nodes/placesPort.ts';
import type { AuditEntry } from '../../nodes/ports.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { isUuid } from '../../protocol/ids.ts';
import type { Verifier } from '../auth/identify.ts';
import { reaching } from '../rest/errors.ts';
import { Id } from '../rest/schemas.ts';
import type { OperatorAction } from './actions.ts';
import { daysOf } from './days.ts';
import {
  type Answer,
  answered,
  bodyOf,
  type LineOptions,
  operatorOf,
  type Request,
  said,
  writeLine,
} from './entrance.ts';
import { OPERATOR } from './limits.ts';

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

/** A day and zip code with few people says nothing but that: neither how many they were nor how often they met. */
const withheld = ({ day, zip, encounters, people }: ZipDay): object =>
  people < OPERATOR.reportPeopleMin
    ? { day, zip, encounters: null, people: null }
    : { day, zip, encounters, people };

export class PlacesDesk {
  readonly #options: PlacesDeskOptions;
  #reading = false;

  constructor(options: PlacesDeskOptions) {
    this.#options = options;
  }

  /** Null when this is no route of ours. */
  async handle(request: Request): Promise<Answer | null> {
    const work = this.#routeOf(request);
    if (work === null) return null;
    const operator = await operatorOf(this.#options, request);
    return said(operator.ok ? await work(operator.value) : operator);
  }

  #routeOf(request: Request): ((operatorId: string) => Promise<Result<Answer>>) | null {
    const { method, path } = request;
    switch (`${method} ${path}`) {
      case 'GET /admin/zips':
        return operatorId => this.#zips(operatorId);
      case 'PUT /admin/zips':
        return operatorId => this.#replace(operatorId, request);
      case 'GET /admin/places':
        return operatorId => this.#list(operatorId, request);
      case 'GET /admin/reports/zips':
        return operatorId => this.#report(operatorId, request);
    }
    const id = /^\/admin\/places\/([^/]+)$/.exec(path)?.[1];
    if (id === undefined) return null;
    if (method === 'PUT') return operatorId => this.#put(operatorId, id, request);
    if (method === 'DELETE') return operatorId => this.#delete(operatorId, id);
    return null;
  }

  #line(
    operatorId: string,
    action: OperatorAction,
    detail: AuditEntry['detail'] = {},
  ): Promise<Refusal | null> {
    return writeLine(this.#options, { operatorId, action, userId: null, detail });
  }

  /** What the store says, behind the line. */
  async #after<T>(line: Promise<Refusal | null>, work: () => Promise<T>): Promise<Result<T>> {
    return (await line) ?? reaching(this.#options.log, work);
  }

  async #zips(operatorId: string): Promise<Result<Answer>> {
    const counted = await this.#after(this.#line(operatorId, 'zips.look'), () =>
      this.#options.store.zipCount(),
    );
    return counted.ok ? answered(200, counted.value) : counted;
  }

  async #replace(operatorId: string, request: Request): Promise<Result<Answer>> {
    if (this.#reading) return busy;
    this.#reading = true;
    try {
      return await this.#read(operatorId, request);
    } finally {
      this.#reading = false;
    }
  }

  async #read(operatorId: string, { query, bytes: bytesOf }: Request): Promise<Result<Answer>> {
    const { store, readAreas } = this.#options;
    const flag = query.get('dryRun') ?? 'false';
    if (flag !== 'true' && flag !== 'false') return badFlag;
    const bytes = await bytesOf(PLACES_LIMITS.geoJsonBytes, OPERATOR.zipFileMs);
    if (!bytes.ok) return bytes.code === ERROR.tooLarge ? geoJsonRefusal('too_large') : bytes;
    const read = await readAreas(bytes.value, query.get('property'));
    if (!read.ok) return read;
    const { areas, features, polygons, vertices, slivers } = read.value;
    const counts = { areas: areas.length, features, polygons, vertices, slivers };
    const dryRun = flag === 'true';
    const line = this.#line(operatorId, 'zips.replace', { ...counts, dryRun });
    if (dryRun) return (await line) ?? answered(200, { dryRun, version: null, ...counts });
    const done = await this.#after(line, () => store.replaceZips(areas));
    if (!done.ok) return done;
    return done.value.ok
      ? answered(200, { dryRun, version: done.value.value.version, ...counts })
      : done.value;
  }

  async #list(operatorId: string, { query }: Request): Promise<Result<Answer>> {
    const after = query.get('after') ?? '';
    if (after !== '' && !isUuid(after)) return noSuchPlace;
    const line = this.#line(operatorId, 'places.list');
    const read = await this.#after(line, () =>
      this.#options.store.placePage(after === '' ? null : after.toLowerCase(), OPERATOR.placesShown + 1),
    );
    if (!read.ok) return read;
    const items = read.value.slice(0, OPERATOR.placesShown);
    const next = read.value.length > items.length ? items.at(-1)!.id : null;
    return answered(200, { items: items.map(placeView), next });
  }

  async #put(operatorId: string, id: string, request: Request): Promise<Result<Answer>> {
    if (!isUuid(id)) return noSuchPlace;
    const body = await bodyOf(Place, request);
    if (!body.ok) return body;
    const { lat, lng, active = true, owner = null, poster = 0, ...rest } = body.value as Static<typeof Place>;
    const place = {
      ...rest,
      id: id.toLowerCase(),
      latE7: Math.round(lat * 1e7),
      lngE7: Math.round(lng * 1e7),
      active,
      owner: owner?.toLowerCase() ?? null,
      poster,
    };
    const { kind, radiusM } = place;
    const line = this.#line(operatorId, 'place.put', { placeId: place.id, kind, radiusM, active, poster });
    const done = await this.#after(line, () => this.#options.store.putPlace(place));
    if (!done.ok) return done;
    return done.value.ok ? answered(200, placeView(done.value.value)) : done.value;
  }

  async #delete(operatorId: string, given: string): Promise<Result<Answer>> {
    if (!isUuid(given)) return noSuchPlace;
    const id = given.toLowerCase();
    const line = this.#line(operatorId, 'place.delete', { placeId: id });
    const done = await this.#after(line, () => this.#options.store.deletePlace(id));
    if (!done.ok) return done;
    return done.value ? answered(200, { id }) : noSuchPlace;
  }

  async #report(operatorId: string, { query }: Request): Promise<Result<Answer>> {
    const days = daysOf(query, OPERATOR.reportDays);
    if (!days.ok) return days;
    const { from, to } = days.value;
    const line = this.#line(operatorId, 'report.zips', { from, to });
    const rows = await this.#after(line, () =>
      this.#options.store.zipReport(from, to, OPERATOR.reportRows + 1),
    );
    if (!rows.ok) return rows;
    const shown = rows.value.slice(0, OPERATOR.reportRows);
    return ok({
      status: 200,
      body: {
        from,
        to,
        /** What is null has fewer people than this. */
        peopleMin: OPERATOR.reportPeopleMin,
        complete: shown.length === rows.value.length,
        rows: shown.map(withheld),
      },
    });
  }
}
