/** The tutorial of the package works: its snippets, one after the other, against a real town. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildClient } from '../../infra/check/clientPackage.ts';
import { adapt, snippetsOf } from '../../k8s/e2e/readmeSnippets.ts';
import { startTestTown, type TestTown } from '../../k8s/e2e/testTown.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-readme-'));
let town: TestTown;

beforeAll(async () => {
  town = await startTestTown();
  await buildClient(join(folder, 'package'));
  mkdirSync(join(folder, 'node_modules/@heyblue'), { recursive: true });
  symlinkSync(join(folder, 'package'), join(folder, 'node_modules/@heyblue/client'), 'junction');
});
afterAll(async () => {
  await town?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('the story that it tells comes true', { timeout: 120_000 }, async () => {
  const snippets = snippetsOf(readFileSync(join(import.meta.dirname, 'README.md'), 'utf8'));
  expect(snippets.map(one => one.language)).toEqual(['ts', 'ts', 'ts', 'ts']);
  const code = adapt(snippets.map(one => one.code).join('\n'), { ...town.node.urls, dataDir: town.dataDir });
  writeFileSync(join(folder, 'story.ts'), code);
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', 'story.ts'], {
    cwd: folder,
  });
  const lines = stdout.trim().split('\n');
  expect(lines.slice(0, 2)).toEqual(['connecting 0  null', 'connected 0  null']);
  expect(lines).toContainEqual(expect.stringMatching(/^replace what you hold: phone-\d+ 0$/));
  expect(lines).toContain('instant match: true');
  expect(lines.at(-1)).toMatch(/^went on at \d+: true$/);
  expect(lines.filter(line => line.startsWith('replace'))).toHaveLength(1);
  expect(stdout).not.toContain('a snapshot');
});
