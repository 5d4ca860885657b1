/**
 * What a QR code says of the presenter: (user, device) under a permutation of 64 bits that changes each day, so that
 * two photographs of the same person's code on two days cannot be linked, and yet the server reads it without a table.
 * A 4-round Feistel network over HMAC-SHA-256 (Luby-Rackoff). Node only.
 */
import { createHmac } from 'node:crypto';

/** A presenter: the account's number (48 bits) and which of its devices (16 bits). */
export interface Presenter {
  readonly userNumber: number;
  readonly deviceNumber: number;
}

const ROUNDS = 4;
const HALF = 65_536;

/** The permutation's key for a day (whole days since 1970) under a master key. */
export const dayKey = (master: Uint8Array, day: number): Uint8Array =>
  createHmac('sha256', master).update(`HB1 handle ${day}`).digest();

const mix = (key: Uint8Array, round: number, half: number): number => {
  const input = new Uint8Array(5);
  new DataView(input.buffer).setUint32(1, half);
  input[0] = round;
  return createHmac('sha256', key).update(input).digest().readUInt32BE(0);
};

/** Eight bytes for a presenter. Throws a RangeError for numbers that do not fit. */
export const sealHandle = (key: Uint8Array, { userNumber, deviceNumber }: Presenter): Uint8Array => {
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
  const handle = new Uint8Array(8);
  const view = new DataView(handle.buffer);
  view.setUint32(0, left);
  view.setUint32(4, right);
  return handle;
};

/** The presenter of a handle. Every 8 bytes are some presenter: whether it is true, the token's code must prove. */
export const openHandle = (key: Uint8Array, handle: Uint8Array): Presenter => {
  const view = new DataView(handle.buffer, handle.byteOffset, 8);
  let left = view.getUint32(0);
  let right = view.getUint32(4);
  for (let round = ROUNDS - 1; round >= 0; round--) {
    [left, right] = [(right ^ mix(key, round, left)) >>> 0, left];
  }
  return { userNumber: left * HALF + Math.floor(right / HALF), deviceNumber: right % HALF };
};
