/** What a client says, as bytes of their own: they may wait long, and are written down. */
import type { ClientFrame } from '../../protocol/frames.ts';
import { clientTuple } from '../../protocol/tuples.ts';
import { Writer } from '../../protocol/writer.ts';

/** A client says little and seldom: as much as its usual words take. */
const SLAB_BYTES = 512;

const writer = new Writer(SLAB_BYTES);

/** Bytes of a frame for the server. Throws on values out of range. */
export const frameBytes = (frame: ClientFrame): Uint8Array<ArrayBuffer> => {
  writer.begin().value(clientTuple(frame));
  return writer.take().slice();
};
