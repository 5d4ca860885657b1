/**
 * Why a change in an area is told late, and how: after a delay that is drawn once for the change and not for the one who
 * looks (see `area.ts`).
 */
import type { AreaRules } from './geo/areaRules.ts';
import type { Turn } from './turn.ts';

/** Something that is so, and what is told of it; between the two there is a delay. */
export interface Delayed {
  is: boolean;
  isTold: boolean;
  /** When the difference is told, town milliseconds; 0 when there is none. */
  dueMs: number;
}

/** Notes what is so now. A change draws its delay; one that is taken back before it was told is none. */
export function change(
  { rules, pending }: { readonly rules: AreaRules; readonly pending: Set<Delayed> },
  what: Delayed,
  is: boolean,
  leastMs: number,
  turn: Turn,
): void {
  if (what.is === is) return;
  what.is = is;
  what.dueMs = 0;
  pending.delete(what);
  if (is === what.isTold) return;
  const { delayMinMs, delayMaxMs } = rules;
  const drawnMs = delayMinMs + Math.floor((turn.random32() / 2 ** 32) * (delayMaxMs - delayMinMs + 1));
  what.dueMs = turn.nowMs + Math.max(leastMs, drawnMs);
  pending.add(what);
}
