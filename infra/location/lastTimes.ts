/** When a person was last sampled, as long as it matters: two tables that take turns, so nothing is ever searched. */
export class LastTimes {
  readonly #periodMs: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  /** Newest time seen when the young table was begun. */
  #begunMs = Number.NEGATIVE_INFINITY;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** True, and remembered, when the period since the person's last one is over; an earlier one is not taken either. */
  take(userId: string, atMs: number): boolean {
    const last = this.#young.get(userId) ?? this.#old.get(userId);
    if (last !== undefined && atMs < last + this.#periodMs) return false;
    if (atMs >= this.#begunMs + this.#periodMs) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#begunMs = atMs;
    }
    this.#young.set(userId, atMs);
    return true;
  }

  forget(userId: string): void {
    this.#young.delete(userId);
    this.#old.delete(userId);
  }
}
