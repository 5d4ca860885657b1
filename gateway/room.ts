/**
 * Memory for frames that wait. A frame that may not go out yet is copied, and a moment later it is gone: memory that is
 * made and dropped for each of them would be collected over and over, and while that is done nobody hears anything.
 * (2,000 frames of 30 KB a second: four whole collections a second, of 10 to 20 ms each.) So what a frame has left is what
 * the next one gets, in sizes that double. What nobody needed for a while goes.
 */
import { LIMITS } from './limits.ts';

/** The smallest piece; a frame of an area or of a meeting fits. */
const LEAST_BYTES = 256;

const sizeOf = (length: number): number =>
  length <= LEAST_BYTES ? 0 : 32 - Math.clz32((length - 1) / LEAST_BYTES);
const SIZES = sizeOf(LIMITS.volatileBytes) + 1;

export class Room {
  /** Pieces that nobody uses, by size. */
  readonly #spare: ArrayBuffer[][] = Array.from({ length: SIZES }, () => []);
  /** The fewest that were spare since `tidy`. */
  readonly #fewest: number[] = new Array(SIZES).fill(0);
  #spareBytes = 0;

  /** Bytes that are kept and nobody uses. */
  get spareBytes(): number {
    return this.#spareBytes;
  }

  /** A copy that stays as it is until it is given back. */
  copy(bytes: Uint8Array): Uint8Array {
    const size = sizeOf(bytes.length);
    if (size >= SIZES) return bytes.slice();
    const spare = this.#spare[size]!;
    let piece = spare.pop();
    if (piece === undefined) piece = new ArrayBuffer(LEAST_BYTES << size);
    else this.#spareBytes -= piece.byteLength;
    if (spare.length < this.#fewest[size]!) this.#fewest[size] = spare.length;
    const copy = new Uint8Array(piece, 0, bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** Takes back what `copy` gave; nobody may look at it any more. */
  free(copy: Uint8Array): void {
    const size = sizeOf(copy.length);
    const piece = copy.buffer as ArrayBuffer;
    if (size >= SIZES || this.#spareBytes + piece.byteLength > LIMITS.spareBytes) return;
    this.#spare[size]!.push(piece);
    this.#spareBytes += piece.byteLength;
  }

  /** Lets go of half of what nobody needed since the last time. */
  tidy(): void {
    this.#spare.forEach((spare, size) => {
      const dropped = Math.ceil(this.#fewest[size]! / 2);
      spare.length -= dropped;
      this.#spareBytes -= dropped * (LEAST_BYTES << size);
      this.#fewest[size] = spare.length;
    });
  }
}
