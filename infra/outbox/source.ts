/**
 * The outbox table as the source of publishers: the oldest events of a target, with what they tell. A row of the table
 * holds the events of one group.
 *
 * Rows of the ledger carry no text of their own. What happened stands in transfers and postings, which never change; how
 * an account stands is read when it is published, so that the newest state goes out and not each one on the way.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import type { Lines } from '../postgres/lines.ts';
import { OUTBOX_TARGET, type OutboxTarget } from '../postgres/outboxTargets.ts';
import type { OutboxRow, Source } from './target.ts';

/** The oldest rows, until they hold the wanted number of events; the last one may hold more. */
const OLDEST = `
  select o.id, n.ord, n.key, n.event_id, coalesce(n.event_id, n.key) as name, o.payload
  from (select id, keys, event_ids, payload, sum(cardinality(keys)) over (order by id) - cardinality(keys) as before
        from (select * from ops.outbox where target = $1 order by id limit $2) oldest) o
    cross join lateral unnest(o.keys, o.event_ids) with ordinality as n(key, event_id, ord)
  where o.before < $2`;

const READ: Record<OutboxTarget, string> = {
  userEvents: `select o.id, o.name, o.key, o.payload::text from (${OLDEST}) o order by o.id, o.ord`,
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
          from ledger.posting p where p.transfer_id = t.id)))::text
    from (${OLDEST}) o
      join ledger.transfer t on t.id = o.event_id
      left join meet.encounter e on e.id = o.event_id
    order by o.id, o.ord`,
  balances: `
    select o.id, o.name, o.key, json_build_object('balance', sum(a.balance)::text, 'version', sum(a.version)::text)::text
    from (${OLDEST}) o join ledger.account a on a.account_id = o.key
    group by o.id, o.ord, o.name, o.key order by o.id, o.ord`,
};

/** Takes events out of a row by their names, not their names: another node may have done the same a moment ago. */
const LEFT =
  'unnest(o.keys, o.event_ids) with ordinality as n(key, event_id, ord) where coalesce(event_id, key) <> all ($3)';
const SHRINK = `
  with shrunk as (
    update ops.outbox o set
      keys = array(select key from ${LEFT} order by ord),
      event_ids = case when o.event_ids is not null then array(select event_id from ${LEFT} order by ord) end
    where target = $1 and id = $2)
  delete from ops.outbox o where target = $1 and id = $2 and not exists (select from ${LEFT})`;

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
    return rows.map(row => ({ id: `${row[0]}:${row[1]}`, key: String(row[2]), body: String(row[3]) }));
  }

  /** Removes what was read and has arrived: whole rows are deleted, others shrink. */
  async remove(ids: readonly string[]): Promise<void> {
    const arrived = new Map<string, string[]>();
    for (const id of ids) {
      const [row = '', name = ''] = id.split(':');
      arrived.set(row, [...(arrived.get(row) ?? []), name]);
    }
    const whole = [...arrived].filter(([row, names]) => names.length === this.#sizes.get(row));
    const partly = [...arrived].filter(([row, names]) => names.length !== this.#sizes.get(row));
    const target = OUTBOX_TARGET[this.#target];
    if (whole.length > 0) {
      await this.#lines.run({
        name: 'outbox_remove',
        text: 'delete from ops.outbox where target = $1 and id = any ($2)',
        values: [target, whole.map(([row]) => row)],
      });
    }
    for (const [row, names] of partly) {
      await this.#lines.run({ name: 'outbox_shrink', text: SHRINK, values: [target, row, names] });
      this.#sizes.delete(row);
    }
  }

  async depth(max: number): Promise<number> {
    const rows = await this.#lines.run({
      name: 'outbox_depth',
      text: 'select sum(cardinality(keys)) from (select keys from ops.outbox where target = $1 limit $2) o',
      values: [OUTBOX_TARGET[this.#target], max],
    });
    return Number(rows[0]?.[0] ?? 0);
  }
}
