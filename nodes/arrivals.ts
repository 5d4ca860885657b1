/**
 * Packed actors that came along with their shards. A shard may bring thousands: each comes to life with its first
 * message, the others little by little, so that a hand-over never holds up the thread.
 *
 * What a parcel holds is the runtime's own: `{ v, packed, owed }`, made by {@link parcelOf} on the former node.
 */
import { owned, ownText } from '../actors/owned.ts';
import type { Address, ReplyTo } from '../actors/turn.ts';
import type { Parcel } from './ports.ts';

const VERSION = 1;

export interface Arrived {
  /** What the behaviour packed. */
  readonly packed: unknown;
  /** Asks that the actor had taken and not answered. */
  readonly owed: readonly ReplyTo[];
}

export function parcelOf(address: Address, packed: unknown, owed: readonly ReplyTo[]): Parcel {
  const state = { v: VERSION, packed, owed: owed.map(({ node, askId }) => [node, askId]) };
  return { address: { kind: address.kind, id: address.id }, state };
}

/**
 * Null when it is not a parcel that this version can read: the actor starts from what is durable then. The actor keeps parts
 * of it for as long as it lives, so none of them may hold on to the message that brought a whole shard.
 */
function readParcel(state: unknown): Arrived | null {
  if (typeof state !== 'object' || state === null) return null;
  const { v, packed, owed } = state as { v?: unknown; packed?: unknown; owed?: unknown };
  if (v !== VERSION || !Array.isArray(owed)) return null;
  const answers: ReplyTo[] = [];
  for (const one of owed) {
    const [node, askId] = Array.isArray(one) ? one : [];
    if (typeof node !== 'string' || !Number.isSafeInteger(askId)) return null;
    answers.push({ node: ownText(node), askId });
  }
  return { packed: owned(packed), owed: answers };
}

const keyOf = ({ kind, id }: Address): string => `${kind}:${id}`;

export class Arrivals {
  readonly #byShard = new Map<number, Map<string, Parcel>>();

  /** Shards that brought actors which are not alive yet. */
  get size(): number {
    return this.#byShard.size;
  }

  add(shard: number, parcels: readonly Parcel[]): void {
    if (parcels.length === 0) return;
    const waiting = new Map<string, Parcel>();
    for (const { address, state } of parcels) {
      const own = { kind: address.kind, id: ownText(address.id) };
      waiting.set(keyOf(own), { address: own, state });
    }
    this.#byShard.set(shard, waiting);
  }

  take(address: Address, shard: number): Arrived | null {
    const waiting = this.#byShard.get(shard);
    const key = keyOf(address);
    const parcel = waiting?.get(key);
    if (!waiting || !parcel) return null;
    waiting.delete(key);
    if (waiting.size === 0) this.#byShard.delete(shard);
    return readParcel(parcel.state);
  }

  /** One that still waits, or null. */
  next(shard: number): Address | null {
    for (const parcel of this.#byShard.get(shard)?.values() ?? []) return parcel.address;
    return null;
  }

  /** Takes out all that wait, to go on to the next node or to nowhere. */
  takeAll(shard: number): Parcel[] {
    const waiting = [...(this.#byShard.get(shard)?.values() ?? [])];
    this.#byShard.delete(shard);
    return waiting;
  }

  clear(): void {
    this.#byShard.clear();
  }
}
