/** Revocations in memory: the twin of the table for tests and for gateways that are alone. Nodes that share it share them. */
import type { Revocation, RevocationStore } from '../ports.ts';

export class MemoryRevocations implements RevocationStore {
  /** With the number under which each was added. */
  #all: { readonly number: number; readonly revocation: Revocation }[] = [];
  #added = 0;
  readonly #wallMs: () => number;

  /** @param wallMs Unix milliseconds */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  get size(): number {
    return this.#all.length;
  }

  async add(revocations: readonly Revocation[]): Promise<void> {
    for (const revocation of revocations) {
      if (this.#all.some(one => one.revocation.id === revocation.id)) continue;
      this.#all.push({ number: ++this.#added, revocation });
    }
  }

  async since(cursor: string | null): Promise<{ revocations: readonly Revocation[]; cursor: string }> {
    const [seen, nowMs] = [Number(cursor ?? 0), this.#wallMs()];
    const fresh = this.#all.filter(one => one.number > seen && one.revocation.expiresAtMs > nowMs);
    return { revocations: fresh.map(one => one.revocation), cursor: String(this.#added) };
  }

  async prune(): Promise<void> {
    const nowMs = this.#wallMs();
    this.#all = this.#all.filter(one => one.revocation.expiresAtMs > nowMs);
  }
}
