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
 * As text "HB1:" and base45, 58 characters: a QR code of version 3 with error correction M. A token is accepted one
 * step early (a fast phone clock) and two steps late, so it lives 30 to 45 s. The device key is derived from the
 * master key and (user, device), so that a phone can be given its own key and show codes while offline; the server
 * therefore opens the handle to know the key, and believes it only when the code is right. Node only.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { decodeBase45, encodeBase45 } from './base45.ts';
import { ERROR, ok, type Result, refuse } from './errors.ts';
import { dayKey, openHandle, type Presenter, sealHandle } from './handle.ts';
import { uuidFromHash } from './ids.ts';

/** Who shows the code, with its number on the wire. Never reused. */
export const TOKEN_KINDS = { civilian: 1, officer: 2, hub: 3, merchant: 4 } as const;
export type TokenKind = keyof typeof TOKEN_KINDS;

/** Bits of `flags`. */
export const TOKEN_FLAG = { mintedOffline: 1, locationShared: 2, clockUntrusted: 4 } as const;

const PREFIX = 'HB1:';
const VERSION = 1;
const BYTES = 36;
const SIGNED = 20;
const TEXT_LENGTH = PREFIX.length + (BYTES / 2) * 3;
/** A new code is shown each step. */
export const QR_STEP_S = 15;
const STEP_MS = QR_STEP_S * 1000;
const STEPS_EARLY = 1;
const STEPS_LATE = 2;
const STEPS_PER_DAY = 86_400_000 / STEP_MS;

const NAME = new Map<number, TokenKind>(
  Object.entries(TOKEN_KINDS).map(([name, number]) => [number, name as TokenKind]),
);

const stepOf = (nowMs: number): number => Math.floor(nowMs / STEP_MS);

/** Unix second at which a token minted at `nowMs` stops being accepted. */
export const tokenExpiresS = (nowMs: number): number => ((stepOf(nowMs) + STEPS_LATE + 1) * STEP_MS) / 1000;

/** The key with which one device signs its codes: HKDF-SHA-256 of the master key, 32 bytes. */
export const deviceKey = (master: Uint8Array, { userNumber, deviceNumber }: Presenter): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', master, '', `HB1 device ${userNumber}/${deviceNumber}`, 32));

const codeOf = (key: Uint8Array, token: Uint8Array): Uint8Array =>
  createHmac('sha256', key)
    .update(token.subarray(0, SIGNED))
    .digest()
    .subarray(0, BYTES - SIGNED);

export interface Minting extends Presenter {
  readonly kind: TokenKind;
  /** Which master key `master` is, 0 to 255. */
  readonly kid: number;
  readonly master: Uint8Array;
  readonly nowMs: number;
  /** 32 random bits. */
  readonly nonce: number;
  readonly flags: number;
}

/** The text to draw. Throws a RangeError when a number does not fit its field. */
export const mintToken = (minting: Minting): string => {
  const { kind, kid, master, nowMs, nonce, flags } = minting;
  const fits = (n: number, bits: number): boolean => Number.isInteger(n) && n >= 0 && n < 2 ** bits;
  const step = stepOf(nowMs);
  if (!fits(kid, 8) || !fits(nonce, 32) || !fits(flags, 16) || !fits(step, 32))
    throw new RangeError('field too wide');
  const token = new Uint8Array(BYTES);
  const view = new DataView(token.buffer);
  token[0] = (VERSION << 4) | TOKEN_KINDS[kind];
  token[1] = kid;
  token.set(sealHandle(dayKey(master, Math.floor(step / STEPS_PER_DAY)), minting), 2);
  view.setUint32(10, step);
  view.setUint32(14, nonce);
  view.setUint16(18, flags);
  token.set(codeOf(deviceKey(master, minting), token), SIGNED);
  return PREFIX + encodeBase45(token);
};

/** What a good token says. */
export interface Token extends Presenter {
  readonly kind: TokenKind;
  readonly step: number;
  readonly nonce: number;
  readonly flags: number;
  /** The token's own id, from all its bytes: what "used once" is decided on. */
  readonly tokenId: string;
}

export interface Verifying {
  readonly nowMs: number;
  /** Master keys by kid; more than one while they rotate. */
  readonly masters: ReadonlyMap<number, Uint8Array>;
  /** Kinds that this scanner may scan. */
  readonly kinds: readonly TokenKind[];
}

const foreign = () => refuse(ERROR.invalid, 'this is not a HeyBlue code');

/**
 * Checks the text that a phone read: length, prefix, version, key, step, code, and only then what it says.
 * 410 when it is too old; 422 when it is not a code of ours, is from the future, forged, or of a kind that this
 * scanner may not scan. Whether it was used before is for the presenter's actor to know.
 */
export const verifyToken = (text: string, { nowMs, masters, kinds }: Verifying): Result<Token> => {
  if (text.length !== TEXT_LENGTH || !text.startsWith(PREFIX)) return foreign();
  const token = decodeBase45(text.slice(PREFIX.length));
  if (token === null || token[0]! >> 4 !== VERSION) return foreign();
  const kind = NAME.get(token[0]! & 15);
  const master = masters.get(token[1]!);
  if (kind === undefined || master === undefined) return foreign();

  const view = new DataView(token.buffer);
  const step = view.getUint32(10);
  const age = stepOf(nowMs) - step;
  if (age > STEPS_LATE) return refuse(ERROR.gone, 'this code is too old: ask for the new one');
  if (age < -STEPS_EARLY)
    return refuse(ERROR.invalid, 'this code is from the future: check the clock of the phone');

  const presenter = openHandle(dayKey(master, Math.floor(step / STEPS_PER_DAY)), token.subarray(2, 10));
  const expected = codeOf(deviceKey(master, presenter), token);
  if (!timingSafeEqual(expected, token.subarray(SIGNED))) return refuse(ERROR.invalid, 'this code is forged');
  if (!kinds.includes(kind)) return refuse(ERROR.invalid, `a code of a ${kind} cannot be scanned here`);

  const tokenId = uuidFromHash(createHash('sha256').update(token).digest());
  return ok({ kind, ...presenter, step, nonce: view.getUint32(14), flags: view.getUint16(18), tokenId });
};
