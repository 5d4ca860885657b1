/** Draft-07 schemas of what stands in a tuple, for the AsyncAPI document. */
import { INBOUND } from '../limits.ts';
import type { Field, FieldType } from '../schema.ts';

export type Json = Readonly<Record<string, unknown>>;

const SAFE = Number.MAX_SAFE_INTEGER;
export const U32 = 4_294_967_295;
export const int = (description: string, minimum = 0, maximum = SAFE): Json => ({
  type: 'integer',
  minimum,
  maximum,
  description,
});
export const text = (description: string, maxLength = INBOUND.textBytes): Json => ({
  type: 'string',
  maxLength,
  description,
});
export const bin16 = (description: string): Json => ({
  type: 'string',
  format: 'binary',
  minLength: 16,
  maxLength: 16,
  description: `${description} (msgpack bin of 16 bytes: a UUID)`,
});
export const is = (value: number, description: string): Json => ({
  type: 'integer',
  const: value,
  description,
});
export const orNil = (schema: Json): Json => ({
  ...schema,
  type: [schema.type, 'null'],
  description: `${schema.description}; nil when there is none`,
});
export const tuple = (items: readonly Json[], required = items.length, description?: string): Json => ({
  type: 'array',
  items,
  minItems: required,
  additionalItems: true,
  ...(description === undefined ? {} : { description }),
});

const schemaOfType = (type: FieldType, description: string): Json => {
  switch (type.t) {
    case 'bool':
      return { type: 'boolean', description };
    case 'int':
      return int(description, type.min, type.max);
    case 'str':
      return text(description, type.max);
    case 'id':
      return bin16(description);
    case 'enum':
      return {
        type: 'integer',
        minimum: 0,
        maximum: type.values.length - 1,
        description: `${description} (${type.values.map((value, index) => `${index} ${value}`).join(', ')})`,
      };
    case 'list':
      return { type: 'array', maxItems: type.max, items: schemaOf(type.of), description };
  }
};
export const schemaOf = (fields: readonly Field[]): Json => {
  const required = fields.findLastIndex(field => !field.optional) + 1;
  const items = fields.map(({ name, type, optional, doc }) => {
    const schema: Json = { title: name, ...schemaOfType(type, doc) };
    return optional ? orNil(schema) : schema;
  });
  // Draft-07 does not allow an empty list of items.
  return items.length === 0 ? { type: 'array', description: 'nothing' } : tuple(items, required);
};
