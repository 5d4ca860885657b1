/**
 * Bodies: objects with names in code, positional tuples on the wire. The catalogue's description of a tuple is
 * compiled once into closures that check every bound on the way in and on the way out.
 */
import { bytesToUuid, tryUuidToBytes } from './ids.ts';
import type { BodyOf, Field, FieldType } from './schema.ts';
import type { Writer } from './writer.ts';

export type Opened<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

/** What a closure returns for a value that does not fit; the reason is in `misfit`. */
const NO = Symbol('no');
let misfit = '';
const no = (why: string): typeof NO => {
  misfit = why;
  return NO;
};

type Convert = (value: unknown) => unknown;
interface Codec {
  readonly encode: Convert;
  readonly decode: Convert;
  /** The same as `encode`, into bytes: `NO` when it does not fit, anything else when it is written. */
  readonly write: (writer: Writer, value: unknown) => unknown;
}

/** UTF-8 bytes of a text; a lone surrogate counts three, as its replacement does. */
const utf8Bytes = (text: string): number => {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x80) continue;
    if (c < 0x800) bytes += 1;
    else if (c >= 0xd800 && c <= 0xdbff && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2;
      i++;
    } else bytes += 2;
  }
  return bytes;
};

const SURROGATES = /[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]/g;

/** Text as it may travel: lone surrogates, which UTF-8 cannot say, become U+FFFD. */
export const wireText: (text: string) => string =
  // Not every engine of phones has these two.
  typeof ''.isWellFormed === 'function'
    ? text => (text.isWellFormed() ? text : text.toWellFormed())
    : text => text.replace(SURROGATES, found => (found.length === 2 ? found : '\ufffd'));

const trueOrFalse: Convert = v => (typeof v === 'boolean' ? v : no('true or false expected'));
const bool: Codec = {
  encode: trueOrFalse,
  decode: trueOrFalse,
  write: (writer, v) => (typeof v === 'boolean' ? writer.bool(v) : trueOrFalse(v)),
};

const int = (min: number, max: number): Codec => {
  const why = `whole number from ${min} to ${max} expected`;
  const fits = (v: unknown): v is number =>
    Number.isInteger(v) && (v as number) >= min && (v as number) <= max;
  const same: Convert = v => (fits(v) ? v : no(why));
  return { encode: same, decode: same, write: (writer, v) => (fits(v) ? writer.int(v) : no(why)) };
};

const str = (max: number): Codec => {
  const why = `text of at most ${max} bytes expected`;
  const fits = (v: unknown): v is string =>
    typeof v === 'string' && (v.length * 3 <= max || (v.length <= max && utf8Bytes(v) <= max));
  return {
    encode: v => (fits(v) ? wireText(v) : no(why)),
    decode: v => (fits(v) ? v : no(why)),
    write: (writer, v) => (fits(v) ? writer.text(wireText(v)) : no(why)),
  };
};

const ID_WHY = 'id of 16 bytes expected';
const id: Codec = {
  encode: v => (typeof v === 'string' ? (tryUuidToBytes(v) ?? no(ID_WHY)) : no(ID_WHY)),
  decode: v => (v instanceof Uint8Array && v.length === 16 ? bytesToUuid(v) : no(ID_WHY)),
  write: (writer, v) => (typeof v === 'string' && writer.id(v) ? undefined : no(ID_WHY)),
};

const oneOf = (values: readonly string[]): Codec => {
  const why = `index from 0 to ${values.length - 1} expected`;
  const indexes = new Map<unknown, number>(values.map((value, index) => [value, index]));
  const indexOf = (v: unknown): number | typeof NO =>
    indexes.get(v) ?? no(`one of ${values.join(', ')} expected`);
  return {
    encode: indexOf,
    write: (writer, v) => {
      const index = indexOf(v);
      return index === NO ? NO : writer.int(index);
    },
    decode: v => (typeof v === 'number' && v >= 0 ? (values[v] ?? no(why)) : no(why)),
  };
};

const list = (of: readonly Field[], max: number): Codec => {
  const why = `list of at most ${max} expected`;
  const tuple = compile(of);
  const each =
    (convert: Convert): Convert =>
    v => {
      if (!Array.isArray(v) || v.length > max) return no(why);
      const out: unknown[] = [];
      for (const item of v) {
        const converted = convert(item);
        if (converted === NO) return no(`item ${out.length}: ${misfit}`);
        out.push(converted);
      }
      return out;
    };
  return {
    encode: each(tuple.encode),
    decode: each(tuple.decode),
    write: (writer, v) => {
      if (!Array.isArray(v) || v.length > max) return no(why);
      writer.array(v.length);
      for (let i = 0; i < v.length; i++)
        if (tuple.write(writer, v[i]) === NO) return no(`item ${i}: ${misfit}`);
      return undefined;
    },
  };
};

const codecOf = (type: FieldType): Codec => {
  switch (type.t) {
    case 'bool':
      return bool;
    case 'int':
      return int(type.min, type.max);
    case 'str':
      return str(type.max);
    case 'id':
      return id;
    case 'enum':
      return oneOf(type.values);
    case 'list':
      return list(type.of, type.max);
  }
};

const compiled = new WeakMap<readonly Field[], Codec>();

const compile = (fields: readonly Field[]): Codec => {
  const known = compiled.get(fields);
  if (known !== undefined) return known;
  const parts = fields.map(field => ({ name: field.name, optional: field.optional, ...codecOf(field.type) }));
  const codec: Codec = {
    encode: body => {
      const out: unknown[] = [];
      for (const { name, optional, encode } of parts) {
        const value = (body as Record<string, unknown>)[name];
        const wire = value === null && optional ? null : encode(value);
        if (wire === NO) return no(`${name}: ${misfit}`);
        out.push(wire);
      }
      return out;
    },
    decode: tuple => {
      if (!Array.isArray(tuple)) return no('tuple expected');
      const out: Record<string, unknown> = {};
      for (let i = 0; i < parts.length; i++) {
        const { name, optional, decode } = parts[i]!;
        const wire = i < tuple.length ? tuple[i] : null;
        const value = wire === null && optional ? null : decode(wire);
        if (value === NO) return no(`${name}: ${misfit}`);
        out[name] = value;
      }
      return out;
    },
    write: (writer, body) => {
      writer.array(parts.length);
      for (let i = 0; i < parts.length; i++) {
        const { name, optional, write } = parts[i]!;
        const value = (body as Record<string, unknown>)[name];
        if (value === null && optional) writer.nil();
        else if (write(writer, value) === NO) return no(`${name}: ${misfit}`);
      }
      return undefined;
    },
  };
  compiled.set(fields, codec);
  return codec;
};

/**
 * The tuple of a body, ready for the packer. Throws a RangeError that names the field when a value is outside what
 * the catalogue promises: what we say ourselves is our own doing.
 */
export const encodeBody = <const F extends readonly Field[]>(fields: F, body: BodyOf<F>): unknown[] => {
  const tuple = compile(fields).encode(body);
  if (tuple === NO) throw new RangeError(misfit);
  return tuple as unknown[];
};

/** {@link encodeBody}, written behind what the writer has. */
export const writeBody = <const F extends readonly Field[]>(
  writer: Writer,
  fields: F,
  body: BodyOf<F>,
): void => {
  if (compile(fields).write(writer, body) === NO) throw new RangeError(misfit);
};

/** The body inside a tuple: absent tail items are nil, extra ones are ignored, everything else must fit. */
export const decodeBody = <const F extends readonly Field[]>(
  fields: F,
  tuple: readonly unknown[],
): Opened<BodyOf<F>> => {
  const value = compile(fields).decode(tuple);
  return value === NO ? { ok: false, why: misfit } : { ok: true, value: value as BodyOf<F> };
};
