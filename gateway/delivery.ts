/**
 * What phones hear from their actors, and in which order. Problem: a phone on a train takes less than it is told, and ten
 * thousand apps in a pocket must not be woken for each thing that changes around them.
 *
 * Guarantee: events go out at once and in order, behind WELCOME and the replay; none is lost without the socket being
 * closed, and whoever resumes gets it. Of volatile frames a phone gets the newest of each thing, each 100 ms, in the
 * background each 2 s, and never an older one after a newer. What waits for one phone is bounded, whatever it does.
 *
 * A volatile frame that comes alone passes at once: waiting is for those that come in numbers. The answer to a position
 * always passes, as the phone paces it itself. A frame says in its own first bytes which version of which thing it is
 * (`protocol/pieces.ts`), so actors and nodes need not say it again: the envelope between nodes stays as it is.
 */
import type { Metrics } from '../nodes/ports.ts';
import { EVENTS } from '../protocol/catalogue.ts';
import { type VolatileHead, volatileHead } from '../protocol/pieces.ts';
import { LIMITS } from './limits.ts';
import { BACKGROUND_TICKS, Pacer } from './pacer.ts';
import { Room } from './room.ts';
import { KEEPS_UP, type Session, STOPPED, THINNED } from './session.ts';
import type { Tally } from './tally.ts';
import { Volatiles } from './volatiles.ts';

const ANSWER = EVENTS['report.next'].code;

/** How a frame that is kept until the actors had their turns goes to its socket then. */
const EVENT = 0;
const VOLATILE = 1;
const WORD = 2;
type Manner = typeof EVENT | typeof VOLATILE | typeof WORD;

export interface DeliveryOptions {
  readonly tally: Tally;
  readonly metrics: Metrics;
  /** Ends a session in which something was thrown. */
  readonly broken: (session: Session, error: unknown) => void;
}

export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #pacer = new Pacer();
  readonly #room = new Room();
  readonly #lost: (kind: number) => void;
  /** Frames are kept, column by column, until so many or until `release`. */
  #holding = false;
  #held = 0;
  readonly #sessions: (Session | null)[] = new Array(LIMITS.heldFrames).fill(null);
  readonly #frames: (Uint8Array | null)[] = new Array(LIMITS.heldFrames).fill(null);
  readonly #manners: Manner[] = new Array(LIMITS.heldFrames).fill(EVENT);

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#lost = kind => options.tally.conflated(kind);
  }

  /** Sessions for which volatile frames wait until their turn. */
  get waiting(): number {
    return this.#pacer.size;
  }

  /** The first words to a phone: WELCOME, what it missed, what was pushed meanwhile; from now on it hears the present. */
  begin(session: Session, welcome: Uint8Array, missed: readonly Uint8Array[]): void {
    const { queue, socket } = session;
    session.queue = null;
    session.queuedBytes = 0;
    session.phase = 'open';
    socket.cork(() => {
      session.put(welcome);
      for (const bytes of missed) {
        const head = volatileHead(bytes);
        // something newer was pushed before this was written down
        if (head !== null && !this.#things(session).passes(head, this.#lost)) continue;
        session.put(bytes);
      }
      if (queue !== null) for (const bytes of queue) session.put(bytes);
      if (session.volatiles !== null && session.volatiles.waiting > 0) this.#flush(session);
    });
  }

  /** An event from the actor. */
  event(session: Session, bytes: Uint8Array): void {
    const { tally } = this.#options;
    if (session.phase === 'attaching') {
      session.queue ??= [];
      session.queuedBytes += bytes.length;
      const full = session.queue.length >= LIMITS.queuedPushes || session.queuedBytes > LIMITS.queuedBytes;
      if (full) return session.letGo();
      session.queue.push(bytes.slice());
    } else if (session.phase === 'open') this.#say(session, bytes, EVENT);
    else return;
    tally.said(bytes.length);
    tally.event();
  }

  /** The answer to a command, in its order with what its actor has pushed. */
  say(session: Session, bytes: Uint8Array): void {
    this.#say(session, bytes, WORD);
  }

  /** Frames may be kept from now on: many actors have their turns, and sockets have theirs afterwards. */
  hold(): void {
    this.#holding = true;
  }

  release(): void {
    this.#holding = false;
    this.flush();
  }

  /** What is kept goes out. */
  flush(): void {
    const held = this.#held;
    if (held === 0) return;
    const holding = this.#holding;
    // what a socket says to its going out must not come behind what is kept next
    this.#holding = false;
    this.#held = 0;
    for (let from = 0, to = 0; from < held; from = to) {
      const session = this.#sessions[from]!;
      while (to < held && this.#sessions[to] === session) to++;
      // An answer and the event that came with it are one packet.
      if (to === from + 1) this.#take(from, session);
      else
        session.socket.cork(() => {
          for (let at = from; at < to; at++) this.#take(at, session);
        });
    }
    this.#holding = holding;
  }

  /** A frame from the actor that may be replaced by a later one; `head` is null when it is about no thing. */
  volatile(session: Session, head: VolatileHead | null, bytes: Uint8Array): void {
    const { tally } = this.#options;
    const { phase } = session;
    if (phase !== 'open' && phase !== 'attaching') return;
    if (head === null) {
      if (phase === 'open' && session.rung() !== STOPPED) this.#say(session, bytes, VOLATILE);
      else tally.skipped();
      return;
    }
    const answer = head.kind === ANSWER;
    if (answer) {
      if (head.version <= session.answered) return tally.late();
      session.answered = head.version;
    }
    if (this.#mayPass(session, answer, head)) {
      if (!answer) {
        if (!this.#things(session).passes(head, this.#lost)) return tally.late();
        session.passed = this.#pacer.now;
      }
      tally.said(bytes.length);
      return this.#say(session, bytes, VOLATILE);
    }
    if (!this.#things(session).wait(head, bytes, this.#lost)) return tally.late();
    if (phase === 'open') this.#pacer.in(session, session.foreground ? 1 : BACKGROUND_TICKS);
  }

  /** The app went to the background or came back: then it need not wait any longer. */
  foreground(session: Session, foreground: boolean): void {
    session.foreground = foreground;
    if (foreground && session.turn > 0) this.#pacer.in(session, 1);
  }

  /** Flushes those whose turn it is. Called each `LIMITS.flushMs`. */
  tick(): void {
    this.#pacer.tick(session => {
      try {
        this.#turn(session);
      } catch (error) {
        this.#options.broken(session, error);
      }
    });
  }

  /** Looks at how far behind phones are, and lets go of those that are too far. Called each `LIMITS.sampleMs`. */
  sample(sessions: Iterable<Session>): void {
    const { metrics } = this.#options;
    let thinned = 0;
    let stopped = 0;
    for (const session of sessions) {
      if (!session.choked) continue;
      const buffered = session.bufferedBytes();
      if (buffered === 0) continue;
      metrics.observe('rt_buffered_bytes', buffered);
      const rung = session.rung();
      if (rung === THINNED) thinned++;
      if (rung !== STOPPED) continue;
      if (++stopped <= LIMITS.lettingGo) session.letGo();
    }
    this.#room.tidy();
    metrics.gauge('rt_slow_ladder', thinned, { level: 'thinned' });
    metrics.gauge('rt_slow_ladder', stopped, { level: 'stopped' });
  }

  /** Nothing will be said to it any more. */
  forget(session: Session): void {
    this.#pacer.cancel(session);
    session.volatiles?.clear();
    session.volatiles = null;
    session.queue = null;
  }

  #say(session: Session, bytes: Uint8Array, manner: Manner): void {
    if (!this.#holding) return this.#put(session, bytes, manner);
    const at = this.#held++;
    this.#sessions[at] = session;
    this.#frames[at] = bytes;
    this.#manners[at] = manner;
    if (this.#held === LIMITS.heldFrames) this.flush();
  }

  #take(at: number, session: Session): void {
    const bytes = this.#frames[at]!;
    this.#sessions[at] = null;
    this.#frames[at] = null;
    this.#put(session, bytes, this.#manners[at]!);
  }

  #put(session: Session, bytes: Uint8Array, manner: Manner): void {
    if (session.phase !== 'open') return;
    try {
      if (manner === EVENT) session.event(bytes);
      else if (manner === WORD) session.send(bytes);
      else if (session.tryPut(bytes)) this.#options.tally.volatile(1);
      else this.#options.tally.skipped();
    } catch (error) {
      // the others must hear of theirs
      this.#options.broken(session, error);
    }
  }

  #mayPass(session: Session, answer: boolean, { thing }: VolatileHead): boolean {
    if (session.phase !== 'open' || !session.foreground) return false;
    if (session.choked && session.rung() !== KEEPS_UP) return false;
    // not before an older one that waits: it would be said after it
    if (answer) return session.volatiles?.holds(thing) !== true;
    return session.passed !== this.#pacer.now;
  }

  #turn(session: Session): void {
    if (session.phase !== 'open') return;
    const rung = session.rung();
    if (rung === STOPPED || (rung === THINNED && this.#pacer.now % 2 === 1)) this.#pacer.in(session, 1);
    else if (session.volatiles !== null) session.socket.cork(() => this.#flush(session));
  }

  #flush(session: Session): void {
    const { tally } = this.#options;
    const frames = session.volatiles!.waiting;
    session.passed = this.#pacer.now;
    let said = true;
    session.volatiles!.take(message => {
      tally.said(message.length);
      said = session.tryPut(message) && said;
    });
    if (said) tally.volatile(frames);
    else tally.skipped();
  }

  #things(session: Session): Volatiles {
    session.volatiles ??= new Volatiles(this.#room);
    return session.volatiles;
  }
}
