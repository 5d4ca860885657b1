/**
 * Version 21: a root for every day of the ledger, and an end for ids that were refused.
 *
 * `ledger.day_seal` holds for each day (UTC) the hash over its transfers, hashed onto that of the day before
 * (`infra/audit/sealing.ts`). It is taken when the day is over, some thousand transfers at a time: a row without `sealed_at`
 * says how far its day is, and whoever goes on says where he began, so that two never mix their work. What is sealed stays.
 *
 * `ledger.prune_burned` removes refused ids a week after they were refused: a key is remembered for a day.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

/** As they were when this was released. */
const BURNED_DAYS = 7;

const TABLE = `create table ledger.day_seal (
  day date primary key,
  previous bytea not null check (octet_length(previous) = 32),
  root bytea not null check (octet_length(root) = 32),
  transfers bigint not null check (transfers >= 0),
  last_at_us bigint,
  last_id uuid,
  sealed_at timestamptz
)`;

/** Answers false when somebody else was there first, or the day is not over. */
const SEAL = `
create function ledger.seal_day(
  p_day date, p_from bigint, p_previous bytea, p_root bytea, p_transfers bigint, p_last_at_us bigint, p_last_id uuid,
  p_done boolean) returns boolean
language plpgsql volatile security definer set search_path = pg_catalog
as $body$
begin
  if p_day >= (clock_timestamp() at time zone 'utc')::date then return false; end if;
  if p_from = 0 then
    insert into ledger.day_seal (day, previous, root, transfers) values (p_day, p_previous, p_root, 0)
      on conflict (day) do nothing;
  end if;
  update ledger.day_seal s set root = p_root, transfers = p_transfers, last_at_us = p_last_at_us, last_id = p_last_id,
      sealed_at = case when p_done then clock_timestamp() end
    where s.day = p_day and s.sealed_at is null and s.transfers = p_from and s.previous = p_previous;
  return found;
end
$body$`;

const PRUNE = `
create function ledger.prune_burned(p_rows int) returns int
language plpgsql volatile security definer set search_path = pg_catalog
as $body$
declare
  v_gone int;
begin
  delete from ledger.burned where ctid = any (array(
    select ctid from ledger.burned where at < now() - interval '${BURNED_DAYS} days' limit p_rows));
  get diagnostics v_gone = row_count;
  return v_gone;
end
$body$`;

export class DaySeals extends Migration {
  override up(): void {
    for (const sql of [TABLE, SEAL, PRUNE]) this.addSql(sql);
    this.addSql('revoke execute on function ledger.seal_day, ledger.prune_burned from public');
    this.addSql(`grant execute on function ledger.seal_day, ledger.prune_burned to ${APP_ROLE}`);
    this.addSql(`grant select on ledger.day_seal to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function ledger.seal_day, ledger.prune_burned');
    this.addSql('drop table ledger.day_seal');
  }
}
