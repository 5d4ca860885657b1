/**
 * What a QR code says of the presenter: (user, device) under a permutation of 64 bits that changes each day, so that
 * two photographs of the same person's code on two days cannot be linked, and yet the server reads it without a table.
 * A 4-round Feistel network over HMAC-SHA-256 (Luby-Rackoff). Phones never open one: they are given theirs.
 */
import { type HmacKey, hmacWords } from './sha256.ts';

/** A presenter: the account's number (48 bits) and which of its devices (16 bits). */
export interface Presenter {
  readonly userNumber: number;
  readonly deviceNumber: number;
}

const ROUNDS = 4;
const HALF = 65_536;
export const HANDLE_BYTES = 8;

/** The number in four bytes; no view is made for it, which would cost as much as a round. */
export const u32At = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;

const input = new Uint8Array(5);
const words = new Int32Array(8);

/** First 32 bits of the code of (round, half). */
const mix = (key: HmacKey, round: number, half: number): number => {
  input[0] = round;
  input[1] = half >>> 24;
  input[2] = half >>> 16;
  input[3] = half >>> 8;
  input[4] = half;
  hmacWords(key, input, input.length, words);
  return words[0]!;
};

/** Eight bytes for a presenter under the key of a day. Throws a RangeError for numbers that do not fit. */
export const sealHandle = (key: HmacKey, { userNumber, deviceNumber }: Presenter): Uint8Array => {
  if (!Number.isSafeInteger(userNumber) || userNumber < 0 || userNumber >= 2 ** 48) {
    throw new RangeError('user number outside 48 bits');
  }
  if (!Number.isInteger(deviceNumber) || deviceNumber < 0 || deviceNumber >= HALF) {
    throw new RangeError('device number outside 16 bits');
  }
  let left = Math.floor(userNumber / HALF);
  let right = (userNumber % HALF) * HALF + deviceNumber;
  for (let round = 0; round < ROUNDS; round++) {
    [left, right] = [right, (left ^ mix(key, round, right)) >>> 0];
  }
  const handle = new Uint8Array(HANDLE_BYTES);
  const view = new DataView(handle.buffer);
  view.setUint32(0, left);
  view.setUint32(4, right);
  return handle;
};

/** The presenter of the handle at `at`. Every 8 bytes are some presenter: whether it is true, the token's code must prove. */
export const openHandle = (key: HmacKey, bytes: Uint8Array, at = 0): Presenter => {
  let left = u32At(bytes, at);
  let right = u32At(bytes, at + 4);
  for (let round = ROUNDS - 1; round >= 0; round--) {
    [left, right] = [(right ^ mix(key, round, left)) >>> 0, left];
  }
  return { userNumber: left * HALF + Math.floor(right / HALF), deviceNumber: right % HALF };
};
