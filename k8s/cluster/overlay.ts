/** The objects of an overlay, for the API server. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from './town.ts';

export const overlayObjects = (name: string): KubeObject[] => {
  const folder = fileURLToPath(new URL(`../overlays/${name}`, import.meta.url));
  const text = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
  return parseAllDocuments(text).map(one => one.toJS() as KubeObject);
};
