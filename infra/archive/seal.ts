/**
 * Which objects of an hour share events with others, found out once instead of at every question.
 *
 * The archive holds some events twice: what a producer sent again, what two archivers wrote side by side. To look for copies
 * among ten million events costs more than any question about them. But all copies of an event are equal, so they happened
 * in the same hour and lie in its folder: whether an hour has any can be told for good when it is over. That is a seal: the
 * list of the objects that share an event with themselves or with another of the hour, mostly none. Queries look for copies
 * only among those, and among the objects of hours without a seal.
 *
 * A seal is named after the objects that it is about. Whatever comes into the hour later changes the name that a reader asks
 * for: he finds no seal and looks for copies in the whole hour, as if there never had been one, until it is sealed again. So a
 * seal is never wrong; at worst it is of no use. It is made of the objects alone: to make it again changes nothing, two may
 * make it at once, and where all seals are lost they come back.
 */
import { createHash } from 'node:crypto';
import type { Log } from '../../nodes/ports.ts';
import { ARCHIVE, folderOf, hourEndMs, SEALS, sealKey } from './layout.ts';
import { SEAL_AFTER_MS, SEAL_EVENTS_MAX } from './limits.ts';
import { byKey, type ObjectStore, StoreAway, type StoredObject } from './objectStore.ts';
import { idTailsOf } from './parquet.ts';

/** The objects of a stream, by the folder of their hour. */
async function hoursIn(store: ObjectStore, stream: string): Promise<Map<string, StoredObject[]>> {
  const hours = new Map<string, StoredObject[]>();
  for (const object of await store.list(`${ARCHIVE}/${stream}/`)) {
    if (!object.key.endsWith('.parquet')) continue;
    const folder = folderOf(object.key);
    const hour = hours.get(folder);
    if (hour) hour.push(object);
    else hours.set(folder, [object]);
  }
  return hours;
}

const sealsOf = async (store: ObjectStore, stream: string): Promise<Set<string>> =>
  new Set((await store.list(`${SEALS}/${stream}/`)).map(({ key }) => key));

/** Where the seal of exactly these objects lies. */
function sealOf(folder: string, objects: readonly StoredObject[]): string {
  const digest = createHash('sha256');
  for (const { key, bytes } of [...objects].sort(byKey)) digest.update(`${key} ${bytes}\n`);
  return sealKey(folder, digest.digest('hex').slice(0, 32));
}

/** Keys of the objects of a stream. */
export interface Sorted {
  /** Each event in them is in no other object, and once. */
  readonly single: readonly string[];
  /** The others: copies must be looked for among them, and nowhere else. */
  readonly open: readonly string[];
}

export async function sortObjects(store: ObjectStore, stream: string): Promise<Sorted> {
  const seals = await sealsOf(store, stream);
  const sorted = { single: [] as string[], open: [] as string[] };
  for (const [folder, objects] of await hoursIn(store, stream)) {
    const key = sealOf(folder, objects);
    const seal = seals.has(key) ? await store.get(key) : null;
    const shared = seal === null ? null : new Set(JSON.parse(new TextDecoder().decode(seal)) as string[]);
    for (const object of objects) {
      const isSingle = shared !== null && !shared.has(object.key);
      (isSingle ? sorted.single : sorted.open).push(object.key);
    }
  }
  return sorted;
}

export interface SealerOptions {
  readonly store: ObjectStore;
  readonly stream: string;
  readonly nowMs: () => number;
  readonly log: Log;
}

/** Seals the hours of a stream that are over. */
export class Sealer {
  readonly #options: SealerOptions;

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /** Seals what can be sealed now; answers how many hours. Rejects when the store is away. */
  async seal(): Promise<number> {
    const { store, stream, nowMs, log } = this.#options;
    const seals = await sealsOf(store, stream);
    let sealed = 0;
    for (const [folder, objects] of await hoursIn(store, stream)) {
      const endMs = hourEndMs(folder);
      if (endMs === null || endMs + SEAL_AFTER_MS > nowMs()) continue;
      // what was sealed before it went cold stays so
      const key = sealOf(folder, objects);
      if (seals.has(key) || objects.some(({ isCold }) => isCold)) continue;
      const shared = await sharedAmong(store, objects).catch(error => {
        if (error instanceof StoreAway) throw error;
        return null;
      });
      if (shared === null) {
        log.warn(
          { folder },
          'an hour stays without a seal: too many events, or an object that cannot be read',
        );
        continue;
      }
      await store.putNew(key, Buffer.from(JSON.stringify(shared)));
      sealed++;
    }
    return sealed;
  }
}

/**
 * Keys of the objects that hold an event that they or others hold, too; null when it cannot be told. Two ids with the same
 * tail pass for one: then an object is taken for shared that is not, and queries only look in vain.
 */
async function sharedAmong(store: ObjectStore, objects: readonly StoredObject[]): Promise<string[] | null> {
  const tails: BigUint64Array[] = [];
  let events = 0;
  for (const object of objects) {
    const some = await idTailsOf(store, object);
    events += some?.length ?? 0;
    if (some === null || events > SEAL_EVENTS_MAX) return null;
    tails.push(BigUint64Array.from(some));
  }
  const all = new BigUint64Array(events);
  let at = 0;
  for (const some of tails) {
    all.set(some, at);
    at += some.length;
  }
  all.sort();
  const twice = new Set<bigint>();
  for (let i = 1; i < all.length; i++) if (all[i] === all[i - 1]) twice.add(all[i]!);
  if (twice.size === 0) return [];
  return objects.flatMap(({ key }, i) => (tails[i]!.some(tail => twice.has(tail)) ? [key] : []));
}
