/** Does the ledger add up? Every sum is taken again from the postings; nothing that the ledger says of itself is believed. */
import type { SqlCheck } from './sqlChecks.ts';

export const LEDGER_CHECKS: readonly SqlCheck[] = [
  {
    name: 'transfer-sums',
    about: 'debits and credits of every transfer are the same, and none of its postings is lost',
    of: 'ledger.posting',
    sql: `select transfer_id as id, 'has ' || count(*) || ' postings that sum to ' || sum(delta) as what
      from ledger.posting group by transfer_id
      having sum(delta) <> 0 or count(*) < 2 or max(seq) - min(seq) + 1 <> count(*)`,
  },
  {
    name: 'transfer-postings',
    about: 'every transfer has postings, every posting its transfer',
    of: 'ledger.transfer',
    sql: `select t.id, 'is a transfer without postings' as what from ledger.transfer t
        where not exists (select from ledger.posting p where p.transfer_id = t.id)
      union all
      select distinct p.transfer_id, 'has postings and is no transfer' from ledger.posting p
        where not exists (select from ledger.transfer t where t.id = p.transfer_id)`,
  },
  {
    name: 'ledger-total',
    about: 'all balances together are zero, and so are all postings',
    of: 'ledger.account',
    sql: `select 'all accounts' as id, 'have ' || balances || ' points together, their postings ' || postings as what
      from (select (select coalesce(sum(balance), 0) from ledger.account) as balances,
                   (select coalesce(sum(delta), 0) from ledger.posting) as postings) s
      where balances <> 0 or postings <> 0`,
  },
  {
    name: 'account-balance',
    about: 'the row of every account is the sum of its postings, at the version of the last one',
    of: 'ledger.account',
    sql: `select account_id as id, 'stripe ' || stripe || ' says ' || coalesce(a.balance::text, 'nothing') || ' at version '
          || coalesce(a.version, 0) || ', its postings make ' || coalesce(p.total, 0) || ' at ' || coalesce(p.newest, 0) as what
      from ledger.account a
        full join (select account_id, stripe, sum(delta) as total, max(account_version_after) as newest
                   from ledger.posting group by 1, 2) p using (account_id, stripe)
      where a.balance is distinct from coalesce(p.total, 0) or a.version is distinct from coalesce(p.newest, 0)`,
  },
  {
    name: 'posting-chain',
    about:
      'versions of an account follow each other without a gap, each balance the one before and the change',
    of: 'ledger.posting',
    sql: `select transfer_id as id, 'account ' || account_id || ' stripe ' || stripe || ': ' || before || ' (version ' || older
          || ') and ' || delta || ' make ' || balance_after || ' (version ' || account_version_after || ')' as what
      from (select p.*, lag(balance_after, 1, 0::bigint) over w as before, lag(account_version_after, 1, 0::bigint) over w as older
            from ledger.posting p
            window w as (partition by account_id, stripe order by account_version_after, transfer_id)) c
      where account_version_after <> older + 1 or balance_after <> before + delta`,
  },
  {
    name: 'posting-times',
    about: 'the times of an account rise with its versions',
    of: 'ledger.posting',
    sql: `select id, 'account ' || account_id || ': version ' || account_version_after || ' is older than the one before' as what
      from (select t.id, p.account_id, p.account_version_after, t.at,
              lag(t.at) over (partition by p.account_id, p.stripe order by p.account_version_after) as earlier
            from ledger.posting p join ledger.transfer t on t.id = p.transfer_id) c
      where at < earlier`,
  },
  {
    name: 'available',
    about: 'what can be spent of an account is never below zero',
    of: 'ledger.account',
    sql: `select account_id as id, 'has ' || balance || ' points and ' || reserved || ' of them set aside' as what
      from ledger.account where reserved < 0 or limited and balance - reserved < 0`,
  },
  {
    name: 'idempotency',
    about: 'every key that is remembered leads to something that is there',
    of: 'ops.idempotency',
    sql: `select i.transfer_id as id, 'is what the key ' || i.key || ' of ' || i.user_id || ' leads to, and is not there' as what
      from ops.idempotency i
      where not exists (select from ledger.transfer t where t.id = i.transfer_id)
        and not exists (select from ledger.pending p where p.id = i.transfer_id)
        and not exists (select from meet.hold h where h.encounter_id = i.transfer_id)`,
  },
  {
    name: 'burned',
    about: 'an id that was refused for good has moved nothing',
    of: 'ledger.burned',
    sql: `select b.id, 'was refused and has moved points all the same' as what
      from ledger.burned b
      where exists (select from ledger.transfer t where t.id = b.id)
        or exists (select from ledger.pending p where p.id = b.id)`,
  },
];
