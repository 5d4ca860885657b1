/**
 * The code on the wall of a community hub: printed once, good for as long as its poster hangs. Nobody refreshes it, so
 * it is signed with Ed25519 instead of a key that phones share, and whoever has the public key can check it.
 *
 *   off len
 *     0   1  version and kind, as in `token.ts`; the kind is 3
 *     1   1  kid: which hub key
 *     2   6  number of the hub
 *     8   2  number of the poster, so that one that was stolen can be withdrawn alone
 *    10   4  last step (Unix seconds / 15) at which it is good; 2^32 - 1: until it is withdrawn
 *    14   4  nonce
 *    18   2  flags
 *    20  64  Ed25519 over bytes 0 to 19
 *
 * 84 bytes, 130 characters: a QR code of version 8 with error correction Q, which a torn corner does not stop. Node only.
 */
import { type KeyObject, sign, verify } from 'node:crypto';
import { decodeBase45, encodeBase45 } from './base45.ts';
import { ERROR, ok, type Result, refuse } from './errors.ts';
import { u32At } from './handle.ts';
import {
  SIGNED_BYTES,
  STEPS_LATE,
  stepOf,
  TOKEN_KINDS,
  TOKEN_PREFIX,
  TOKEN_VERSION,
  writeHead,
} from './token.ts';

const SIGNATURE_BYTES = 64;
const HUB_TOKEN_BYTES = SIGNED_BYTES + SIGNATURE_BYTES;
const HUB_TEXT_LENGTH = TOKEN_PREFIX.length + (HUB_TOKEN_BYTES / 2) * 3;
const FOR_EVER = 2 ** 32 - 1;

export interface Poster {
  /** 48 bits. */
  readonly hubNumber: number;
  /** 16 bits. */
  readonly posterNumber: number;
}

export interface HubMinting extends Poster {
  /** Which hub key, 0 to 255. */
  readonly kid: number;
  /** Ed25519. */
  readonly privateKey: KeyObject;
  /** Last moment at which it is good; null: until it is withdrawn. */
  readonly untilMs: number | null;
  /** 32 random bits. */
  readonly nonce: number;
}

/** The text to print. Throws a RangeError when a number does not fit its field. */
export const mintHubToken = (minting: HubMinting): string => {
  const { hubNumber, posterNumber, kid, privateKey, untilMs, nonce } = minting;
  if (!Number.isSafeInteger(hubNumber) || hubNumber < 0 || hubNumber >= 2 ** 48)
    throw new RangeError('hub number outside 48 bits');
  if (!Number.isInteger(posterNumber) || posterNumber < 0 || posterNumber >= 2 ** 16)
    throw new RangeError('poster number outside 16 bits');
  const handle = new Uint8Array(8);
  const view = new DataView(handle.buffer);
  view.setUint16(0, Math.floor(hubNumber / 2 ** 32));
  view.setUint32(2, hubNumber % 2 ** 32);
  view.setUint16(6, posterNumber);
  const step = untilMs === null ? FOR_EVER : stepOf(untilMs);
  const token = writeHead({ kind: 'hub', kid, handle, step, nonce, flags: 0 }, SIGNATURE_BYTES);
  token.set(sign(null, token.subarray(0, SIGNED_BYTES), privateKey), SIGNED_BYTES);
  return TOKEN_PREFIX + encodeBase45(token);
};

const FOREIGN = refuse(ERROR.invalid, 'this is not a code of a HeyBlue hub');

/** True for a text that can be nothing but a code of a hub, good or not. */
export const isHubText = (text: string): boolean =>
  text.length === HUB_TEXT_LENGTH && text.startsWith(TOKEN_PREFIX);

/**
 * Which hub and which of its posters, if one of the public keys (by kid) signed it. 410 when its time is over, 422 when it is
 * not a code of a hub or forged. Whether the poster was withdrawn is for the list of hubs to know.
 */
export const verifyHubToken = (
  text: string,
  { nowMs, publicKeys }: { readonly nowMs: number; readonly publicKeys: ReadonlyMap<number, KeyObject> },
): Result<Poster> => {
  const token = isHubText(text) ? decodeBase45(text, TOKEN_PREFIX.length) : null;
  if (token === null || token[0] !== ((TOKEN_VERSION << 4) | TOKEN_KINDS.hub)) return FOREIGN;
  const publicKey = publicKeys.get(token[1]!);
  if (publicKey === undefined) return FOREIGN;
  if (!verify(null, token.subarray(0, SIGNED_BYTES), publicKey, token.subarray(SIGNED_BYTES)))
    return refuse(ERROR.invalid, 'this code is forged');
  const step = u32At(token, 10);
  if (step !== FOR_EVER && stepOf(nowMs) > step + STEPS_LATE)
    return refuse(ERROR.gone, 'this poster is out of date');
  const hubNumber = ((token[2]! << 8) | token[3]!) * 2 ** 32 + u32At(token, 4);
  return ok({ hubNumber, posterNumber: (token[8]! << 8) | token[9]! });
};
