/**
 * What follows from a master key of QR codes: the key of each day, under which handles are sealed, and the key of each
 * device, under which its codes are signed. A server holds a few master keys (by `kid`, while they rotate) and derives
 * the rest; a phone is given the one key of its device and its handles of a week, and can tell nothing of anybody else.
 */
import type { Presenter } from './handle.ts';
import { bytesOf, type HmacKey, hmac, hmacKey, hmacWords } from './sha256.ts';

/** Codes are from today, but for midnight, clocks that differ, uploads of yesterday and a week of handles ahead. */
const DAYS_KEPT = 16;

interface Master {
  readonly key: HmacKey;
  /** HKDF-SHA-256 (RFC 5869), extracted without salt. */
  readonly extracted: HmacKey;
  readonly days: Map<number, HmacKey>;
}

/** Master keys made ready once, for as long as their bytes are around. */
const MASTERS = new WeakMap<Uint8Array, Master>();

const ready = (bytes: Uint8Array): Master => {
  const known = MASTERS.get(bytes);
  if (known) return known;
  const extracted = hmacKey(hmac(hmacKey(new Uint8Array(32)), bytes));
  const master: Master = { key: hmacKey(bytes), extracted, days: new Map() };
  MASTERS.set(bytes, master);
  return master;
};

const ascii = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};

/** The permutation's key for a day (whole days since 1970). */
export const dayKey = (master: Uint8Array, day: number): HmacKey => {
  const { key, days } = ready(master);
  const known = days.get(day);
  if (known) return known;
  const made = hmacKey(hmac(key, ascii(`HB1 handle ${day}`)));
  if (days.size >= DAYS_KEPT) days.clear();
  days.set(day, made);
  return made;
};

const info = new Uint8Array(64);
const LABEL = ascii('HB1 device ');
info.set(LABEL);

/** Writes a whole number in decimal digits; the place behind it. Text of a number of 48 bits would cost as much as a hash. */
const writeDecimal = (n: number, at: number): number => {
  let end = at + 1;
  for (let bound = 10; bound <= n; bound *= 10) end++;
  for (let i = end - 1, rest = n; i >= at; i--) {
    const tenth = Math.floor(rest / 10);
    info[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
  return end;
};

/** {@link deviceKey} as eight words, into `to`. */
export const deviceWords = (master: Uint8Array, presenter: Presenter, to: Int32Array): void => {
  let end = writeDecimal(presenter.userNumber, LABEL.length);
  info[end] = 47; // '/'
  end = writeDecimal(presenter.deviceNumber, end + 1);
  // One block of output: its number, 1, stands behind the info.
  info[end] = 1;
  hmacWords(ready(master).extracted, info, end + 1, to);
};

/**
 * The key with which one device signs its codes: HKDF-SHA-256 of the master key, 32 bytes, with the info
 * `HB1 device USER/DEVICE`.
 */
export const deviceKey = (master: Uint8Array, presenter: Presenter): Uint8Array => {
  const words = new Int32Array(8);
  deviceWords(master, presenter, words);
  return bytesOf(words);
};
