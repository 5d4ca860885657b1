/**
 * The only reader of bytes that a stranger sent. A msgpack library is built to accept what another msgpack library
 * wrote; this one is built to refuse: sizes and depth are bounded before anything is allocated, extensions (and with
 * them records and dates), 0xc1, NaN, infinities and integers that JavaScript cannot hold are refused, text is
 * strictly UTF-8. It throws `DecodeError` and nothing else, and nothing that it returns points into the input, whose
 * memory the socket library takes back when the handler returns.
 */
import type { MessageLimits } from './limits.ts';
import { decodeUtf8 } from './utf8.ts';

/** Why bytes were refused; the label of a metric, so the set is closed. */
export const DECODE_WHYS = [
  /** the message is over its size */
  'bytes',
  /** the bytes end inside a value */
  'truncated',
  /** bytes follow the frame */
  'trailing',
  /** a text, bin, array or map is over its bound */
  'length',
  /** containers too deep */
  'depth',
  /** an extension, 0xc1, or a map key that is neither text nor number, or a key twice */
  'forbidden',
  /** not finite, or an integer beyond 2^53 */
  'number',
  /** text that is not UTF-8 */
  'utf8',
  /** well-formed msgpack, but not the tuple of this frame */
  'shape',
  /** a frame number that is not in the table */
  'unknown',
] as const;
export type DecodeWhy = (typeof DECODE_WHYS)[number];

/** The one error of decoding. One instance per reason: hostile input must not buy stack traces. */
export class DecodeError extends Error {
  readonly why: DecodeWhy;
  constructor(why: DecodeWhy) {
    super(`undecodable frame: ${why}`);
    this.name = 'DecodeError';
    this.why = why;
  }
}

const ERRORS = Object.fromEntries(DECODE_WHYS.map(why => [why, new DecodeError(why)])) as Record<
  DecodeWhy,
  DecodeError
>;

/** Gives up on the input. */
export const fail = (why: DecodeWhy): never => {
  throw ERRORS[why];
};

const NOTHING = new Uint8Array(0);
// Floats are read through one scratch cell, big-endian on the wire whatever this machine is.
const cell = new DataView(new ArrayBuffer(8));
// Engines of phones may lack TextDecoder, or its strict mode.
const strict: { decode(bytes: Uint8Array): string } =
  typeof TextDecoder === 'function'
    ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    : { decode: decodeUtf8 };
/** Up to here a loop over ASCII is cheaper than a call into the decoder. */
const SHORT_TEXT = 24;

/** A position in one message. Reuse one instance: `open`, read, `close`. */
export class Walker {
  private bytes: Uint8Array = NOTHING;
  private at = 0;
  private end = 0;
  private limits: MessageLimits;

  constructor(limits: MessageLimits) {
    this.limits = limits;
  }

  open(bytes: Uint8Array): void {
    if (bytes.length > this.limits.bytes) fail('bytes');
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
  }

  /** Forgets the input; call it whether reading succeeded or not. */
  close(): void {
    this.bytes = NOTHING;
    this.end = 0;
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.at !== this.end) fail('trailing');
  }

  private byte(): number {
    if (this.at >= this.end) fail('truncated');
    return this.bytes[this.at++]!;
  }

  /** Moves over `count` bytes and returns where they began. */
  private take(count: number): number {
    const from = this.at;
    if (count > this.end - from) fail('truncated');
    this.at = from + count;
    return from;
  }

  private u16(): number {
    const i = this.take(2);
    return (this.bytes[i]! << 8) | this.bytes[i + 1]!;
  }

  private i32(): number {
    const i = this.take(4);
    const b = this.bytes;
    return (b[i]! << 24) | (b[i + 1]! << 16) | (b[i + 2]! << 8) | b[i + 3]!;
  }

  private float(width: 4 | 8): number {
    const i = this.take(width);
    for (let k = 0; k < width; k++) cell.setUint8(k, this.bytes[i + k]!);
    const value = width === 4 ? cell.getFloat32(0) : cell.getFloat64(0);
    if (!Number.isFinite(value)) fail('number');
    return value + 0; // -0 becomes 0
  }

  private wide(high: number): number {
    const value = high * 4_294_967_296 + (this.i32() >>> 0);
    if (!Number.isSafeInteger(value)) fail('number');
    return value;
  }

  /** The number that begins with `head`, or null when `head` begins something else. */
  private numberAfter(head: number): number | null {
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 256;
    switch (head) {
      case 0xcc:
        return this.byte();
      case 0xcd:
        return this.u16();
      case 0xce:
        return this.i32() >>> 0;
      case 0xcf:
        return this.wide(this.i32() >>> 0);
      case 0xd0:
        return (this.byte() << 24) >> 24;
      case 0xd1:
        return (this.u16() << 16) >> 16;
      case 0xd2:
        return this.i32();
      case 0xd3:
        return this.wide(this.i32());
      case 0xca:
        return this.float(4);
      case 0xcb:
        return this.float(8);
      default:
        return null;
    }
  }

  /** A whole number in [min, max]; one that was sent as a float counts when it is whole. */
  int(min: number, max: number): number {
    const head = this.byte();
    const value = head < 0x80 ? head : this.numberAfter(head);
    if (value === null || value < min || value > max || !Number.isInteger(value)) return fail('shape');
    return value;
  }

  /** True when the next value is nil, which is then behind us. */
  nil(): boolean {
    if (this.at >= this.end) fail('truncated');
    if (this.bytes[this.at] !== 0xc0) return false;
    this.at++;
    return true;
  }

  bool(): boolean {
    const head = this.byte();
    if (head === 0xc3) return true;
    if (head !== 0xc2) fail('shape');
    return false;
  }

  private textOf(length: number, max: number): string {
    if (length > max) fail('length');
    const from = this.take(length);
    if (length <= SHORT_TEXT) {
      let text = '';
      let i = from;
      for (; i < from + length; i++) {
        const c = this.bytes[i]!;
        if (c >= 0x80) break;
        text += String.fromCharCode(c);
      }
      if (i === from + length) return text;
    }
    try {
      return strict.decode(this.bytes.subarray(from, from + length));
    } catch {
      return fail('utf8');
    }
  }

  private textLength(head: number): number {
    if (head >= 0xa0 && head <= 0xbf) return head & 31;
    if (head === 0xd9) return this.byte();
    if (head === 0xda) return this.u16();
    if (head === 0xdb) return this.i32() >>> 0;
    return -1;
  }

  /** UTF-8 text of at most `maxBytes` bytes. */
  text(maxBytes: number): string {
    const length = this.textLength(this.byte());
    if (length < 0) fail('shape');
    return this.textOf(length, Math.min(maxBytes, this.limits.textBytes));
  }

  private binLength(head: number): number {
    if (head === 0xc4) return this.byte();
    if (head === 0xc5) return this.u16();
    if (head === 0xc6) return this.i32() >>> 0;
    return -1;
  }

  /** Sixteen bytes of `bin`: where they begin in `input`. */
  id(read: (bytes: Uint8Array, at: number) => string): string {
    const length = this.binLength(this.byte());
    if (length !== 16) fail('shape');
    return read(this.bytes, this.take(16));
  }

  private arrayLength(head: number): number {
    if (head >= 0x90 && head <= 0x9f) return head & 15;
    if (head === 0xdc) return this.u16();
    if (head === 0xdd) return this.i32() >>> 0;
    return -1;
  }

  /** Opens an array that is container number `depth` from outside; its length. */
  array(depth: number): number {
    const length = this.arrayLength(this.byte());
    if (length < 0) fail('shape');
    this.bound(length, this.limits.items, depth);
    return length;
  }

  private bound(length: number, max: number, depth: number): void {
    if (depth > this.limits.depth) fail('depth');
    if (length > max) fail('length');
    if (length > this.end - this.at) fail('truncated');
  }

  /** An array of anything, to be checked by the catalogue. */
  tuple(depth: number): unknown[] {
    return this.items(this.array(depth), depth);
  }

  private items(length: number, depth: number): unknown[] {
    const out: unknown[] = [];
    for (let i = 0; i < length; i++) out.push(this.any(depth + 1));
    return out;
  }

  private map(length: number, depth: number): Map<string | number, unknown> {
    this.bound(length, this.limits.entries, depth);
    const out = new Map<string | number, unknown>();
    for (let i = 0; i < length; i++) {
      const key = this.any(this.limits.depth + 1);
      if ((typeof key !== 'string' && typeof key !== 'number') || out.has(key)) return fail('forbidden');
      out.set(key, this.any(depth + 1));
    }
    return out;
  }

  /** Any permitted value; a container among them is number `depth` from outside. Bins are copied. */
  any(depth: number): unknown {
    const head = this.byte();
    const number = this.numberAfter(head);
    if (number !== null) return number;
    if (head === 0xc0) return null;
    if (head === 0xc2) return false;
    if (head === 0xc3) return true;
    let length = this.textLength(head);
    if (length >= 0) return this.textOf(length, this.limits.textBytes);
    length = this.arrayLength(head);
    if (length >= 0) {
      this.bound(length, this.limits.items, depth);
      return this.items(length, depth);
    }
    length = this.binLength(head);
    if (length >= 0) {
      if (length > this.limits.binBytes) fail('length');
      const from = this.take(length);
      return new Uint8Array(this.bytes.subarray(from, from + length));
    }
    if (head >= 0x80 && head <= 0x8f) return this.map(head & 15, depth);
    if (head === 0xde) return this.map(this.u16(), depth);
    if (head === 0xdf) return this.map(this.i32() >>> 0, depth);
    return fail('forbidden');
  }

  /** Reads and drops items `from` to `length` of the open array: later versions may have added them. */
  skip(from: number, length: number, depth: number): void {
    for (let i = from; i < length; i++) this.any(depth + 1);
  }
}
