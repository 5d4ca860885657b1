/**
 * Ids are UUIDs: 36 characters in code (printable, comparable, a map key), 16 bytes on the wire and in the database.
 * New ones are version 7, so that they sort by the time they were made. Time and randomness are arguments.
 */

const NIBBLE = new Int8Array(128).fill(-1);
for (let i = 0; i < 10; i++) NIBBLE[48 + i] = i;
for (let i = 0; i < 6; i++) {
  NIBBLE[65 + i] = 10 + i;
  NIBBLE[97 + i] = 10 + i;
}
const HEX = new Uint8Array([48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102]);
/** Where the two characters of each byte stand in the text. */
const AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34] as const;

/** Writes the 16 bytes of the 36-character text (either case) at `at`; false when it is not a UUID: bytes there may be spoilt. */
export const writeUuid = (text: string, bytes: Uint8Array, at: number): boolean => {
  if (text.length !== 36) return false;
  if (text[8] !== '-' || text[13] !== '-' || text[18] !== '-' || text[23] !== '-') return false;
  for (let i = 0; i < 16; i++) {
    const from = AT[i]!;
    const high = text.charCodeAt(from);
    const low = text.charCodeAt(from + 1);
    const value = high < 128 && low < 128 ? (NIBBLE[high]! << 4) | NIBBLE[low]! : -1;
    if (value < 0) return false;
    bytes[at + i] = value;
  }
  return true;
};

/** Reads the 36-character text (either case) into 16 new bytes; null when it is not a UUID. */
export const tryUuidToBytes = (text: string): Uint8Array | null => {
  const bytes = new Uint8Array(16);
  return writeUuid(text, bytes, 0) ? bytes : null;
};

/** True for the 36-character text of any UUID, in either case. */
export const isUuid = (text: string): boolean => tryUuidToBytes(text) !== null;

/** The 16 bytes of a UUID. Throws a RangeError on anything else: outside input goes through `tryUuidToBytes`. */
export const uuidToBytes = (text: string): Uint8Array => {
  const bytes = tryUuidToBytes(text);
  if (bytes === null) throw new RangeError('not a UUID');
  return bytes;
};

const high = (b: number): number => HEX[b >> 4]!;
const low = (b: number): number => HEX[b & 15]!;

/** The lower-case text of the 16 bytes at `at`; the bytes are not kept. */
export const bytesToUuid = (bytes: Uint8Array, at = 0): string => {
  if (bytes.length < at + 16) throw new RangeError('a UUID has 16 bytes');
  const c = new Array<number>(36).fill(45);
  for (let i = 0; i < 16; i++) {
    const b = bytes[at + i]!;
    const to = AT[i]!;
    c[to] = high(b);
    c[to + 1] = low(b);
  }
  return String.fromCharCode.apply(null, c);
};

/**
 * A version 7 UUID (RFC 9562, 5.7) from Unix milliseconds and 10 random bytes.
 * The first two random bytes fill the 12 bits after the version, the other eight the 62 after the variant.
 */
export const uuidv7 = (nowMs: number, random: Uint8Array): string => {
  if (!Number.isSafeInteger(nowMs) || nowMs < 0 || nowMs >= 2 ** 48)
    throw new RangeError('time outside 48 bits');
  if (random.length < 10) throw new RangeError('uuidv7 needs 10 random bytes');
  const bytes = new Uint8Array(16);
  let rest = nowMs;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytesToUuid(bytes);
};

/** Unix milliseconds inside a version 7 UUID; null for the other versions. */
export const uuidv7TimeMs = (text: string): number | null => {
  const bytes = tryUuidToBytes(text);
  if (bytes === null || bytes[6]! >> 4 !== 7) return null;
  let ms = 0;
  for (let i = 0; i < 6; i++) ms = ms * 256 + bytes[i]!;
  return ms;
};

/**
 * A deterministic id (version 8, RFC 9562, 5.8) from the first 16 bytes of a hash: the same thing named twice is the
 * same id. `derivedId.ts` makes one from text with SHA-256.
 */
export const uuidFromHash = (hash: Uint8Array): string => {
  if (hash.length < 16) throw new RangeError('a hash of at least 16 bytes is needed');
  const bytes = hash.slice(0, 16);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytesToUuid(bytes);
};
