/** No page of the repository leads nowhere. Planted mistakes first: a search that finds nothing must be able to. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { leadsNowhere, type Places } from './pages.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Its links are those of the page that is made of it. */
const TEMPLATE = 'protocol/documents/PROTOCOL.template.md';

test('links, anchors, tests and commands that lead nowhere are found, others are not', () => {
  const files: Record<string, string> = {
    'README.md': '# A town\n\n## How it works: the gate, "open"\n',
    'nodes/gate.test.ts': "describe('output gate', () => it('Opens late'))",
    'infra/outbox/lead.test.ts': '',
  };
  const places: Places = {
    read: path => files[path] ?? null,
    isFolder: path => path === 'nodes/cluster',
    commands: new Set(['audit']),
  };
  const wrong = (text: string): string[] => leadsNowhere('infra/README.md', text, places);
  const good = [
    '[a](../README.md) [b](../README.md#how-it-works-the-gate-open) [c](#here) [d](../nodes/cluster) [e](https://x/y#z)',
    '`nodes/gate.test.ts` `outbox/lead.test.ts` `npm run audit`',
    '# Here',
    '| a promise | `nodes/gate.test.ts` › output gate; › opens late (all of it); `outbox/lead.test.ts` |',
  ];
  expect(wrong(good.join('\n'))).toEqual([]);
  const bad = ['../READ.md', '../README.md#gate', '#there', '../nodes/clusters', '../nodes/cluster#x'];
  expect(wrong(bad.map(link => `[x](${link})`).join(' '))).toEqual(bad);
  expect(wrong('| › opens late | `nodes/gate.test.ts` › closes; › opens late |')).toEqual([
    '› opens late',
    'nodes/gate.test.ts › closes',
  ]);
  expect(wrong('`gate.test.ts`, `npm run audits`')).toEqual(['gate.test.ts', 'npm run audits']);
});

test.skipIf(!existsSync(`${ROOT}.git`))('no page of the repository leads nowhere', () => {
  const listed = execFileSync('git', ['ls-files', '-z', '*.md'], { cwd: ROOT, encoding: 'utf8' });
  const pages = listed
    .split('\0')
    .filter(path => path !== '' && path !== TEMPLATE && existsSync(ROOT + path));
  const isFolder = (path: string): boolean =>
    statSync(join(ROOT, path), { throwIfNoEntry: false })?.isDirectory() === true;
  const { scripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  const places: Places = {
    read: path => (existsSync(ROOT + path) && !isFolder(path) ? readFileSync(ROOT + path, 'utf8') : null),
    isFolder,
    commands: new Set(Object.keys(scripts)),
  };
  expect(pages.length).toBeGreaterThan(15);
  const found = pages.flatMap(page =>
    leadsNowhere(page, readFileSync(ROOT + page, 'utf8'), places).map(what => `${page}: ${what}`),
  );
  expect(found).toEqual([]);
});
