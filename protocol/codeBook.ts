/**
 * What a phone holds to show codes without network: the key of its device and its handle of each of the next days, fetched
 * while it is online. The handles change by day and only the server can make them; the key opens nobody else's anything.
 * Texts of hexadecimal digits, so that it can be kept as JSON; it is a secret and belongs where the phone keeps secrets.
 * Nothing here touches Node: a phone makes its codes with {@link mintFrom}.
 */
import { encodeBase45 } from './base45.ts';
import { ERROR, ok, type Result, refuse } from './errors.ts';
import { hmac, hmacKey } from './sha256.ts';
import { dayOfStep, signToken, stepOf, TOKEN_FLAG, type TokenKind, tokenExpiresS } from './token.ts';

export interface CodeBook {
  readonly kind: TokenKind;
  /** Which master key of the server it follows from, 0 to 255. */
  readonly kid: number;
  /** 32 bytes. */
  readonly key: string;
  /** Eight bytes for each day, counted in whole days (UTC) since 1970. */
  readonly handles: readonly { readonly day: number; readonly handle: string }[];
}

/** Days of handles in a book, the day before and today among them: a week ahead (study 4.9), and clocks that are late. */
export const CODE_BOOK_DAYS = 9;

export const hexOf = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

const bytesOfHex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16));

export interface ShownCode {
  readonly token: string;
  /** Unix second at which it stops being accepted: draw the next one well before, each 15 s. */
  readonly expiresS: number;
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, character => character.charCodeAt(0) & 127);

/** Bytes of HMAC-SHA-256 in a proof, as in a token. */
const PROOF_BYTES = 16;

/** What a phone says of a scan under the key of its device; the first bytes of the HMAC of this line. */
export const scanCode = (key: Uint8Array, token: string, scannedAtS: number): Uint8Array =>
  hmac(hmacKey(key), ascii(`HB1 scan ${scannedAtS} ${token}`)).subarray(0, PROOF_BYTES);

/** A proof is the `kid` and the code of the line, in base45. */
export const proofOf = (kid: number, code: Uint8Array): string =>
  encodeBase45(Uint8Array.from([kid, ...code]));

/**
 * For `qr.upload`: this phone scanned the token at this second. Signed at the scan and kept with it, so that nobody who
 * comes by a token of access alone can say that he scanned something yesterday.
 */
export const proveScan = ({ kid, key }: CodeBook, token: string, scannedAtS: number): string =>
  proofOf(kid, scanCode(bytesOfHex(key), token, scannedAtS));

/**
 * A code of this phone, by its own clock. `nonce`: 32 random bits. 410 when the book has no handle of the day: the phone
 * was without network for more than a week, or its clock is wrong.
 */
export const mintFrom = (
  { kind, kid, key, handles }: CodeBook,
  {
    nowMs,
    nonce,
    flags = TOKEN_FLAG.mintedOffline,
  }: { readonly nowMs: number; readonly nonce: number; readonly flags?: number },
): Result<ShownCode> => {
  const step = stepOf(nowMs);
  const today = handles.find(one => one.day === dayOfStep(step));
  if (!today)
    return refuse(ERROR.gone, 'no code for this day: connect once, and check the clock of the phone');
  const handle = bytesOfHex(today.handle);
  const token = signToken({ kind, kid, handle, step, nonce, flags }, bytesOfHex(key));
  return ok({ token, expiresS: tokenExpiresS(nowMs) });
};
