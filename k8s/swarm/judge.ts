/**
 * The reckoning after a run against failing nodes, from what the phones wrote down and what PostgreSQL holds: nothing
 * acknowledged is lost, nothing happened twice, the points are those that were promised, and no shard was ever written
 * by an older owner after a newer one.
 */
import { Client } from 'pg';
import { auditLedger } from './ledgerAudit.ts';
import type { MeetOp } from './meetings.ts';

export interface StoredMeeting {
  readonly id: string;
  readonly officer: string;
  readonly civilian: string;
  readonly civilianPoints: number;
}

export interface StoredTransfer {
  readonly id: string;
  readonly shard: number;
  readonly epoch: number;
  /** The database's clock inside the fence, milliseconds. */
  readonly atMs: number;
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
  const ofPair = Map.groupBy(stored, one => `${one.officer}|${one.civilian}`);
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
    // A refusal is a promise too: it did not happen.
    if (op.outcome === 'failed' && ofPair.has(`${op.officerId}|${op.civilianId}`))
      problems.push(`refused (${op.why}), but stored: ${op.officerId} and ${op.civilianId}`);
  }
  for (const [pair, some] of ofPair) {
    if (some.length < 2) continue;
    doubled++;
    problems.push(`doubled: ${pair} met in ${some.map(one => one.id)}`);
  }
  return { acknowledged: history.filter(op => op.outcome === 'ok').length, lost, doubled, problems };
};

/** Epochs of a shard in the order of its commits: they never fall. */
export const judgeEpochs = (transfers: readonly StoredTransfer[]) => {
  const problems: string[] = [];
  const newest = new Map<number, StoredTransfer>();
  const owners = new Set<string>();
  let interleaved = 0;
  for (const one of [...transfers].sort((a, b) => a.atMs - b.atMs || a.epoch - b.epoch)) {
    owners.add(`${one.shard}/${one.epoch}`);
    const before = newest.get(one.shard);
    if (before !== undefined && one.epoch < before.epoch) {
      interleaved++;
      problems.push(
        `shard ${one.shard}: transfer ${one.id} of epoch ${one.epoch} came after one of epoch ${before.epoch}`,
      );
    } else newest.set(one.shard, one);
  }
  return { interleaved, owners: owners.size, problems };
};

const read = async (databaseUrl: string) => {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const meetings = await client.query<StoredMeeting>(
      `select id, officer, civilian, civilian_points::int as "civilianPoints" from meet.encounter`,
    );
    const transfers = await client.query<StoredTransfer>(
      `select id, shard, epoch::float8 as epoch, (extract(epoch from at) * 1000)::float8 as "atMs"
       from ledger.transfer where shard is not null`,
    );
    const ahead = await client.query(
      `select 1 from ledger.transfer t join ops.shard_fence f using (shard) where t.epoch > f.epoch`,
    );
    return { meetings: meetings.rows, transfers: transfers.rows, ahead: ahead.rowCount ?? 0 };
  } finally {
    await client.end();
  }
};

/** Everything that the final state of PostgreSQL can tell about a run. */
export const judge = async (databaseUrl: string, history: readonly MeetOp[]): Promise<Verdict> => {
  const { meetings, transfers, ahead } = await read(databaseUrl);
  const told = judgeMeetings(history, meetings);
  const epochs = judgeEpochs(transfers);
  const unstamped =
    meetings.length > 0 && transfers.length === 0 ? ['no transfer says its shard and epoch'] : [];
  return {
    acknowledged: told.acknowledged,
    lost: told.lost,
    doubled: told.doubled,
    interleaved: epochs.interleaved,
    owners: epochs.owners,
    problems: [
      ...told.problems.slice(0, 20),
      ...epochs.problems.slice(0, 20),
      ...unstamped,
      ...(ahead > 0 ? [`${ahead} transfers of epochs that were never minted`] : []),
      ...(await auditLedger(databaseUrl)),
    ],
  };
};

/** Encounters that are stored and that one of the two was never told of. */
export const untold = (
  stored: readonly StoredMeeting[],
  told: ReadonlyMap<string, ReadonlySet<string>>,
): StoredMeeting[] =>
  stored.filter(one => !told.get(one.officer)?.has(one.id) || !told.get(one.civilian)?.has(one.id));
