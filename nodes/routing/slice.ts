/**
 * Bytes inside of larger ones. A view would be an object with a back end of its own, and one more to read it by; made for
 * every message of a busy node, those cost more than the messages.
 */
export class Slice {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  get length(): number {
    return this.end - this.start;
  }

  /** A view, for others. */
  view(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** Copies itself to another place. */
  copyTo(target: Uint8Array, at: number): void {
    const { bytes, start, end } = this;
    if (end - start > 64) target.set(bytes.subarray(start, end), at);
    else for (let from = start, to = at; from < end; from++, to++) target[to] = bytes[from]!;
  }
}

export const EMPTY = new Slice(new Uint8Array(0));
