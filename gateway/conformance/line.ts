/**
 * One connection of the client under test, as the scripted server holds it: what was heard on it, and every way of
 * saying something, of falling silent and of ending that TCP and WebSocket allow.
 */
import type { Socket } from 'node:net';
import { SUBPROTOCOL } from '../../protocol/catalogue.ts';
import { decodeClientFrame, encodeServerFrame } from '../../protocol/codec.ts';
import type { ClientFrame } from '../../protocol/frames.ts';
import { closePayload, OPCODE, parseHead, upgraded, type WsFrame, WsReader, wsFrame } from './wire.ts';

/** How a connection is received before the upgrade. */
export type Reception =
  | { readonly how: 'upgrade' }
  /** One byte at a time, in TCP segments of their own. */
  | { readonly how: 'bytewise' }
  | { readonly how: 'http'; readonly status: number; readonly retryAfterS: number | null }
  /** The request is never answered. */
  | { readonly how: 'stall' };

export interface HeardFrame {
  readonly frame: ClientFrame;
  readonly atMs: number;
  /** A step of the script has asked for it. */
  taken: boolean;
}

/** What was written, to be told at once or in pieces. */
export interface Delivery {
  /** Bytes in each TCP segment; absent: all at once. */
  readonly pieces?: number;
  /** Frames of WebSocket that carry the message, a ping between each two. */
  readonly fragments?: number;
}

const pause = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

export class Line {
  readonly nth: number;
  readonly heard: HeardFrame[] = [];
  /** What no client may do. */
  readonly faults: string[] = [];
  /** Close frame of the client. */
  closeHeard: { readonly code: number; readonly reason: string } | null = null;
  upgradedMs: number | null = null;
  goneMs: number | null = null;
  /** We have ended it. */
  ended = false;
  /** Letter of the epoch that WELCOME named, and the newest offset said in it. */
  epoch = 'A';
  saidOffset = 0;
  private readonly socket: Socket;
  private readonly reader = new WsReader();
  private readonly reception: Reception;
  private readonly changed: () => void;
  private readonly note: (text: string) => void;
  private dead = false;
  /** Fragments of a message that is not finished. */
  private partial: Uint8Array[] = [];
  private slow: boolean;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    socket: Socket,
    nth: number,
    reception: Reception,
    changed: () => void,
    note: (text: string) => void,
  ) {
    this.socket = socket;
    this.nth = nth;
    this.reception = reception;
    this.changed = changed;
    this.note = note;
    this.slow = reception.how === 'bytewise';
    socket.setNoDelay(true);
    socket.on('data', piece => this.arrived(piece));
    socket.on('error', () => {});
    socket.on('end', () => this.gone());
    socket.on('close', () => this.gone());
  }

  /** One message. */
  say(payload: Uint8Array, { pieces, fragments = 1 }: Delivery = {}, opcode: number = OPCODE.binary): void {
    const size = Math.max(1, Math.ceil(payload.length / fragments));
    const frames: Uint8Array[] = [];
    for (let at = 0; at < payload.length; at += size) {
      const last = at + size >= payload.length;
      if (at > 0) frames.push(wsFrame(OPCODE.ping, Buffer.from('between')));
      frames.push(wsFrame(at === 0 ? opcode : OPCODE.continuation, payload.subarray(at, at + size), last));
    }
    this.write(Buffer.concat(frames), pieces);
  }

  /** Bytes as they are, whatever they mean. */
  write(bytes: Uint8Array, pieces = this.slow ? 1 : undefined): void {
    this.writing = this.writing.then(async () => {
      if (this.socket.destroyed || this.dead) return;
      if (pieces === undefined) this.socket.write(bytes);
      else
        for (let at = 0; at < bytes.length; at += pieces) {
          this.socket.write(bytes.subarray(at, at + pieces));
          await pause();
        }
    });
  }

  close(code: number, reason: string): void {
    this.ended = true;
    this.write(wsFrame(OPCODE.close, closePayload(code, reason)));
    this.writing = this.writing.then(() => void this.socket.end());
  }

  cut(how: 'fin' | 'reset' | 'dead'): void {
    this.ended = true;
    this.writing = this.writing.then(() => {
      if (how === 'fin') this.socket.end();
      else if (how === 'reset') this.socket.resetAndDestroy();
      else {
        this.dead = true;
        this.socket.pause();
      }
    });
  }

  destroy(): void {
    this.ended = true;
    this.socket.destroy();
  }

  private gone(): void {
    if (this.goneMs !== null) return;
    this.goneMs = performance.now();
    if (!this.ended) this.note(`the client ended connection ${this.nth}`);
    this.socket.end();
    this.changed();
  }

  private fault(text: string): void {
    this.faults.push(`connection ${this.nth}: ${text}`);
    this.note(`FAULT ${text}`);
  }

  private arrived(piece: Uint8Array): void {
    if (this.dead) return;
    this.reader.add(piece);
    try {
      if (this.upgradedMs === null && !this.upgrade()) return;
      for (let frame = this.reader.frame(); frame !== null; frame = this.reader.frame()) this.frame(frame);
    } catch (error) {
      this.fault((error as Error).message);
    }
    this.changed();
  }

  private upgrade(): boolean {
    const head = this.reader.head();
    if (head === null) return false;
    const { headers } = parseHead(head);
    const key = headers.get('sec-websocket-key');
    const offered = (headers.get('sec-websocket-protocol') ?? '').split(',').map(one => one.trim());
    if (key === undefined) this.fault('the request has no Sec-WebSocket-Key');
    if (!offered.includes(SUBPROTOCOL)) this.fault(`the subprotocol ${SUBPROTOCOL} was not asked for`);
    const { reception } = this;
    if (reception.how === 'stall') return false;
    if (reception.how === 'http') {
      const retry = reception.retryAfterS === null ? '' : `Retry-After: ${reception.retryAfterS}\r\n`;
      this.ended = true;
      this.socket.end(
        `HTTP/1.1 ${reception.status} No\r\n${retry}Content-Length: 0\r\nConnection: close\r\n\r\n`,
      );
      return false;
    }
    this.upgradedMs = performance.now();
    this.write(upgraded(key ?? '', SUBPROTOCOL));
    this.note(`connection ${this.nth} is open`);
    return true;
  }

  private frame({ final, reserved, opcode, masked, payload }: WsFrame): void {
    if (!masked) this.fault('a frame of the client is not masked');
    if (reserved !== 0) this.fault('a frame of the client has reserved bits');
    if (opcode === OPCODE.close) {
      const code = payload.length >= 2 ? (payload[0]! << 8) | payload[1]! : 1005;
      this.closeHeard = { code, reason: Buffer.from(payload.subarray(2)).toString() };
      this.note(`> close ${code} ${this.closeHeard.reason}`);
      if (!this.ended) {
        this.ended = true;
        this.write(wsFrame(OPCODE.close, payload.subarray(0, 2)));
      }
      this.writing = this.writing.then(() => void this.socket.end());
      return;
    }
    if (opcode === OPCODE.ping) return this.write(wsFrame(OPCODE.pong, payload));
    if (opcode === OPCODE.pong) return;
    if (opcode !== OPCODE.binary && opcode !== OPCODE.continuation)
      return this.fault(`opcode ${opcode} instead of a binary frame`);
    this.partial.push(payload);
    if (!final) return;
    const message = Buffer.concat(this.partial);
    this.partial = [];
    let frame: ClientFrame;
    try {
      frame = decodeClientFrame(message);
    } catch (error) {
      return this.fault(`${message.toString('hex')} is not readable: ${(error as Error).message}`);
    }
    for (const one of frame.type === 'batch' ? frame.frames : [frame]) this.message(one);
  }

  private message(frame: ClientFrame): void {
    if (frame.type === 'ping' && !this.ended) this.say(encodeServerFrame({ type: 'pong', n: frame.n }));
    this.heard.push({ frame, atMs: performance.now(), taken: false });
  }
}
