/**
 * What every stream record says about where it comes from, so that a consumer can tell a late repeat from news.
 *
 * A stream cannot fence: what a paused publisher sends when it wakes up stands behind what its successor sent. So each
 * record carries `stamp: { shard, epoch, seq }`. Shard and epoch are the ownership under which the effect was committed,
 * checked by the commit's own statement. `seq` is the number of the outbox row and the record's place in it. We take that
 * number and no counter per shard, because it costs nothing (a counter would be one more row that every group of a shard
 * has to lock) and promises more:
 *   - it rises along the records of a key in the order in which they were committed: whoever writes the row holds the
 *     locks of the accounts it tells of, until it is committed;
 *   - it rises with the epochs of a shard: a new epoch is minted only after the groups of the old one are through;
 *   - a record that is sent again has the number that it had the first time.
 * It has gaps, and says nothing about the order of records of different keys.
 */
import { shardOf } from '../../protocol/shard.ts';

export interface Stamp {
  readonly shard: number;
  /** 0 when no owner was asked: people who sign up, and what was committed before there were stamps. */
  readonly epoch: number;
  readonly seq: number;
}

/** Records of one outbox row at most; more than entries in a group. */
const ROW_RECORDS = 1_024;

/**
 * @param row number of the outbox row
 * @param place of the record in it, from 1
 * @param shard and `epoch` as committed; null when the record has no owner: then its key says where it belongs
 */
export function stampOf(
  row: string,
  place: number,
  key: string,
  shard: number | null,
  epoch: number | null,
): Stamp {
  const seq = Number(row) * ROW_RECORDS + place;
  return shard === null || epoch === null
    ? { shard: shardOf('user', key), epoch: 0, seq }
    : { shard, epoch, seq };
}

/**
 * Whether a consumer that has seen `seen` of a key drops `next` of the same key: a repeat, or what an older owner's
 * publisher sent late. Only records of one key can be compared: a shard's new epoch may begin on one key while the old
 * one's last record of another key is still on its way, and that one is news. Epoch 0 is nobody's: only its number counts.
 */
export const isOutdated = (seen: Stamp, next: Stamp): boolean =>
  next.seq <= seen.seq || (next.shard === seen.shard && next.epoch !== 0 && next.epoch < seen.epoch);
