/**
 * A gateway that empties itself while the others serve. Told all at once, ten thousand phones would knock at the others'
 * doors within a second; so a part of them is told each 250 ms, far fewer than the others can welcome, and each has a short
 * window of its own. Nobody is closed before the deadline that it was told, so those that stay are closed in the
 * same portions in which they were told.
 *
 * Shards move at the same time and need the same processors. As long as this node still has some to hand over, fewer
 * phones are told: each that moves is a handshake, a token to verify and an attach, and shards that wait for them keep
 * everybody waiting who speaks to their actors, while a phone that stays longer misses nothing.
 *
 * When there are more phones than that within the time there is, they are told faster, up to half of what the others can
 * take; what remains even then is closed at the end.
 */
import type { Metrics } from '../nodes/ports.ts';
import type { Away } from './away.ts';
import { LIMITS } from './limits.ts';
import type { Session } from './session.ts';

/**
 * Phones that are told a second, when so many shall go to so many other nodes within so long.
 * @param eachPerS what each of the others can take
 * @param share of it, while time allows
 */
export const drainPerS = (
  phones: number,
  others: number,
  tellMs: number,
  eachPerS: number,
  share: number,
): number => {
  const able = Math.max(1, others) * eachPerS;
  const inTime = (phones * 1_000) / Math.max(1, tellMs);
  return Math.max(able * share, Math.min(able * LIMITS.drainShareMax, inTime));
};

export interface DrainOptions {
  readonly away: Away;
  readonly metrics: Metrics;
  readonly sessions: () => Iterable<Session>;
  /** Sockets that are here, also those that have not said HELLO. */
  readonly size: () => number;
  /** Phones that each of the others can welcome a second. */
  readonly eachPerS: number;
  /** Shards of this node are still being handed over. */
  readonly handingOver: () => boolean;
}

export class Drain {
  readonly #options: DrainOptions;
  readonly #untilMs: number;
  readonly #others: number;
  #nextMs: number;

  constructor(options: DrainOptions, nowMs: number, graceMs: number, others: number) {
    this.#options = options;
    this.#untilMs = nowMs + graceMs;
    this.#nextMs = nowMs;
    this.#others = others;
  }

  /** Phones that are told in a tick now. */
  #perTick(nowMs: number): number {
    const { handingOver, size, eachPerS } = this.#options;
    const share = handingOver() ? LIMITS.drainShareBeside : LIMITS.drainShare;
    // some of those that were told are still here: rather too many than too few
    const tellMs = this.#untilMs - LIMITS.goawayMs - nowMs;
    const perS = drainPerS(size(), this.#others, tellMs, eachPerS, share);
    return Math.ceil((perS * LIMITS.drainTickMs) / 1_000);
  }

  /** Tells the next ones when it is time, and closes those whose time is over; how many sockets are still here. */
  step(nowMs: number): number {
    const { away, metrics, sessions, size } = this.#options;
    if (nowMs >= this.#nextMs) {
      // late steps are not made up for: the others would hear of two at once
      this.#nextMs = nowMs + LIMITS.drainTickMs;
      let room = this.#perTick(nowMs);
      const deadlineMs = Math.max(0, Math.min(LIMITS.goawayMs, Math.round(this.#untilMs - nowMs)));
      for (const session of sessions()) {
        // those that still attach have their turn when they are welcome
        if (session.phase !== 'open') continue;
        if (session.awayCode !== 0) {
          if (session.endMs <= nowMs) away.due(session);
        } else if (room-- > 0) {
          const spreadMs = Math.min(LIMITS.goawaySpreadMs, deadlineMs);
          away.tell(session, { reason: 'restart', deadlineMs, spreadMs });
        }
      }
    }
    metrics.gauge('rt_drain_remaining', size());
    return size();
  }
}
