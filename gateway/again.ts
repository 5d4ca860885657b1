/** What is done once more a little later, for all sockets together: bounded, and driven by the one timer that flushes. */
import { LIMITS } from './limits.ts';

interface Later {
  readonly atMs: number;
  readonly run: () => void;
}

export class Again {
  #waiting: Later[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  /** Runs it at this monotonic time or soon after; false when too many wait already. */
  add(atMs: number, run: () => void): boolean {
    if (this.#waiting.length >= LIMITS.commandsAgain) return false;
    this.#waiting.push({ atMs, run });
    return true;
  }

  tick(nowMs: number): void {
    if (this.#waiting.length === 0) return;
    const all = this.#waiting;
    this.#waiting = all.filter(one => one.atMs > nowMs);
    for (const one of all) if (one.atMs <= nowMs) one.run();
  }
}
