/** Was every meeting paid as it says, once, and no pair too often? */
import { cooldownsOf } from './cooldowns.ts';
import { MINT } from './limits.ts';
import type { SqlCheck } from './sqlChecks.ts';

export const MEETING_CHECKS: readonly SqlCheck[] = [
  {
    name: 'encounters',
    about: 'every encounter has the transfer that pays what it says, and the other way round',
    of: 'meet.encounter',
    sql: `select e.id, case when t.id is null then 'is an encounter without its transfer'
          else 'says ' || e.officer_points || ' and ' || e.civilian_points || ' points and paid '
            || coalesce(sum(p.delta) filter (where p.account_id = e.officer), 0) || ' and '
            || coalesce(sum(p.delta) filter (where p.account_id = e.civilian), 0) end as what
      from meet.encounter e
        left join ledger.transfer t on t.id = e.id
        left join ledger.posting p on p.transfer_id = e.id
      group by e.id, t.id
      having t.id is null
        or coalesce(sum(p.delta) filter (where p.account_id = e.officer), 0) <> e.officer_points
        or coalesce(sum(p.delta) filter (where p.account_id = e.civilian), 0) <> e.civilian_points
        or coalesce(sum(p.delta) filter (where p.account_id = '${MINT}'), 0) <> -e.officer_points - e.civilian_points
      union all
      select t.id, 'pays an encounter that is not there' from ledger.transfer t
        where t.reason = 'encounter' and not exists (select from meet.encounter e where e.id = t.id)`,
  },
  {
    name: 'cooldown',
    about: 'no two people met for points again within the cooldown of the rule that paid the time before',
    of: 'meet.encounter',
    sql: `select id, officer || ' and ' || civilian || ' met ' || date_trunc('second', at - before) || ' before, too' as what
      from (select e.id, e.officer, e.civilian, e.at, lag(e.at) over pair as before,
              lag(coalesce(r.s, $1::float8)) over pair as cooldown_s
            from meet.encounter e
              left join ledger.transfer t on t.id = e.id
              left join unnest($2::text[], $3::int[], $4::float8[]) as r(id, version, s)
                on r.id = t.rule_id and r.version = t.rule_version
            window pair as (partition by e.officer, e.civilian order by e.at, e.id)) e
      where at < before + make_interval(secs => cooldown_s)`,
    values: async ({ cooldownS, stores }, snapshot) => {
      const of = await cooldownsOf(snapshot, stores.dynamodb, stores.names?.rules);
      return [cooldownS, of.map(one => one.id), of.map(one => one.version), of.map(one => one.s)];
    },
  },
  {
    name: 'holds',
    about:
      'an encounter that waits for an operator or was rejected has paid nothing, a released one its points',
    of: 'meet.hold',
    sql: `select h.encounter_id as id, 'is ' || h.verdict
          || case when t.id is null then ' and has no transfer' else ' and was paid' end as what
      from meet.hold h
        left join ledger.transfer t on t.id = h.encounter_id
        left join meet.encounter e on e.id = h.encounter_id
      where case when h.verdict = 'released' then t.id is null or e.id is null else t.id is not null or e.id is not null end`,
  },
];
