/**
 * Two processes with one node id. The second one waits for the first one's end, as anybody must who wants to take over a
 * name; when the first one goes on renewing that would take for ever, and somebody has made a mistake with a setting.
 */
import { CLUSTER_LIMITS } from './limits.ts';
import type { Coordinator, Scheduler } from './ports.ts';

/** The incarnation that lives under our name, once it is certain that it does not end; calls back at most once. */
export function watchName(
  coordinator: Pick<Coordinator, 'view'>,
  scheduler: Scheduler,
  taken: (incarnation: string) => void,
): () => void {
  const { evictMs, evictJitterMs, renewMs, leaseMs } = CLUSTER_LIMITS;
  let cancel = (): void => {};
  const look = (): void => {
    const { node, incarnation, nodes } = coordinator.view();
    const other = nodes.find(one => one.node === node && one.incarnation !== incarnation);
    // one that drains is about to leave
    if (other?.state === 'up' && other.seenMs < leaseMs) taken(other.incarnation);
    else cancel = scheduler.after(renewMs, look);
  };
  cancel = scheduler.after(evictMs + evictJitterMs + 2 * renewMs, look);
  return () => cancel();
}
