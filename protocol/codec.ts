/**
 * Frames to bytes and back. Everything is a positional array of plain msgpack that any language decodes: no
 * extensions, no maps, no floats, ids as 16 bytes, nil for "none". Tuples only grow at the tail: readers take an absent
 * item as nil and ignore items that they do not know. Tuples stand in `tuples.ts`, writing in `writer.ts`, reading in `reader.ts`.
 */
import { type ClientFrame, FRAME, type ServerFrame } from './frames.ts';
import { BATCH_FRAMES_MAX } from './limits.ts';
import { clientTuple, serverTuple } from './tuples.ts';
import { Writer } from './writer.ts';

export { decodeClientFrame, decodeServerFrame } from './reader.ts';

/** Some hundred frames: what a frame that waits for its commit keeps in memory is little, and memory is seldom asked for. */
const SLAB_BYTES = 16_384;

/** Writes the frames of this process, one at a time. */
export const writer = new Writer(SLAB_BYTES);

/** Bytes of a positional array; neighbours share their memory. */
export const pack = (tuple: readonly unknown[]): Uint8Array => {
  writer.begin().value(tuple);
  return writer.take();
};

/** Bytes of a frame for the server. Bodies are tuples already: see `encodeCommand`. Throws on values out of range. */
export const encodeClientFrame = (frame: ClientFrame): Uint8Array => pack(clientTuple(frame));

/** Bytes of a frame for a client. Throws on values out of range. */
export const encodeServerFrame = (frame: ServerFrame): Uint8Array => pack(serverTuple(frame));

/** Joins encoded frames into one BATCH message without decoding them: 1 to 16, none of them a BATCH itself. */
export const encodeBatch = (frames: readonly Uint8Array[]): Uint8Array => {
  if (frames.length === 0 || frames.length > BATCH_FRAMES_MAX)
    throw new RangeError('a batch has 1 to 16 frames');
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  const head =
    frames.length === BATCH_FRAMES_MAX
      ? [0x92, FRAME.batch, 0xdc, 0, frames.length]
      : [0x92, FRAME.batch, 0x90 | frames.length];
  const out = new Uint8Array(head.length + length);
  out.set(head);
  let at = head.length;
  for (const frame of frames) {
    out.set(frame, at);
    at += frame.length;
  }
  return out;
};
