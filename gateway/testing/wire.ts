/** The pretended socket of the session tests. It keeps the same contract as the real one (`transport.test.ts`). */
import { decodeServerFrame, encodeClientFrame } from '../../protocol/codec.ts';
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import type { Identity } from '../auth/tokens.ts';
import type { Session } from '../session.ts';
import { CLOSED, DROPPED, type Listener, SENT, type Socket } from '../transport.ts';

export class Wire implements Socket<Session> {
  data: Session | null = null;
  readonly address: string;
  readonly frames: ServerFrame[] = [];
  /** The same, as they came. */
  readonly messages: Uint8Array[] = [];
  status = SENT;
  buffered = 0;
  code: number | null = null;
  private readonly sessions: Listener<Session>;

  readonly trace: string;
  readonly bearer: Identity | null;

  constructor(sessions: Listener<Session>, address = '10.0.0.1', trace = '', bearer: Identity | null = null) {
    this.sessions = sessions;
    this.address = address;
    this.trace = trace;
    this.bearer = bearer;
    sessions.opened(this);
  }
  send(bytes: Uint8Array): number {
    if (this.code !== null) return CLOSED;
    if (this.status !== DROPPED) {
      const message = bytes.slice();
      this.frames.push(decodeServerFrame(message));
      this.messages.push(message);
    }
    return this.status;
  }
  bufferedBytes(): number {
    return this.buffered;
  }
  cork(write: () => void): void {
    write();
  }
  close(code: number): void {
    if (this.code !== null) return;
    this.code = code;
    this.sessions.closed(this, code);
  }
  /** The peer goes away: without a word, or with a close frame. */
  leave(code = 1006): void {
    this.code = code;
    this.sessions.closed(this, code);
  }
  say(frame: ClientFrame | Uint8Array): void {
    this.sessions.message(this, frame instanceof Uint8Array ? frame : encodeClientFrame(frame), true);
  }
  types(): string[] {
    return this.frames.map(frame => frame.type);
  }
}
