/**
 * What PostgreSQL holds at the end of a run, told again in the order of its commits to the checkers of the simulation:
 * real processes and simulated ones are judged by the same code.
 */
import { Client } from 'pg';
import { MINT_ACCOUNT, type Posting } from '../../actors/durable.ts';
import type { CommitEntry, EntryOutcome } from '../../nodes/ports.ts';
import { Acknowledged } from '../../nodes/simulation/checkers/acknowledged.ts';
import { AppliedOnce } from '../../nodes/simulation/checkers/appliedOnce.ts';
import { Epochs } from '../../nodes/simulation/checkers/epochs.ts';
import type { CheckerName, Judge } from '../../nodes/simulation/checkers/judge.ts';
import { PairScore } from '../../nodes/simulation/checkers/pairScore.ts';
import { Truth } from '../../nodes/simulation/checkers/truth.ts';
import { History, type Op } from '../../nodes/simulation/history.ts';

/** One transfer as PostgreSQL keeps it. */
export interface Row {
  readonly id: string;
  readonly shard: number | null;
  readonly epoch: number | null;
  readonly atMs: number;
  readonly officer: string | null;
  readonly civilian: string | null;
  readonly userId: string | null;
  readonly key: string | null;
  readonly postings: Posting[];
}

/** Rows of one group have one time; versions of an account tell their order. */
const READ = `
  select t.id, t.shard, t.epoch::float8 as epoch, (extract(epoch from t.at) * 1000)::float8 as "atMs",
    e.officer, e.civilian, i.user_id as "userId", i.key,
    (select json_agg(json_build_object('account', p.account_id, 'delta', p.delta, 'balance', p.balance_after,
        'version', p.account_version_after) order by p.seq)
      from ledger.posting p where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}') as postings
  from ledger.transfer t
    left join meet.encounter e using (id)
    left join ops.idempotency i on i.transfer_id = t.id
  order by t.at, t.epoch, (select min(p.account_version_after) from ledger.posting p
    where p.transfer_id = t.id and p.account_id <> '${MINT_ACCOUNT}')`;

/** What one reader found wrong, by the checker that found it. */
export interface Findings {
  readonly problems: { readonly checker: CheckerName; readonly words: string }[];
  /** Owners (shard and epoch) that committed something. */
  readonly owners: number;
  readonly truth: Truth;
}

const entryOf = (row: Row): CommitEntry => {
  const idempotency =
    row.userId === null || row.key === null ? null : { userId: row.userId, key: row.key, requestHash: '' };
  const rule = { id: '', version: 0 };
  const { id, officer, civilian } = row;
  const op: CommitEntry['op'] =
    officer === null || civilian === null
      ? { type: 'transfer', id, reason: '', legs: [], rule, idempotency }
      : {
          type: 'encounter',
          id,
          officer,
          civilian,
          method: 'qr',
          cell: '',
          rule,
          officerPoints: 0,
          civilianPoints: 0,
          cooldownS: 0,
          idempotency,
        };
  return { shard: row.shard ?? -1, epoch: row.epoch ?? -1, op };
};

/** Judges commands by the ledger. `client` reads with one statement, so what it sees is one moment. */
export const judgeByLedger = async (
  databaseUrl: string,
  ops: readonly Op[],
  cooldownH = 24,
): Promise<Findings> => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  let rows: Row[];
  try {
    rows = (await client.query<Row>(READ)).rows;
  } finally {
    await client.end();
  }
  return judgeRows(rows, ops, cooldownH);
};

/** The same over rows in the order of their commits. */
export const judgeRows = (rows: readonly Row[], ops: readonly Op[], cooldownH: number): Findings => {
  const problems: Findings['problems'] = [];
  const judge: Judge = { fail: (checker, words) => problems.push({ checker, words }) };
  const truth = new Truth();
  const epochs = new Epochs(judge);
  const newest = new Map<number, number>();
  const owners = new Set<string>();
  for (const row of rows) {
    const entry = entryOf(row);
    const outcome: EntryOutcome = {
      id: row.id,
      code: 'created',
      atMs: row.atMs,
      postings: row.postings ?? [],
    };
    truth.committed('', entry, outcome, row.atMs);
    if (row.shard === null || row.epoch === null) continue;
    // The store's own order: a newer epoch in a row was minted before it.
    if (row.epoch > (newest.get(row.shard) ?? -1)) {
      newest.set(row.shard, row.epoch);
      epochs.minted('', row.shard, row.epoch);
    }
    owners.add(`${row.shard}/${row.epoch}`);
    epochs.committed('', entry, outcome);
  }
  for (const postings of truth.postings.values()) postings.sort((a, b) => a.version - b.version);
  const history = new History();
  history.ops.push(...ops);
  new Acknowledged(judge, truth).judge(history);
  new AppliedOnce(judge, truth).judge();
  new PairScore(judge, cooldownH * 3_600_000, () => null).judge(truth);
  return { problems, owners: owners.size, truth };
};
