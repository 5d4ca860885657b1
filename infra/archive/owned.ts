/** Tells archivers which shards of the cluster are their node's, whenever that changes. */
import type { Coordinator, Scheduler } from '../../nodes/ports.ts';
import { SHARDS } from '../../protocol/limits.ts';
import { LEAD_MS } from './limits.ts';

export interface Following {
  /** Looks no more; who archives goes on until he is closed. */
  stop(): void;
}

export function followOwned(
  archive: { own(shards: ReadonlySet<number>): void },
  coordinator: Pick<Coordinator, 'epochOf'>,
  scheduler: Scheduler,
): Following {
  let told = '';
  let cancel = () => {};
  const look = (): void => {
    const owned = Array.from({ length: SHARDS }, (_, shard) => shard).filter(
      shard => coordinator.epochOf(shard) !== null,
    );
    const words = owned.join();
    if (words !== told) archive.own(new Set(owned));
    told = words;
    cancel = scheduler.after(LEAD_MS, look);
  };
  cancel = scheduler.after(LEAD_MS, look);
  return { stop: () => cancel() };
}
