/** `npx node infra/config/render.ts` rewrites the table of settings in README.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { TABLE_END, TABLE_START, withTable } from './readme.ts';

const path = new URL('../../README.md', import.meta.url);
const written = withTable(readFileSync(path, 'utf8'));
if (written === null) {
  console.error(`README.md has no place for the settings: add ${TABLE_START} and ${TABLE_END}.`);
  process.exitCode = 1;
} else {
  writeFileSync(path, written);
}
