/**
 * What never reaches a log: who someone is to us (tokens, passwords, QR codes) and where someone is (coordinates).
 *
 * By name, at any depth: a list of paths would forget the next nesting. By shape, inside texts: a token that somebody
 * put into a sentence, the password of a database URL. A log line is the last place where personal data should live on.
 */

export const REDACTED = '[redacted]';

/** Lower case, without `_` and `-`; a name is hidden when it is one of these... */
const HIDDEN = new Set([
  ...[
    'lat',
    'lng',
    'lon',
    'long',
    'late7',
    'lnge7',
    'lone7',
    'latitude',
    'longitude',
    'location',
    'position',
  ],
  ...['fix', 'fixes', 'coordinates', 'coords', 'cell'],
  ...['jwt', 'qr', 'qrcode', 'code', 'authorization', 'cookie', 'setcookie', 'pin', 'badge'],
]);
/** ...but an error's `code` and a status code are what one looks for. */
const SHOWN_CODES = /^[A-Z0-9_]{2,40}$/;
/** ...or ends with one of these (accessToken, x-api-key, passwordHash...). */
const HIDDEN_ENDING =
  /(token|password|passwordhash|secret|secretkey|apikey|privatekey|credential|credentials)$/;

const DEPTH_MAX = 8;
const JWT = /\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g;
const URL_PASSWORD = /(:\/\/[^\s:/@"]*):[^\s@"/]+@/g;
const BEARER = /\b(bearer)\s+[^\s"]+/gi;

/** The text without tokens and passwords that stand in it. */
export function redactText(text: string): string {
  return text
    .replace(JWT, REDACTED)
    .replace(URL_PASSWORD, `$1:${REDACTED}@`)
    .replace(BEARER, `$1 ${REDACTED}`);
}

function isHidden(name: string, value: unknown): boolean {
  const plain = name.toLowerCase().replaceAll(/[-_]/g, '');
  if (plain === 'code')
    return !(typeof value === 'number' || (typeof value === 'string' && SHOWN_CODES.test(value)));
  return HIDDEN.has(plain) || HIDDEN_ENDING.test(plain);
}

/** A copy that may be logged. Bytes become their number, errors stay for the error serializer. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || value instanceof Date)
    return value;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth >= DEPTH_MAX) return '[too deep]';
  if (Array.isArray(value)) return value.map(item => redact(item, depth + 1));
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const shown: Record<string, unknown> = {};
  for (const [key, item] of entries) {
    const name = String(key);
    shown[name] =
      isHidden(name, item) && item !== undefined && item !== null ? REDACTED : redact(item, depth + 1);
  }
  return shown;
}
