/** The bill of materials names everything that a node may run, and nothing that only development needs. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from './sbom.ts';
import { lockedPackages, namesAtRunTime } from './supplyChain.ts';

const NPM_MS_MAX = 60_000;

const billOf = (...more: string[]) => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-sbom-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const out = join(folder, 'bill.json');
  expect(run(['--out', out, ...more], () => {})).toBe(0);
  return JSON.parse(readFileSync(out, 'utf8'));
};

/**
 * What must be in a bill; optional ones may be left out by an npm that runs on another platform.
 *
 * @param isOwn by the name that a package has itself: SPDX says that, CycloneDX says ours
 */
const needed = (isOwn: boolean): string[] =>
  Object.entries(lockedPackages())
    .filter(([path, { dev, optional }]) => path !== '' && !dev && !optional)
    .map(
      ([path, { name, version }]) =>
        `${(isOwn ? name : undefined) ?? path.split('node_modules/').at(-1)}@${version}`,
    );

test(
  'CycloneDX: every locked package that is not of development alone, with its digest, and no other',
  () => {
    const { bomFormat, components, dependencies } = billOf();
    expect(bomFormat).toBe('CycloneDX');
    const names: string[] = components.map(
      (one: { name: string; version: string }) => `${one.name}@${one.version}`,
    );
    expect(needed(false).length).toBeGreaterThan(100);
    expect(names).toEqual(expect.arrayContaining(needed(false)));
    const all = namesAtRunTime(lockedPackages());
    expect(names.filter(name => !all.has(name))).toEqual([]);
    for (const name of ['vitest', 'typescript'])
      expect(names.some(one => one.startsWith(`${name}@`))).toBe(false);
    const refs = new Set([...components.map((one: { 'bom-ref': string }) => one['bom-ref'])]);
    for (const { dependsOn } of dependencies)
      for (const ref of dependsOn) expect(refs.has(ref), ref).toBe(true);
  },
  NPM_MS_MAX,
);

test(
  'SPDX says the same, and --dev adds what development needs',
  () => {
    const namesIn = (bill: { packages: { name: string; versionInfo: string }[] }): string[] =>
      bill.packages.map(one => `${one.name}@${one.versionInfo}`);
    expect(namesIn(billOf('--format', 'spdx'))).toEqual(expect.arrayContaining(needed(true)));
    const dev = namesIn(billOf('--format', 'spdx', '--dev'));
    expect(dev.some(name => name.startsWith('vitest@'))).toBe(true);
  },
  NPM_MS_MAX,
);

test('what cannot be made is refused', () => {
  expect(run(['--format', 'excel'], () => {})).toBe(2);
  expect(run(['--out', '/no/such/folder/bill.json'], () => {})).toBe(1);
});
