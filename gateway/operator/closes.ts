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

export class LastCloses {
  /** Oldest first. */
  readonly #byDevice = new Map<string, { readonly userId: string; readonly close: LastClose }>();

  get size(): number {
    return this.#byDevice.size;
  }

  add(userId: string, close: LastClose): void {
    const key = `${userId} ${close.deviceId}`;
    this.#byDevice.delete(key);
    this.#byDevice.set(key, { userId, close });
    if (this.#byDevice.size <= OPERATOR.closes) return;
    for (const oldest of this.#byDevice.keys()) {
      this.#byDevice.delete(oldest);
      return;
    }
  }

  /** Those since this moment. */
  *since(sinceMs: number): Generator<LastClose> {
    for (const { close } of this.#byDevice.values()) if (close.atMs >= sinceMs) yield close;
  }

  /** Goes through all of them: for people who ask, not for phones. */
  of(userId: string): readonly LastClose[] {
    return [...this.#byDevice.values()].filter(one => one.userId === userId).map(one => one.close);
  }
}
