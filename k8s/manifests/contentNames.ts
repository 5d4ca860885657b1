/**
 * ConfigMaps that are called after what stands in them (`heyblue-config-4ftk2dm9gb`), as kustomize does it: other settings are another
 * ConfigMap, so a ReplicaSet keeps the one it was made with, and whoever goes back to it goes back to its settings.
 */
import { createHash } from 'node:crypto';
import { isObject, type Json, type JsonObject, type Resource } from './document.ts';

/** Letters for the hexadecimal digits that could make a word (kustomize, api/hasher). */
const LETTERS: Readonly<Record<string, string>> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };
const LENGTH = 10;

/** As Go writes JSON: keys in order, and some signs by their number. */
const goJson = (value: Json): string =>
  JSON.stringify(value, (_, inner: Json) =>
    isObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  ).replace(/[<>&\u2028\u2029]/g, sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** What kustomize puts behind the name of a ConfigMap; it would take the name in, and looks for it in the wrong place. */
const nameHash = ({ kind, data = '' }: Resource): string =>
  createHash('sha256')
    .update(goJson({ kind, name: '', data }))
    .digest('hex')
    .slice(0, LENGTH)
    .replace(/[013ae]/g, digit => LETTERS[digit]!);

/** Gives the ConfigMaps of these names the names of their contents, also where pods ask for them. */
export const nameByContent = (resources: readonly Resource[], names: ReadonlySet<string>): void => {
  const named = new Map<Json, string>();
  for (const one of resources) {
    const { name } = one.metadata;
    if (one.kind === 'ConfigMap' && names.has(name)) named.set(name, `${name}-${nameHash(one)}`);
  }
  const walk = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(walk);
    if (!isObject(value)) return;
    for (const [field, inner] of Object.entries(value)) {
      if (['configMapRef', 'configMapKeyRef', 'configMap'].includes(field) && isObject(inner))
        inner.name = named.get(inner.name ?? null) ?? inner.name ?? null;
      else walk(inner);
    }
  };
  for (const one of resources) {
    if (one.kind === 'ConfigMap') one.metadata.name = named.get(one.metadata.name) ?? one.metadata.name;
    else walk(one as JsonObject);
  }
};
