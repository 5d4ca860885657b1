import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

/** Files that `from` imports, itself first, and the packages that they name. */
const reach = (from: URL, files = new Map<string, string>(), packages = new Set<string>()) => {
  if (files.has(from.href)) return { files, packages };
  const text = readFileSync(from, 'utf8');
  files.set(from.href, text);
  for (const [, specifier] of text.matchAll(/(?:from|import) '([^']+)'/g)) {
    if (specifier!.startsWith('.')) reach(new URL(specifier!, from), files, packages);
    else packages.add(specifier!);
  }
  return { files, packages };
};

describe('what browsers import', () => {
  const { files, packages } = reach(new URL('./index.ts', import.meta.url));

  it('is more than one file, and needs no package', () => {
    expect(files.size).toBeGreaterThan(10);
    expect([...packages]).toEqual([]);
  });

  it('touches nothing of Node, no clock and no chance', () => {
    for (const [file, text] of files) {
      const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      expect(code, file).not.toMatch(
        /\b(?:Buffer|process|require|globalThis|Date|performance|setTimeout)\b|Math\.random|node:/,
      );
    }
  });
});
