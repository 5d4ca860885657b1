/** What this gateway knows of a person's sockets, and what it does with them for an operator, here or elsewhere. */
import { isIPv4 } from 'node:net';
import type { Clock } from '../../nodes/ports.ts';
import type { Spending } from '../meters.ts';
import { KEEPS_UP, type Session, THINNED } from '../session.ts';
import type { LastCloses } from './closes.ts';
import { countSockets } from './counting.ts';
import { OPERATOR } from './limits.ts';
import type { RoundTrips } from './roundTrips.ts';
import type { Watches } from './watches.ts';
import type { AnswerTo, Ask, Question, SocketView } from './words.ts';

export interface LocalOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Every socket of a person that is verified. */
  readonly socketsOf: (userId: string) => readonly Session[];
  readonly roundTrips: Pick<RoundTrips, 'measure'>;
  readonly closes: Pick<LastCloses, 'of' | 'since'>;
  /** Every socket of this gateway. */
  readonly sockets: () => Iterable<Session>;
  /** The node of this gateway. */
  readonly here: () => { readonly node: string; readonly version: string };
  readonly watches: Watches;
  /** What sockets may say here; null where nothing is counted. */
  readonly spending: Pick<Spending, 'rates' | 'change'> | null;
}

/** A question without what the bus needs. */
export type Asked = {
  [A in Ask]: Omit<Question & { readonly ask: A }, 'v' | 'id' | 'from'>;
}[Ask];

const ROWS = 64;

export class Local {
  readonly #options: LocalOptions;

  constructor(options: LocalOptions) {
    this.#options = options;
  }

  answer(asked: Asked): Promise<AnswerTo<Ask>> | AnswerTo<Ask> {
    switch (asked.ask) {
      case 'count':
        return this.#count();
      case 'rates':
        return { rates: this.#options.spending?.rates ?? null };
      case 'rate':
        this.#options.spending?.change(asked.class, { perS: asked.perS, burst: asked.burst });
        return { rates: this.#options.spending?.rates ?? null };
      case 'look':
        return this.#look(asked.userId);
      case 'where':
        return this.#where(asked.userId);
      case 'watch':
        return { watching: this.#options.watches.begin(asked.userId, asked.leftMs) };
      case 'read':
        return this.#read(asked.userId);
      case 'unwatch':
        return { watching: this.#options.watches.end(asked.userId) };
    }
  }

  #count(): AnswerTo<'count'> {
    const { clock, closes, sockets, here } = this.#options;
    return countSockets(sockets(), closes.since(clock.monotonicMs() - OPERATOR.closesShownMs), here());
  }

  /** Of the newest socket. */
  #where(userId: string): AnswerTo<'where'> {
    const [newest] = [...this.#options.socketsOf(userId)].sort((a, b) => b.connSeq - a.connSeq);
    const address = newest?.socket.address ?? '';
    return { ipv4: isIPv4(address) ? address : null };
  }

  async #look(userId: string): Promise<AnswerTo<'look'>> {
    const { clock, socketsOf, closes } = this.#options;
    const nowMs = clock.monotonicMs();
    const sockets = socketsOf(userId).slice(0, ROWS);
    const ended = closes.of(userId).slice(-ROWS);
    return {
      sockets: await Promise.all(sockets.map(session => this.#socket(session, nowMs))),
      closes: ended.map(({ deviceId, code, by, atMs }) => ({
        deviceId,
        code,
        by,
        agoMs: Math.max(0, Math.round(nowMs - atMs)),
      })),
      watchLeftMs: this.#leftMs(userId),
    };
  }

  async #socket(session: Session, nowMs: number): Promise<SocketView> {
    // before the PING, which may wait behind all of it
    const bufferedBytes = session.bufferedBytes();
    const rung = session.rung();
    const view = {
      sessionId: session.ref?.id ?? '',
      deviceId: session.identity?.deviceId ?? '',
      app: session.app,
      connSeq: session.connSeq,
      ageMs: Math.max(0, Math.round(nowMs - session.openedMs)),
      welcomed: session.phase === 'open',
      foreground: session.foreground,
      bufferedBytes,
      rung: rung === KEEPS_UP ? 'keeps up' : rung === THINNED ? 'thinned' : 'stopped',
      eventsBehind: session.behind,
    } as const;
    const roundTripMs = await this.#options.roundTrips.measure(session);
    return { ...view, roundTripMs };
  }

  #read(userId: string): AnswerTo<'read'> {
    const watch = this.#options.watches.read(userId);
    if (watch === null) return { leftMs: 0, dropped: 0, entries: [] };
    return { leftMs: this.#leftMs(userId), dropped: watch.dropped, entries: [...watch.entries] };
  }

  #leftMs(userId: string): number {
    const { clock, watches } = this.#options;
    const watch = watches.read(userId);
    return watch === null ? 0 : Math.max(0, Math.round(watch.untilMs - clock.monotonicMs()));
  }
}
