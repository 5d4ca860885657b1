/**
 * Version 10: the geography that operators load, and the zip code of an encounter.
 *
 * Zip polygons are replaced as a whole: a new generation is written beside the old one, where nobody reads it, and one
 * statement makes it the one that counts. The number of a place is what the code on its wall carries; the counter of places
 * and the generation of polygons are what nodes look at, twice a second, to know whether anything changed.
 *
 * The zip code of an encounter is that of the middle of its coarse cell (a square of 2 km): no more is said about where two
 * people met. The node knows the polygons and gives it with the entry; it is no part of what was asked, so that a repeat
 * after the polygons changed is still the same request.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';
import { commitFunction } from './commitGroup.ts';
import { MORE, STAMPED_TRANSFER, TRACED_ROW_PER_GROUP } from './stamps.ts';

export const ZIPPED = [...MORE, 'p_meet_zip text[]'];

const NO_MORE = { column: '', parameter: '', name: '', value: '' };

/** A later version writes more columns: `more` of each list, with its comma. */
export const zippedEncounter = (
  more: { column: string; parameter: string; name: string; value: string } = NO_MORE,
): string => `      insert into meet.encounter (id, officer, civilian, method, cell, at, officer_points, civilian_points, zip${more.column})
        select p_id[n.entry], n.officer, n.civilian, n.method, n.cell, v_now, n.officer_points, n.civilian_points, n.zip${more.value}
        from unnest(p_meet_entry, p_meet_officer, p_meet_civilian, p_meet_method, p_meet_cell,
            p_meet_officer_points, p_meet_civilian_points, p_meet_zip${more.parameter})
          as n(entry, officer, civilian, method, cell, officer_points, civilian_points, zip${more.name})
        where n.entry between v_from and v_to and v_code[n.entry] = 0;`;

export const ZIPPED_PIECES = { transfers: STAMPED_TRANSFER, encounters: zippedEncounter() };

export class Places extends Migration {
  override up(): void {
    this.addSql('create schema geo');
    this.addSql(`create table geo.version (
      only_one boolean primary key default true check (only_one),
      zips bigint not null default 0,
      places bigint not null default 0
    )`);
    this.addSql('insert into geo.version default values');
    this.addSql('create sequence geo.generation');
    this.addSql(`create table geo.zip (
      generation bigint not null,
      zip text collate "C" not null check (length(zip) between 1 and 16),
      shape bytea not null,
      primary key (generation, zip)
    )`);
    this.addSql(`create table geo.place (
      id uuid primary key,
      number bigint generated always as identity (start with 1 maxvalue 281474976710655) unique,
      kind text not null check (kind in ('hub', 'merchant')),
      owner uuid,
      name text not null check (length(name) between 1 and 80),
      lat_e7 int not null check (lat_e7 between -900000000 and 900000000),
      lng_e7 int not null check (lng_e7 between -1800000000 and 1800000000),
      radius_m int not null check (radius_m between 10 and 1000),
      poster int not null default 0 check (poster between 0 and 65535),
      active boolean not null,
      version bigint not null,
      changed_at timestamptz not null
    )`);
    this.addSql(`grant usage on schema geo to ${APP_ROLE}`);
    this.addSql(`grant select, insert, delete on geo.zip, geo.place to ${APP_ROLE}`);
    this.addSql(`grant update on geo.place to ${APP_ROLE}`);
    this.addSql(`grant select, update (zips, places) on geo.version to ${APP_ROLE}`);
    this.addSql(`grant usage on sequence geo.generation to ${APP_ROLE}`);
    this.addSql('alter table meet.encounter add column zip text');
    this.addSql('create index encounter_age on meet.encounter using brin (at) with (pages_per_range = 32)');
    this.addSql('drop function ledger.commit_group');
    this.addSql(commitFunction(ZIPPED, TRACED_ROW_PER_GROUP, ZIPPED_PIECES));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.commit_group');
    this.addSql('drop index meet.encounter_age');
    this.addSql('alter table meet.encounter drop column zip');
    this.addSql('drop schema geo cascade');
    this.addSql(commitFunction(MORE, TRACED_ROW_PER_GROUP, { transfers: STAMPED_TRANSFER }));
    this.addSql('revoke execute on function ledger.commit_group from public');
    this.addSql(`grant execute on function ledger.commit_group to ${APP_ROLE}`);
  }
}
