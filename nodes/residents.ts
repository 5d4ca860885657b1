/**
 * Who is in memory on this node: found by kind and id for every message, and by shard when a shard comes or goes. The
 * shard lists are threaded through the activations themselves, so an actor costs no more for being in one.
 */
import type { ActorKind, Address } from '../actors/turn.ts';
import type { Activation } from './activation.ts';
import { LIMITS } from './limits.ts';

export class Residents {
  readonly #byKind: Record<ActorKind, Map<string, Activation>> = {
    user: new Map(),
    region: new Map(),
    area: new Map(),
    pair: new Map(),
    offer: new Map(),
    budget: new Map(),
  };
  readonly #heads: (Activation | null)[] = new Array(LIMITS.shards).fill(null);

  count(kind: ActorKind): number {
    return this.#byKind[kind].size;
  }

  find(address: Address): Activation | undefined {
    return this.#byKind[address.kind].get(address.id);
  }

  add(one: Activation): void {
    this.#byKind[one.address.kind].set(one.address.id, one);
    const head = this.#heads[one.shard] ?? null;
    one.shardNext = head;
    if (head) head.shardPrevious = one;
    this.#heads[one.shard] = one;
  }

  /** Takes it out; nothing happens when it is not there or another one took its place. */
  remove(one: Activation): void {
    const actors = this.#byKind[one.address.kind];
    if (actors.get(one.address.id) !== one) return;
    actors.delete(one.address.id);
    if (one.shardPrevious) one.shardPrevious.shardNext = one.shardNext;
    else this.#heads[one.shard] = one.shardNext;
    if (one.shardNext) one.shardNext.shardPrevious = one.shardPrevious;
    one.shardNext = null;
    one.shardPrevious = null;
  }

  /** A copy: whoever goes through it may take actors out. */
  ofShard(shard: number): Activation[] {
    const found: Activation[] = [];
    for (let one = this.#heads[shard] ?? null; one; one = one.shardNext) found.push(one);
    return found;
  }

  ofKind(kind: ActorKind): Iterable<Activation> {
    return this.#byKind[kind].values();
  }

  /** A copy of all. */
  all(): Activation[] {
    return Object.values(this.#byKind).flatMap(actors => [...actors.values()]);
  }
}
