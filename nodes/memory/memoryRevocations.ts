/** Revocations in memory: the twin of the table for tests and for gateways that are alone. Nodes that share it share them. */
import type { Revocation, RevocationStore } from '../ports.ts';

export class MemoryRevocations implements RevocationStore {
  readonly #all: Revocation[] = [];
  readonly #wallMs: () => number;
  /** What was pruned before the first of `#all`. */
  #gone = 0;

  /** @param wallMs Unix milliseconds */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  get size(): number {
    return this.#all.length;
  }

  async add(revocations: readonly Revocation[]): Promise<void> {
    for (const one of revocations) if (!this.#all.some(({ id }) => id === one.id)) this.#all.push(one);
  }

  async since(cursor: string | null): Promise<{ revocations: readonly Revocation[]; cursor: string }> {
    const from = Math.max(0, Number(cursor ?? 0) - this.#gone);
    const nowMs = this.#wallMs();
    const revocations = this.#all.slice(from).filter(one => one.expiresAtMs > nowMs);
    return { revocations, cursor: String(this.#gone + this.#all.length) };
  }

  async prune(): Promise<void> {
    const nowMs = this.#wallMs();
    while (this.#all.length > 0 && this.#all[0]!.expiresAtMs <= nowMs) {
      this.#all.shift();
      this.#gone++;
    }
  }
}
