/**
 * Codes as the server sees them: it mints them for phones that are online, gives phones what they need to mint their own
 * (`codeBook.ts`), and checks what was scanned. A token (`token.ts`) is accepted one step early (a fast phone clock) and
 * two steps late. Its code is under the key of the presenter's device, so the server opens the handle to know the key, and
 * believes it only when the code is right. Nothing of a presenter is kept between two tokens: 15 compressions of SHA-256
 * decide from cold, 4 µs.
 */
import { decodeBase45 } from './base45.ts';
import { CODE_BOOK_DAYS, type CodeBook, hexOf, proofOf, scanCode } from './codeBook.ts';
import { ERROR, ok, type Result, refuse } from './errors.ts';
import { openHandle, type Presenter, sealHandle, u32At } from './handle.ts';
import { isHubText } from './hubToken.ts';
import { uuidFromHash } from './ids.ts';
import { dayKey, deviceKey, deviceWords } from './masterKey.ts';
import { emptyHmacKey, hmacWords, rekey, sha256 } from './sha256.ts';
import {
  dayOfStep,
  SIGNED_BYTES,
  STEPS_EARLY,
  STEPS_LATE,
  signToken,
  stepOf,
  TOKEN_BYTES,
  TOKEN_KINDS,
  TOKEN_PREFIX,
  TOKEN_TEXT_LENGTH,
  TOKEN_VERSION,
  type TokenKind,
} from './token.ts';

export { deviceKey } from './masterKey.ts';
export { QR_STEP_S, TOKEN_FLAG, TOKEN_KINDS, type TokenKind, tokenExpiresS } from './token.ts';

/** Kinds of tokens that phones mint; a hub's are printed and signed otherwise. */
const NAME = new Map<number, TokenKind>(
  Object.entries(TOKEN_KINDS).flatMap(([name, number]) =>
    name === 'hub' ? [] : [[number, name as TokenKind] as const],
  ),
);

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
  const step = stepOf(nowMs);
  const handle = sealHandle(dayKey(master, dayOfStep(step)), minting);
  return signToken({ kind, kid, handle, step, nonce, flags }, deviceKey(master, minting));
};

/** What a phone of this presenter is given, to make its codes of the next days itself. */
export const codeBookOf = (minting: Omit<Minting, 'nonce' | 'flags'>): CodeBook => {
  const { kind, kid, master, nowMs } = minting;
  const first = dayOfStep(stepOf(nowMs)) - 1;
  const handles = Array.from({ length: CODE_BOOK_DAYS }, (_, i) => ({
    day: first + i,
    handle: hexOf(sealHandle(dayKey(master, first + i), minting)),
  }));
  return { kind, kid, key: hexOf(deviceKey(master, minting)), handles };
};

/** Whether the phone of this scanner signed the scan (see `proveScan`). */
export const isProven = (
  {
    token,
    scannedAtS,
    proof,
  }: { readonly token: string; readonly scannedAtS: number; readonly proof: string },
  scanner: Presenter,
  masters: ReadonlyMap<number, Uint8Array>,
): boolean => {
  const kid = decodeBase45(proof)?.[0];
  const master = kid === undefined ? undefined : masters.get(kid);
  if (kid === undefined || master === undefined) return false;
  const right = proofOf(kid, scanCode(deviceKey(master, scanner), token, scannedAtS));
  let differing = right.length ^ proof.length;
  for (let i = 0; i < right.length; i++) differing |= right.charCodeAt(i) ^ proof.charCodeAt(i);
  return differing === 0;
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

const FOREIGN = refuse(ERROR.invalid, 'this is not a HeyBlue code');
const TOO_OLD = refuse(ERROR.gone, 'this code is too old: ask for the new one');
const TOO_NEW = refuse(ERROR.invalid, 'this code is from the future: check the clock of the phone');
const FORGED = refuse(ERROR.invalid, 'this code is forged');

const NO_POSTER = refuse(ERROR.invalid, 'a code of a hub cannot be scanned here');

const words = new Int32Array(8);
const key = emptyHmacKey();

/** Whether bytes 20 to 35 are the presenter's code of bytes 0 to 19; takes as long for any wrong code. */
const isSigned = (token: Uint8Array, master: Uint8Array, presenter: Presenter): boolean => {
  deviceWords(master, presenter, words);
  rekey(key, words);
  hmacWords(key, token, SIGNED_BYTES, words);
  let differing = 0;
  for (let i = 0, at = SIGNED_BYTES; at < TOKEN_BYTES; i++, at += 4)
    differing |= (words[i]! >>> 0) ^ u32At(token, at);
  return differing === 0;
};

/**
 * Checks the text that a phone read: length, prefix, version, key, step, code, and only then what it says.
 * 410 when it is too old; 422 when it is not a code of ours, is from the future, forged, or of a kind that this
 * scanner may not scan. Whether it was used before is for the presenter's actor to know.
 */
export const verifyToken = (text: string, { nowMs, masters, kinds }: Verifying): Result<Token> => {
  if (isHubText(text)) return NO_POSTER;
  if (text.length !== TOKEN_TEXT_LENGTH || !text.startsWith(TOKEN_PREFIX)) return FOREIGN;
  const token = decodeBase45(text, TOKEN_PREFIX.length);
  if (token === null || token[0]! >> 4 !== TOKEN_VERSION) return FOREIGN;
  const kind = NAME.get(token[0]! & 15);
  const master = masters.get(token[1]!);
  if (kind === undefined || master === undefined) return FOREIGN;

  const step = u32At(token, 10);
  const age = stepOf(nowMs) - step;
  if (age > STEPS_LATE) return TOO_OLD;
  if (age < -STEPS_EARLY) return TOO_NEW;

  const presenter = openHandle(dayKey(master, dayOfStep(step)), token, 2);
  if (!isSigned(token, master, presenter)) return FORGED;
  if (!kinds.includes(kind)) return refuse(ERROR.invalid, `a code of a ${kind} cannot be scanned here`);

  const { userNumber, deviceNumber } = presenter;
  const flags = (token[18]! << 8) | token[19]!;
  const tokenId = uuidFromHash(sha256(token));
  return ok({ kind, userNumber, deviceNumber, step, nonce: u32At(token, 14), flags, tokenId });
};
