/**
 * The words in which bodies of frames are described: a body is a positional tuple of named, bounded fields.
 * One description gives the TypeScript type, the validator, the codec and the documents, so that they cannot disagree.
 */

/** What one position of a tuple may hold. Every variable-length type carries its bound. */
export type FieldType =
  | { readonly t: 'bool' }
  /** Whole number in [min, max], both inside the safe integers. */
  | { readonly t: 'int'; readonly min: number; readonly max: number }
  /** UTF-8 text of at most `max` bytes. */
  | { readonly t: 'str'; readonly max: number }
  /** UUID: 16 bytes of `bin` on the wire, the 36-character text in code. */
  | { readonly t: 'id' }
  /** One of a closed set; the index is sent. Append only. */
  | { readonly t: 'enum'; readonly values: readonly string[] }
  | { readonly t: 'list'; readonly of: readonly Field[]; readonly max: number };

export interface Field<
  N extends string = string,
  T extends FieldType = FieldType,
  O extends boolean = boolean,
> {
  readonly name: N;
  readonly type: T;
  /** Optional fields are nil on the wire (or absent at the tail) and null in code. */
  readonly optional: O;
  readonly doc: string;
}

/** The TypeScript value of a field type. */
export type ValueOf<T extends FieldType> = T extends { t: 'bool' }
  ? boolean
  : T extends { t: 'int' }
    ? number
    : T extends { t: 'enum'; values: readonly (infer V)[] }
      ? V
      : T extends { t: 'list'; of: infer F extends readonly Field[] }
        ? BodyOf<F>[]
        : string;

/** The object that code sees for a tuple of fields. */
export type BodyOf<F extends readonly Field[]> = {
  [K in F[number] as K['name']]: K extends Field<string, infer T, infer O>
    ? O extends true
      ? ValueOf<T> | null
      : ValueOf<T>
    : never;
};

const field =
  <T extends FieldType>(type: T) =>
  <N extends string>(name: N, doc: string): Field<N, T, false> => ({ name, type, optional: false, doc });

const int = (min: number, max: number) => field({ t: 'int', min, max });

/** Field constructors: `f.id('officerId', 'whom')`. */
export const f = {
  bool: field({ t: 'bool' }),
  id: field({ t: 'id' }),
  u8: int(0, 255),
  u16: int(0, 65_535),
  u32: int(0, 4_294_967_295),
  i32: int(-2_147_483_648, 2_147_483_647),
  /** Points: whole numbers, signed, inside the safe integers. */
  points: int(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  /** Counters and versions: whole, not negative. */
  count: int(0, Number.MAX_SAFE_INTEGER),
  str: <N extends string>(name: N, max: number, doc: string): Field<N, { t: 'str'; max: number }, false> => ({
    name,
    type: { t: 'str', max },
    optional: false,
    doc,
  }),
  enum: <N extends string, const V extends readonly string[]>(
    name: N,
    values: V,
    doc: string,
  ): Field<N, { t: 'enum'; values: V }, false> => ({
    name,
    type: { t: 'enum', values },
    optional: false,
    doc,
  }),
  list: <N extends string, const F extends readonly Field[]>(
    name: N,
    of: F,
    max: number,
    doc: string,
  ): Field<N, { t: 'list'; of: F; max: number }, false> => ({
    name,
    type: { t: 'list', of, max },
    optional: false,
    doc,
  }),
  optional: <N extends string, T extends FieldType>(inner: Field<N, T, false>): Field<N, T, true> => ({
    ...inner,
    optional: true,
  }),
};
