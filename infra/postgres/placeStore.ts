/**
 * Zip polygons and places in PostgreSQL (migration 10), and the report of participation.
 *
 * New polygons are written as a generation of their own in pieces, and become the ones that count in one statement, which
 * also ends the old ones. Whoever dies half way leaves rows that nobody reads, and the next one takes them away.
 */

import {
  type CodedShape,
  PLACES_LIMITS,
  type PlaceGiven,
  type PlaceRecord,
  type PlaceStore,
  type PlaceVersions,
  shapeBytes,
  shapeOf,
  type ZipDay,
} from '../../nodes/placesPort.ts';
import type { Log } from '../../nodes/ports.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import {
  PLACES_SILENCE_MS_MAX,
  PLACES_STATEMENT_MS_MAX,
  ZIP_NUMBERS_PER_STATEMENT,
  ZIP_READS_MAX,
  ZIPS_PER_STATEMENT,
} from './limits.ts';
import { Lines } from './lines.ts';

const ADD_ZIPS =
  'insert into geo.zip (generation, zip, shape) select $1::bigint, * from unnest($2::text[], $3::bytea[])';

/** Only what is complete and newer than what counts: of two who replace at once, the one that began later stays. */
const SWITCH = `
with switched as (
  update geo.version set zips = $1::bigint
  where zips < $1::bigint and (select count(*) from geo.zip where generation = $1::bigint) = $2::int
  returning 1),
gone as (delete from geo.zip where generation < $1::bigint and exists (select from switched))
select count(*)::int from switched`;

const COLUMNS = `id, number, kind, owner, name, lat_e7, lng_e7, radius_m, poster, active, version,
  floor(extract(epoch from changed_at) * 1000)`;

const PUT = `
with counted as (
  update geo.version set places = places + 1
  where (select count(*) from geo.place) < $10::int or exists (select from geo.place where id = $1::uuid)
  returning places)
insert into geo.place (id, kind, owner, name, lat_e7, lng_e7, radius_m, poster, active, version, changed_at)
select $1::uuid, $2, $3::uuid, $4, $5::int, $6::int, $7::int, $8::int, $9::boolean, places, clock_timestamp() from counted
on conflict (id) do update set kind = excluded.kind, owner = excluded.owner, name = excluded.name,
  lat_e7 = excluded.lat_e7, lng_e7 = excluded.lng_e7, radius_m = excluded.radius_m, poster = excluded.poster,
  active = excluded.active, version = excluded.version, changed_at = excluded.changed_at
returning ${COLUMNS}`;

const DELETE = `
with gone as (delete from geo.place where id = $1::uuid returning 1),
counted as (update geo.version set places = places + 1 where exists (select from gone))
select count(*)::int from gone`;

const REPORT = `
with met as (
  select to_char(at at time zone 'UTC', 'YYYY-MM-DD') as day, zip, officer, civilian from meet.encounter
  where at >= $1::date::timestamp at time zone 'UTC' and at < ($2::date + 1)::timestamp at time zone 'UTC')
select day, zip, sum(encounters)::int, count(*)::int from (
  select day, zip, person, sum(encounters) filter (where side = 0) as encounters from (
    select day, zip, officer as person, 0 as side, count(*) as encounters from met group by 1, 2, 3
    union all
    select day, zip, civilian, 1, count(*) from met group by 1, 2, 3) sides
  group by day, zip, person) people
group by day, zip order by day, zip nulls last limit $3::int`;

type PlaceRow = [
  string,
  string,
  PlaceRecord['kind'],
  string | null,
  string,
  number,
  number,
  number,
  number,
  boolean,
  string,
  string,
];

const recordOf = (row: PlaceRow): PlaceRecord => ({
  id: row[0],
  number: Number(row[1]),
  kind: row[2],
  owner: row[3],
  name: row[4],
  latE7: row[5],
  lngE7: row[6],
  radiusM: row[7],
  poster: row[8],
  active: row[9],
  version: Number(row[10]),
  changedAtMs: Number(row[11]),
});

export class PgPlaceStore implements PlaceStore {
  readonly #lines: Lines;
  /** Looking whether something changed does not wait behind a large file. */
  readonly #looking: Lines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    const line = {
      ...options,
      settings: { statement_timeout: `${PLACES_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: PLACES_SILENCE_MS_MAX,
    };
    this.#lines = new Lines(1, { ...line, name: 'places' });
    this.#looking = new Lines(1, { ...line, name: 'places looked at' });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await Promise.all([this.#lines.tried(), this.#looking.tried()]);
  }

  async versions(): Promise<PlaceVersions> {
    const text = 'select zips, places from geo.version';
    const rows = await this.#looking.run({ name: 'place_versions', text, values: [] });
    return { zips: Number(rows[0]![0]), places: Number(rows[0]![1]) };
  }

  async zips(): Promise<{ readonly version: number; readonly areas: readonly CodedShape[] }> {
    for (let attempt = 1; ; attempt++) {
      const { zips: version } = await this.versions();
      const areas = await this.#generation(version);
      if ((await this.versions()).zips === version) return { version, areas };
      if (attempt === ZIP_READS_MAX) throw new Error('the zip polygons are replaced all the time');
    }
  }

  async #generation(version: number): Promise<CodedShape[]> {
    const areas: CodedShape[] = [];
    const text = `select zip, shape from geo.zip where generation = $1 and zip > $2 order by zip limit ${ZIPS_PER_STATEMENT}`;
    for (;;) {
      const values = [version, areas.at(-1)?.code ?? ''];
      const rows = await this.#looking.run({ name: 'zips', text, values });
      for (const [code, shape] of rows as [string, Buffer][]) areas.push({ code, shape: shapeOf(shape) });
      if (rows.length < ZIPS_PER_STATEMENT) return areas;
    }
  }

  async zipCount(): Promise<{ readonly version: number; readonly areas: number }> {
    const text = 'select v.zips, (select count(*) from geo.zip where generation = v.zips) from geo.version v';
    const [row] = await this.#looking.run({ name: 'zip_count', text, values: [] });
    return { version: Number(row![0]), areas: Number(row![1]) };
  }

  async replaceZips(areas: readonly CodedShape[]): Promise<Result<{ readonly version: number }>> {
    const rows = await this.#lines.run({
      name: 'zip_generation',
      text: `select nextval('geo.generation')`,
      values: [],
    });
    const version = Number(rows[0]![0]);
    for (let from = 0; from < areas.length; ) {
      let to = from;
      for (let numbers = 0; to < areas.length && to - from < ZIPS_PER_STATEMENT; to++) {
        numbers += areas[to]!.shape.length;
        if (to > from && numbers > ZIP_NUMBERS_PER_STATEMENT) break;
      }
      const some = areas.slice(from, to);
      const values = [
        version,
        some.map(one => one.code),
        some.map(one => Buffer.from(shapeBytes(one.shape))),
      ];
      await this.#lines.run({ name: 'zips_add', text: ADD_ZIPS, values });
      from = to;
    }
    const [done] = await this.#lines.run({
      name: 'zips_switch',
      text: SWITCH,
      values: [version, areas.length],
    });
    return done![0] === 1
      ? ok({ version })
      : refuse(ERROR.conflict, 'somebody else replaced the zip codes meanwhile: look, and do it again');
  }

  async places(): Promise<{ readonly version: number; readonly places: readonly PlaceRecord[] }> {
    // a change in between is seen by the next look: the version is the older one then
    const { places: version } = await this.versions();
    const text = `select ${COLUMNS} from geo.place order by id`;
    const rows = await this.#looking.run({ name: 'places', text, values: [] });
    return { version, places: (rows as PlaceRow[]).map(recordOf) };
  }

  async placePage(after: string | null, limit: number): Promise<readonly PlaceRecord[]> {
    const text = `select ${COLUMNS} from geo.place where $1::uuid is null or id > $1::uuid order by id limit $2::int`;
    const rows = await this.#lines.run({ name: 'place_page', text, values: [after, limit] });
    return (rows as PlaceRow[]).map(recordOf);
  }

  async place(id: string): Promise<PlaceRecord | null> {
    const text = `select ${COLUMNS} from geo.place where id = $1::uuid`;
    const [row] = await this.#lines.run({ name: 'place', text, values: [id] });
    return row ? recordOf(row as PlaceRow) : null;
  }

  async putPlace(place: PlaceGiven): Promise<Result<PlaceRecord>> {
    const { id, kind, owner, name, latE7, lngE7, radiusM, poster, active } = place;
    const values = [id, kind, owner, name, latE7, lngE7, radiusM, poster, active, PLACES_LIMITS.places];
    const [row] = await this.#lines.run({ name: 'place_put', text: PUT, values });
    return row
      ? ok(recordOf(row as PlaceRow))
      : refuse(ERROR.conflict, `there are ${PLACES_LIMITS.places} places already`);
  }

  async deletePlace(id: string): Promise<boolean> {
    const [row] = await this.#lines.run({ name: 'place_delete', text: DELETE, values: [id] });
    return row![0] === 1;
  }

  async zipReport(fromDay: string, toDay: string, limit: number): Promise<readonly ZipDay[]> {
    const rows = await this.#lines.run({ name: 'zip_report', text: REPORT, values: [fromDay, toDay, limit] });
    return (rows as [string, string | null, number, number][]).map(([day, zip, encounters, people]) => ({
      day,
      zip,
      encounters,
      people,
    }));
  }

  async close(): Promise<void> {
    await Promise.all([this.#lines.close(), this.#looking.close()]);
  }
}
