/**
 * Whether a schema only grew. Whoever reads an event by the old schema must be able to read one that was written by the new
 * one: every field is still there, of the same type, and what was always there still is. New fields, and new words of an
 * enumeration, are no harm.
 */

/** JSON Schema, as far as the catalogue uses it. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly pattern?: string;
}

/** What broke, with the path of each; empty: nothing did. */
export function broken(old: JsonSchema, now: JsonSchema, path = 'event'): string[] {
  if (old.anyOf || now.anyOf) return brokenChoice(old, now, path);
  const found: string[] = [];
  if (old.type !== now.type) found.push(`${path} was ${old.type} and is ${now.type}`);
  if (old.const !== now.const) found.push(`${path} was ${String(old.const)} and is ${String(now.const)}`);
  if (old.pattern !== now.pattern) found.push(`${path} has another pattern`);
  for (const word of old.enum ?? [])
    if (!now.enum?.includes(word)) found.push(`${path} says ${String(word)} no more`);
  if (!old.enum && now.enum) found.push(`${path} was free and is an enumeration`);
  for (const [name, schema] of Object.entries(old.properties ?? {})) {
    const field = now.properties?.[name];
    const where = `${path}.${name}`;
    if (!field) found.push(`${where} is gone`);
    else found.push(...broken(schema, field, where));
    if (old.required?.includes(name) && !now.required?.includes(name))
      found.push(`${where} may be absent now`);
  }
  if (old.items) found.push(...broken(old.items, now.items ?? {}, `${path}[]`));
  return found;
}

/** Alternatives are told apart by their types: each has one of its own. */
function brokenChoice(old: JsonSchema, now: JsonSchema, path: string): string[] {
  const [before, after] = [old.anyOf ?? [old], now.anyOf ?? [now]];
  const found: string[] = [];
  for (const one of after)
    if (!before.some(other => other.type === one.type)) found.push(`${path} may be ${one.type} now`);
  for (const one of before) {
    const same = after.find(other => other.type === one.type);
    if (same) found.push(...broken(one, same, path));
    else found.push(`${path} is never ${one.type} any more`);
  }
  return found;
}
