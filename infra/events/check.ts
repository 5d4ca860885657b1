/** Whether an event is what the catalogue says: for tests to the letter, for readers as far as they rely on it. */
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Value } from 'typebox/value';
import { CATALOGUE, type EventType, isEventType, schemaOf } from './catalogue.ts';
import { detailTypeOf, sourceOf } from './envelope.ts';

/** The same schema, in which a field that it does not know is a mistake. */
function strictly(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strictly);
  if (typeof schema !== 'object' || schema === null) return schema;
  const closed = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strictly(value)]));
  return 'properties' in closed ? { ...closed, additionalProperties: false } : closed;
}

/** What is wrong with an event, in words; null when nothing is. */
export function wrongWith(event: unknown): string | null {
  const { type, version } = (event ?? {}) as { type?: unknown; version?: number };
  if (!isEventType(type)) return `no such event: ${String(type)}`;
  if (version !== CATALOGUE[type].version) return `no such version of ${type}: ${version}`;
  const schema = strictly(JSON.parse(JSON.stringify(schemaOf(type)))) as TSchema;
  const [first] = Value.Errors(schema, event);
  if (first) return `${type} ${first.instancePath} ${first.message}`;
  const { detailType, source } = event as { detailType: string; source: string };
  if (detailType !== detailTypeOf(type, version)) return `${type} calls itself ${detailType}`;
  return source === sourceOf(type) ? null : `${type} comes from ${source}`;
}

/** Compiled when the first event of a type comes: readers look at every event of the town. */
const validators = new Map<EventType, Validator>();

function validatorOf(type: EventType): Validator {
  let validator = validators.get(type);
  if (validator === undefined) {
    validator = Compile(schemaOf(type));
    validators.set(type, validator);
  }
  return validator;
}

/** Whether it can be read by the catalogue; fields that are not known do no harm. */
export const isReadable = (event: unknown): boolean => {
  const { type } = (event ?? {}) as { type?: unknown };
  return isEventType(type) && validatorOf(type).Check(event);
};
