/**
 * Where archived objects lie: a folder or a bucket, behind one port, so that the archiver does not care.
 *
 * The port asks for little, so that any store can keep its promises: an object is whole or not there, what was put is
 * durable when the promise resolves, and of two that put a new object under one key exactly one is told that it did. The
 * last one is what lets two archivers work on one shard for a moment without harm.
 */

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  /** It lies in a tier from which it must be called back before anybody reads it: `get` rejects. */
  readonly isCold?: true;
}

/** Bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Every method rejects with {@link StoreAway} when the store is away, full or refuses us: nothing is known of the outcome
 * then, and asking again is right. Keys are as {@link assertKey} says.
 */
export interface ObjectStore {
  /** For people: `the folder .data/archive`. */
  readonly name: string;
  /** Puts a new object; false, and nothing is changed, when there is one under this key. */
  putNew(key: string, body: Uint8Array): Promise<boolean>;
  /** Puts an object in the place of what was there. */
  put(key: string, body: Uint8Array): Promise<void>;
  /** The object or a part of it; null when there is none. */
  get(key: string, range?: ByteRange): Promise<Uint8Array | null>;
  /** Every object whose key begins so, by key. */
  list(prefix: string): Promise<StoredObject[]>;
  /** Removes it if it is there. */
  remove(key: string): Promise<void>;
  close(): void;
}

/** The store cannot do it now; the message says why, for people. */
export class StoreAway extends Error {
  override name = 'StoreAway';
}

/** S3 allows 1,024 bytes; file systems 255 a name. */
const KEY_LENGTH_MAX = 512;
const SEGMENT = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,199}$/;

/** Keys are paths of plain words: what a file system, a URL and a shell all take as they are. Throws on any other. */
export function assertKey(key: string): void {
  if (key.length <= KEY_LENGTH_MAX && key.split('/').every(segment => SEGMENT.test(segment))) return;
  throw new Error(`${JSON.stringify(key.slice(0, 100))} is no key of an object`);
}

export const byKey = (a: StoredObject, b: StoredObject): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
