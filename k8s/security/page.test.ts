/** The page promises a test for each row: each that it names is there, and no row names none. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('k8s/SECURITY.md', ROOT), 'utf8');
const tests = [...page.matchAll(/`([\w/.]+\.test\.ts)`/g)].map(([, path]) => path!);

it('every test that the page names is there', () => {
  expect(new Set(tests).size).toBeGreaterThan(30);
  expect([...new Set(tests)].filter(path => !existsSync(new URL(path, ROOT)))).toEqual([]);
});

it('every row of the threat model and of the checklist names one', () => {
  const [model = '', rest = ''] = page.split('\n## Checklist');
  const [checklist = ''] = rest.split('\n## Rotation');
  const rows = [model, checklist].flatMap(part => part.split('\n').filter(line => line.startsWith('| ')));
  const bare = rows.filter(row => !/\.test\.ts`/.test(row) && !/\| (Shown by|shown by) \|$/.test(row));
  expect(bare).toEqual([]);
});
