/**
 * Actor messages and answers as bytes: MessagePack of plain values (objects, arrays, strings, numbers, booleans, null,
 * undefined, bytes). Objects travel as maps with their keys, so that a version may add a field and another leave it out;
 * record structures would be shorter and are measured slower for messages of this size.
 *
 * Packed actors may hold maps and sets too ({@link encodeParcels}): there objects travel as records, maps as maps.
 */
import { Packr } from 'msgpackr';

/** Bytes are copied out: what an actor keeps must not hold on to the batch in which it came. */
const messages = new Packr({ useRecords: false, copyBuffers: true, int64AsType: 'number' });
const parcels = new Packr({ useRecords: true, moreTypes: true, copyBuffers: true, int64AsType: 'number' });

/** Throws for what has no bytes, such as a function: a bug of the actor. */
export const encodeBody = (value: unknown): Uint8Array => messages.pack(value);
/** Throws for rubbish. */
export const decodeBody = (bytes: Uint8Array): unknown => messages.unpack(bytes);

export const encodeParcels = (value: unknown): Uint8Array => parcels.pack(value);
export const decodeParcels = (bytes: Uint8Array): unknown => parcels.unpack(bytes);

/** A value as it would look on another node. */
export const copied = <T>(value: T): T => decodeBody(encodeBody(value)) as T;
