/**
 * What other stores know is made again from the ledger: the outbox of the restored database gets every balance, every entry of
 * the catalogues, and every movement that a stream would still remember. Publishers do the rest when a node starts.
 *
 * Movements that waited when the backup was made wait again, behind those that were told: per account the order stays. Readers
 * know an event by its id, so what they are told twice counts once.
 */
import type pg from 'pg';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { OUTBOX_TARGET } from '../postgres/outboxTargets.ts';
import { KEYS_PER_ROW, TOLD_AGAIN_H } from './limits.ts';

/** Under whose key a movement goes into its stream, as `subjectOf` in nodes/ledgerRules.ts says. */
const SUBJECT = `coalesce(
  (select e.civilian from meet.encounter e where e.id = t.id),
  (select p.account_id from ledger.posting p
    where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}' order by p.delta >= 0, p.seq limit 1),
  '${MINT_ACCOUNT}')`;

const inRows = (target: number, ordered: string, ids: string): string => `
  insert into ops.outbox (target, keys, event_ids, created_at)
  select ${target}, array_agg(key order by n), ${ids}, now()
  from (select *, row_number() over () as n from (${ordered}) o) o
  group by (n - 1) / ${KEYS_PER_ROW} order by (n - 1) / ${KEYS_PER_ROW}`;

const ONE_BY_ONE = 'array_agg(event order by n)';

/**
 * Within the transaction that restores. The town gets another name: phones may know of events that came after the backup, and
 * must not take those that now get the same numbers for what they have already.
 */
export const tellAgain = async (client: pg.Client, at: string): Promise<void> => {
  await client.query('update ops.town set id = gen_random_uuid()');
  await client.query('create temporary table waiting on commit drop as select * from ops.outbox');
  await client.query('delete from ops.outbox');
  const movements = `select t.id as event, ${SUBJECT} as key from ledger.transfer t
    where t.at >= $1::timestamptz - interval '${TOLD_AGAIN_H} hours'
      and exists (select from ledger.posting p where p.transfer_id = t.id) order by t.at, t.id`;
  await client.query(inRows(OUTBOX_TARGET.transactions, movements, ONE_BY_ONE), [at]);
  const accounts = `select account_id as key from ledger.account where account_id <> '${MINT_ACCOUNT}'
    group by 1 having sum(version) > 0 order by 1`;
  await client.query(inRows(OUTBOX_TARGET.balances, accounts, 'null'));
  const entries = 'select id as key from giving.catalog order by 1';
  await client.query(inRows(OUTBOX_TARGET.catalogs, entries, 'null'));
  await client.query(`insert into ops.outbox (target, keys, event_ids, traces, payload, created_at)
    select target, keys, event_ids, traces, payload, now() from waiting
    where target in (${OUTBOX_TARGET.userEvents}, ${OUTBOX_TARGET.transactions}) order by id`);
};
