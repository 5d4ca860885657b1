/** What the attacker saw, as he writes it down: which of his accounts, where it claimed to be, and what came of it. */

/** Something that may or may not depend on where officer number `officer` is. */
export interface Sighting {
  readonly atMs: number;
  readonly officer: number;
  /** Where the account claimed to be. */
  readonly x: number;
  readonly y: number;
  /** What was looked at: a list, a period, the answer to a call, its latency, the bytes that came. */
  readonly channel: string;
  /** What it said, as a word; what words mean is learned. */
  readonly outcome: string;
  /** A number that came with it, if there was one. */
  readonly number: number | null;
}

/** Where an officer was, for learning and for the referee; hypotheses have the same. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly coarse: number;
  readonly area: number;
}

/** What a sighting is compared with; made once per sighting and account. */
export interface Vantage {
  readonly x: number;
  readonly y: number;
  readonly near: ReadonlySet<number>;
  readonly area: number;
}

const DISTANCES_M = [25, 50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800];
/** Classes of how an officer lies to an account: distance, coarse cell in its reach or not, same area or not. */
export const CLASSES = (DISTANCES_M.length + 1) * 4;

export function classOf(from: Vantage, x: number, y: number, coarse: number, area: number): number {
  const far = Math.hypot(from.x - x, from.y - y);
  let bin = 0;
  while (bin < DISTANCES_M.length && far > DISTANCES_M[bin]!) bin++;
  return bin * 4 + (from.near.has(coarse) ? 2 : 0) + (from.area === area ? 1 : 0);
}
