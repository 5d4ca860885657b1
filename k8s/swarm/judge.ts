/**
 * The reckoning after a run against failing nodes, from what the phones wrote down and what PostgreSQL holds: nothing
 * acknowledged is lost, nothing happened twice, the points are those that were promised, and no shard was ever written
 * by an older owner after a newer one.
 */
import { Client } from 'pg';
import type { Op } from '../../nodes/simulation/history.ts';
import { auditLedger } from './ledgerAudit.ts';
import { judgeByLedger } from './ledgerTruth.ts';
import type { MeetOp } from './meetings.ts';

/** What a load wrote down. */
export interface Record {
  readonly history: readonly MeetOp[];
  readonly ops: readonly Op[];
}

export interface StoredMeeting {
  readonly id: string;
  readonly officer: string;
  readonly civilian: string;
  readonly civilianPoints: number;
}

export interface Verdict {
  readonly acknowledged: number;
  readonly lost: number;
  readonly doubled: number;
  /** Transfers of an older owner after one of a newer owner of the same shard. */
  readonly interleaved: number;
  /** Owners (shard and epoch) that committed something. */
  readonly owners: number;
  readonly problems: string[];
}

/** What phones were told, against what is stored. */
export const judgeMeetings = (history: readonly MeetOp[], stored: readonly StoredMeeting[]) => {
  const byId = new Map(stored.map(one => [one.id, one]));
  const problems: string[] = [];
  let lost = 0;
  let doubled = 0;
  for (const op of history) {
    for (const id of op.acknowledged) {
      const row = byId.get(id);
      if (row?.officer === op.officerId && row.civilian === op.civilianId) {
        if (row.civilianPoints !== op.points)
          problems.push(`encounter ${id} promised ${op.points} points and stored ${row.civilianPoints}`);
        continue;
      }
      lost++;
      problems.push(`lost: encounter ${id} of ${op.officerId} and ${op.civilianId} was acknowledged`);
    }
    if (new Set(op.acknowledged).size > 1) {
      doubled++;
      problems.push(`doubled: ${op.officerId} and ${op.civilianId} were told ${op.acknowledged}`);
    }
  }
  return { acknowledged: history.filter(op => op.outcome === 'ok').length, lost, doubled, problems };
};

/** Every meeting that is stored, and how many transfers are of epochs that nobody minted. */
export const readMeetings = async (databaseUrl: string) => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows: meetings } = await client.query<StoredMeeting>(
      `select id, officer, civilian, civilian_points::int as "civilianPoints" from meet.encounter`,
    );
    const ahead = await client.query(
      `select 1 from ledger.transfer t join ops.shard_fence f using (shard) where t.epoch > f.epoch`,
    );
    return { meetings, ahead: ahead.rowCount ?? 0 };
  } finally {
    await client.end();
  }
};

/** Everything that the final state of PostgreSQL can tell about a run; the load may go on meanwhile. */
export const judge = async (databaseUrl: string, record: Record, cooldownH = 24): Promise<Verdict> => {
  // What was acknowledged up to now must be there now. An answer on its way is not yet an answer.
  const history = record.history.map(op => ({ ...op, acknowledged: [...op.acknowledged] }));
  const ops = record.ops.map(op => ({ ...op }));
  const { meetings, ahead } = await readMeetings(databaseUrl);
  const told = judgeMeetings(history, meetings);
  const found = await judgeByLedger(databaseUrl, ops, cooldownH);
  const count = (checker: string): number => found.problems.filter(one => one.checker === checker).length;
  const words = [...told.problems, ...found.problems.map(one => `${one.checker}: ${one.words}`)];
  return {
    acknowledged: told.acknowledged,
    lost: Math.max(told.lost, count('nothing acknowledged is lost')),
    doubled: Math.max(told.doubled, count('nothing applied twice') + count('one score per pair and day')),
    interleaved: count('epochs never interleave'),
    owners: found.owners,
    problems: [
      ...words.slice(0, 20),
      ...(meetings.length > 0 && found.owners === 0 ? ['no transfer says its shard and epoch'] : []),
      ...(ahead > 0 ? [`${ahead} transfers are of epochs that were never minted`] : []),
      ...(await auditLedger(databaseUrl, cooldownH)),
    ],
  };
};

/** Encounters that are stored and that one of the two was never told of. */
export const untold = (
  stored: readonly StoredMeeting[],
  told: ReadonlyMap<string, ReadonlySet<string>>,
): StoredMeeting[] =>
  stored.filter(one => !told.get(one.officer)?.has(one.id) || !told.get(one.civilian)?.has(one.id));
