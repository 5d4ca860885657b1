/**
 * An auditor of the ledger who believes nothing it says about itself: every transfer sums to zero, every balance is the
 * sum of its postings, every version stands once, every meeting has its transfer, and nobody met the same person twice
 * inside the cooldown.
 */
import { Client } from 'pg';

const CHECKS: readonly (readonly [problem: string, sql: string])[] = [
  [
    'transfers that do not sum to zero',
    `select transfer_id from ledger.posting group by 1 having sum(delta) <> 0`,
  ],
  [
    'accounts whose balance is not the sum of their postings',
    `select a.account_id from ledger.account a
       left join (select account_id, stripe, sum(delta) as total, count(*) as moves from ledger.posting group by 1, 2) p
         using (account_id, stripe)
       where a.balance <> coalesce(p.total, 0) or a.version <> coalesce(p.moves, 0)`,
  ],
  ['points that do not sum to zero', `select 1 from ledger.account having sum(balance) <> 0`],
  ['balances below zero', `select account_id from ledger.account where limited and balance < 0`],
  [
    'encounters without their transfer',
    `select e.id from meet.encounter e left join ledger.transfer t using (id) where t.id is null`,
  ],
  [
    'encounters that paid something else than they say',
    `select e.id from meet.encounter e
       join ledger.posting p on p.transfer_id = e.id and p.account_id in (e.officer, e.civilian)
       group by e.id, e.officer_points, e.civilian_points
       having count(*) <> 2 or sum(p.delta) <> e.officer_points + e.civilian_points`,
  ],
  [
    'pairs that met twice within the cooldown',
    `select a.id from meet.encounter a
       join meet.encounter b on a.officer = b.officer and a.civilian = b.civilian and a.id <> b.id
         and b.at >= a.at and b.at < a.at + make_interval(secs => COOLDOWN_S)`,
  ],
];

/** What is wrong, one sentence each; empty when the ledger adds up. */
export const auditLedger = async (databaseUrl: string, cooldownH = 24): Promise<string[]> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const problems: string[] = [];
    for (const [problem, sql] of CHECKS) {
      const { rowCount } = await client.query(sql.replace('COOLDOWN_S', String(cooldownH * 3_600)));
      if (rowCount) problems.push(`${rowCount} ${problem}`);
    }
    return problems;
  } finally {
    await client.end();
  }
};
