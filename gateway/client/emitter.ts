/** Listeners by name. One that throws does not keep the others from hearing; its error surfaces as an uncaught one. */
import type { Handlers } from './types.ts';

type Listener = (...args: never[]) => void;

export class Emitter {
  private readonly listeners = new Map<string, Set<Listener>>();

  /** The returned function takes the listener away again. */
  on<K extends keyof Handlers>(name: K, listener: Handlers[K]): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
    return () => set.delete(listener);
  }

  emit<K extends keyof Handlers>(name: K, ...args: Parameters<Handlers[K]>): void {
    for (const listener of this.listeners.get(name) ?? []) {
      try {
        (listener as (...args: unknown[]) => void)(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
