/**
 * `npm run generate [-- --check]`: writes what follows from the catalogue. With `--check` nothing is written and the
 * exit code is 1 when a file is stale. A change that old phones could not follow is refused either way.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { asyncapi } from './documents/asyncapi.ts';
import {
  broken,
  duplicates,
  EMPTY_HISTORY,
  grown,
  type History,
  historyText,
  present,
} from './documents/history.ts';
import { page } from './documents/page.ts';
import { vectors } from './documents/vectors.ts';

const at = (path: string): URL => new URL(path, import.meta.url);
const textOf = (path: string): string | null => {
  try {
    return readFileSync(at(path), 'utf8');
  } catch {
    return null;
  }
};

/** What stands in `generated/history.json`. */
const readHistory = (): History => {
  const text = textOf('generated/history.json');
  return text === null ? EMPTY_HISTORY : (JSON.parse(text) as History);
};

/** What is wrong with the catalogue, in sentences. */
export const violations = (): string[] => [...duplicates(), ...broken(readHistory(), present())];

/** Every generated file with the text that it should have. */
export const generated = (): ReadonlyMap<string, string> =>
  new Map([
    ['PROTOCOL.md', page(textOf('documents/PROTOCOL.template.md')!)],
    ['generated/asyncapi.json', asyncapi()],
    ['generated/vectors.json', vectors()],
    ['generated/history.json', historyText(grown(readHistory(), present()))],
  ]);

/** Files that differ from what they should be. */
export const stale = (): string[] =>
  [...generated()].filter(([path, text]) => textOf(path) !== text).map(([path]) => path);

const main = (check: boolean): number => {
  const wrong = violations();
  if (wrong.length > 0) {
    console.error(`old clients could not follow this:\n${wrong.map(line => `  ${line}`).join('\n')}`);
    return 1;
  }
  const old = stale();
  if (check) {
    if (old.length > 0) console.error(`stale, run \`npm run generate\`: ${old.join(', ')}`);
    else console.log('the generated files are what the catalogue says');
    return old.length > 0 ? 1 : 0;
  }
  const texts = generated();
  for (const path of old) writeFileSync(at(path), texts.get(path)!);
  console.log(old.length > 0 ? `wrote ${old.join(', ')}` : 'nothing has changed');
  return 0;
};

if (import.meta.main) process.exitCode = main(process.argv.includes('--check'));
