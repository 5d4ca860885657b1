/**
 * The events of a user in order: each durable event gets the next offset and stays in a ring for phones that were away.
 *
 * The offset is the version of the balance plus the number of stored events: a movement of points is one event, every
 * other event is stored before it leaves. So whoever owns the actor next knows the offset exactly, and which event has
 * which (`stream.ts` puts the ring together again). The epoch names the lineage: as long as it is the same, an offset
 * means the same event. When the lineage cannot be trusted the epoch is another, and a phone that resumes gets a snapshot
 * instead of a silent gap.
 */
import type { Ring, RingEvent } from './ring.ts';

export interface Outbox {
  readonly epoch: string;
  readonly lineage: number;
  /** Stored events so far: those that are no movement of points. */
  readonly others: number;
  /** Offset of the newest event; 0 before the first. */
  readonly offset: number;
  readonly ring: Ring;
  /** As the phones were told: what was counted in the order of its versions. */
  readonly balance: number;
  readonly balanceVersion: number;
}

/** With one more event, whose offset is the next one, and the balance that it leaves. */
export function append(
  { epoch, lineage, others, offset: last, ring }: Outbox,
  { atMs, bytes }: Omit<RingEvent, 'offset'>,
  source: 'movement' | 'stored',
  balance: number,
  balanceVersion: number,
): Outbox {
  const offset = last + 1;
  return {
    epoch,
    lineage,
    others: source === 'stored' ? others + 1 : others,
    offset,
    ring: ring.append({ offset, atMs, bytes }),
    balance,
    balanceVersion,
  };
}

/** The missed events in order, or null when they cannot all be given: then only a snapshot is honest. */
export function since(outbox: Outbox, epoch: string, offset: number): readonly Uint8Array[] | null {
  if (epoch !== outbox.epoch || offset > outbox.offset) return null;
  const missed = outbox.ring.events(offset);
  return missed.length === outbox.offset - offset ? missed.map(event => event.bytes) : null;
}
