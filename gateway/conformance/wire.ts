/**
 * RFC 6455 as the server of the kit speaks it: by hand, because a script must be able to say what no library would.
 */
import { createHash } from 'node:crypto';
import { KIT } from './limits.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One frame of WebSocket as a client sent it, unmasked. */
export interface WsFrame {
  readonly final: boolean;
  readonly reserved: number;
  readonly opcode: number;
  readonly masked: boolean;
  readonly payload: Uint8Array;
}

/** Bytes of a frame from a server: never masked. */
export const wsFrame = (opcode: number, payload: Uint8Array, final = true): Uint8Array => {
  const size = payload.length;
  const head =
    size < 126
      ? Buffer.from([0, size])
      : size < 65_536
        ? Buffer.from([0, 126, size >> 8, size & 0xff])
        : Buffer.from([
            0,
            127,
            0,
            0,
            0,
            0,
            size >>> 24,
            (size >> 16) & 0xff,
            (size >> 8) & 0xff,
            size & 0xff,
          ]);
  head[0] = (final ? 0x80 : 0) | opcode;
  return Buffer.concat([head, payload]);
};

/** Payload of a close frame. */
export const closePayload = (code: number, reason = ''): Uint8Array =>
  Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);

/** Takes frames off the front of what arrived. */
export class WsReader {
  private bytes: Buffer = Buffer.alloc(0);

  add(piece: Uint8Array): void {
    this.bytes = Buffer.concat([this.bytes, piece]);
  }

  /** The head of an HTTP request; null until all of it is there. Throws a RangeError when it does not end. */
  head(): string | null {
    const end = this.bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.bytes.length > KIT.headBytes) throw new RangeError('a request head without an end');
      return null;
    }
    const head = this.bytes.subarray(0, end).toString('latin1');
    this.bytes = this.bytes.subarray(end + 4);
    return head;
  }

  /** The next frame; null until all of it is there. */
  frame(): WsFrame | null {
    const bytes = this.bytes;
    if (bytes.length < 2) return null;
    const masked = (bytes[1]! & 0x80) !== 0;
    let size = bytes[1]! & 0x7f;
    let at = 2;
    if (size === 126) {
      if (bytes.length < 4) return null;
      size = bytes.readUInt16BE(2);
      at = 4;
    } else if (size === 127) {
      if (bytes.length < 10) return null;
      size = Number(bytes.readBigUInt64BE(2));
      at = 10;
    }
    const mask = masked ? bytes.subarray(at, at + 4) : null;
    if (masked) at += 4;
    if (bytes.length < at + size) return null;
    const payload = Uint8Array.from(bytes.subarray(at, at + size));
    if (mask !== null) for (let i = 0; i < size; i++) payload[i]! ^= mask[i & 3]!;
    this.bytes = bytes.subarray(at + size);
    const first = bytes[0]!;
    return { final: first >= 0x80, reserved: (first >> 4) & 7, opcode: first & 15, masked, payload };
  }
}

export interface Upgrade {
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
}

/** The request line and the headers, names in lower case. */
export const parseHead = (head: string): Upgrade => {
  const [request = '', ...lines] = head.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return { path: request.split(' ')[1] ?? '', headers };
};

/** `Sec-WebSocket-Accept` for a key (RFC 6455, 4.2.2). */
const acceptOf = (key: string): string =>
  createHash('sha1')
    .update(key + GUID)
    .digest('base64');

/** The answer to an upgrade. */
export const upgraded = (key: string, subprotocol: string): Uint8Array =>
  Buffer.from(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${acceptOf(key)}\r\nSec-WebSocket-Protocol: ${subprotocol}\r\n\r\n`,
  );
