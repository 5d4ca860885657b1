/**
 * The events of a user in order: each durable event gets the next offset and stays in a ring for phones that were
 * away. The epoch names the ring's lineage: when the actor starts again without its ring the epoch is another, and a
 * phone that resumes gets a snapshot instead of a silent gap.
 */
import { ACTOR_LIMITS } from '../limits.ts';

export interface Outbox {
  readonly epoch: string;
  /** Offset of the newest event; 0 before the first. */
  readonly offset: number;
  readonly ring: readonly RingEvent[];
  readonly ringBytes: number;
}

export interface RingEvent {
  readonly offset: number;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

const EMPTY: readonly RingEvent[] = [];

export const newOutbox = (epoch: string): Outbox => ({ epoch, offset: 0, ring: EMPTY, ringBytes: 0 });

/** The outbox with one more event; `encode` gets its offset. */
export function append(
  outbox: Outbox,
  nowMs: number,
  encode: (offset: number) => Uint8Array,
): { readonly outbox: Outbox; readonly bytes: Uint8Array } {
  const offset = outbox.offset + 1;
  const bytes = encode(offset);
  const ring = [...outbox.ring, { offset, atMs: nowMs, bytes }];
  let ringBytes = outbox.ringBytes + bytes.length;
  let drop = 0;
  const tooMuch = (): boolean => {
    const oldest = ring[drop];
    if (!oldest || drop === ring.length - 1) return false;
    return (
      ring.length - drop > ACTOR_LIMITS.ringEvents ||
      ringBytes > ACTOR_LIMITS.ringBytes ||
      nowMs - oldest.atMs > ACTOR_LIMITS.ringMs
    );
  };
  while (tooMuch()) ringBytes -= (ring[drop++] as RingEvent).bytes.length;
  return { outbox: { epoch: outbox.epoch, offset, ring: ring.slice(drop), ringBytes }, bytes };
}

/** The missed events in order, or null when they cannot all be given: then only a snapshot is honest. */
export function since(outbox: Outbox, epoch: string, offset: number): readonly Uint8Array[] | null {
  if (epoch !== outbox.epoch || offset > outbox.offset) return null;
  if (offset === outbox.offset) return [];
  const oldest = outbox.ring[0];
  if (!oldest || oldest.offset > offset + 1) return null;
  return outbox.ring.filter(event => event.offset > offset).map(event => event.bytes);
}
