import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeOpenable } from './leveldb.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-leveldb-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Files {
  open(done: (error?: Error) => void): void;
  put(key: string, value: string, options: object, done: (error?: Error) => void): void;
  get(key: string, done: (error: Error | null, value?: Buffer) => void): void;
  close(done: () => void): void;
}
const leveldown = createRequire(import.meta.url)('leveldown') as (path: string) => Files;

const opened = (path: string): Promise<Files> =>
  new Promise((resolve, reject) => {
    const files = leveldown(path);
    files.open(error => (error ? reject(error) : resolve(files)));
  });
const closed = (files: Files): Promise<void> => new Promise(resolve => files.close(resolve));
const remember = (files: Files): Promise<void> =>
  new Promise((resolve, reject) =>
    files.put('answer', '42', { sync: true }, error => (error ? reject(error) : resolve())),
  );
const recall = (files: Files): Promise<string> =>
  new Promise((resolve, reject) =>
    files.get('answer', (error, value) => (error ? reject(error) : resolve(String(value)))),
  );

test.each([
  ['MANIFEST-', 'half a manifest'],
  ['CURRENT', ''],
])('files with a torn %s are repaired, and what was in them is there', async (name, text) => {
  const path = join(folder, name);
  expect(await makeOpenable(path)).toBe(false);
  const before = await opened(path);
  await remember(before);
  await closed(before);
  for (const file of readdirSync(path)) if (file.startsWith(name)) writeFileSync(join(path, file), text);
  await expect(opened(path)).rejects.toThrow(/Corruption/);
  expect(await makeOpenable(path)).toBe(true);
  const after = await opened(path);
  expect(await recall(after)).toBe('42');
  await closed(after);
  expect(await makeOpenable(path)).toBe(false);
});

test('files that another one holds are never repaired under its hands, and waited for', async () => {
  const path = join(folder, 'held');
  const holder = await opened(path);
  await expect(makeOpenable(path, 0)).rejects.toThrow(/another process uses the files/);
  const waiting = makeOpenable(path);
  await closed(holder);
  expect(await waiting).toBe(false);
});
