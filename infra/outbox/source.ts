/**
 * The outbox table as the source of publishers: the oldest events of a target, with what they tell. A row of the table
 * holds the events of one group.
 *
 * A row whose writer gave it a payload is sent as that tells it: `type` and `data` of the envelope, and what else of it the
 * writer knows (`id`, `version`, `time`, `subject`, `seq`, `causationId`). Rows of the ledger carry none. What happened
 * stands in transfers and postings, which never change; how an account stands is read when it is published, so that the
 * newest state goes out and not each one on the way.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { eventText } from '../events/envelope.ts';
import { movementType } from '../events/movement.ts';
import { stampOf } from '../kinesis/stamp.ts';
import type { Lines } from '../postgres/lines.ts';
import { OUTBOX_TARGET, type OutboxTarget } from '../postgres/outboxTargets.ts';
import { OUTBOX_SHARD } from './lead.ts';
import type { OutboxRow, Source } from './target.ts';

/**
 * The oldest rows, until they hold the wanted number of events; the last one may hold more. `told` is what a row says
 * itself: one event, or as many in a list as it has keys. The list is taken apart once: to fetch each event out of it would
 * unpack the whole of it for each, seconds of a core for some hundred.
 */
const OLDEST = `
  select o.id, n.ord, n.key, n.event_id, n.trace, o.created_at, coalesce(n.told, o.payload) as told
  from (select *, sum(cardinality(keys)) over (order by id) - cardinality(keys) as before
        from (select * from ops.outbox where target = $1 order by id limit $2) oldest) o
    cross join lateral rows from (
      unnest(o.keys, o.event_ids, o.traces),
      jsonb_array_elements(case jsonb_typeof(o.payload) when 'array' then o.payload end)
    ) with ordinality as n(key, event_id, trace, told, ord)
  where o.before < $2 and n.key is not null`;

const WRITTEN_AT = '(extract(epoch from o.created_at) * 1000)::bigint';
const ISO = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`;

/** What rows of the ledger tell: of a transfer, read from rows that never change. */
const MOVEMENT = `json_build_object(
        'transferId', t.id,
        'reason', t.reason,
        'rule', json_build_object('id', t.rule_id, 'version', t.rule_version, 'trace', t.rule_trace),
        'method', e.method, 'officer', e.officer, 'civilian', e.civilian, 'zip', e.zip,
        'metBy', case when e.met_rule is not null
          then json_build_object('id', e.met_rule, 'version', e.met_rule_version) end,
        'legs', (select json_agg(
            case when p.account_id = '${MINT_ACCOUNT}'
              then json_build_object('account', p.account_id, 'delta', p.delta)
              else json_build_object('account', p.account_id, 'delta', p.delta,
                'balance', p.balance_after, 'version', p.account_version_after) end order by p.seq)
          from ledger.posting p where p.transfer_id = t.id))`;

/** The columns of {@link Column}. */
const EVENTS = `
    select o.id, o.ord, o.key, ${WRITTEN_AT}, o.trace, coalesce(o.told ->> 'id', o.event_id::text),
      coalesce(o.told ->> 'type', case when e.id is not null then 'encounter' else t.reason end),
      coalesce(o.told ->> 'version', '1'),
      coalesce(o.told ->> 'time', to_char(coalesce(t.at, o.created_at) at time zone 'UTC', ${ISO})),
      coalesce(o.told ->> 'subject', o.key::text),
      case when o.told is not null then o.told ->> 'seq'
        else (select p.account_version_after::text from ledger.posting p
              where p.transfer_id = t.id and p.account_id = o.key limit 1) end,
      o.told ->> 'causationId',
      t.shard, t.epoch,
      case when o.told is not null then coalesce(o.told -> 'data', '{}')::text else (${MOVEMENT})::text end,
      o.told is null,
      o.told is null and exists (select from ledger.posting p
        where p.transfer_id = t.id and p.account_id = '${MINT_ACCOUNT}' and p.delta < 0)
    from (${OLDEST}) o
      left join ledger.transfer t on t.id = o.event_id
      left join meet.encounter e on o.told is null and e.id = o.event_id
    where o.told is not null or t.id is not null
    order by o.id, o.ord`;

const READ: Record<OutboxTarget, string> = {
  userEvents: EVENTS,
  transactions: EVENTS,
  balances: `
    select o.id, o.ord, o.key, ${WRITTEN_AT}, json_build_object('balance', sum(a.balance)::text, 'version', sum(a.version)::text)::text
    from (${OLDEST}) o join ledger.account a on a.account_id = o.key
    group by o.id, o.ord, o.key, o.created_at order by o.id, o.ord`,
  catalogs: `
    select o.id, o.ord, o.key, ${WRITTEN_AT}, json_build_object('id', c.id, 'kind', c.kind, 'name', c.name, 'account', c.account,
      'zip', c.zip, 'status', c.status, 'version', c.version::text)::text
    from (${OLDEST}) o join giving.catalog c on c.id = o.key
    order by o.id, o.ord`,
};

/**
 * Every removal holds the fence of the publisher's shard, like a commit holds that of its actor's: once a successor has
 * minted its epoch, the one before it removes nothing any more. Answers how many fences stood: one, or none.
 */
const FENCE = 'f as materialized (select from ops.shard_fence where shard = $3 and epoch = $4 for share)';
const REMOVE = `
  with ${FENCE}, gone as (
    delete from ops.outbox where target = $1 and id = any ($2::bigint[]) and exists (select from f))
  select count(*)::int from f`;

/** What is left of a row when the events in these places are taken out. */
const LEFT = `from unnest(o.keys, o.event_ids) with ordinality as n(key, event_id, ord)`;
const STAYS = 'n.key is not null and n.ord <> all ($5::bigint[])';
const SOME_STAY = `exists (select ${LEFT} where ${STAYS})`;
/** Those that arrived become null: the others keep their places, and so their numbers (`kinesis/stamp.ts`). */
const SHRINK = `
  with ${FENCE}, shrunk as (
    update ops.outbox o set
      keys = array(select case when ${STAYS} then n.key end ${LEFT} order by n.ord),
      event_ids = case when o.event_ids is not null
        then array(select case when ${STAYS} then n.event_id end ${LEFT} order by n.ord) end
    where target = $1 and id = any ($2::bigint[]) and exists (select from f) and ${SOME_STAY}),
  gone as (
    delete from ops.outbox o
    where target = $1 and id = any ($2::bigint[]) and exists (select from f) and not ${SOME_STAY})
  select count(*)::int from f`;

export class PgOutboxSource implements Source {
  readonly #lines: Lines;
  readonly #target: OutboxTarget;
  /** Events in each row of the last read. */
  readonly #sizes = new Map<string, number>();

  constructor(lines: Lines, target: OutboxTarget) {
    this.#lines = lines;
    this.#target = target;
  }

  async read(limit: number): Promise<OutboxRow[]> {
    // a node that starts asks before its first connection stands
    await this.#lines.tried();
    const rows = await this.#lines.run({
      name: `outbox_${this.#target}`,
      text: READ[this.#target],
      values: [OUTBOX_TARGET[this.#target], limit],
    });
    this.#sizes.clear();
    for (const row of rows) this.#sizes.set(String(row[0]), (this.#sizes.get(String(row[0])) ?? 0) + 1);
    const isStream = this.#target !== 'balances' && this.#target !== 'catalogs';
    return rows.map(row => {
      const [id, place, key] = [String(row[0]), String(row[1]), String(row[2])];
      const body = isStream ? told(row) : String(row[4]);
      return { id: `${id}:${place}`, key, body, writtenAtMs: Number(row[3]) };
    });
  }

  /** Removes what was read and has arrived: whole rows are deleted, others shrink. */
  async remove(ids: readonly string[], epoch: number): Promise<boolean> {
    const arrived = new Map<string, string[]>();
    for (const id of ids) {
      const [row = '', place = ''] = id.split(':');
      const places = arrived.get(row);
      if (places) places.push(place);
      else arrived.set(row, [place]);
    }
    const whole: string[] = [];
    const partly: [row: string, places: string[]][] = [];
    for (const [row, places] of arrived) {
      if (places.length === this.#sizes.get(row)) whole.push(row);
      else partly.push([row, places]);
    }
    let ours = true;
    if (whole.length > 0) ours = await this.#fenced('outbox_remove', REMOVE, whole, null, epoch);
    for (const [row, places] of partly) {
      ours &&= await this.#fenced('outbox_shrink', SHRINK, [row], places, epoch);
      this.#sizes.delete(row);
    }
    return ours;
  }

  async depth(max: number): Promise<number> {
    const rows = await this.#lines.run({
      name: 'outbox_depth',
      text: 'select sum(cardinality(keys)) from (select keys from ops.outbox where target = $1 limit $2) o',
      values: [OUTBOX_TARGET[this.#target], max],
    });
    return Number(rows[0]?.[0] ?? 0);
  }

  async #fenced(
    name: string,
    text: string,
    rows: readonly string[],
    places: readonly string[] | null,
    epoch: number,
  ): Promise<boolean> {
    const fence = [OUTBOX_TARGET[this.#target], rows, OUTBOX_SHARD[this.#target], epoch];
    const values = places === null ? fence : [...fence, places];
    const [answer] = await this.#lines.run({ name, text, values });
    return answer?.[0] === 1;
  }
}

/** What a row of {@link EVENTS} holds, in its order. */
type Column = readonly [
  id: string,
  place: number,
  key: string,
  writtenAtMs: string,
  trace: string | null,
  event: string | null,
  /** Of an event that tells of itself; else why points moved. */
  type: string,
  version: string,
  time: string,
  subject: string,
  seq: string | null,
  cause: string | null,
  shard: number | null,
  epoch: number | null,
  data: string,
  isMovement: boolean,
  isAward: boolean,
];

function told(row: readonly unknown[]): string {
  const [id, place, key, , trace, event, type, ...more] = row as unknown as Column;
  const [version, time, subject, seq, causationId, shard, epoch, ...rest] = more;
  const [data, isMovement, isAward] = rest;
  const owned = shard !== null && epoch !== null;
  return eventText({
    stamp: stampOf(id, Number(place), key, owned ? Number(shard) : null, owned ? Number(epoch) : null),
    trace,
    // numbers of rows begin anew in another database
    id: event ?? derivedId('outbox', id, String(place), key, time),
    type: isMovement ? movementType(type, isAward) : type,
    version: Number(version),
    time,
    subject,
    seq: seq === null ? null : Number(seq),
    causationId,
    data,
  });
}
