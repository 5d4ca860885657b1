/**
 * A WebSocket client that costs next to nothing, for thousands of phones in one process: binary messages over a plain
 * TCP socket, one read buffer for all of them, and a masking key of zero, which RFC 6455 (5.3) allows the wire to carry
 * and which lets a frame be built once and sent as it is. For load on our own machine only: it connects to loopback and
 * nowhere else.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

export interface RawSocketOptions {
  /** `ws://127.0.0.1:port/path` */
  readonly url: string;
  readonly subprotocol?: string;
  /** Source address, 127.0.0.x. */
  readonly localAddress?: string;
  readonly onOpen: () => void;
  /** The bytes are valid only during the call. */
  readonly onMessage: (bytes: Uint8Array) => void;
  /** Text messages, for the wire of somebody else; ours has none and ends without a listener. */
  readonly onText?: (bytes: Buffer) => void;
  /** Once, always the last call. 1006 when the peer vanished without a close frame. */
  readonly onClose: (code: number, reason: string) => void;
}

/** Every socket of the process reads into this: a read is handled before the next one begins. */
const shared = Buffer.allocUnsafe(256 * 1024);
const OP_TEXT = 1;
const OP_BINARY = 2;
const OP_CLOSE = 8;
const OP_PING = 9;
const OP_PONG = 10;

/** True for the names of this machine; a load generator aims nowhere else. */
const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);

/** A client's frame with one message in it: FIN, masked with the key 0, so the payload stands as it is. */
export const clientFrame = (opcode: number, payload: Uint8Array): Buffer => {
  const n = payload.length;
  const head = n < 126 ? 6 : n < 65_536 ? 8 : 14;
  const frame = Buffer.alloc(head + n);
  frame[0] = 0x80 | opcode;
  if (n < 126) frame[1] = 0x80 | n;
  else if (n < 65_536) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(n, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(n), 2);
  }
  frame.set(payload, head);
  return frame;
};

export const binaryFrame = (payload: Uint8Array): Buffer => clientFrame(OP_BINARY, payload);

export const textFrame = (text: string): Buffer => clientFrame(OP_TEXT, Buffer.from(text));

export class RawSocket {
  readonly #options: RawSocketOptions;
  readonly #socket: Socket;
  /** Bytes of a message (or of the handshake) whose rest has not come yet. */
  #rest: Buffer | null = null;
  #open = false;
  #closed = false;
  #code = 1006;
  #reason = '';

  constructor(options: RawSocketOptions) {
    const url = new URL(options.url);
    if (!isLoopback(url.hostname))
      throw new Error(`a load generator speaks to this machine only, not to ${url.hostname}`);
    this.#options = options;
    this.#socket = connect({
      host: url.hostname === 'localhost' ? '127.0.0.1' : url.hostname,
      port: Number(url.port),
      localAddress: options.localAddress,
      noDelay: true,
      onread: {
        buffer: shared,
        callback: (length: number) => {
          this.#read(length);
          return true;
        },
      },
    });
    this.#socket.once('connect', () => this.#handshake(url));
    this.#socket.on('error', error => {
      if (this.#reason === '') this.#reason = error.message;
    });
    // With `onread` there is no 'end' unless somebody reads; both sides are done then.
    this.#socket.once('end', () => this.#socket.destroy());
    this.#socket.once('close', () => this.#ended());
  }

  get isOpen(): boolean {
    return this.#open && !this.#closed;
  }

  /** Bytes that wait to be sent. */
  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  #handshake(url: URL): void {
    const lines = [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Version: 13',
    ];
    if (this.#options.subprotocol) lines.push(`Sec-WebSocket-Protocol: ${this.#options.subprotocol}`);
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  }

  #read(length: number): void {
    let bytes = shared.subarray(0, length);
    if (this.#rest !== null) {
      bytes = Buffer.concat([this.#rest, bytes]);
      this.#rest = null;
    }
    let at = 0;
    if (!this.#open) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      const status = bytes.subarray(0, Math.min(end, 64)).toString('latin1').split('\r\n')[0]!;
      if (!status.includes(' 101 ')) {
        this.#fail(1006, `no upgrade: ${status}`);
        return;
      }
      this.#open = true;
      at = end + 4;
      this.#options.onOpen();
    }
    while (!this.#closed) {
      const next = this.#frame(bytes, at);
      if (next < 0) break;
      at = next;
    }
    if (!this.#closed && at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  /** Handles the frame at `at`; where the next one begins, or -1 when this one is not complete yet. */
  #frame(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2) return -1;
    const first = bytes[at]!;
    let length = bytes[at + 1]! & 0x7f;
    let from = at + 2;
    if (length === 126) {
      if (bytes.length - at < 4) return -1;
      length = bytes.readUInt16BE(at + 2);
      from = at + 4;
    } else if (length === 127) {
      if (bytes.length - at < 10) return -1;
      length = Number(bytes.readBigUInt64BE(at + 2));
      from = at + 10;
    }
    const to = from + length;
    if (bytes.length < to) return -1;
    const payload = bytes.subarray(from, to);
    switch (first & 0x0f) {
      case OP_BINARY:
        if ((first & 0x80) === 0) this.#fail(1002, 'a server that splits messages is not expected');
        else this.#options.onMessage(payload);
        break;
      case OP_PING:
        this.#socket.write(clientFrame(OP_PONG, payload));
        break;
      case OP_PONG:
        break;
      case OP_CLOSE:
        this.#code = length >= 2 ? payload.readUInt16BE(0) : 1005;
        this.#reason = payload.subarray(2).toString('utf8');
        this.#socket.end(clientFrame(OP_CLOSE, payload.subarray(0, 2)));
        break;
      case OP_TEXT:
        if (this.#options.onText) this.#options.onText(payload);
        else this.#fail(1003, 'a text message is not part of the protocol');
        break;
      default:
        this.#fail(1002, `opcode ${first & 0x0f}`);
    }
    return to;
  }

  #fail(code: number, reason: string): void {
    this.#code = code;
    this.#reason = reason;
    this.#socket.destroy();
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rest = null;
    this.#options.onClose(this.#code, this.#reason);
  }

  /** Sends a frame that `binaryFrame` (or `clientFrame`) built; the buffer must not change until it is gone. */
  sendFrame(frame: Buffer): void {
    if (this.#open && !this.#closed) this.#socket.write(frame);
  }

  send(payload: Uint8Array): void {
    this.sendFrame(binaryFrame(payload));
  }

  /** Stops reading: what a slow consumer does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says goodbye with a close code. */
  close(code = 1000): void {
    if (!this.isOpen) {
      this.destroy();
      return;
    }
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code, 0);
    this.#socket.end(clientFrame(OP_CLOSE, payload));
  }

  /** Breaks it: the other side reads an error instead of an end. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Drops the connection as a phone in a lift does. */
  destroy(): void {
    this.#socket.destroy();
  }
}
