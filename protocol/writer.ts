/**
 * The part of MessagePack that we say, written straight into bytes: nil, booleans, whole numbers, text, bins and arrays,
 * each in its shortest form. Frames are said for every position and every event, and a packer that looks at what it was
 * given costs more than all the rest of a frame.
 *
 * Frames of a writer stand one behind the other in a memory that they share, so that a frame is no memory of its own.
 * Whoever keeps one for long keeps its neighbours with it, and should keep a copy. Plain code for every engine: no
 * TextEncoder, nothing made at run time.
 */
import { writeUuid } from './ids.ts';
import { encodeUtf8 } from './utf8.ts';

const TWO_32 = 0x1_0000_0000;
/** The longest number, and more than any head. */
const HEAD_BYTES = 9;
const UUID_BYTES = 16;

export class Writer {
  readonly #slabBytes: number;
  #bytes: Uint8Array<ArrayBuffer>;
  /** Where the frame under way began. */
  #from = 0;
  #at = 0;

  /** @param slabBytes of the memory that frames share; a longer frame gets one of its own */
  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
    this.#bytes = new Uint8Array(slabBytes);
  }

  /** Begins a frame; one that was begun and not taken is forgotten. */
  begin(): this {
    this.#at = this.#from;
    return this;
  }

  /** The frame since `begin`. */
  take(): Uint8Array<ArrayBuffer> {
    const from = this.#from;
    this.#from = this.#at;
    return new Uint8Array(this.#bytes.buffer, from, this.#at - from);
  }

  nil(): void {
    this.#room(1);
    this.#bytes[this.#at++] = 0xc0;
  }

  bool(value: boolean): void {
    this.#room(1);
    this.#bytes[this.#at++] = value ? 0xc3 : 0xc2;
  }

  /** Throws a RangeError for what is not a safe integer: the caller's bug. */
  int(n: number): void {
    this.#room(HEAD_BYTES);
    const bytes = this.#bytes;
    if (n >= 0 && n < 0x80 && Number.isInteger(n)) {
      bytes[this.#at++] = n;
      return;
    }
    if (!Number.isSafeInteger(n)) throw new RangeError('not a whole number');
    if (n >= 0) {
      if (n < 0x80)
        bytes[this.#at++] = n; // minus zero
      else if (n < 0x100) this.#head(0xcc, n, 1);
      else if (n < 0x1_0000) this.#head(0xcd, n, 2);
      else if (n < TWO_32) this.#head(0xce, n, 4);
      else this.#long(n);
    } else if (n >= -32) bytes[this.#at++] = n;
    else if (n >= -0x80) this.#head(0xd0, n, 1);
    else if (n >= -0x8000) this.#head(0xd1, n, 2);
    else if (n >= -0x8000_0000) this.#head(0xd2, n, 4);
    else this.#long(n);
  }

  /** Text without lone surrogates. */
  text(text: string): void {
    const { length } = text;
    // Three bytes for a unit is the most that UTF-8 takes.
    this.#room(HEAD_BYTES + 3 * length);
    const began = this.#at;
    this.#textHead(length);
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) {
      const c = text.charCodeAt(i);
      if (c >= 0x80) {
        this.#at = began;
        return this.#beyondAscii(text);
      }
      bytes[this.#at++] = c;
    }
  }

  /** Sixteen bytes of the text of a UUID; false when it is none. */
  id(uuid: string): boolean {
    this.#room(2 + UUID_BYTES);
    const at = this.#at;
    if (!writeUuid(uuid, this.#bytes, at + 2)) return false;
    this.#bytes[at] = 0xc4;
    this.#bytes[at + 1] = UUID_BYTES;
    this.#at = at + 2 + UUID_BYTES;
    return true;
  }

  bin(value: Uint8Array): void {
    this.#room(HEAD_BYTES + value.length);
    if (value.length < 0x100) this.#head(0xc4, value.length, 1);
    else if (value.length < 0x1_0000) this.#head(0xc5, value.length, 2);
    else this.#head(0xc6, value.length, 4);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** The head of an array of so many items, which follow. */
  array(length: number): void {
    this.#room(HEAD_BYTES);
    if (length < 16) this.#bytes[this.#at++] = 0x90 | length;
    else if (length < 0x1_0000) this.#head(0xdc, length, 2);
    else this.#head(0xdd, length, 4);
  }

  /** A value of plain kinds, arrays of them too. Throws a TypeError for any other. */
  value(value: unknown): void {
    if (value === null || value === undefined) this.nil();
    else if (typeof value === 'number') this.int(value);
    else if (typeof value === 'string') this.text(value);
    else if (typeof value === 'boolean') this.bool(value);
    else if (value instanceof Uint8Array) this.bin(value);
    else if (Array.isArray(value)) {
      this.array(value.length);
      for (const item of value) this.value(item);
    } else throw new TypeError('this does not travel');
  }

  #head(head: number, n: number, width: 1 | 2 | 4): void {
    const bytes = this.#bytes;
    bytes[this.#at++] = head;
    if (width === 4) {
      bytes[this.#at++] = n >>> 24;
      bytes[this.#at++] = n >>> 16;
    }
    if (width >= 2) bytes[this.#at++] = n >>> 8;
    bytes[this.#at++] = n;
  }

  /** 64 bits from a high and a low half, in two's complement. */
  #long(n: number): void {
    const high = Math.floor(n / TWO_32);
    this.#head(0xd3, high, 4);
    const low = n - high * TWO_32;
    const bytes = this.#bytes;
    for (let shift = 24; shift >= 0; shift -= 8) bytes[this.#at++] = low >>> shift;
  }

  #textHead(length: number): void {
    if (length < 32) this.#bytes[this.#at++] = 0xa0 | length;
    else if (length < 0x100) this.#head(0xd9, length, 1);
    else if (length < 0x1_0000) this.#head(0xda, length, 2);
    else this.#head(0xdb, length, 4);
  }

  #beyondAscii(text: string): void {
    const utf8: number[] = [];
    encodeUtf8(text, utf8);
    this.#textHead(utf8.length);
    this.#bytes.set(utf8, this.#at);
    this.#at += utf8.length;
  }

  /** Sees to it that so many bytes fit behind what is written; the frame under way goes along. */
  #room(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const written = this.#at - this.#from;
    const bytes = new Uint8Array(Math.max(this.#slabBytes, 2 * (written + length)));
    bytes.set(this.#bytes.subarray(this.#from, this.#at));
    this.#bytes = bytes;
    this.#from = 0;
    this.#at = written;
  }
}
