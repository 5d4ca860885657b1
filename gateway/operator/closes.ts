/** How the last socket of a device ended here: kept for the devices that went last, so many of them. */
import { OPERATOR } from './limits.ts';

export interface LastClose {
  readonly deviceId: string;
  readonly code: number;
  /** Who ended it. */
  readonly by: 'server' | 'peer';
  /** Monotonic milliseconds. */
  readonly atMs: number;
}

/** The other fields of {@link LastClose}: the device stands in the key. */
type Close = Omit<LastClose, 'deviceId'>;

/** Thousands are kept, so an entry is one text and one small object. */
export class LastCloses {
  /** By `user device`, oldest first; an id of a user has no space. */
  readonly #byDevice = new Map<string, Close>();

  get size(): number {
    return this.#byDevice.size;
  }

  add(userId: string, { deviceId, code, by, atMs }: LastClose): void {
    const key = `${userId} ${deviceId}`;
    this.#byDevice.delete(key);
    this.#byDevice.set(key, { code, by, atMs });
    if (this.#byDevice.size <= OPERATOR.closes) return;
    for (const oldest of this.#byDevice.keys()) {
      this.#byDevice.delete(oldest);
      return;
    }
  }

  /** Those since this moment. */
  *since(sinceMs: number): Generator<Close> {
    for (const close of this.#byDevice.values()) if (close.atMs >= sinceMs) yield close;
  }

  /** Goes through all of them: for people who ask, not for phones. */
  of(userId: string): readonly LastClose[] {
    const about = `${userId} `;
    return [...this.#byDevice]
      .filter(([key]) => key.startsWith(about))
      .map(([key, close]) => ({ deviceId: key.slice(about.length), ...close }));
  }
}
