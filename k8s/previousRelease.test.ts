/** Which commit an upgrade begins with, and what it says when there is none; in a repository of its own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { otherPackages, previousRelease, unpack, Wrong } from './previousRelease.ts';

let root: string;
const git = (...args: string[]): string =>
  execFileSync('git', ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', ...args], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
const write = (name: string, text: string): void => {
  mkdirSync(dirname(join(root, name)), { recursive: true });
  writeFileSync(join(root, name), text);
};
const lock = (packages: Record<string, object>): void =>
  write('package-lock.json', JSON.stringify({ packages: { '': {}, ...packages } }));
/** Seconds apart, so that the newest tag is known. */
let made = 0;
const commit = (name: string): string => {
  write('nodes/main.ts', name);
  git('add', '-A');
  const at = `2026-01-01T00:00:${String(made++).padStart(2, '0')}Z`;
  execFileSync('git', ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', 'commit', '-qm', name], {
    cwd: root,
    env: { ...process.env, GIT_COMMITTER_DATE: at, GIT_AUTHOR_DATE: at },
  });
  return git('rev-parse', 'HEAD');
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'heyblue-releases-'));
  git('init', '-q', '-b', 'main');
  lock({ 'node_modules/pino': { version: '9.0.0' } });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it('is what was named, else the newest tag before this commit, else the baseline', () => {
  const first = commit('first');
  const second = commit('second');
  expect(previousRelease(root, null, first)).toEqual({
    commit: first,
    words: `${first}, the baseline: no release is tagged yet`,
  });
  git('tag', 'v1.0.0', first);
  git('tag', 'v1.1.0', second);
  // this commit is no release before itself
  expect(previousRelease(root, null).commit).toBe(first);
  const third = commit('third');
  expect(previousRelease(root, null)).toEqual({
    commit: second,
    words: 'v1.1.0, the newest tag before this commit',
  });
  expect(previousRelease(root, 'v1.0.0').commit).toBe(first);
  expect(previousRelease(root, third.slice(0, 9)).commit).toBe(third);
});

it.each([
  [null, 'baseline deadbeef is not in this clone: fetch its whole history, or name a commit with --from.'],
  ['v9', 'this repository has no tag and no commit "v9".'],
  ['--exec', '--from takes a tag or a commit, not "--exec".'],
])('without one (%s) it is a sentence', (from, words) => {
  commit('first');
  expect(() => previousRelease(root, from, 'deadbeef')).toThrow(words);
  expect(() => previousRelease(root, from, 'deadbeef')).toThrow(Wrong);
});

it('is unpacked with the packages of this tree, and says which of them are others', () => {
  const first = commit('first');
  const same = unpack(root, first, join(root, 'same'));
  expect(same).toEqual({ entry: join(root, 'same', 'nodes/main.ts'), others: [] });
  expect(readlinkSync(join(root, 'same', 'node_modules'))).toBe(join(root, 'node_modules'));
  lock({ 'node_modules/pino': { version: '9.1.0' }, 'node_modules/new': { version: '1.0.0' } });
  expect(unpack(root, first, join(root, 'other')).others).toEqual(['pino 9.0.0, here 9.1.0']);
  expect(otherPackages(root, join(root, 'same'))).toEqual(['pino 9.1.0, here 9.0.0', 'new 1.0.0, here none']);
  lock({});
  expect(() => unpack(root, first, join(root, 'lacks'))).toThrow('does not have: pino 9.0.0, here none');
});

it('is a release only with a node in it', () => {
  commit('first');
  git('rm', '-q', '-r', 'nodes');
  git('-c', 'user.name=Ann', 'commit', '-qm', 'no node');
  const empty = git('rev-parse', 'HEAD');
  expect(() => unpack(root, empty, join(root, 'empty'))).toThrow('is no release: it has no nodes/main.ts.');
});
