/**
 * Patches of kustomize, of both kinds: the strategic merge, which knows by which key the things of a list are told apart, and
 * the operations of RFC 6902. Only what our overlays use; anything else is a mistake, not a guess.
 */
import { isDeepStrictEqual } from 'node:util';
import { isObject, type Json, type JsonObject, Mistake } from './document.ts';

/** By which field the things of a list are told apart (patchMergeKey in the API's own definitions). Other lists are replaced. */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  initContainers: 'name',
  volumes: 'name',
  env: 'name',
  volumeMounts: 'mountPath',
  hostAliases: 'ip',
};

/** `ports` of containers and of services, by what they have. */
const mergeKeyOf = (field: string, list: readonly Json[]): string | undefined => {
  if (field !== 'ports') return MERGE_KEYS[field];
  if (list.every(one => isObject(one) && 'containerPort' in one)) return 'containerPort';
  return list.every(one => isObject(one) && 'port' in one && !('from' in one)) ? 'port' : undefined;
};

/** Several fields tell these apart, and kubectl then adds what it was to change: an operation says what is meant. */
const BY_OPERATION = ['topologySpreadConstraints'];

const mergeList = (field: string, base: readonly Json[], patch: readonly Json[], from: string): Json[] => {
  if (BY_OPERATION.includes(field)) throw new Mistake(`${from}: change ${field} by an operation`);
  const key = mergeKeyOf(field, patch);
  if (key === undefined) return structuredClone([...patch]);
  const merged = structuredClone([...base]);
  for (const one of patch) {
    if (!isObject(one) || one[key] === undefined)
      throw new Mistake(`${from}: each of ${field} needs its ${key}`);
    const at = merged.findIndex(other => isObject(other) && other[key] === one[key]);
    if (one.$patch === 'delete') {
      if (at < 0) throw new Mistake(`${from}: ${field} has no ${String(one[key])} to delete`);
      merged.splice(at, 1);
    } else if (at < 0) merged.push(structuredClone(one));
    else merged[at] = mergeObjects(merged[at] as JsonObject, one, from);
  }
  return merged;
};

/** The strategic merge: objects field by field, null takes a field away, lists by their keys. */
export function mergeObjects(base: JsonObject, patch: JsonObject, from: string): JsonObject {
  const merged = structuredClone(base);
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith('$')) throw new Mistake(`${from}: ${field} is not known here`);
    const present = merged[field];
    if (value === null) delete merged[field];
    else if (isObject(value)) merged[field] = mergeObjects(isObject(present) ? present : {}, value, from);
    else if (Array.isArray(value))
      merged[field] = mergeList(field, Array.isArray(present) ? present : [], value, from);
    else merged[field] = value;
  }
  return merged;
}

const partsOf = (path: Json | undefined, from: string): string[] => {
  if (typeof path !== 'string' || !path.startsWith('/')) throw new Mistake(`${from}: a path begins with /`);
  return path
    .slice(1)
    .split('/')
    .map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'));
};

/** RFC 6902: add, replace, remove and test, each on what is there. */
export function applyOperations(base: JsonObject, operations: readonly Json[], from: string): JsonObject {
  const root = structuredClone(base);
  for (const operation of operations) {
    if (!isObject(operation)) throw new Mistake(`${from}: an operation is an object`);
    const { op, path, value } = operation;
    const parts = partsOf(path, from);
    const last = parts.pop()!;
    let at: Json | undefined = root;
    for (const part of parts) at = Array.isArray(at) ? at[Number(part)] : isObject(at) ? at[part] : undefined;
    const index = last === '-' ? (Array.isArray(at) ? at.length : -1) : Number(last);
    const there = Array.isArray(at) ? index < at.length : isObject(at) && last in at;
    const missing = at === undefined || (op !== 'add' && !there);
    if (missing || typeof at !== 'object' || at === null)
      throw new Mistake(`${from}: there is no ${String(path)}`);
    if (op === 'test') {
      const present = Array.isArray(at) ? at[index] : at[last];
      if (!isDeepStrictEqual(present, value)) throw new Mistake(`${from}: ${String(path)} is something else`);
    } else if (op === 'remove') Array.isArray(at) ? at.splice(index, 1) : delete at[last];
    else if (value === undefined) throw new Mistake(`${from}: ${String(op)} needs a value`);
    else if (op === 'replace') Array.isArray(at) ? (at[index] = value) : (at[last] = value);
    else if (op === 'add') Array.isArray(at) ? at.splice(index, 0, value) : (at[last] = value);
    else throw new Mistake(`${from}: ${String(op)} is not known here`);
  }
  return root;
}
