/**
 * A WebSocket client that may say anything: bytes on a TCP socket, and a diary of what the server did about them. No
 * library stands between, because a library would not send what must be refused.
 */
import { connect, type Socket } from 'node:net';

/** What a client sends, in its wrong forms too. */
export interface ClientWsFrame {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  /** Default true. */
  readonly final?: boolean;
  /** The three reserved bits as a number: 4 is RSV1. */
  readonly reserved?: number;
  /** Default true, as the RFC demands of clients. */
  readonly masked?: boolean;
  /** Which form of length is used; default the shortest. */
  readonly form?: 7 | 16 | 64;
  /** Length that the head claims; default the true one. */
  readonly claims?: bigint;
}

/**
 * The mask of RFC 6455's examples (5.7). Never drawn: after a frame that the server read wrongly, the bytes of the next
 * one are heads and lengths to it, and what becomes of them must be the same in every run.
 */
const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

export const clientFrame = (frame: ClientWsFrame): Uint8Array => {
  const { opcode, payload = new Uint8Array(0), final = true, reserved = 0, masked = true } = frame;
  const claims = frame.claims ?? BigInt(payload.length);
  const form = frame.form ?? (claims < 126n ? 7 : claims < 65_536n ? 16 : 64);
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = (final ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (form === 7 ? Number(claims) : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(Number(claims), 2);
  if (form === 64) head.writeBigUInt64BE(claims, 2);
  if (!masked) return Buffer.concat([head, payload]);
  return Buffer.concat([head, MASK, payload.map((byte, i) => byte ^ MASK[i & 3]!)]);
};

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
/** `Sec-WebSocket-Accept` for {@link KEY}, as RFC 6455 section 1.3 prints it. */
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** The headers of a proper upgrade; a case replaces or removes (null) what it is about. */
export const upgradeRequest = (
  changes: Readonly<Record<string, string | null>> = {},
  { method = 'GET', path = '/v1/ws', version = 'HTTP/1.1' } = {},
): string => {
  const headers: Record<string, string | null> = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': 'heyblue.v1.msgpack',
    ...changes,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== null);
  return `${method} ${path} ${version}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
};

interface ServerWsFrame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  /** The shortest form of length was used, nothing was masked, no reserved bit was set. */
  readonly proper: boolean;
}

/** A server that does not answer is a failed case, not a hanging suite. */
const ANSWER_MS = 10_000;

export class RawClient {
  /** What the server did, in order: `message 5`, `pong 3`, `close 1002`, `cut`. */
  readonly diary: string[] = [];
  head: string | null = null;
  /** Messages that are not written down: those that come when they like. */
  isIgnored = (_payload: Buffer): boolean => false;
  private bytes: Buffer = Buffer.alloc(0);
  private over = false;
  private closing = false;
  private waiting: (() => void) | null = null;
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', piece => {
      this.bytes = Buffer.concat([this.bytes, piece]);
      this.read();
    });
    const end = (): void => {
      if (!this.over && !this.closing) this.diary.push('cut');
      this.over = true;
      this.waiting?.();
    };
    socket.on('error', end);
    socket.on('end', end);
    socket.on('close', end);
  }

  static dial(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () =>
        resolve(new RawClient(socket)),
      );
      socket.once('error', reject);
    });
  }

  /** Dials and upgrades; throws when the server does not. */
  static async open(port: number): Promise<RawClient> {
    const client = await RawClient.dial(port);
    client.write(upgradeRequest());
    await client.until(() => client.head !== null);
    if (!client.head?.startsWith('HTTP/1.1 101')) throw new Error(`no upgrade: ${client.head}`);
    return client;
  }

  write(bytes: Uint8Array | string): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** Each piece in a TCP segment of its own; the other side has read it before the next one leaves. */
  async trickle(pieces: Iterable<Uint8Array | string | number>): Promise<void> {
    for (const piece of pieces) {
      await new Promise<void>(resolve => {
        const bytes = typeof piece === 'number' ? Uint8Array.of(piece) : piece;
        if (this.socket.destroyed) resolve();
        // twice: the loop asks the sockets, the server's among them, in between
        else this.socket.write(bytes, () => setImmediate(() => setImmediate(resolve)));
      });
    }
  }

  /** Says that nothing more will be written, and goes on reading. */
  halfClose(): void {
    this.socket.end();
  }

  /** Resolves when `done` holds or the server has ended it. Rejects when neither comes. */
  async until(done: () => boolean): Promise<void> {
    const late = setTimeout(() => {
      this.diary.push('nothing');
      this.over = true;
      this.waiting?.();
    }, ANSWER_MS);
    while (!done() && !this.over) {
      await new Promise<void>(resolve => {
        this.waiting = resolve;
      });
    }
    clearTimeout(late);
  }

  /** What became of a request: `HTTP 101`, `HTTP 400`, `cut`, `nothing`. */
  async answer(): Promise<string> {
    await this.until(() => this.head !== null);
    const status = this.head === null ? this.diary.join(', ') : `HTTP ${this.head.split(' ')[1]}`;
    this.destroy();
    return status;
  }

  /** The diary up to the answer to a last ping (`open`), or to the end. */
  async outcome(): Promise<string> {
    this.write(clientFrame({ opcode: 9, payload: Buffer.from('still there?') }));
    await this.until(() => this.diary.includes('pong 12'));
    const at = this.diary.indexOf('pong 12');
    const open = at >= 0;
    const told = open ? this.diary.slice(0, at) : this.diary;
    this.destroy();
    return [...told, ...(open ? ['open'] : [])].join(', ');
  }

  destroy(): void {
    this.over = true;
    this.socket.destroy();
  }

  private read(): void {
    if (this.head === null) {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.bytes.subarray(0, end).toString('latin1');
      this.bytes = this.bytes.subarray(end + 4);
    }
    if (this.head.startsWith('HTTP/1.1 101')) {
      for (let frame = this.frame(); frame !== null; frame = this.frame()) this.heard(frame);
    }
    this.waiting?.();
  }

  private heard({ final, opcode, payload, proper }: ServerWsFrame): void {
    const name =
      ['continuation', 'text', 'message', 3, 4, 5, 6, 7, 'close', 'ping', 'pong'][opcode] ?? opcode;
    let what: string | number = payload.length;
    if (opcode === 8) {
      what = payload.length >= 2 ? payload.readUInt16BE(0) : 'empty';
      this.closing = true;
      // answered as the RFC demands; where the client closed first it is one close too many, and ignored
      this.write(clientFrame({ opcode: 8, payload }));
    }
    if (opcode === 9) return; // the server's own heartbeat is no answer
    if (opcode === 2 && this.isIgnored(payload)) return;
    this.diary.push(`${name} ${what}${final ? '' : ' unfinished'}${proper ? '' : ' malformed'}`);
  }

  private frame(): ServerWsFrame | null {
    const { bytes } = this;
    if (bytes.length < 2) return null;
    const marked = bytes[1]! & 0x7f;
    const at = marked === 126 ? 4 : marked === 127 ? 10 : 2;
    if (bytes.length < at) return null;
    const size =
      marked === 126 ? bytes.readUInt16BE(2) : marked === 127 ? Number(bytes.readBigUInt64BE(2)) : marked;
    if (bytes.length < at + size) return null;
    const payload = Buffer.from(bytes.subarray(at, at + size));
    const shortest = at === 2 || (at === 4 && size >= 126) || (at === 10 && size >= 65_536);
    const proper = shortest && (bytes[1]! & 0x80) === 0 && (bytes[0]! & 0x70) === 0;
    const frame = { final: bytes[0]! >= 0x80, opcode: bytes[0]! & 15, payload, proper };
    this.bytes = bytes.subarray(at + size);
    return frame;
  }
}
