/** What a matcher tells of people: who met, who is near whom; and, to those who watch it, of every slot. */

/** One of two who met. */
export interface Met {
  readonly id: string;
  readonly handle: string;
  /** Bits of doubt about the positions. */
  readonly trust: number;
}

/**
 * Two people dwelt together and both have instant match on. `atMs`: the fix that completed it. `offeredMs`: the same, or that of
 * the first time when an answer was lost; the two and this moment are what makes the dwell one of a kind.
 */
export interface Meeting {
  readonly officer: Met;
  readonly civilian: Met;
  readonly atMs: number;
  readonly offeredMs: number;
}

/** An officer is around a civilian. Says neither how far nor where. `atMs`: the civilian's fix. */
export interface Near {
  readonly civilianId: string;
  readonly officer: { readonly id: string; readonly handle: string };
  readonly atMs: number;
}

/** What a fix brought about. */
export interface Moved {
  readonly meetings: readonly Meeting[];
}

export const NOTHING: Moved = { meetings: [] };

export type EndReason = 'silence' | 'far' | 'outside' | 'crowd' | 'left';

/** Hears of every slot, for tests and simulations; each begins once and ends once, wherever the officer goes meanwhile. */
export interface MatchWatch {
  entered(officerId: string, civilianId: string, atMs: number): void;
  /** `atMs` is null for somebody who left. */
  ended(officerId: string, civilianId: string, atMs: number | null, reason: EndReason): void;
  /** Only where it is given are officers looked for as far away as `nearM`. */
  near?(near: Near): void;
}
