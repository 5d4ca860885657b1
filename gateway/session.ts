/**
 * One socket and what is known of the person behind it. Thousands of these are idle at any time, so it holds fields
 * and no closures or timers; what happens to it stands in `hello.ts`, `frames.ts`, `delivery.ts` and `sessions.ts`.
 */
import type { Address, SessionRef } from '../nodes/gatewayPort.ts';
import { CLOSE } from '../protocol/errors.ts';
import type { ClientFrame, Resume } from '../protocol/frames.ts';
import { wellFormedTrace } from '../protocol/trace.ts';
import type { Identity } from './auth/tokens.ts';
import { LIMITS } from './limits.ts';
import type { Counted, Meter } from './meters.ts';
import { BUFFERED, DROPPED, type Socket } from './transport.ts';
import type { Volatiles } from './volatiles.ts';

export type Phase =
  /** HELLO has not come */
  | 'waiting'
  /** its token is being verified */
  | 'verifying'
  /** the user actor was asked; pushes wait */
  | 'attaching'
  /** WELCOME was sent */
  | 'open'
  | 'closed';

/** How far a phone is behind: it takes everything; volatile frames are thinned; they stop, and it is about to be let go. */
export const KEEPS_UP = 0;
export const THINNED = 1;
export const STOPPED = 2;
export type Rung = typeof KEEPS_UP | typeof THINNED | typeof STOPPED;

/** Where the session of a ref of this gateway stands, so that a push need not look for it. */
const OF = Symbol('session');

/**
 * The ref that actors know a session by: plain values for whoever sends it to another node. What comes back from one is
 * found by its id.
 */
export const refOf = (gateway: string, id: string, session: Session): SessionRef =>
  Object.defineProperty({ gateway, id }, OF, { value: session, writable: true });

/** The session of a ref that was made here and has not come from elsewhere; undefined when it must be looked for. */
export const sessionOf = (ref: SessionRef): Session | undefined => (ref as { [OF]?: Session })[OF];

/** The session is over: who still knows its ref does not keep it. */
export const release = (ref: SessionRef): void => {
  if (OF in ref) (ref as { [OF]?: Session | undefined })[OF] = undefined;
};

/** Notes what goes over the sockets of one person, for an operator who follows them (operator/watch.ts). */
export interface Watching {
  attached(session: Session): void;
  heard(session: Session, frame: ClientFrame, bytes: number): void;
  /** `status` is what the socket said of it. */
  said(session: Session, message: Uint8Array, status: number): void;
  ended(session: Session, code: number): void;
}

/** What every event looks at stands in front, side by side: of thousands of sessions, hardly one is in a cache of the processor. */
export class Session implements Counted {
  readonly socket: Socket<Session>;
  phase: Phase = 'waiting';
  /** The peer did not take everything at the last send. */
  choked = false;
  /** Null unless an operator follows its user. */
  watch: Watching | null = null;
  /** Events given to it since it did not take everything, and their bytes. */
  behind = 0;
  behindBytes = 0;
  /** When the sweep must act: HELLO is late, a token needs renewal, a token is over. Monotonic milliseconds. */
  deadlineMs: number;
  openedMs: number;
  /** When it is told to go elsewhere for its age, and once it was told to go: when it is closed. */
  endMs = Number.POSITIVE_INFINITY;
  /** It was told to go, and is closed with this code if it stays; 0 before. */
  awayCode = 0;
  /** Who; null before the token was verified. */
  identity: Identity | null = null;
  user: Address | null = null;
  /** Of its user; -1 before somebody asked. */
  shard = -1;
  ref: SessionRef | null = null;
  /** Name and version of its app, as HELLO said. */
  app = '';
  connSeq = 0;
  /** Where the phone stopped, for an attach that must be asked for again. */
  resume: Resume | null = null;
  /** It named a session that is not its own. */
  foreign = false;
  /** What the phone's commands belong to: the trace context of the upgrade; null when it had none. */
  readonly trace: string | null;
  /** The client was asked for a new token. */
  warned = false;
  /** Events pushed before WELCOME, and their bytes. */
  queue: Uint8Array[] | null = null;
  queuedBytes = 0;
  /** The app is on the screen. */
  foreground = true;
  /** Volatile frames that wait; null before the first. */
  volatiles: Volatiles | null = null;
  /** Its newest position, undecoded, while the node is behind (intake.ts). */
  kept: Uint8Array | null = null;
  /** Newest position that was answered. */
  answered = -1;
  /** Tick in which a volatile frame passed at once, and in which what waits has its turn (0: nothing waits). */
  passed = -1;
  turn = 0;
  strikes = 0;
  strikeMs = 0;
  /** Close code that we gave; 0 when the peer left. */
  closeCode = 0;
  /** A new token is being verified. */
  renewing = false;
  // Buckets (meters.ts): of the address and the user, and its own.
  addressMeter: Meter | null = null;
  userMeter: Meter | null = null;
  locationMs = 0;
  commandMs = 0;
  authMs = 0;
  qrMs = 0;
  otherMs = 0;

  constructor(socket: Socket<Session>, nowMs: number) {
    this.socket = socket;
    this.trace = wellFormedTrace(socket.trace);
    this.openedMs = nowMs;
    this.deadlineMs = nowMs + LIMITS.helloMs;
  }

  /** Bytes that the phone has not taken; a phone that took all of them is no longer behind. */
  bufferedBytes(): number {
    if (!this.choked) return 0;
    const buffered = this.socket.bufferedBytes();
    if (buffered === 0) this.drained();
    return buffered;
  }

  /** Where it stands on the ladder. */
  rung(): Rung {
    const buffered = this.bufferedBytes();
    if (buffered > LIMITS.closeBufferBytes) return STOPPED;
    return buffered > LIMITS.thinBufferBytes ? THINNED : KEEPS_UP;
  }

  drained(): void {
    this.choked = false;
    this.behind = 0;
    this.behindBytes = 0;
  }

  /** Says an event; a phone that has not taken so many of them is let go while its outbox still holds them. */
  event(bytes: Uint8Array): void {
    if (this.choked) {
      const share = this.bufferedBytes() / this.behindBytes;
      if (this.behind * Math.min(1, share) >= LIMITS.eventsBehind) return this.letGo();
    }
    this.send(bytes);
    if (!this.choked) return;
    this.behind++;
    this.behindBytes += bytes.length;
  }

  /**
   * Says something that must arrive: a phone that is too far behind is closed with 4102 and gets it by resuming. Closed
   * before the transport drops anything, for it would drop the close frame too.
   */
  send(bytes: Uint8Array): void {
    if (this.choked && this.rung() === STOPPED) return this.letGo();
    this.put(bytes);
  }

  /** Says something without looking at how far behind it is: for the first words, which are bounded. */
  put(bytes: Uint8Array): void {
    const status = this.socket.send(bytes);
    if (this.watch !== null) this.watch.said(this, bytes, status);
    if (status === BUFFERED) this.choked = true;
    else if (status === DROPPED) this.letGo();
  }

  /** Says something that may be lost; whether it was said. */
  tryPut(bytes: Uint8Array): boolean {
    const status = this.socket.send(bytes);
    if (this.watch !== null) this.watch.said(this, bytes, status);
    if (status === BUFFERED) this.choked = true;
    return status !== DROPPED;
  }

  letGo(): void {
    this.close(CLOSE.slowConsumer, 'too slow');
  }

  close(code: number, reason: string): void {
    if (this.phase === 'closed') return;
    if (this.closeCode === 0) this.closeCode = code;
    this.socket.close(code, reason);
  }
}
