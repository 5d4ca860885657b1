/** Frames as a reader of documents sees them: the raw tuple, in JSON and in a notation that shows bytes. */
import { OUTBOUND } from '../limits.ts';
import { Walker } from '../walker.ts';

/** JSON of a tuple; bytes are `{"bin": "hex"}`. */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly bin: string };

export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

const plain = (value: unknown): Plain => {
  if (value instanceof Uint8Array) return { bin: toHex(value) };
  return Array.isArray(value) ? value.map(plain) : (value as Plain);
};

/** The tuple inside the bytes of a frame. */
export const plainOf = (bytes: Uint8Array): Plain => {
  const walker = new Walker(OUTBOUND);
  walker.open(bytes);
  const value = walker.any(1);
  walker.finish();
  return plain(value);
};

/** One line: `[1, 7, 20, [h'019d…'], nil]`. */
export const notation = (value: Plain): string => {
  if (value === null) return 'nil';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if ('bin' in value) return `h'${value.bin}'`;
  return `[${value.map(notation).join(', ')}]`;
};
