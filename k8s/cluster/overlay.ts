/** The objects of an overlay, for the API server: built as the tests of the manifests build them (k8s/manifests). */
import { readOverlay } from '../manifests/check.ts';
import type { KubeObject } from './town.ts';

export const overlayObjects = (name: string): KubeObject[] =>
  structuredClone(readOverlay(name).resources) as unknown as KubeObject[];
