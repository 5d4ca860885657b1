/** Where the mirror's news goes: records of nodes to the membership, records of shards to the map. */
import type { KvEntry } from '../ports.ts';
import type { Membership } from './membership.ts';
import type { MirrorTarget } from './mirror.ts';
import { nodeKey, parseKey, shardKey } from './records.ts';
import type { ShardMap } from './shardMap.ts';

export class Picture implements MirrorTarget {
  readonly #members: Membership;
  readonly #map: ShardMap;
  /** A shard record changed. */
  readonly #changed: () => void;

  constructor(members: Membership, map: ShardMap, changed: () => void) {
    this.#members = members;
    this.#map = map;
    this.#changed = changed;
  }

  revisionOf(key: string): number {
    const name = parseKey(key);
    if (!name) return 0;
    return 'node' in name ? this.#members.revisionOf(name.node) : this.#map.entries[name.shard]!.revision;
  }

  learn(key: string, entry: KvEntry | null): void {
    const name = parseKey(key);
    if (!name) return;
    if ('node' in name) return this.#members.learn(name.node, entry);
    this.#map.learn(name.shard, entry);
    this.#changed();
  }

  rewind(key: string, entry: KvEntry | null): void {
    const name = parseKey(key);
    if (!name) return;
    if ('node' in name) return this.#members.rewind(name.node, entry);
    this.#map.rewind(name.shard, entry);
    this.#changed();
  }

  *keys(): Iterable<string> {
    for (const id of this.#members.ids()) yield nodeKey(id);
    for (let shard = 0; shard < this.#map.entries.length; shard++) {
      if (this.#map.entries[shard]!.revision > 0) yield shardKey(shard);
    }
  }
}
