/**
 * Who publishes: one node of the cluster for each target, the owner of the target's shard. Leadership is nothing of its
 * own: it is the ownership of a shard like any other, with its lease, its take-over in seconds and its epoch in
 * PostgreSQL, which every removal of published rows is checked against.
 *
 * Two nodes may publish the same rows for a moment (the old one does not know yet). Then records arrive twice, and
 * consumers know them by their ids; but only one of them can remove rows, so nothing is lost.
 */
import type { Coordinator, Scheduler } from '../../nodes/ports.ts';
import { shardOf } from '../../protocol/shard.ts';
import { SHARDS } from '../postgres/limits.ts';
import { OUTBOX_TARGET, type OutboxTarget } from '../postgres/outboxTargets.ts';
import { LEAD_MS } from './limits.ts';

export const OUTBOX_TARGETS = Object.keys(OUTBOX_TARGET) as readonly OutboxTarget[];

/** Whoever owns this shard publishes the target. */
export const OUTBOX_SHARD: Readonly<Record<OutboxTarget, number>> = {
  userEvents: shardOf('outbox', 'userEvents'),
  transactions: shardOf('outbox', 'transactions'),
  balances: shardOf('outbox', 'balances'),
  catalogs: shardOf('outbox', 'catalogs'),
};

/** Publishers that can be told to lead or to stand by. */
export interface Led {
  /** The epoch under which this node publishes the target from now on; null: it stands by. */
  lead(target: OutboxTarget, epoch: number | null): void;
  /** Called when a removal was refused because the epoch is old. */
  onFenced: ((target: OutboxTarget, epoch: number) => void) | null;
  /** Every shard that this node owns, with its epoch: whose they are to read follows from it (`infra/streams/consumer.ts`). */
  own?(owned: ReadonlyMap<number, number>): void;
  /** Called when a reader was refused because the epoch is old. */
  onUnowned?: ((shard: number, epoch: number) => void) | null;
}

export interface Following {
  /** Looks at once; to be called when shards were opened or dropped. */
  check(): void;
  /** Looks no more. Who leads goes on: what waits is published when the outbox is closed; the fence still counts. */
  stop(): void;
}

/** Lets publishers lead where `coordinator` owns the shard of their target; looks by itself every {@link LEAD_MS}. */
export function followShards(
  outbox: Led,
  coordinator: Pick<Coordinator, 'epochOf' | 'lost'>,
  scheduler: Scheduler,
): Following {
  const told = new Map<OutboxTarget, number | null>();
  /** Newest epoch that turned out to be old: it never leads again, whatever the coordinator still believes. */
  const fenced = new Map<OutboxTarget, number>();
  let cancel = () => {};
  const ownedBefore = new Map<number, number>();
  const checkOwned = (): void => {
    if (!outbox.own) return;
    const owned = new Map<number, number>();
    let same = true;
    for (let shard = 0; shard < SHARDS; shard++) {
      const epoch = coordinator.epochOf(shard);
      if (epoch !== null) owned.set(shard, epoch);
      same &&= ownedBefore.get(shard) === (epoch ?? undefined);
    }
    if (same) return;
    ownedBefore.clear();
    for (const [shard, epoch] of owned) ownedBefore.set(shard, epoch);
    outbox.own(owned);
  };
  const check = (): void => {
    checkOwned();
    for (const target of OUTBOX_TARGETS) {
      const owned = coordinator.epochOf(OUTBOX_SHARD[target]);
      const epoch = owned !== null && owned > (fenced.get(target) ?? 0) ? owned : null;
      if ((told.get(target) ?? null) === epoch) continue;
      told.set(target, epoch);
      outbox.lead(target, epoch);
    }
  };
  const poll = (): void => {
    check();
    cancel = scheduler.after(LEAD_MS, poll);
  };
  outbox.onFenced = (target, epoch) => {
    fenced.set(target, Math.max(epoch, fenced.get(target) ?? 0));
    // somebody minted a newer one and may not even know: the coordinator finds out, and takes the shard again if it is ours
    if (coordinator.epochOf(OUTBOX_SHARD[target]) === epoch) coordinator.lost(OUTBOX_SHARD[target]);
    check();
  };
  outbox.onUnowned = (shard, epoch) => {
    if (coordinator.epochOf(shard) === epoch) coordinator.lost(shard, epoch);
    check();
  };
  poll();
  return {
    check,
    stop: () => {
      cancel();
      outbox.onFenced = null;
      outbox.onUnowned = null;
    },
  };
}
