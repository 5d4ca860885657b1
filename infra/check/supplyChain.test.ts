/** What the lock file would install. Planted mistakes first: a check that finds nothing must be able to find something. */
import { expect, it } from 'vitest';
import { allowedScripts, findDenied, findScripts, findUnpinned, lockedPackages } from './supplyChain.ts';

const good = {
  version: '2.1.3',
  resolved: 'https://registry.example/a/-/a-2.1.3.tgz',
  integrity: 'sha512-x',
};

it('finds a version that is known to be bad, however deep it lies', () => {
  const at = (version: string) =>
    findDenied({ 'node_modules/a/node_modules/msgpackr': { ...good, version } });
  for (const version of ['1.11.5', '2.0.6', '2.1.2', '2.1.3-beta.1'])
    expect(at(version), version).toHaveLength(1);
  for (const version of ['2.1.3', '2.1.4', '2.10.0', '3.0.0', '10.0.0'])
    expect(at(version), version).toEqual([]);
  expect(findDenied({ 'node_modules/chalk': { ...good, version: '5.6.1' } })).toHaveLength(1);
  expect(findDenied({ 'node_modules/chalk': { ...good, version: '5.6.0' } })).toEqual([]);
});

it('finds what is not pinned, and what comes from somewhere else', () => {
  expect(findUnpinned({ 'node_modules/a': good, '': {} })).toEqual([]);
  expect(findUnpinned({ 'node_modules/a': { ...good, integrity: 'sha1-x' } })).toHaveLength(1);
  for (const resolved of ['git+ssh://git@host/a.git#abc', 'http://registry.example/a.tgz', 'file:../a'])
    expect(findUnpinned({ 'node_modules/a': { ...good, resolved } }), resolved).toHaveLength(1);
});

it('finds scripts of the installation that nobody has decided about', () => {
  const locked = { 'node_modules/a': { ...good, hasInstallScript: true }, 'node_modules/b': good };
  expect(findScripts(locked, { a: true })).toEqual([]);
  expect(findScripts(locked, { a: false })).toEqual([]);
  expect(findScripts(locked, {})).toEqual(['a has an install script that nobody allowed or forbade']);
  expect(findScripts(locked, { a: true, b: true })).toEqual(['b is in allowScripts and has no script']);
});

it('what we lock is none of it', () => {
  const locked = lockedPackages();
  expect(Object.keys(locked).length).toBeGreaterThan(100);
  expect(findDenied(locked)).toEqual([]);
  expect(findUnpinned(locked)).toEqual([]);
  expect(findScripts(locked, allowedScripts())).toEqual([]);
});
