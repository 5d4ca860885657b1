/**
 * How far away phones are: a PING of ours, answered by the phone's program and not by its socket library. A few of them
 * each second for the metrics, chosen in turn from those whose app is on the screen, so that no sleeping radio is woken;
 * and one phone when an operator looks at it.
 */
import type { Clock, Metrics } from '../../nodes/ports.ts';
import { encodeServerFrame } from '../../protocol/codec.ts';
import type { Session } from '../session.ts';
import type { Tally } from '../tally.ts';
import { OPERATOR } from './limits.ts';

interface Ping {
  readonly n: number;
  readonly sentMs: number;
  readonly done: ((ms: number | null) => void)[];
}

export class RoundTrips {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #metrics: Metrics;
  readonly #tally: Pick<Tally, 'told'>;
  readonly #sent = new Map<Session, Ping>();
  #number = 0;
  #turn: Iterator<Session> | null = null;

  constructor(clock: Pick<Clock, 'monotonicMs'>, metrics: Metrics, tally: Pick<Tally, 'told'>) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#tally = tally;
  }

  /** PINGs that are not answered yet. */
  get size(): number {
    return this.#sent.size;
  }

  /** Milliseconds of one round trip; null when no answer came in time or the socket went. */
  measure(session: Session): Promise<number | null> {
    const ping = this.#ping(session);
    if (ping === null) return Promise.resolve(null);
    return new Promise(resolve => {
      const late = setTimeout(() => resolve(null), OPERATOR.pingMs);
      ping.done.push(ms => {
        clearTimeout(late);
        resolve(ms);
      });
    });
  }

  /** A PONG; one that answers nothing of ours is nothing. */
  answered(session: Session, n: number): void {
    const ping = this.#sent.get(session);
    if (ping === undefined || ping.n !== n) return;
    this.#sent.delete(session);
    const ms = this.#clock.monotonicMs() - ping.sentMs;
    this.#metrics.observe('rt_ping_rtt_seconds', ms / 1_000);
    for (const done of ping.done) done(ms);
  }

  /** It will not answer any more. */
  forget(session: Session): void {
    if (this.#sent.size === 0) return;
    const ping = this.#sent.get(session);
    if (ping === undefined) return;
    this.#sent.delete(session);
    for (const done of ping.done) done(null);
  }

  /** Pings the next few and gives up on those that did not answer. Called each second. */
  sample(all: () => Iterator<Session>): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [session, { sentMs }] of this.#sent)
      if (nowMs - sentMs >= OPERATOR.pingMs) this.forget(session);
    let pinged = 0;
    for (let looked = 0; looked < OPERATOR.pingLooked && pinged < OPERATOR.pinged; looked++) {
      this.#turn ??= all();
      const { value, done } = this.#turn.next() as IteratorResult<Session, undefined>;
      if (done || value === undefined) {
        this.#turn = null;
        return;
      }
      if (value.foreground && this.#ping(value) !== null) pinged++;
    }
  }

  /** The PING that is under way; null when it could not be said. */
  #ping(session: Session): Ping | null {
    if (session.phase !== 'open') return null;
    const underWay = this.#sent.get(session);
    if (underWay !== undefined) return underWay;
    // one that does not take what it is told has no round trip, and must not be told more
    if (session.bufferedBytes() > 0) return null;
    this.#number = (this.#number + 1) >>> 0;
    const ping: Ping = { n: this.#number, sentMs: this.#clock.monotonicMs(), done: [] };
    this.#sent.set(session, ping);
    this.#tally.told('ping');
    if (session.tryPut(encodeServerFrame({ type: 'ping', n: ping.n }))) return ping;
    this.#sent.delete(session);
    return null;
  }
}
