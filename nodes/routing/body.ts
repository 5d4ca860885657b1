/**
 * Actor messages and answers as bytes: MessagePack of plain values (objects, arrays, strings, numbers, booleans, null,
 * undefined, bytes). Objects travel as maps with their keys, so that a version may add a field and another leave it out;
 * record structures would be shorter and are measured slower for messages of this size.
 *
 * Packed actors may hold maps and sets too ({@link encodeParcels}): there objects travel as records, maps as maps.
 */
import { Packr, REUSE_BUFFER_MODE } from 'msgpackr';
import type { Result } from '../../protocol/errors.ts';
import { Slice } from './slice.ts';

/** Bytes are copied out: what an actor keeps must not hold on to the batch in which it came. */
const messages = new Packr({ useRecords: false, copyBuffers: true, int64AsType: 'number' });
const parcels = new Packr({ useRecords: true, moreTypes: true, copyBuffers: true, int64AsType: 'number' });

/** Throws for what has no bytes, such as a function: a bug of the actor. */
export function encodeBody(value: unknown): Slice {
  // The packer's own memory with the place in it; it goes on behind.
  const packed = messages.pack(value, REUSE_BUFFER_MODE) as Buffer & { start: number; end: number };
  return new Slice(packed, packed.start, packed.end);
}
/** Throws for rubbish. */
export const decodeBody = (slice: Slice): unknown => messages.unpack(slice.bytes, slice);

export const encodeParcels = (value: unknown): Slice => new Slice(parcels.pack(value));
export const decodeParcels = (slice: Slice): unknown => parcels.unpack(slice.bytes, slice);

/** A value as it would look on another node. */
export const copied = <T>(value: T): T => decodeBody(encodeBody(value)) as T;

/** Null when it does not look like a message: whoever is to get it could not tell what it is. */
export function readMessage(body: Slice): { readonly type: string } | null {
  try {
    const message = decodeBody(body) as { type?: unknown } | null;
    const good = typeof message === 'object' && message !== null && typeof message.type === 'string';
    return good ? (message as { type: string }) : null;
  } catch {
    return null;
  }
}

/** Null when it is no answer. */
export function readResult(body: Slice): Result<unknown> | null {
  try {
    const result = decodeBody(body) as { ok?: unknown; code?: unknown } | null;
    if (typeof result !== 'object' || result === null) return null;
    if (result.ok === true) return result as Result<unknown>;
    return result.ok === false && typeof result.code === 'number' ? (result as Result<unknown>) : null;
  } catch {
    return null;
  }
}
