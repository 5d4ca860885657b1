/**
 * The peer of the ledger benchmark: the same transfer in a transaction of its own, written as one would write it with
 * care: prepared statements on the node's own connections, accounts locked in order, the same checks, the same rows in
 * the same tables. What it does not do is share a commit with others.
 */
import pg from 'pg';
import type { TransferOp } from '../../actors/durable.ts';
import { canonicalOf, subjectOf } from '../../nodes/ledgerRules.ts';
import type { CommitEntry } from '../../nodes/ports.ts';
import { requestHash } from './commitCodec.ts';
import { OUTBOX_TARGET } from './outboxTargets.ts';

/** One connection that applies transfers one by one. */
export class NaiveLedger {
  readonly #client: pg.Client;

  constructor(url: string) {
    this.#client = new pg.Client({ connectionString: url });
    this.#client.on('error', () => {}); // the query that fails tells
  }

  connect(): Promise<unknown> {
    return this.#client.connect();
  }

  end(): Promise<void> {
    return this.#client.end();
  }

  /** Seven round trips, one commit. */
  async apply(entry: CommitEntry): Promise<void> {
    const op = entry.op as TransferOp;
    await this.#client.query('begin');
    try {
      await this.#write(entry, op);
      await this.#client.query('commit');
    } catch (error) {
      await this.#client.query('rollback');
      throw error;
    }
  }

  async #write({ shard, epoch }: CommitEntry, op: TransferOp): Promise<void> {
    const fence = await this.#run(
      'fence',
      'select epoch from ops.shard_fence where shard = $1 and epoch = $2 for share',
      [shard, epoch],
    );
    if (fence.length === 0) throw new Error('stale epoch');
    const made = await this.#run(
      'transfer',
      `insert into ledger.transfer (id, reason, rule_id, rule_version, request_hash, at)
       values ($1, $2, $3, $4, $5, now()) on conflict (id) do nothing returning id`,
      [op.id, op.reason, op.rule.id, op.rule.version, requestHash(canonicalOf(op))],
    );
    if (made.length === 0) throw new Error('this transfer exists');
    const accounts = op.legs.map(leg => leg.account);
    const locked = await this.#run(
      'lock',
      `select account_id, balance, version, limited from ledger.account
       where account_id = any ($1) and stripe = 0 order by account_id for update`,
      [accounts],
    );
    const legs = op.legs.map(leg => {
      const account = locked.find(row => row.account_id === leg.account);
      if (!account) throw new Error('no such account');
      const balance = Number(account.balance) + leg.delta;
      if (balance < 0 && account.limited) throw new Error('not enough points');
      return { ...leg, balance, version: Number(account.version) + 1 };
    });
    const columns = [accounts, legs.map(leg => leg.balance), legs.map(leg => leg.version)];
    await this.#run(
      'update',
      `update ledger.account a set balance = n.balance, version = n.version
       from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as n(account_id, balance, version)
       where a.account_id = n.account_id and a.stripe = 0`,
      columns,
    );
    await this.#run(
      'postings',
      `insert into ledger.posting (transfer_id, seq, account_id, stripe, delta, balance_after, account_version_after)
       select $4, n.seq, n.account_id, 0, n.delta, n.balance, n.version
       from unnest($1::uuid[], $2::bigint[], $3::bigint[], $5::bigint[]) with ordinality
         as n(account_id, balance, version, delta, seq)`,
      [...columns, op.id, legs.map(leg => leg.delta)],
    );
    await this.#run(
      'outbox',
      `insert into ops.outbox (target, keys, event_ids)
       values (${OUTBOX_TARGET.transactions}, array[$1::uuid], array[$2::uuid]), (${OUTBOX_TARGET.balances}, $3::uuid[], null)`,
      [subjectOf(op), op.id, accounts],
    );
  }

  async #run(name: string, text: string, values: unknown[]): Promise<Record<string, unknown>[]> {
    return (await this.#client.query({ name, text, values })).rows;
  }
}
