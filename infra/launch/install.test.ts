import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ensureInstalled, fingerprint, pinnedNode, staleness } from './install.mjs';

/** `stranger` has a script, too; nobody allowed it. */
const ALLOWED = { node: true, elsewhere: true, forbidden: false };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'heyblue-install-'));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock('1.0.0')));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ allowScripts: ALLOWED }));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

function lock(version: string) {
  return {
    packages: {
      '': { name: 'house' },
      'node_modules/a': { version, integrity: `sha512-${version}` },
      'node_modules/elsewhere': { version: '1.0.0', optional: true, hasInstallScript: true },
      'node_modules/stranger': { version: '1.0.0', optional: true, hasInstallScript: true },
    },
  };
}

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function installed(): void {
  put('node_modules/node/bin/node', '#!/bin/sh\necho v22\n');
  chmodSync(pinnedNode(root), 0o755);
  put('node_modules/.heyblue-lock', fingerprint(root));
}

/** Puts a program in npm's place that notes each call and installs the two files that count. */
function stubNpm(body: string): void {
  put(
    'bin/npm-cli.js',
    `const fs = require('fs'); const called = () => fs.appendFileSync('${root}/calls', process.argv.slice(2).join(' ') + '\\n');
    ${body.includes('called()') ? '' : 'called();'}${body}`,
  );
  vi.stubEnv('npm_execpath', join(root, 'bin/npm-cli.js'));
  vi.stubEnv('npm_node_execpath', process.execPath);
}

const INSTALLS = `
  fs.rmSync('node_modules', { recursive: true, force: true });
  fs.mkdirSync('node_modules/node/bin', { recursive: true });
  fs.writeFileSync('node_modules/node/bin/node', '#!/bin/sh\\necho v22\\n', { mode: 0o755 });`;

const calls = () => readFileSync(join(root, 'calls'), 'utf8').trim().split('\n');

test('nothing there is missing; half there is incomplete; another lock file is stale; all there is fresh', () => {
  expect(staleness(root)).toBe('missing');
  mkdirSync(join(root, 'node_modules'));
  expect(staleness(root)).toBe('incomplete');
  installed();
  expect(staleness(root)).toBe(null);
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock('1.0.1')));
  expect(staleness(root)).toBe('stale');
  installed();
  rmSync(join(root, 'node_modules/.heyblue-lock')); // what an interrupted install looks like
  expect(staleness(root)).toBe('incomplete');
});

test('packages that somebody installed with npm are believed when its list says the same as the lock file', () => {
  installed();
  rmSync(join(root, 'node_modules/.heyblue-lock'));
  const {
    '': _,
    'node_modules/elsewhere': __,
    'node_modules/stranger': ___,
    ...present
  } = lock('1.0.0').packages;
  put('node_modules/.package-lock.json', JSON.stringify({ packages: present }));
  expect(staleness(root)).toBe(null);
  expect(readFileSync(join(root, 'node_modules/.heyblue-lock'), 'utf8')).toBe(fingerprint(root));
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock('1.0.1')));
  expect(staleness(root)).toBe('stale');
});

test('an install runs once, also when two launches come at the same time', async () => {
  stubNpm(INSTALLS);
  const said: string[] = [];
  const say = (text: string) => said.push(text);
  expect(await Promise.all([ensureInstalled(root, say), ensureInstalled(root, say)])).toEqual([
    { ok: true },
    { ok: true },
  ]);
  const steps = calls();
  expect(steps.filter(step => step.startsWith('ci'))).toHaveLength(1);
  expect(said.join('')).toContain('Installing the locked packages (missing)');
  expect(await ensureInstalled(root, say)).toEqual({ ok: true });
  expect(calls()).toEqual(steps);
});

test('no script of a package runs but of those that are named, by any npm', async () => {
  stubNpm(INSTALLS);
  await ensureInstalled(root, () => {});
  expect(calls().map(call => call.split(' ').filter(word => !/^--(?!ignore-scripts)/.test(word)))).toEqual([
    ['ci', '--ignore-scripts'],
    ['rebuild', '--ignore-scripts=false', 'node'],
    ['rebuild', '--ignore-scripts=false', 'elsewhere'],
  ]);
});

test('a script that fails ends the installation, unless its package is optional', async () => {
  const failing = (name: string) => `if (process.argv.at(-1) === '${name}') process.exit(1);${INSTALLS}`;
  stubNpm(failing('node'));
  expect(await ensureInstalled(root, () => {})).toMatchObject({ ok: false });
  stubNpm(failing('elsewhere'));
  expect(await ensureInstalled(root, () => {})).toEqual({ ok: true });
});

test('a failed install says what npm said, leaves no stamp, and the next launch tries again', async () => {
  stubNpm("console.error('no network'); process.exit(1);");
  const result = await ensureInstalled(root, () => {});
  expect(result).toMatchObject({ ok: false, sentence: expect.stringContaining('no network') });
  expect(staleness(root)).not.toBe(null);
  stubNpm(INSTALLS);
  expect(await ensureInstalled(root, () => {})).toEqual({ ok: true });
});

test('an install that is stopped ends soon, although npm goes on after a SIGINT', async () => {
  // it is there for the signal once it would not follow one
  stubNpm(
    "for (const one of ['SIGINT', 'SIGTERM']) process.on(one, () => {}); called(); setInterval(() => {}, 1000);",
  );
  const result = await ensureInstalled(root, () => {}, {
    onChild: npm => {
      const ready = setInterval(() => {
        if (!existsSync(join(root, 'calls'))) return;
        clearInterval(ready);
        npm.kill('SIGINT');
      }, 10);
    },
  });
  expect(result).toMatchObject({ ok: false, sentence: expect.stringContaining('SIGKILL') });
  expect(staleness(root)).not.toBe(null);
});

test('the lock file of this house is complete for every platform, or npm ci would refuse it', () => {
  const file = new URL('../../package-lock.json', import.meta.url);
  const { packages } = JSON.parse(readFileSync(file, 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  const named = Object.entries(packages).flatMap(([path, one]) =>
    Object.keys(one.optionalDependencies ?? {}).map(name => [
      `${path}/node_modules/${name}`,
      `node_modules/${name}`,
    ]),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter(places => !places.some(place => place in packages))).toEqual([]);
});
