/**
 * What a region remembers of an officer beyond his place: when his latest automatic matches were, and who was told that
 * he is around. Made when the first of these happens; most officers have neither.
 */
import type { OfficerTransfer } from '../messages/region.ts';
import { NEAR_REMEMBERED_MAX } from './limits.ts';

export class Officer {
  /** Times of his latest automatic matches, oldest first. */
  #matchedMs: number[];
  /** By civilian, in the order of telling. */
  readonly #told: Map<string, number>;

  constructor(matchedMs: readonly number[] = [], told: OfficerTransfer['told'] = []) {
    this.#matchedMs = [...matchedMs];
    this.#told = new Map(told.slice(0, NEAR_REMEMBERED_MAX));
  }

  get matchedMs(): readonly number[] {
    return this.#matchedMs;
  }

  get told(): OfficerTransfer['told'] {
    return [...this.#told];
  }

  get isFull(): boolean {
    return this.#told.size >= NEAR_REMEMBERED_MAX;
  }

  /** Whether he has had so many automatic matches that the next must wait. */
  isCapped(atMs: number, matches: number, capMs: number): boolean {
    const at = this.#matchedMs.length - matches;
    return at >= 0 && atMs - this.#matchedMs[at]! < capMs;
  }

  matched(atMs: number, matches: number): void {
    this.#matchedMs.push(atMs);
    if (this.#matchedMs.length > matches) this.#matchedMs.shift();
  }

  /** The match of this moment was none after all. */
  unmatched(atMs: number): void {
    const at = this.#matchedMs.lastIndexOf(atMs);
    if (at >= 0) this.#matchedMs.splice(at, 1);
  }

  /** When this civilian was told. */
  toldMs(civilianId: string): number | undefined {
    return this.#told.get(civilianId);
  }

  tell(civilianId: string, atMs: number): void {
    this.#told.delete(civilianId);
    this.#told.set(civilianId, atMs);
  }

  /** Forgets those who may be told again. */
  forget(atMs: number, againMs: number): void {
    for (const [civilianId, toldMs] of this.#told) {
      if (atMs - toldMs < againMs) return;
      this.#told.delete(civilianId);
    }
  }
}
