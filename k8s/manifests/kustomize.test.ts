/** The builder refuses what it does not know: a guess would deploy something else than kubectl does. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Json, type JsonObject, type Resource, readYaml } from './document.ts';
import { build } from './kustomize.ts';
import { applyOperations, mergeObjects } from './merge.ts';

const TOP = 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n';
const POD = 'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  clusterIP: None\n';

const built = (files: Record<string, string>): JsonObject[] => {
  const root = mkdtempSync(join(tmpdir(), 'heyblue-kustomize-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return build(join(root, 'top'), root);
};

const top = (text: string, more: Record<string, string> = {}) => ({
  'top/kustomization.yaml': `${TOP}resources: [a.yaml]\n${text}`,
  'top/a.yaml': POD,
  ...more,
});

test.each([
  ['namePrefix: x-', /namePrefix is not known here/],
  ['patches: [{path: b.yaml}]', /b\.yaml cannot be read \(ENOENT\)/],
  ['patches: [{target: {kind: Service, name: b}, patch: "[{op: remove, path: /spec}]"}]', /nothing to patch/],
  ['patches: [{target: {kind: Service}, patch: "[{op: remove, path: /specs}]"}]', /there is no \/specs/],
  ['patches: [{target: {kind: Service}, patch: "[{op: move, path: /spec, value: 1}]"}]', /move is not known/],
  ['patches: [{target: {kind: Service}, options: {allowNameChange: true}}]', /options is not known here/],
  ['images: [{name: heyblue, newTag: x}]', /nobody runs heyblue/],
  ['replicas: [{name: heyblue, count: 3}]', /there is no heyblue/],
  ['labels: [{pairs: {a: b}, includeSelectors: true}]', /includeSelectors is not known here/],
  ['resources: [a.yaml]', /Map keys must be unique/],
])('%s is refused', (text, said) => {
  expect(() => built(top(text))).toThrow(said);
});

test('a ConfigMap is called after what stands in it, and who asks for it follows; unless it is to keep its name', () => {
  const names = (text: string) => {
    const user = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {from: {configMapRef: {name: c}}}\n';
    const files = top(`configMapGenerator: [{name: c, ${text}}]`, { 'top/b.yaml': user });
    files['top/kustomization.yaml'] = files['top/kustomization.yaml'].replace('a.yaml', 'a.yaml, b.yaml');
    const resources = built(files) as unknown as Resource[];
    const pod = resources.find(one => one.kind === 'Pod') as unknown as JsonObject;
    return [resources.find(one => one.kind === 'ConfigMap')!.metadata.name, (pod.spec as JsonObject).from];
  };
  // as kubectl 1.32 says
  expect(names('literals: [B=2, "A=<1&2>"]')).toEqual([
    'c-5h8h8hctd8',
    { configMapRef: { name: 'c-5h8h8hctd8' } },
  ]);
  expect(names('literals: [B=3, "A=<1&2>"]')[0]).not.toBe(names('literals: [B=2, "A=<1&2>"]')[0]);
  const kept = names('literals: [B=2], options: {disableNameSuffixHash: true}');
  expect(kept).toEqual(['c', { configMapRef: { name: 'c' } }]);
});

test('words that mean something else to kubectl are refused', () => {
  for (const text of ['a: off', 'a: 0440', 'a: yes', 'a: 1_000'])
    expect(() => readYaml(text, 'x.yaml'), text).toThrow(/^x\.yaml: .*quote it$/);
  expect(readYaml('a: "off"\nb: 0x10\n---\n---\nc: ~', 'x.yaml')).toEqual([{ a: 'off', b: 16 }, { c: null }]);
});

test('a patch merges lists by what tells their things apart, replaces others, and takes away with null', () => {
  const base: JsonObject = {
    containers: [{ name: 'a', args: ['x', 'y'], image: 'i' }, { name: 'b' }],
    kept: 1,
  };
  const patch: JsonObject = {
    containers: [{ name: 'a', args: ['z'], image: null }, { name: 'b', $patch: 'delete' }, { name: 'c' }],
  };
  expect(mergeObjects(base, patch, '')).toEqual({
    containers: [{ name: 'a', args: ['z'] }, { name: 'c' }],
    kept: 1,
  });
  expect(() => mergeObjects({}, { topologySpreadConstraints: [] }, 'x')).toThrow(/by an operation/);
  expect(() => mergeObjects({}, { $retainKeys: [] }, 'x')).toThrow(/not known/);
});

test('operations work on what is there', () => {
  const base = { list: [1, 2], 'a/b': { c: 1 } };
  const operations: Json[] = [
    { op: 'add', path: '/list/-', value: 3 },
    { op: 'remove', path: '/list/0' },
    { op: 'replace', path: '/a~1b/c', value: 2 },
    { op: 'test', path: '/list/0', value: 2 },
  ];
  expect(applyOperations(base, operations, '')).toEqual({ list: [2, 3], 'a/b': { c: 2 } });
  expect(() => applyOperations(base, [{ op: 'test', path: '/list/0', value: 9 }], 'x')).toThrow(
    /something else/,
  );
});
