/**
 * Do the actors still know our sessions?
 *
 * A user whose node was killed comes to life elsewhere with an empty list of sessions. The sockets here are as open as
 * before, so a phone that only listens would wait for ever. After an owner changed, each session of its users is asked
 * for: the actor answers, or closes the session so that its phone comes back and gets a snapshot. So many at a time, for
 * each question may wake an actor from the store.
 */
import type { UserMessage } from '../nodes/gatewayPort.ts';
import { CLOSE, type Result } from '../protocol/errors.ts';
import { LIMITS } from './limits.ts';
import type { RealtimeOptions } from './realtime.ts';
import type { Session } from './session.ts';

interface Probe {
  readonly session: Session;
  asked: number;
  /** Not before, monotonic milliseconds. */
  atMs: number;
}

export class Probes {
  /** Those that wait for their turn, oldest first; a session stands here once. */
  readonly #waiting = new Map<Session, Probe>();
  #asking = 0;
  #sweeping = false;
  readonly #options: RealtimeOptions;

  constructor(options: RealtimeOptions) {
    this.#options = options;
  }

  /** Sessions that wait or are asked. */
  get size(): number {
    return this.#waiting.size + this.#asking;
  }

  add(session: Session): void {
    this.#waiting.set(session, { session, asked: 0, atMs: 0 });
    this.sweep(this.#options.clock.monotonicMs());
  }

  /** Asks for those whose time has come, as far as there is room. */
  sweep(nowMs: number): void {
    if (this.#sweeping) return; // an answer that came at once
    this.#sweeping = true;
    for (const probe of this.#waiting.values()) {
      if (this.#asking >= LIMITS.probing) break;
      if (probe.atMs > nowMs) continue;
      this.#waiting.delete(probe.session);
      if (probe.session.phase === 'open') this.#ask(probe);
    }
    this.#sweeping = false;
  }

  #ask(probe: Probe): void {
    const { session } = probe;
    const { door, metrics } = this.#options;
    probe.asked++;
    this.#asking++;
    const message: UserMessage = { type: 'probe', session: session.ref!, connSeq: session.connSeq };
    const answered = (result: Result<unknown>): void => {
      this.#asking--;
      metrics.count('rt_probes_total', { result: result.ok ? 'known' : 'refused' });
      this.#answered(probe, result);
    };
    // Asking twice does no harm, so it may follow its actor.
    door.ask(session.user!, message, answered, { timeoutMs: LIMITS.probeMs, keyed: true });
  }

  #answered(probe: Probe, result: Result<unknown>): void {
    const { session } = probe;
    const nowMs = this.#options.clock.monotonicMs();
    if (session.phase === 'open' && !result.ok) {
      if (result.retryable && probe.asked < LIMITS.probesMax) {
        probe.atMs = nowMs + Math.max(LIMITS.attachRetryMs * probe.asked, result.retryAfterMs);
        // asked for again meanwhile, because the owner changed once more: that one counts
        if (!this.#waiting.has(session)) this.#waiting.set(session, probe);
      } else session.close(CLOSE.moved, 'connect again');
    }
    this.sweep(nowMs);
  }
}
