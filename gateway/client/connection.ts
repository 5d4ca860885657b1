/**
 * One socket from HELLO to its end. A dead one is let go of without waiting for its close event, which a broken network
 * or a phone that slept may withhold for minutes.
 */
import { SUBPROTOCOL } from '../../protocol/catalogue.ts';
import { CLOSE } from '../../protocol/errors.ts';
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import { decodeServerFrame } from '../../protocol/reader.ts';
import { DecodeError } from '../../protocol/walker.ts';
import { messageOf } from './platform.ts';
import type { SocketConstructor, SocketLike } from './types.ts';
import { frameBytes } from './writer.ts';

type Hello = ClientFrame & { type: 'hello' };

/** From the first packet to WELCOME. */
const CONNECT_MS = 10_000;
/** A PONG that takes longer means that nobody is there. */
const PONG_MS = 10_000;
/** After an error the close event, which knows more, has so long to come. */
const ERROR_MS = 50;
/** Characters of a reason that fit into a close frame, whatever they are. */
const REASON_MAX = 40;
/** What a socket that broke reports (RFC 6455, 7.4.1). */
export const ABNORMAL = 1006;

export interface ConnectionEvents {
  readonly frame: (frame: ServerFrame, from: Connection) => void;
  /** Once, at the end. */
  readonly gone: (code: number, reason: string, from: Connection) => void;
}

/** What engines call a binary message; some have an ArrayBuffer that is not ours. */
const bytesOf = (data: unknown): Uint8Array | null => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const foreign = Object.prototype.toString.call(data) === '[object ArrayBuffer]';
  return foreign ? new Uint8Array(data as ArrayBuffer) : null;
};

export class Connection {
  private socket: SocketLike | null = null;
  private readonly events: ConnectionEvents;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private pingMs = 0;
  private pings = 0;
  /** A PING is out: any frame answers it, or, when this names one, only its PONG. */
  private probing: 'any' | number | null = null;
  private over = false;
  /** HELLO has left: the server may have replaced our older connection already. */
  saidHello = false;

  /** @param hello what to say first, asked for when the socket is open: where the app is then */
  constructor(Socket: SocketConstructor, url: string, hello: () => Hello, events: ConnectionEvents) {
    this.events = events;
    this.arm(CONNECT_MS, () => this.drop(CLOSE.helloTimeout, 'no answer'));
    let socket: SocketLike;
    try {
      socket = new Socket(url, SUBPROTOCOL);
    } catch (error) {
      // Not an address, or one that this page may not use. As a loss, so that the caller hears of it in one way.
      this.arm(0, () => this.end(ABNORMAL, messageOf(error)));
      return;
    }
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.saidHello = true;
      this.send(frameBytes(hello()));
    };
    socket.onmessage = ({ data }) => this.heard(data);
    socket.onclose = ({ code, reason }) => this.end(code || ABNORMAL, reason);
    // Browsers say `close` after `error`; Node says nothing more when a connection was refused.
    socket.onerror = () => this.arm(ERROR_MS, () => this.drop(ABNORMAL, 'connection failed'));
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.over || this.socket === null) return;
    try {
      this.socket.send(bytes);
    } catch {
      // It is closing; its end will be heard.
    }
  }

  say(frame: ClientFrame): void {
    this.send(frameBytes(frame));
  }

  /** WELCOME came: from now on silence is tested by PING each `pingMs`. */
  established(pingMs: number): void {
    this.pingMs = pingMs;
    this.nextPing();
  }

  /** Asks now whether anybody is there; without an answer to this very question the connection is given up. */
  probe(answerMs: number): void {
    if (this.over || this.pingMs === 0) return;
    this.probing = ++this.pings;
    this.ask(answerMs);
  }

  /** It is still connecting, perhaps over a network that is gone: it gets only so long. */
  hurry(ms: number): void {
    if (this.pingMs === 0) this.arm(ms, () => this.drop(CLOSE.helloTimeout, 'no answer'));
  }

  /** Ends it from our side; `gone` is told at once. */
  close(code: number, reason: string): void {
    this.drop(code, reason);
  }

  /** Another connection goes on. What this one still says is heard for a while, then it is closed. */
  retire(code: number, reason: string, lingerMs: number): void {
    if (lingerMs === 0) this.drop(code, reason);
    else this.arm(lingerMs, () => this.drop(code, reason));
    this.probing = null;
    this.pingMs = 0;
  }

  private nextPing(): void {
    this.probing = null;
    this.arm(this.pingMs, () => {
      this.probing = 'any';
      this.pings++;
      this.ask(PONG_MS);
    });
  }

  private ask(answerMs: number): void {
    this.say({ type: 'ping', n: this.pings });
    this.arm(answerMs, () => this.drop(CLOSE.heartbeatLost, 'no answer to a ping'));
  }

  private arm(ms: number, run: () => void): void {
    if (this.over) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = setTimeout(run, ms);
  }

  private heard(data: unknown): void {
    if (this.over) return;
    const bytes = bytesOf(data);
    if (bytes === null) return;
    let frame: ServerFrame;
    try {
      frame = decodeServerFrame(bytes);
    } catch (error) {
      // A frame of a later version is ignored; anything else is not our server.
      if (error instanceof DecodeError && error.why === 'unknown') return;
      return this.drop(CLOSE.resyncNeeded, 'unreadable frame');
    }
    // Whatever is heard proves that somebody is there.
    if (this.probing === 'any') this.nextPing();
    this.dispatch(frame);
  }

  private dispatch(frame: ServerFrame): void {
    if (this.over) return;
    if (frame.type === 'batch') for (const one of frame.frames) this.dispatch(one);
    else if (frame.type === 'ping') this.say({ type: 'pong', n: frame.n });
    else if (frame.type !== 'pong') this.events.frame(frame, this);
    else if (this.probing !== null && this.probing !== 'any' && frame.n >= this.probing) this.nextPing();
  }

  private drop(code: number, reason: string): void {
    if (this.over) return;
    const { socket } = this;
    this.end(code, reason, () => {
      try {
        // Browsers let pages send 1000 and 3000 to 4999 only, and 123 bytes of reason.
        socket?.close(code >= 3_000 ? code : 1_000, reason.slice(0, REASON_MAX));
      } catch {
        // Engines differ in what they let one close.
      }
    });
  }

  private end(code: number, reason: string, first: () => void = () => {}): void {
    if (this.over) return;
    this.over = true;
    if (this.timer !== null) clearTimeout(this.timer);
    const { socket } = this;
    first();
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // Some sockets throw an error that nobody listens to.
      socket.onerror = () => {};
    }
    this.events.gone(code, reason, this);
  }
}
