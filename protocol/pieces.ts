/**
 * Encoded frames as pieces: what a gateway must know of one that an actor made, without decoding it, and how several
 * become one message. A VOLATILE frame says in its first bytes what it is about, so no envelope has to repeat it.
 */
import { FRAME } from './frames.ts';
import { BATCH_FRAMES_MAX } from './limits.ts';

/** The head of a VOLATILE frame: the latest version of a thing wins. */
export interface VolatileHead {
  readonly kind: number;
  /** Names kind and key together, for maps; equal for equal things and for nothing else. */
  readonly thing: string;
  readonly version: number;
}

/** Bytes that a BATCH adds to its frames, at most. */
export const BATCH_HEAD_BYTES = 5;

// A cursor instead of pairs of (value, next position): a position's answer is read here.
let at = 0;

/** A whole number of msgpack at the cursor; -1 when it is something else. */
const uint = (bytes: Uint8Array): number => {
  const first = bytes[at++]!;
  if (first < 0x80) return first;
  let width: number;
  switch (first) {
    case 0xcc:
      width = 1;
      break;
    case 0xcd:
      width = 2;
      break;
    case 0xce:
      width = 4;
      break;
    case 0xcf:
    case 0xd3:
      width = 8;
      break;
    default:
      return -1;
  }
  if (first === 0xd3 && bytes[at]! >= 0x80) return -1;
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + bytes[at++]!;
  return value;
};

/** Bytes of the text at the cursor; -1 when it is something else. */
const textBytes = (bytes: Uint8Array): number => {
  const first = bytes[at++]!;
  if (first >= 0xa0 && first < 0xc0) return first & 0x1f;
  if (first === 0xd9) return bytes[at++]!;
  if (first !== 0xda) return -1;
  const high = bytes[at++]!;
  return high * 256 + bytes[at++]!;
};

/** Reads the head of a frame that this program encoded; null for any frame that is not VOLATILE. */
export const volatileHead = (bytes: Uint8Array): VolatileHead | null => {
  const first = bytes[0]!;
  if (first < 0x94 || first > 0x9f) return null;
  at = 1;
  if (bytes[at++] !== FRAME.volatile) return null;
  const kind = uint(bytes);
  const length = textBytes(bytes);
  if (kind < 0 || length < 0) return null;
  let thing = `${kind} `;
  for (const end = at + length; at < end; at++) thing += String.fromCharCode(bytes[at]!);
  const version = uint(bytes);
  return version >= 0 ? { kind, thing, version } : null;
};

/** Where the 16 bytes of its id stand in an EVENT that this program encoded and that begins at `from`; -1 in any other frame. */
export const eventIdAt = (bytes: Uint8Array, from: number): number => {
  at = from;
  if (bytes[at++] !== 0x95 || bytes[at++] !== FRAME.event) return -1;
  if (uint(bytes) < 0 || uint(bytes) < 0) return -1;
  return bytes[at] === 0xc4 && bytes[at + 1] === 16 ? at + 2 : -1;
};

/** One message of the frames `from` up to, not including, `to`: a BATCH, or the frame itself when it is only one. */
export const joined = (frames: readonly Uint8Array[], from: number, to: number): Uint8Array => {
  const count = to - from;
  if (count === 1) return frames[from]!;
  if (count < 1 || count > BATCH_FRAMES_MAX) throw new RangeError('a batch has 1 to 16 frames');
  // [9, [frame...]]: an array of 16 needs the longer head
  const head =
    count < 16 ? [0x92, FRAME.batch, 0x90 | count] : [0x92, FRAME.batch, 0xdc, count >> 8, count & 0xff];
  let length = head.length;
  for (let i = from; i < to; i++) length += frames[i]!.length;
  const message = new Uint8Array(length);
  message.set(head, 0);
  let next = head.length;
  for (let i = from; i < to; i++) {
    message.set(frames[i]!, next);
    next += frames[i]!.length;
  }
  return message;
};
