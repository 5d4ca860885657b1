/**
 * A LOCATION frame as raw bytes of fixed width, so that a load generator can send a position by patching numbers in
 * place instead of encoding an array. What it says is checked against the real decoder in its test.
 */
import { FRAME } from '../../protocol/index.ts';
import { binaryFrame } from './socket.ts';

export interface Position {
  readonly latE7: number;
  readonly lngE7: number;
  /** Decimetres, below 65,536. */
  readonly accuracyDm: number;
  /** Unix milliseconds of the town clock. */
  readonly takenAtMs: number;
}

/** WebSocket header of a masked message below 126 bytes. */
const HEAD = 6;
const SEQ = 3;
const LAT = SEQ + 5;
const LNG = LAT + 5;
const ACCURACY = LNG + 5;
const SECONDS = ACCURACY + 5;
const MS = SECONDS + 5;
const LENGTH = MS + 2;

/** Flags stand at the end where there are any. */
const template = (flags: number): Buffer => {
  const b = Buffer.alloc(flags === 0 ? LENGTH : LENGTH + 1, flags);
  b.fill(0, 0, LENGTH);
  b.set([flags === 0 ? 0x99 : 0x9a, FRAME.volatile, 0xce], 0);
  b[LAT - 1] = 0xd2;
  b[LNG - 1] = 0xd2;
  b[ACCURACY - 1] = 0xcd;
  // heading and speed: nil
  b[ACCURACY + 2] = 0xc0;
  b[ACCURACY + 3] = 0xc0;
  b[SECONDS - 1] = 0xce;
  b[MS - 1] = 0xcd;
  return b;
};

/** A WebSocket frame with a LOCATION in it; `seq` below 2^32, `flags` below 128. */
export const positionFrame = (seq: number, position: Position, flags = 0): Buffer => {
  const frame = binaryFrame(template(flags));
  frame.writeUInt32BE(seq, HEAD + SEQ);
  frame.writeInt32BE(position.latE7, HEAD + LAT);
  frame.writeInt32BE(position.lngE7, HEAD + LNG);
  frame.writeUInt16BE(position.accuracyDm, HEAD + ACCURACY);
  const seconds = Math.floor(position.takenAtMs / 1000);
  frame.writeUInt32BE(seconds, HEAD + SECONDS);
  frame.writeUInt16BE(position.takenAtMs - seconds * 1000, HEAD + MS);
  return frame;
};

/** The msgpack bytes inside such a frame. */
export const positionPayload = (frame: Buffer): Uint8Array => frame.subarray(HEAD);
