/** Who in a recording is an officer: a share of the people, drawn by seed. */
import { seeded } from './seeded.ts';

/**
 * The ids that are officers: `share` in [0, 1] of all, rounded, but at least one and at most all but one when there
 * are two people or more (without both roles nobody can meet).
 */
export function drawOfficers(ids: readonly string[], share: number, seed: number): Set<string> {
  const chance = seeded(seed);
  const drawn = [...ids];
  for (let i = drawn.length - 1; i > 0; i--) {
    const j = chance.int(i + 1);
    [drawn[i], drawn[j]] = [drawn[j]!, drawn[i]!];
  }
  const most = Math.max(0, ids.length - 1);
  return new Set(drawn.slice(0, Math.min(most, Math.max(1, Math.round(share * ids.length)))));
}

/** Reads `10%` or `0.1`; null when it is neither. */
export function parseShare(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim());
  if (!match) return null;
  const share = Number(match[1]) / (match[2] ? 100 : 1);
  return share <= 1 ? share : null;
}
