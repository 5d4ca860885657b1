/** Everything that is looked at in what an overlay deploys. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Resource } from './document.ts';
import { build } from './kustomize.ts';
import { networkMistakes } from './networkChecks.ts';
import { Overlay } from './overlay.ts';
import { podMistakes } from './podChecks.ts';
import { referenceMistakes } from './referenceChecks.ts';
import { schemaMistakes, tooNewFor120 } from './schemas.ts';
import { settingMistakes } from './settingChecks.ts';

const K8S = fileURLToPath(new URL('../', import.meta.url));
const OVERLAYS = fileURLToPath(new URL('../overlays/', import.meta.url));

export const overlayNames = (): string[] => readdirSync(OVERLAYS).sort();

/** @throws Mistake when it cannot be built */
export const readOverlay = (name: string): Overlay => new Overlay(name, build(`${OVERLAYS}${name}`, K8S));

/**
 * Sentences about what is wrong with these objects, under the rules of the overlay of this name; empty when nothing is.
 *
 * @param release what is deployed now, not what could be: images must be there
 */
export async function mistakesOf(overlay: Overlay, release = false): Promise<string[]> {
  const schemas = await Promise.all(overlay.resources.map(schemaMistakes));
  const found = schemas.flat();
  // what has not the right shape would only make the others stumble
  if (found.length > 0) return found;
  return [
    ...podMistakes(overlay),
    ...referenceMistakes(overlay),
    ...networkMistakes(overlay),
    ...settingMistakes(overlay, release),
    ...(overlay.name === 'compat-1.20' ? overlay.resources.flatMap(tooNewFor120) : []),
  ];
}

/** The same overlay with other objects, for planted mistakes. */
export const replaced = (overlay: Overlay, resources: readonly Resource[]): Overlay =>
  new Overlay(overlay.name, resources);
