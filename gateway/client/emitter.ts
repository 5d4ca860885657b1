/** Listeners by name. One that throws does not keep the others from hearing; its error surfaces as an uncaught one. */
import { isLater, type Maybe, surface } from './platform.ts';
import type { Handlers } from './types.ts';

type Listener = (...args: never[]) => unknown;

export class Emitter {
  private readonly listeners = new Map<string, Set<Listener>>();

  /** The returned function takes the listener away again. */
  on<K extends keyof Handlers>(name: K, listener: Handlers[K]): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
    return () => set.delete(listener);
  }

  /** Over when every listener is: those that answer with a promise are waited for. Never rejects. */
  emit<K extends keyof Handlers>(name: K, ...args: Parameters<Handlers[K]>): Maybe<unknown> {
    let later: PromiseLike<unknown> | undefined;
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        const done = (listener as (...args: unknown[]) => unknown)(...args);
        if (!isLater(done)) continue;
        const heard = done.then(undefined, surface);
        later = later === undefined ? heard : later.then(() => heard);
      } catch (error) {
        surface(error);
      }
    }
    return later;
  }
}
