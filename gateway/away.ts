/**
 * Sending phones to other gateways: GOAWAY says where to and until when, and the socket stays open meanwhile, so that the
 * phone opens the new one first and misses nothing. One that stays beyond its deadline is closed.
 */
import type { Clock, Metrics } from '../nodes/ports.ts';
import { encodeServerFrame } from '../protocol/codec.ts';
import { CLOSE } from '../protocol/errors.ts';
import { LIMITS } from './limits.ts';
import type { Session } from './session.ts';
import type { Tally } from './tally.ts';

/** Why, and with which close code it ends for those who stay. */
const REASONS = { restart: CLOSE.restart, rebalance: CLOSE.rebalance } as const;

export interface Departing {
  readonly reason: keyof typeof REASONS;
  /** From now to the close. */
  readonly deadlineMs: number;
  /** Phones spread their move over so long; longer than the deadline where nobody is there before we are back. */
  readonly spreadMs: number;
}

export interface AwayOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly metrics: Metrics;
  readonly tally?: Pick<Tally, 'told'>;
  /** Realtime addresses of the other nodes. Default: none is known, phones find their own way. */
  readonly elsewhere?: () => readonly string[];
}

/**
 * Milliseconds after which a session is told to go for its age: the same for the same session, and spread over all of
 * them, so that the phones of a node that came last do not come back together.
 */
export const lifeMs = (sessionId: string): number => {
  // FNV-1a: any hash would do
  let hash = 0x811c9dc5;
  for (let i = 0; i < sessionId.length; i++) {
    hash = Math.imul(hash ^ sessionId.charCodeAt(i), 0x01000193);
  }
  const share = (hash >>> 0) / 0xffff_ffff;
  return Math.round(LIMITS.ageMs * (1 + LIMITS.ageSpread * (2 * share - 1)));
};

export class Away {
  readonly #options: AwayOptions;
  #told = 0;
  #urls: readonly string[] = [];
  #lookAgainMs = 0;

  constructor(options: AwayOptions) {
    this.#options = options;
  }

  /** Others are named in turn, so that each gets its part. */
  tell(session: Session, { reason, deadlineMs, spreadMs }: Departing): void {
    const { clock, metrics } = this.#options;
    const nowMs = clock.monotonicMs();
    const urls = this.#elsewhere(nowMs);
    session.awayCode = REASONS[reason];
    session.endMs = nowMs + deadlineMs;
    metrics.count('rt_goaway_total', { reason });
    this.#options.tally?.told('goaway');
    session.send(
      encodeServerFrame({
        type: 'goaway',
        reason,
        deadlineMs,
        delayMinMs: 0,
        delayMaxMs: spreadMs,
        url: urls.length > 0 ? urls[this.#told++ % urls.length]! : null,
      }),
    );
  }

  /** Looked up once for all who are told together: it is made from the whole view of the cluster. */
  #elsewhere(nowMs: number): readonly string[] {
    if (nowMs >= this.#lookAgainMs) {
      this.#urls = this.#options.elsewhere?.() ?? [];
      this.#lookAgainMs = nowMs + LIMITS.drainTickMs;
    }
    return this.#urls;
  }

  /** Its time is over: it is told to go, or, told before, closed. */
  due(session: Session): void {
    if (session.awayCode !== 0) return session.close(session.awayCode, 'it was time to go');
    this.tell(session, { reason: 'rebalance', deadlineMs: LIMITS.goawayMs, spreadMs: LIMITS.goawaySpreadMs });
  }
}
