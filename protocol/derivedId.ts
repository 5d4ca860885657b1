/** Ids that follow from what they name, so that doing a thing twice names it once. Node only: hashes with SHA-256. */
import { createHash } from 'node:crypto';
import { uuidFromHash } from './ids.ts';

/** The id of `parts` inside `namespace`. Parts are length-prefixed: ('a','bc') and ('ab','c') differ. */
export const derivedId = (namespace: string, ...parts: readonly string[]): string => {
  const hash = createHash('sha256').update(namespace);
  for (const part of parts) hash.update(`\n${part.length}:${part}`);
  return uuidFromHash(hash.digest());
};
