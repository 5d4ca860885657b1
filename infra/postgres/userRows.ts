/**
 * A person as his actor starts from: one row for each, and what of his commands and movements is asked for later. Users that
 * wake in the same turn of the event loop are loaded by one statement.
 */
import type { FreshCredit, StreamRecord, UserRecord } from '../../actors/queries.ts';
import { ERROR, refuse } from '../../protocol/errors.ts';
import {
  POSTINGS_MAX,
  RECENT_COMMANDS,
  RECENT_ENCOUNTERS,
  RECENT_EVENTS,
  RECENT_MINUTES,
  REMEMBERED_HOURS,
} from './limits.ts';

/** One side of the encounters of `u`; each person is on one side only, so one of the two is empty. */
const side = (self: 'officer' | 'civilian', other: 'officer' | 'civilian'): string => `
  (select e.id, e.method, e.at, e.${other} as other, e.${self}_points as points
   from meet.encounter e where e.${self} = u.id order by e.at desc, e.id desc limit ${RECENT_ENCOUNTERS})`;

/** Beyond `now()` by a moment when it was committed between the two. */
const ageMs = (at: string): string => `greatest(0, extract(epoch from now() - ${at}) * 1000)::bigint`;
const atMs = (at: string): string => `(extract(epoch from ${at}) * 1000)::bigint`;
const RECENT = `now() - interval '${RECENT_MINUTES} minutes'`;

/** Movements as the owner's phones are told of them; the end of the condition, `m` and {@link WITH_WHOM} follow. */
const movement = (owner: string, more = ''): string => `json_build_object(
    'transferId', m.transfer_id, 'version', m.version::bigint, 'delta', m.delta, 'balance', m.balance, 'reason', m.reason,
    'method', met.method, 'otherHandle', coalesce(other.handle, ''), 'atMs', ${atMs('m.at')}${more})
  order by m.version desc)
  from (select p.transfer_id, p.account_version_after as version, p.delta, p.balance_after as balance, t.reason, t.at
        from ledger.posting p
          -- one look-up for each, whatever the planner thinks of times
          cross join lateral (select reason, at from ledger.transfer where id = p.transfer_id offset 0) t
        where p.account_id = ${owner} and p.stripe = 0`;
const WITH_WHOM = (owner: string): string => `
    left join meet.encounter met on met.id = m.transfer_id
    left join user_schema.users other
      on other.id = case when met.officer = ${owner} then met.civilian else met.officer end`;

/**
 * What the stream of events is put together from (`actors/user/stream.ts`). Most who wake have nothing from the last
 * minutes: for them it is a look at the newest event and the newest movement.
 */
const MOVEMENTS_LATELY = `case when (
    select t.at from ledger.posting p join ledger.transfer t on t.id = p.transfer_id
    where p.account_id = u.id and p.stripe = 0 and p.account_version_after = a.version) > ${RECENT}
  then (select json_agg(${movement('u.id', `, 'ageMs', ${ageMs('m.at')}`)}
          and p.account_version_after > a.version - ${RECENT_EVENTS} and t.at > ${RECENT}) m ${WITH_WHOM('u.id')})
  end`;
const EVENTS_LATELY = `case when last.at > ${RECENT} then (
    select json_agg(json_build_object('id', e.id, 'n', e.n, 'after', e.after_version, 'frame', encode(e.frame, 'base64'),
        'ageMs', ${ageMs('e.at')}) order by e.n desc)
    from (select * from ops.user_event e
          where e.user_id = u.id and e.lineage = last.lineage and e.at > ${RECENT}
          order by e.n desc limit ${RECENT_EVENTS}) e)
  end`;
const TOLD = `case when last.n > 0 then (
    select json_object_agg(e.about, e.after_version + e.n order by e.n)
    from ops.user_event e where e.user_id = u.id and e.about is not null and e.lineage = last.lineage)
  end`;

/** $2 milliseconds; 0, as in most towns: nothing is read. */
const FRESH = `case when $2::bigint > 0 then (
    select coalesce(json_agg(json_build_object('atMs', ${atMs('t.at')}, 'points', p.delta)
      order by p.account_version_after), '[]')
    from ledger.posting p
      cross join lateral (select one.reason, one.at from ledger.transfer one where one.id = p.transfer_id offset 0) t
    where p.account_id = u.id and p.stripe = 0 and p.account_version_after > a.version - ${POSTINGS_MAX}
      and t.at > now() - $2::bigint * interval '1 millisecond'
      and case when p.delta > 0 then t.reason in ('encounter', 'promotion') else t.reason = 'reversal' end)
  end`;

/** Many users are read at once: a row of one that nobody can read must not keep the others away. */
const UNREADABLE = JSON.stringify(refuse(ERROR.internal, 'the stored answer cannot be read'));

/** A command as it is remembered: `k` a row of {@link KEYS}, `a` the account. */
const REMEMBERED = `case when k.result is not null
        then json_build_object('key', k.key, 'requestHash', k.request_hash, 'result',
          case when pg_input_is_valid(k.result, 'json') then k.result::json else '${UNREADABLE}'::json end)
        else json_build_object('key', k.key, 'requestHash', k.request_hash, 'encounterId', k.transfer_id,
          'reason', coalesce(t.reason, w.reason, 'encounter'),
          'points', coalesce(p.delta, 0), 'balance', coalesce(p.balance_after, a.balance)) end`;
const WHAT_MOVED = `
      -- without a transfer something is pending, or it is an encounter that is held
      left join ledger.transfer t on t.id = k.transfer_id
      left join ledger.pending w on w.id = k.transfer_id
      left join ledger.posting p on p.transfer_id = k.transfer_id and p.account_id = a.account_id`;

/** Keys of a user of the last day, by the ledger and by answers. */
const KEYS = (user: string, ofLedger = '', ofAnswers = ofLedger): string => `
    (select i.key, i.request_hash, i.transfer_id, null as result, i.created_at as at from ops.idempotency i
      where i.user_id = ${user} and i.created_at > now() - interval '${REMEMBERED_HOURS} hours' ${ofLedger}
    union all
    (select n.key, n.request_hash, null, n.result, n.at from ops.answer n
      where n.user_id = ${user} and n.at > now() - interval '${REMEMBERED_HOURS} hours' ${ofAnswers}))`;

/** $1 user, $2 key. One that was answered beside its movement is told by the answer. */
export const COMMAND = `
select ${REMEMBERED} from ${KEYS('$1', 'and key = $2')} k
  join ledger.account a on a.account_id = $1 and a.stripe = 0 ${WHAT_MOVED}
order by k.result is null limit 1`;

/** $1 users, $2 milliseconds for which what was earned is fresh. */
export const USERS = `
select u.id, u.kind, u.handle, u.number, d.device_id, d.device_number, a.balance, a.version, a.reserved,
  (select count(*) from meet.encounter e where e.officer = u.id)
    + (select count(*) from meet.encounter e where e.civilian = u.id),
  coalesce((
    select json_agg(json_build_object('id', e.id, 'method', e.method, 'otherHandle', coalesce(o.handle, ''),
        'points', e.points, 'atMs', (extract(epoch from e.at) * 1000)::bigint) order by e.at desc, e.id desc)
    from (select * from (${side('officer', 'civilian')} union all ${side('civilian', 'officer')}) both_sides
          order by at desc, id desc limit ${RECENT_ENCOUNTERS}) e
      left join user_schema.users o on o.id = e.other), '[]'),
  coalesce(remembered.list, '[]'),
  coalesce((
    select json_agg(json_build_object('name', t.name, 'dueAtMs', t.due_ms, 'message', t.message::json) order by t.due_ms)
    from ops.actor_timer t where t.kind = 'user' and t.actor = u.id::text and pg_input_is_valid(t.message, 'json')), '[]'),
  (select id || '/' || (select timeline_id from pg_control_checkpoint()) from ops.town),
  last.n, last.after_version, last.lineage,
  ${MOVEMENTS_LATELY},
  ${EVENTS_LATELY},
  ${TOLD},
  ${FRESH},
  case when remembered.count = ${RECENT_COMMANDS} then (
    select max(key collate "C") from ${KEYS('u.id')} all_keys where key ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7') end
from user_schema.users u
  join user_schema.device d on d.user_id = u.id
  join ledger.account a on a.account_id = u.id and a.stripe = 0
  left join lateral (select e.n, e.after_version, e.lineage, e.at from ops.user_event e
                     where e.user_id = u.id order by e.n desc limit 1) last on true
  cross join lateral (
    select count(*), json_agg(${REMEMBERED} order by k.at desc) as list
    from (select * from ${KEYS('u.id', '', `order by n.at desc limit ${RECENT_COMMANDS}`)} of_both
          order by at desc limit ${RECENT_COMMANDS}) k ${WHAT_MOVED}) remembered
where u.id = any ($1)`;

/** $1 user, $2 version behind which they begin, $3 how many at most; newest first. */
export const MOVEMENTS = `select json_agg(${movement('$1')}
          and p.account_version_after > $2 order by p.account_version_after limit $3) m ${WITH_WHOM('$1')}`;

/** A row of {@link USERS}; whole numbers of 64 bits come as text. */
export type UserRow = [
  id: string,
  kind: UserRecord['kind'],
  handle: string,
  number: string,
  deviceId: string,
  deviceNumber: number,
  balance: string,
  balanceVersion: string,
  reserved: string,
  encounterCount: string,
  encounters: UserRecord['encounters'],
  commands: UserRecord['commands'],
  timers: UserRecord['timers'],
  town: string,
  others: string | null,
  after: string | null,
  lineage: number | null,
  movements: StreamRecord['movements'] | null,
  events: readonly (Omit<StreamRecord['events'][number], 'frame'> & { readonly frame: string })[] | null,
  told: StreamRecord['told'] | null,
  fresh: readonly FreshCredit[] | null,
  latestKey: string | null,
];

const NONE: readonly never[] = [];
const NOTHING: Readonly<Record<string, never>> = {};

export const recordOf = ([
  id,
  kind,
  handle,
  number,
  deviceId,
  deviceNumber,
  balance,
  balanceVersion,
  reserved,
  encounterCount,
  encounters,
  commands,
  timers,
  town,
  others,
  after,
  lineage,
  movements,
  events,
  told,
  fresh,
  latestKey,
]: UserRow): UserRecord => ({
  id,
  kind,
  handle,
  number: Number(number),
  deviceId,
  deviceNumber,
  balance: Number(balance),
  balanceVersion: Number(balanceVersion),
  reserved: Number(reserved),
  encounterCount: Number(encounterCount),
  encounters,
  commands,
  latestKey,
  timers,
  stream: {
    town,
    others: Number(others ?? 0),
    after: Number(after ?? 0),
    lineage: lineage ?? 0,
    movements: movements ?? NONE,
    events: events?.map(event => ({ ...event, frame: bytesOf(event.frame) })) ?? NONE,
    told: told ?? NOTHING,
  },
  ...(fresh && { fresh }),
});

/** Of its own: a piece of the driver's or of a shared buffer would keep all of it alive. */
const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, 'base64'));
