/**
 * I3: one owner at a time had any effect. Our own trigger logged when each epoch was minted; whatever an older epoch wrote
 * after that moment, and whatever it wrote behind a newer one, got past the fence.
 */
import { type Finding, findings } from '../evidence.ts';
import type { FinalState } from '../stores.ts';

export const owners = ({
  state,
}: {
  readonly state: Pick<FinalState, 'mints' | 'fences' | 'transfers'>;
}): readonly Finding[] => {
  const { found, fail } = findings('I3');
  const mints = Map.groupBy(
    state.mints.toSorted((a, b) => a.epoch - b.epoch),
    one => one.shard,
  );
  for (const [shard, rows] of Map.groupBy(state.transfers, one => one.shard)) {
    if (shard === null) continue;
    const newest = state.fences.get(shard) ?? 0;
    let highest = 0;
    // 0: no owner was asked
    const owned = rows.flatMap(({ id, epoch, atMs }) =>
      epoch === null || epoch === 0 ? [] : { id, epoch, atMs },
    );
    for (const { id, epoch, atMs } of owned.toSorted((a, b) => a.atMs - b.atMs || a.epoch - b.epoch)) {
      const what = `transfer ${id}: epoch ${epoch} of shard ${shard}`;
      const next = mints.get(shard)?.find(one => one.epoch > epoch);
      if (epoch > newest) fail('stale', `${what} was never minted`);
      // rows have whole milliseconds: within the same one it may be either
      else if (next !== undefined && Math.floor(atMs) > Math.ceil(next.atMs))
        fail('stale', `${what} wrote ${Math.round(atMs - next.atMs)} ms after ${next.epoch} was minted`);
      else if (epoch < highest) fail('stale', `${what} wrote after epoch ${highest}`);
      highest = Math.max(highest, epoch);
    }
  }
  return found;
};
