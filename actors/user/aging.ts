/** What a user actor remembers of the end of its points: the durable timer that leads to it, and what is under way. */
import type { TimerView } from '../queries.ts';
import type { ReplyTo } from '../turn.ts';
import type { Lot } from './lots.ts';

export const EXPIRY_TIMER = 'expiry';

export interface Aging {
  /** Town milliseconds at which the timer is due; 0: none is set. */
  readonly dueAtMs: number;
  /** With which life of points it was set. */
  readonly lifeMs: number;
  /** Version of the balance for which it was looked when anything is gone. */
  readonly lookedAt: number;
  /** The timer that was delivered, as often as it was. */
  readonly due: readonly ReplyTo[];
  /** On their way out. */
  readonly taking: { readonly points: number; readonly left: readonly Lot[] } | null;
  /** Who asked what is gone next. */
  readonly asking: readonly ReplyTo[];
}

export const NOT_AGING: Aging = { dueAtMs: 0, lifeMs: 0, lookedAt: -1, due: [], taking: null, asking: [] };

/** As an actor begins with it, from its durable timers. */
export function agingOf(timers: readonly TimerView[]): Aging {
  const timer = timers.find(({ name }) => name === EXPIRY_TIMER);
  return timer ? agingAt(timer.dueAtMs, timer.message) : NOT_AGING;
}

/** With a timer that is due then; of a message of another version the span of life is unknown (0). */
export const agingAt = (dueAtMs: number, message: unknown): Aging => {
  const { lifeMs } = message as { readonly lifeMs?: unknown };
  return { ...NOT_AGING, dueAtMs, lifeMs: typeof lifeMs === 'number' ? lifeMs : 0 };
};
