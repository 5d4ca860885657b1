/**
 * The `HB1` token: 36 bytes that a phone shows as a QR code and another phone scans, face to face.
 *
 *   off len
 *     0   1  version (high 4 bits, 1) and kind (low 4 bits)
 *     1   1  kid: which master key
 *     2   8  handle: the presenter under a permutation of the day, `handle.ts`
 *    10   4  step: Unix seconds / 15, rounded down; its day keys the handle
 *    14   4  nonce: makes each code distinct
 *    18   2  flags
 *    20  16  first half of HMAC-SHA-256 over bytes 0 to 19 under the presenter's device key
 *
 * As text "HB1:" and base45, 58 characters: a QR code of version 3 with error correction M. This file writes one from
 * what a phone was given (its handle of the day and the key of its device), in any browser; `qr.ts` checks one.
 */
import { encodeBase45 } from './base45.ts';
import { HANDLE_BYTES } from './handle.ts';
import { hmac, hmacKey } from './sha256.ts';

/** Who shows the code, with its number on the wire. Never reused. Codes of hubs are printed: `hubToken.ts`. */
export const TOKEN_KINDS = { civilian: 1, officer: 2, hub: 3, merchant: 4 } as const;
export type TokenKind = keyof typeof TOKEN_KINDS;

/** Bits of `flags`. */
export const TOKEN_FLAG = { mintedOffline: 1, locationShared: 2, clockUntrusted: 4 } as const;

export const TOKEN_PREFIX = 'HB1:';
export const TOKEN_VERSION = 1;
export const TOKEN_BYTES = 36;
/** What comes before the code, and what the code is over. */
export const SIGNED_BYTES = 20;
export const TOKEN_TEXT_LENGTH = TOKEN_PREFIX.length + (TOKEN_BYTES / 2) * 3;
/** A new code is shown each step. */
export const QR_STEP_S = 15;
const STEP_MS = QR_STEP_S * 1000;
/** A fast clock of the presenter, and the time it takes to scan (study 4.9): a code lives 30 to 45 s. */
export const STEPS_EARLY = 1;
export const STEPS_LATE = 2;
const STEPS_PER_DAY = 86_400_000 / STEP_MS;

export const stepOf = (nowMs: number): number => Math.floor(nowMs / STEP_MS);
/** Whole days since 1970, whose key seals the handle. */
export const dayOfStep = (step: number): number => Math.floor(step / STEPS_PER_DAY);

/** Unix second at which a token minted at `nowMs` stops being accepted. */
export const tokenExpiresS = (nowMs: number): number => ((stepOf(nowMs) + STEPS_LATE + 1) * STEP_MS) / 1000;

const fits = (n: number, bits: number): boolean => Number.isInteger(n) && n >= 0 && n < 2 ** bits;

export interface TokenHead {
  readonly kind: TokenKind;
  readonly kid: number;
  /** Who: eight bytes. */
  readonly handle: Uint8Array;
  readonly step: number;
  /** 32 random bits. */
  readonly nonce: number;
  readonly flags: number;
}

/** Bytes 0 to 19 in front of `room` more. Throws a RangeError when a number does not fit its field. */
export const writeHead = (head: TokenHead, room: number): Uint8Array => {
  const { kind, kid, handle, step, nonce, flags } = head;
  if (!fits(kid, 8) || !fits(nonce, 32) || !fits(flags, 16) || !fits(step, 32))
    throw new RangeError('field too wide');
  if (handle.length !== HANDLE_BYTES) throw new RangeError('a handle has 8 bytes');
  const token = new Uint8Array(SIGNED_BYTES + room);
  const view = new DataView(token.buffer);
  token[0] = (TOKEN_VERSION << 4) | TOKEN_KINDS[kind];
  token[1] = kid;
  token.set(handle, 2);
  view.setUint32(10, step);
  view.setUint32(14, nonce);
  view.setUint16(18, flags);
  return token;
};

/** The text to draw, signed with the 32 bytes of a device's key. Throws a RangeError when a number does not fit its field. */
export const signToken = (head: TokenHead, key: Uint8Array): string => {
  const token = writeHead(head, TOKEN_BYTES - SIGNED_BYTES);
  const code = hmac(hmacKey(key), token.subarray(0, SIGNED_BYTES));
  token.set(code.subarray(0, TOKEN_BYTES - SIGNED_BYTES), SIGNED_BYTES);
  return TOKEN_PREFIX + encodeBase45(token);
};
