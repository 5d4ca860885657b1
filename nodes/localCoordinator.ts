/**
 * Ownership for a node that is alone: all shards are its own. The epochs are minted in the store at start all the same,
 * and every commit carries and checks them, so that two nodes started by mistake on one database cannot both write:
 * the later one fences the earlier, which gets `stale_epoch` and stops owning.
 */
import { LIMITS } from './limits.ts';
import type { ClusterView, Coordinator, EpochStore, Log, Owner } from './ports.ts';

export class LocalCoordinator implements Coordinator {
  readonly #owner: string;
  readonly #epochs: EpochStore;
  readonly #log: Log;
  readonly #onFenced: () => void;
  #owned: (number | null)[] = new Array(LIMITS.shards).fill(null);

  /** `onFenced` is called once, when another owner took our shards: this node has nothing left to do. */
  readonly mapRevision = 1;

  constructor(owner: string, epochs: EpochStore, log: Log, onFenced: () => void) {
    this.#owner = owner;
    this.#epochs = epochs;
    this.#log = log;
    this.#onFenced = onFenced;
  }

  async start(): Promise<void> {
    const shards = Array.from({ length: LIMITS.shards }, (_, shard) => shard);
    this.#owned = await this.#epochs.mint(shards, this.#owner);
  }

  epochOf(shard: number): number | null {
    return this.#owned[shard] ?? null;
  }

  lost(shard: number, epoch?: number): void {
    const owned = this.epochOf(shard);
    if (owned === null || (epoch !== undefined && epoch !== owned)) return;
    this.#log.error({ shard }, 'another node took this shard; it is owned here no more');
    const first = this.#owned.every(epoch => epoch !== null);
    this.#owned[shard] = null;
    if (first) this.#onFenced();
  }

  get ref(): string {
    return this.#owner;
  }

  /** No lease to lose: the fence alone decides. */
  serving(): boolean {
    return true;
  }

  ownerOf(shard: number): Owner | null {
    const epoch = this.epochOf(shard);
    return epoch === null ? null : { node: this.#owner, epoch };
  }

  /** There is nobody else. */
  unheard(): void {}
  received(): void {}
  async drain(): Promise<void> {}

  async stop(): Promise<void> {
    this.#owned.fill(null);
  }

  view(): ClusterView {
    const [node = '', incarnation = ''] = this.#owner.split('.');
    const owners = this.#owned.map(epoch => (epoch === null ? null : node));
    return {
      node,
      incarnation,
      serving: true,
      leaseLeftMs: null,
      mapRevision: this.mapRevision,
      nodes: [
        {
          node,
          incarnation,
          version: '',
          weight: 1,
          state: 'up',
          seenMs: 0,
          shards: owners.filter(owner => owner !== null).length,
        },
      ],
      owners,
      epochs: [...this.#owned],
      handoffs: [],
    };
  }
}
