/** Encounters that are held for review, as rows: one text for the actors' reads and for the operators' list. */

/** One JSON value in each row. `{where}` says which. */
export const HOLDS = `
  select json_build_object('encounterId', h.encounter_id,
      'officer', json_build_object('id', h.officer, 'handle', coalesce(o.handle, '')),
      'civilian', json_build_object('id', h.civilian, 'handle', coalesce(c.handle, '')),
      'method', h.method, 'atMs', (extract(epoch from h.at) * 1000)::bigint,
      'officerPoints', h.officer_points, 'civilianPoints', h.civilian_points,
      'rule', json_strip_nulls(json_build_object('id', h.rule_id, 'version', h.rule_version, 'trace', h.rule_trace)),
      'metBy', case when h.met_rule is not null then json_build_object('id', h.met_rule, 'version', h.met_rule_version) end,
      'trust', h.trust, 'verdict', h.verdict,
      'positions', json_build_object('officer', h.officer_position, 'civilian', h.civilian_position)) as hold
  from meet.hold h
    left join user_schema.users o on o.id = h.officer
    left join user_schema.users c on c.id = h.civilian`;

/** What was said of one side's position; what stands there stays. */
export const NOTE_OPINION = `
  update meet.hold set
      officer_position = case when officer = ?2 then coalesce(officer_position, ?3) else officer_position end,
      civilian_position = case when civilian = ?2 then coalesce(civilian_position, ?3) else civilian_position end
    where encounter_id = ?1`;

/** Meetings of `pairs(officer, civilian)` that count, paid or held; those that were released stand among the paid. */
const met = (which: string, columns: string): string => `
    select ${columns} from meet.encounter e where ${which.replaceAll('{t}', 'e')}
    union all
    select ${columns} from meet.hold e where e.verdict <> 'released' and ${which.replaceAll('{t}', 'e')}`;

/**
 * What the store knows of two people: all in one round trip, each part bounded and along an index. `$3` how far back in
 * milliseconds, `$4` to `$6` how many of the pair, of the officer's day and of the civilian.
 */
export const PAIR_HISTORY = `
  select
    array(select (extract(epoch from clock_timestamp() - m.at) * 1000)::bigint from (
      ${met("{t}.civilian = $2 and {t}.officer = $1 and {t}.at > now() - $3 * interval '1 millisecond'", 'at')}
      ) m order by m.at desc limit $4),
    (select count(*) from (select from (
      ${met("{t}.officer = $1 and {t}.at > now() - interval '24 hours'", 'at')}) m limit $5) d),
    count(*), count(distinct l.officer), coalesce(bool_or(l.officer = $1), false)
  from (select m.officer from (
      ${met("{t}.civilian = $2 and {t}.at > now() - $3 * interval '1 millisecond'", 'at, officer')}
    ) m order by m.at desc limit $6) l`;

/** Nothing is settled before it was scanned, but for what two clocks differ: so the index on `at` bounds the read. */
const MET_BETWEEN = `
  officer = $1 and civilian = $2 and at > to_timestamp($3::float8 / 1000) - interval '1 hour'
  and coalesce(scanned_at, at) > to_timestamp($3::float8 / 1000)
  and coalesce(scanned_at, at) < to_timestamp($4::float8 / 1000)`;
/** $1 officer, $2 civilian, $3 and $4 Unix ms between which they met. */
export const PAIR_MET = `
select id from meet.encounter where ${MET_BETWEEN}
union all
select encounter_id from meet.hold where ${MET_BETWEEN} and verdict <> 'released'`;
