/**
 * Version 31: what a day brought a merchant is kept when the day is over: totals, and the checksum over its lines. It is written
 * once, by whoever asks first or by the auditor's job, and never changed: a row of the day that somebody changes later no longer
 * fits to it, and the auditor says so (check `settlements`).
 *
 * A day (UTC) is closed five minutes after its end. One without a line is kept too, if the merchant had an account by then:
 * nobody fills the table by asking for days that never were.
 */
import { Migration } from '@mikro-orm/migrations';
import { APP_ROLE } from '../limits.ts';

/** `report` is a `ClosedDay` of nodes/marketPort.ts. */
const TABLE = `create table market.settlement (
  merchant uuid not null,
  day date not null,
  report jsonb not null,
  closed_at timestamptz not null default clock_timestamp(),
  primary key (merchant, day)
)`;

const sumOf = (kind: string): string => `jsonb_build_object('count', count(*) filter (where kind = '${kind}'),
  'quantity', coalesce(sum(quantity) filter (where kind = '${kind}'), 0),
  'points', coalesce(sum(points) filter (where kind = '${kind}'), 0))`;

/**
 * The report as it is kept; null while the day is open.
 *
 * @param told what a later version says of one that is new
 */
export const closeFunction = (told = ''): string => `
create function market.close_day(p_merchant uuid, p_day date) returns jsonb
language plpgsql volatile security definer set search_path = pg_catalog
as $body$
declare
  v_from timestamptz := p_day::timestamp at time zone 'UTC';
  v_before timestamptz := (p_day + 1)::timestamp at time zone 'UTC';
  v_report jsonb;
begin
  select s.report into v_report from market.settlement s where s.merchant = p_merchant and s.day = p_day;
  if found then return v_report; end if;
  if clock_timestamp() < v_before + interval '5 minutes' then return null; end if;
  with lines as (
    select r.transfer_id as id, 'sale' as kind, r.id as redemption, r.offer_id, r.sold_quantity as quantity,
      r.sold_points as points, r.settled_at as at
    from market.redemption r
    where r.merchant = p_merchant and r.state = 'confirmed' and r.settled_at >= v_from and r.settled_at < v_before
    union all
    select f.transfer_id, 'refund', f.redemption_id, r.offer_id, f.quantity, f.points, f.at
    from market.refund f join market.redemption r on r.id = f.redemption_id
    where f.merchant = p_merchant and f.at >= v_from and f.at < v_before),
  offers as (
    select offer_id, min(at) as since, coalesce(sum(quantity) filter (where kind = 'sale'), 0) as sold,
      coalesce(sum(quantity) filter (where kind = 'refund'), 0) as refunded,
      sum(case kind when 'sale' then points else -points end) as points
    from lines group by offer_id)
  select jsonb_build_object(
      'sales', ${sumOf('sale')},
      'refunds', ${sumOf('refund')},
      'points', coalesce(sum(case kind when 'sale' then points else -points end), 0),
      'offers', (select coalesce(jsonb_agg(jsonb_build_object('offerId', o.offer_id, 'title', d.title, 'sold', o.sold,
          'refunded', o.refunded, 'points', o.points) order by o.since, o.offer_id), '[]')
        from offers o join market.offer d on d.id = o.offer_id),
      'checksum', encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', id, kind, redemption, offer_id, quantity, points,
          floor(extract(epoch from at) * 1000)::bigint) || E'\\n', '' order by at, id), ''), 'UTF8')), 'hex'))
    into v_report from lines;
  if v_report -> 'offers' = '[]' and not exists (
      select from user_schema.users u where u.id = p_merchant and u.created_at < v_before) then
    return v_report;
  end if;
  insert into market.settlement (merchant, day, report) values (p_merchant, p_day, v_report) on conflict do nothing;${told}
  return (select s.report from market.settlement s where s.merchant = p_merchant and s.day = p_day);
end
$body$`;

export class Settlements extends Migration {
  override up(): void {
    this.addSql(TABLE);
    this.addSql(closeFunction());
    this.addSql('revoke execute on function market.close_day from public');
    this.addSql(`grant execute on function market.close_day to ${APP_ROLE}`);
    this.addSql(`grant select on market.settlement to ${APP_ROLE}`);
  }

  override down(): void {
    this.addSql('drop function market.close_day');
    this.addSql('drop table market.settlement');
  }
}
