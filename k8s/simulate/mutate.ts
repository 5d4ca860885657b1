/** Applies a mutant: each patch must find its text exactly once in the file that it names, or it is no patch. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Mutant, Patch } from './mutants.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The source with the patch in it. Throws when the text is not there exactly once. */
export function patched(source: string, { file, find, replace }: Patch): string {
  const pieces = source.split(find);
  if (pieces.length !== 2) {
    throw new Error(`${file} has the text ${JSON.stringify(find)} ${pieces.length - 1} times, not once`);
  }
  return pieces.join(replace);
}

/** The patched sources of a mutant by file. */
export function sourcesOf(mutant: Mutant): Map<string, string> {
  const sources = new Map<string, string>();
  for (const patch of mutant.patches) {
    const source = sources.get(patch.file) ?? readFileSync(join(ROOT, patch.file), 'utf8');
    sources.set(patch.file, patched(source, patch));
  }
  return sources;
}

/** Patches what this thread loads from now on. */
export function applyMutant(mutant: Mutant): { assertComplete(): void } {
  const sources = new Map(
    [...sourcesOf(mutant)].map(([file, source]) => [pathToFileURL(join(ROOT, file)).href, source]),
  );
  const loaded = new Set<string>();
  registerHooks({
    load(url, context, nextLoad) {
      const result = nextLoad(url, context);
      const source = sources.get(url);
      if (source === undefined) return result;
      loaded.add(url);
      return { ...result, source };
    },
  });
  return {
    assertComplete() {
      for (const url of sources.keys()) if (!loaded.has(url)) throw new Error(`${url} was never loaded`);
    },
  };
}
