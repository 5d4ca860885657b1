/**
 * The small part of MessagePack that clients say: nil, booleans, whole numbers, text, bins and arrays, each in its
 * shortest form, byte for byte as the server's packer writes them. No code is made at run time, so that it works under
 * any content security policy.
 */
import type { ClientFrame } from '../../protocol/frames.ts';
import { clientTuple } from '../../protocol/tuples.ts';
import { encodeUtf8 } from '../../protocol/utf8.ts';

const put = (out: number[], head: number, value: number, bytes: number): void => {
  out.push(head);
  for (let shift = bytes - 1; shift >= 0; shift--) out.push(Math.floor(value / 2 ** (8 * shift)) & 255);
};

const writeInt = (out: number[], n: number): void => {
  if (n >= 0) {
    if (n < 0x80) out.push(n);
    else if (n < 0x100) put(out, 0xcc, n, 1);
    else if (n < 0x1_0000) put(out, 0xcd, n, 2);
    else if (n < 0x1_0000_0000) put(out, 0xce, n, 4);
    else put(out, 0xd3, n, 8);
  } else if (n >= -32) out.push(n + 256);
  else if (n >= -0x80) put(out, 0xd0, n + 0x100, 1);
  else if (n >= -0x8000) put(out, 0xd1, n + 0x1_0000, 2);
  else if (n >= -0x8000_0000) put(out, 0xd2, n + 0x1_0000_0000, 4);
  else {
    // Two's complement of 64 bits from a high and a low half: 2^64 itself is beyond exact numbers.
    const high = Math.floor(n / 0x1_0000_0000);
    put(out, 0xd3, high + 0x1_0000_0000, 4);
    const low = n - high * 0x1_0000_0000;
    for (let shift = 24; shift >= 0; shift -= 8) out.push((low >>> shift) & 255);
  }
};

const writeText = (out: number[], text: string): void => {
  const bytes: number[] = [];
  encodeUtf8(text, bytes);
  const { length } = bytes;
  if (length < 32) out.push(0xa0 | length);
  else if (length < 0x100) put(out, 0xd9, length, 1);
  else put(out, 0xda, length, 2);
  for (const byte of bytes) out.push(byte);
};

const write = (out: number[], value: unknown): void => {
  if (value === null || value === undefined) out.push(0xc0);
  else if (typeof value === 'boolean') out.push(value ? 0xc3 : 0xc2);
  else if (typeof value === 'number' || typeof value === 'bigint') writeInt(out, Number(value));
  else if (typeof value === 'string') writeText(out, value);
  else if (value instanceof Uint8Array) {
    put(out, 0xc4, value.length, 1);
    for (const byte of value) out.push(byte);
  } else if (Array.isArray(value)) {
    if (value.length < 16) out.push(0x90 | value.length);
    else put(out, 0xdc, value.length, 2);
    for (const item of value) write(out, item);
  } else throw new TypeError('this does not travel');
};

/** Bytes of a frame for the server. Throws on values out of range. */
export const frameBytes = (frame: ClientFrame): Uint8Array<ArrayBuffer> => {
  const out: number[] = [];
  write(out, clientTuple(frame));
  return Uint8Array.from(out);
};
