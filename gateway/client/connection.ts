/**
 * One socket from HELLO to its end. A dead one is let go of without waiting for its close event, which a broken network
 * may withhold for minutes.
 */
import { SUBPROTOCOL } from '../../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame } from '../../protocol/codec.ts';
import { CLOSE } from '../../protocol/errors.ts';
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import { DecodeError } from '../../protocol/walker.ts';
import type { SocketConstructor, SocketLike } from './types.ts';

type Hello = ClientFrame & { type: 'hello' };

/** From the first packet to WELCOME. */
const CONNECT_MS = 10_000;
/** A PONG that takes longer means that nobody is there. */
const PONG_MS = 10_000;
/** After an error the close event, which knows more, has so long to come. */
const ERROR_MS = 50;
/** What a socket that broke reports (RFC 6455, 7.4.1). */
const ABNORMAL = 1006;

export interface ConnectionEvents {
  readonly frame: (frame: ServerFrame) => void;
  /** Once, at the end. */
  readonly gone: (code: number, reason: string) => void;
}

export class Connection {
  private readonly socket: SocketLike;
  private readonly events: ConnectionEvents;
  private timer: ReturnType<typeof setTimeout> | null;
  private pingMs = 0;
  private pings = 0;
  /** A PING is out and nothing was heard since. */
  private probing = false;
  private over = false;

  constructor(Socket: SocketConstructor, url: string, hello: Hello, events: ConnectionEvents) {
    this.events = events;
    this.socket = new Socket(url, SUBPROTOCOL);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => this.send(encodeClientFrame(hello));
    this.socket.onmessage = ({ data }) => this.heard(data);
    this.socket.onclose = ({ code, reason }) => this.end(code, reason);
    // Browsers say `close` after `error`; Node says nothing more when a connection was refused.
    this.socket.onerror = () => this.arm(ERROR_MS, () => this.drop(ABNORMAL, 'connection failed'));
    this.timer = setTimeout(() => this.drop(CLOSE.helloTimeout, 'no answer'), CONNECT_MS);
  }

  send(bytes: Uint8Array): void {
    if (!this.over) this.socket.send(bytes as Uint8Array<ArrayBuffer>);
  }

  /** WELCOME came: from now on silence is tested by PING each `pingMs`. */
  established(pingMs: number): void {
    this.pingMs = pingMs;
    this.nextPing();
  }

  /** Asks now whether anybody is there; if not within `answerMs`, the connection is given up. */
  probe(answerMs: number = PONG_MS): void {
    if (this.over || this.pingMs === 0) return;
    this.probing = true;
    this.send(encodeClientFrame({ type: 'ping', n: ++this.pings }));
    this.arm(answerMs, () => this.drop(CLOSE.heartbeatLost, 'no answer to a ping'));
  }

  /** Ends it from our side. */
  close(code: number, reason: string): void {
    this.drop(code, reason);
  }

  private nextPing(): void {
    this.probing = false;
    this.arm(this.pingMs, () => this.probe());
  }

  private arm(ms: number, run: () => void): void {
    if (this.over) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(run, ms);
  }

  private heard(data: unknown): void {
    if (this.over || !(data instanceof ArrayBuffer)) return;
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(new Uint8Array(data));
    } catch (error) {
      // A frame of a later version is ignored; anything else is not our server.
      if (error instanceof DecodeError && error.why === 'unknown') return;
      return this.drop(CLOSE.resyncNeeded, 'unreadable frame');
    }
    // Whatever is heard proves that somebody is there.
    if (this.probing) this.nextPing();
    this.dispatch(frame);
  }

  private dispatch(frame: ServerFrame): void {
    if (frame.type === 'batch') {
      for (const one of frame.frames) this.dispatch(one);
    } else if (frame.type === 'ping') this.send(encodeClientFrame({ type: 'pong', n: frame.n }));
    else if (frame.type !== 'pong' && !this.over) this.events.frame(frame);
  }

  private drop(code: number, reason: string): void {
    if (this.over) return;
    // Browsers let pages send 1000 and 3000 to 4999 only.
    this.socket.close(code >= 3_000 ? code : 1_000, reason);
    this.end(code, reason);
  }

  private end(code: number, reason: string): void {
    if (this.over) return;
    this.over = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.events.gone(code, reason);
  }
}
