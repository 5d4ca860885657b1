/**
 * MessagePack by hand, as much of it as heads of batches need: lists, counts, texts, null. A general packer makes an
 * array of every message before it writes it and another one when it reads; at the rate at which nodes talk, that was a
 * third of what an ask cost them.
 *
 * The reader never throws and never reads outside its bytes: what does not look as it should sets `failed`, and whoever
 * reads looks at that when it is done.
 */

/** How deep a value may be that is skipped. */
const DEPTH_MAX = 16;
/** Texts up to here are written byte by byte. */
const SHORT = 64;

/** Writes into memory of its own, used again for every batch. */
export class WireWriter {
  bytes = Buffer.allocUnsafeSlow(64 * 1_024);
  at = 0;

  /** Begins anew at this place. */
  begin(at: number): void {
    this.at = at;
  }

  list(length: number): void {
    this.#room(5);
    const { bytes } = this;
    if (length < 16) bytes[this.at++] = 0x90 | length;
    else if (length < 0x1_0000) {
      bytes[this.at++] = 0xdc;
      this.#uint16(length);
    } else {
      bytes[this.at++] = 0xdd;
      this.#uint32(length);
    }
  }

  /** A whole number from 0 to 2^53 - 1. */
  count(value: number): void {
    this.#room(9);
    const { bytes } = this;
    if (value < 0x80) bytes[this.at++] = value;
    else if (value < 0x100) {
      bytes[this.at++] = 0xcc;
      bytes[this.at++] = value;
    } else if (value < 0x1_0000) {
      bytes[this.at++] = 0xcd;
      this.#uint16(value);
    } else if (value < 0x1_0000_0000) {
      bytes[this.at++] = 0xce;
      this.#uint32(value);
    } else {
      bytes[this.at++] = 0xcb;
      this.at = bytes.writeDoubleBE(value, this.at);
    }
  }

  text(value: string | null): void {
    if (value === null) {
      this.#room(1);
      this.bytes[this.at++] = 0xc0;
      return;
    }
    this.#room(3 * value.length + 5);
    if (value.length >= SHORT || !this.#plain(value)) this.#long(value);
  }

  texts(values: readonly string[]): void {
    this.list(values.length);
    for (const value of values) this.text(value);
  }

  counts(values: readonly number[]): void {
    this.list(values.length);
    for (const value of values) this.count(value);
  }

  /** False when it is not plain ASCII; nothing is written then. */
  #plain(value: string): boolean {
    const { bytes } = this;
    const { length } = value;
    let at = this.at;
    if (length < 32) bytes[at++] = 0xa0 | length;
    else {
      bytes[at++] = 0xd9;
      bytes[at++] = length;
    }
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at++] = code;
    }
    this.at = at;
    return true;
  }

  #long(value: string): void {
    const { bytes } = this;
    const length = Buffer.byteLength(value);
    if (length < 32) bytes[this.at++] = 0xa0 | length;
    else if (length < 0x100) {
      bytes[this.at++] = 0xd9;
      bytes[this.at++] = length;
    } else if (length < 0x1_0000) {
      bytes[this.at++] = 0xda;
      this.#uint16(length);
    } else {
      bytes[this.at++] = 0xdb;
      this.#uint32(length);
    }
    this.at += bytes.write(value, this.at);
  }

  #uint16(value: number): void {
    this.bytes[this.at++] = value >>> 8;
    this.bytes[this.at++] = value;
  }

  #uint32(value: number): void {
    this.#uint16(value >>> 16);
    this.#uint16(value & 0xffff);
  }

  #room(bytes: number): void {
    if (this.at + bytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.at + bytes));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}

export class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  at: number;
  /** Something was not what it should be, or lay outside; all answers since are without meaning. */
  failed = false;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = start;
    this.#end = end;
  }

  /** How many values follow. */
  list(): number {
    const type = this.#byte();
    const length = type >> 4 === 0x9 ? type & 15 : type === 0xdc ? this.#uint(2) : this.#no(type === 0xdd);
    // Each takes a byte at least: what cannot be is refused before anything is made for it.
    return length <= this.#end - this.at ? length : this.#no(false);
  }

  count(): number {
    const type = this.#byte();
    if (type < 0x80) return type;
    switch (type) {
      case 0xcc:
        return this.#byte();
      case 0xcd:
        return this.#uint(2);
      case 0xce:
        return this.#uint(4);
      case 0xcb: {
        if (this.at + 8 > this.#end) return this.#no(false);
        const value = this.#bytes.readDoubleBE(this.at);
        this.at += 8;
        return Number.isSafeInteger(value) && value >= 0 ? value : this.#no(false);
      }
      default:
        return this.#no(false);
    }
  }

  /** At most so many characters. */
  text(max: number): string {
    const length = this.#textLength(this.#byte());
    const start = this.at;
    const end = start + length;
    if (end > this.#end || length > 4 * max) {
      this.failed = true;
      return '';
    }
    this.at = end;
    const bytes = this.#bytes;
    let all = 0;
    for (let i = start; i < end; i++) all |= bytes[i]!;
    const text = bytes.toString(all < 0x80 ? 'latin1' : 'utf8', start, end);
    if (text.length > max) this.failed = true;
    return text;
  }

  textOrNull(max: number): string | null {
    if (this.at >= this.#end || this.#bytes[this.at] !== 0xc0) return this.text(max);
    this.at++;
    return null;
  }

  /** Not a list but nothing. */
  isNull(): boolean {
    if (this.at >= this.#end || this.#bytes[this.at] !== 0xc0) return false;
    this.at++;
    return true;
  }

  /** At most so many, each of at most so many characters. */
  texts(many: number, max: number): string[] {
    const length = this.list();
    if (length > many) this.failed = true;
    const texts: string[] = [];
    for (let i = 0; i < length && !this.failed; i++) texts.push(this.text(max));
    return texts;
  }

  counts(many: number): number[] {
    const length = this.list();
    if (length > many) this.failed = true;
    const counts: number[] = [];
    for (let i = 0; i < length && !this.failed; i++) counts.push(this.count());
    return counts;
  }

  /** Goes over so many values, whatever they are. */
  skip(values: number, depth = 0): void {
    if (depth > DEPTH_MAX) this.failed = true;
    for (let i = 0; i < values && !this.failed; i++) this.#skipOne(depth);
  }

  #skipOne(depth: number): void {
    const type = this.#byte();
    if (type < 0x80 || type >= 0xe0) return;
    if (type < 0x90) return this.skip(2 * (type & 15), depth + 1);
    if (type < 0xa0) return this.skip(type & 15, depth + 1);
    if (type < 0xc0) return this.#over(type & 31);
    switch (type) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return;
      case 0xc4:
      case 0xd9:
        return this.#over(this.#uint(1));
      case 0xc5:
      case 0xda:
        return this.#over(this.#uint(2));
      case 0xc6:
      case 0xdb:
        return this.#over(this.#uint(4));
      case 0xcc:
      case 0xd0:
        return this.#over(1);
      case 0xcd:
      case 0xd1:
        return this.#over(2);
      case 0xca:
      case 0xce:
      case 0xd2:
        return this.#over(4);
      case 0xcb:
      case 0xcf:
      case 0xd3:
        return this.#over(8);
      case 0xdc:
        return this.skip(this.#uint(2), depth + 1);
      case 0xde:
        return this.skip(2 * this.#uint(2), depth + 1);
      case 0xdd:
        return this.skip(this.#uint(4), depth + 1);
      case 0xdf:
        return this.skip(2 * this.#uint(4), depth + 1);
      default:
        this.failed = true;
    }
  }

  #over(bytes: number): void {
    this.at += bytes;
    if (this.at > this.#end) this.failed = true;
  }

  #textLength(type: number): number {
    if (type >= 0xa0 && type < 0xc0) return type & 31;
    if (type === 0xd9) return this.#byte();
    return type === 0xda ? this.#uint(2) : this.#no(false);
  }

  #byte(): number {
    return this.at < this.#end ? this.#bytes[this.at++]! : this.#no(false);
  }

  #uint(size: 1 | 2 | 4): number {
    if (this.at + size > this.#end) return this.#no(false);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.#bytes[this.at++]!;
    return value;
  }

  #no(long: boolean): number {
    if (long) return this.#uint(4);
    this.failed = true;
    return 0;
  }
}
