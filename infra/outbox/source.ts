/**
 * The outbox table as the source of publishers: the oldest events of a target, with what they tell. A row of the table
 * holds the events of one group.
 *
 * Rows of the ledger carry no text of their own. What happened stands in transfers and postings, which never change; how
 * an account stands is read when it is published, so that the newest state goes out and not each one on the way.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { stamped, stampOf } from '../kinesis/stamp.ts';
import type { Lines } from '../postgres/lines.ts';
import { OUTBOX_TARGET, type OutboxTarget } from '../postgres/outboxTargets.ts';
import { OUTBOX_SHARD } from './lead.ts';
import type { OutboxRow, Source } from './target.ts';

/** The oldest rows, until they hold the wanted number of events; the last one may hold more. */
const OLDEST = `
  select o.id, n.ord, n.key, n.event_id, coalesce(n.event_id, n.key) as name, n.trace, o.payload
  from (select *, sum(cardinality(keys)) over (order by id) - cardinality(keys) as before
        from (select * from ops.outbox where target = $1 order by id limit $2) oldest) o
    cross join lateral unnest(o.keys, o.event_ids, o.traces) with ordinality as n(key, event_id, trace, ord)
  where o.before < $2 and n.key is not null`;

const READ: Record<OutboxTarget, string> = {
  userEvents: `select o.id, o.name, o.key, o.payload::text, o.ord, null, null, o.trace
    from (${OLDEST}) o order by o.id, o.ord`,
  transactions: `
    select o.id, o.name, o.key, json_build_object(
      'id', t.id,
      'source', 'heyblue/ledger',
      'type', case when e.id is null then 'points.transferred' else 'encounter.recorded' end,
      'version', 1,
      'time', to_char(t.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'subject', o.key,
      'seq', (select p.account_version_after from ledger.posting p
              where p.transfer_id = t.id and p.account_id = o.key limit 1),
      'data', json_build_object(
        'transferId', t.id,
        'reason', t.reason,
        'rule', json_build_object('id', t.rule_id, 'version', t.rule_version),
        'method', e.method, 'officer', e.officer, 'civilian', e.civilian,
        'legs', (select json_agg(
            case when p.account_id = '${MINT_ACCOUNT}'
              then json_build_object('account', p.account_id, 'delta', p.delta)
              else json_build_object('account', p.account_id, 'delta', p.delta,
                'balance', p.balance_after, 'version', p.account_version_after) end order by p.seq)
          from ledger.posting p where p.transfer_id = t.id)))::text, o.ord, t.shard, t.epoch, o.trace
    from (${OLDEST}) o
      join ledger.transfer t on t.id = o.event_id
      left join meet.encounter e on e.id = o.event_id
    order by o.id, o.ord`,
  balances: `
    select o.id, o.name, o.key, json_build_object('balance', sum(a.balance)::text, 'version', sum(a.version)::text)::text
    from (${OLDEST}) o join ledger.account a on a.account_id = o.key
    group by o.id, o.ord, o.name, o.key order by o.id, o.ord`,
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

/** What is left of a row when the named events are taken out. */
const LEFT = `from unnest(o.keys, o.event_ids) with ordinality as n(key, event_id, ord)`;
const STAYS = 'coalesce(n.event_id, n.key) <> all ($5::uuid[])';
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
    const isStream = this.#target !== 'balances';
    return rows.map(row => {
      const [id, name, key, body] = [String(row[0]), String(row[1]), String(row[2]), String(row[3])];
      return { id: `${id}:${name}`, key, body: isStream ? stampedBody(id, key, body, row) : body };
    });
  }

  /** Removes what was read and has arrived: whole rows are deleted, others shrink. */
  async remove(ids: readonly string[], epoch: number): Promise<boolean> {
    const arrived = new Map<string, string[]>();
    for (const id of ids) {
      const [row = '', name = ''] = id.split(':');
      const names = arrived.get(row);
      if (names) names.push(name);
      else arrived.set(row, [name]);
    }
    const whole: string[] = [];
    const partly: [row: string, names: string[]][] = [];
    for (const [row, names] of arrived) {
      if (names.length === this.#sizes.get(row)) whole.push(row);
      else partly.push([row, names]);
    }
    let ours = true;
    if (whole.length > 0) ours = await this.#fenced('outbox_remove', REMOVE, whole, null, epoch);
    for (const [row, names] of partly) {
      ours &&= await this.#fenced('outbox_shrink', SHRINK, [row], names, epoch);
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
    names: readonly string[] | null,
    epoch: number,
  ): Promise<boolean> {
    const fence = [OUTBOX_TARGET[this.#target], rows, OUTBOX_SHARD[this.#target], epoch];
    const values = names === null ? fence : [...fence, names];
    const [answer] = await this.#lines.run({ name, text, values });
    return answer?.[0] === 1;
  }
}

function stampedBody(id: string, key: string, body: string, row: readonly unknown[]): string {
  const [place, shard, epoch, trace] = [row[4], row[5], row[6], row[7]];
  const owned = shard !== null && epoch !== null;
  const stamp = stampOf(id, Number(place), key, owned ? Number(shard) : null, owned ? Number(epoch) : null);
  return stamped(body, stamp, trace === null ? null : String(trace));
}
