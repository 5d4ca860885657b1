/**
 * One socket and what is known of the person behind it. Thousands of these are idle at any time, so it holds fields
 * and no closures or timers; what happens to it stands in `hello.ts`, `frames.ts` and `sessions.ts`.
 */
import type { Address, SessionRef } from '../nodes/gatewayPort.ts';
import { CLOSE } from '../protocol/errors.ts';
import type { Resume } from '../protocol/frames.ts';
import { wellFormedTrace } from '../protocol/trace.ts';
import type { Identity } from './auth/tokens.ts';
import { LIMITS } from './limits.ts';
import { BUFFERED, DROPPED, type Socket } from './transport.ts';

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

/** What became of a pushed frame. */
export type Delivery = 'sent' | 'queued' | 'skipped' | 'closed';

export class Session {
  readonly socket: Socket<Session>;
  phase: Phase = 'waiting';
  /** When the sweep must act: HELLO is late, a token needs renewal, a token is over. Monotonic milliseconds. */
  deadlineMs: number;
  openedMs: number;
  /** Who; null before the token was verified. */
  identity: Identity | null = null;
  user: Address | null = null;
  ref: SessionRef | null = null;
  connSeq = 0;
  /** Where the phone stopped, for an attach that must be asked for again. */
  resume: Resume | null = null;
  /** What the phone's commands belong to: the trace context of the upgrade; null when it had none. */
  readonly trace: string | null;
  /** The client was asked for a new token. */
  warned = false;
  /** Frames pushed before WELCOME. */
  queue: Uint8Array[] | null = null;
  /** The peer did not take everything at the last send. */
  choked = false;
  strikes = 0;
  strikeMs = 0;
  /** Close code that we gave; 0 when the peer left. */
  closeCode = 0;
  // Buckets (rate.ts).
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

  /** Says something that must arrive: a phone that cannot take it is closed with 4102 and gets it by resuming. */
  send(bytes: Uint8Array): void {
    const status = this.socket.send(bytes);
    if (status === BUFFERED) this.choked = true;
    else if (status === DROPPED) this.close(CLOSE.slowConsumer, 'too slow');
  }

  /** A frame from the actor, in order behind WELCOME; the ladder for slow phones stands here. */
  deliver(bytes: Uint8Array, volatile: boolean): Delivery {
    if (this.phase === 'attaching') {
      this.queue ??= [];
      if (this.queue.length >= LIMITS.queuedPushes) {
        this.close(CLOSE.slowConsumer, 'too slow');
        return 'closed';
      }
      this.queue.push(bytes);
      return 'queued';
    }
    if (this.phase !== 'open') return 'closed';
    if (this.choked) {
      const buffered = this.socket.bufferedBytes();
      if (buffered === 0) this.choked = false;
      else if (volatile && buffered > LIMITS.softBufferBytes) return 'skipped';
      else if (buffered > LIMITS.closeBufferBytes) {
        this.close(CLOSE.slowConsumer, 'too slow');
        return 'closed';
      }
    }
    const status = this.socket.send(bytes);
    if (status === BUFFERED) this.choked = true;
    else if (status === DROPPED) {
      if (volatile) return 'skipped';
      this.close(CLOSE.slowConsumer, 'too slow');
      return 'closed';
    }
    return 'sent';
  }

  close(code: number, reason: string): void {
    if (this.phase === 'closed') return;
    if (this.closeCode === 0) this.closeCode = code;
    this.socket.close(code, reason);
  }
}
