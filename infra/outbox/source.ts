/**
 * The outbox table as the source of publishers: oldest rows of a target, with what they tell.
 *
 * Rows of the ledger carry no text of their own. What happened stands in transfers and postings, which never change; how
 * an account stands is read when it is published, so that the newest state goes out and not each one on the way.
 */
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import type { Lines } from '../postgres/lines.ts';
import { OUTBOX_TARGET, type OutboxTarget } from '../postgres/outboxTargets.ts';
import type { OutboxRow, Source } from './target.ts';

const OLDEST = 'select id, key, event_id, payload from ops.outbox where target = $1 order by id limit $2';

const READ: Record<OutboxTarget, string> = {
  userEvents: `select o.id, o.key, o.payload::text from (${OLDEST}) o order by o.id`,
  transactions: `
    select o.id, o.key, json_build_object(
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
    order by o.id`,
  balances: `
    select o.id, o.key, json_build_object('balance', sum(a.balance)::text, 'version', sum(a.version)::text)::text
    from (${OLDEST}) o join ledger.account a on a.account_id = o.key
    group by o.id, o.key order by o.id`,
};

export class PgOutboxSource implements Source {
  readonly #lines: Lines;
  readonly #target: OutboxTarget;

  constructor(lines: Lines, target: OutboxTarget) {
    this.#lines = lines;
    this.#target = target;
  }

  async read(limit: number): Promise<OutboxRow[]> {
    const rows = await this.#lines.run({
      name: `outbox_${this.#target}`,
      text: READ[this.#target],
      values: [OUTBOX_TARGET[this.#target], limit],
    });
    return rows.map(row => ({ id: String(row[0]), key: String(row[1]), body: String(row[2]) }));
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#lines.run({
      name: 'outbox_remove',
      text: 'delete from ops.outbox where target = $1 and id = any ($2)',
      values: [OUTBOX_TARGET[this.#target], ids],
    });
  }

  async depth(max: number): Promise<number> {
    const rows = await this.#lines.run({
      name: 'outbox_depth',
      text: 'select count(*) from (select from ops.outbox where target = $1 limit $2) o',
      values: [OUTBOX_TARGET[this.#target], max],
    });
    return Number(rows[0]?.[0] ?? 0);
  }
}
