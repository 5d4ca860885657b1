import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { canReach, postgresUser } from './postgres-user.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-user-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const isRoot = process.getuid?.() === 0;
const stranger = { uid: 65_534, gid: 65_534 };

function program(place: string, mode: number): string {
  mkdirSync(join(folder, place));
  const path = join(folder, place, 'program');
  writeFileSync(path, '#!/bin/sh\nid -u\n', { mode: 0o755 });
  chmodSync(join(folder, place), mode);
  return path;
}

test('a user reaches a file only through folders that let them in', () => {
  chmodSync(folder, 0o755);
  expect(canReach(program('open', 0o755), stranger)).toBe(true);
  expect(canReach(program('closed', 0o700), stranger)).toBe(false);
  expect(canReach(program('mine', 0o700), { uid: process.getuid!(), gid: process.getgid!() })).toBe(true);
});

test.runIf(isRoot)('root hands over to somebody else, also below a folder that only root may enter', () => {
  for (const place of ['root-open', 'root-closed']) {
    const path = program(place, place === 'root-open' ? 0o755 : 0o700);
    // initdb asks access(2) before it runs postgres, so asking must tell the truth as well
    const script = `test -x '${path}' && '${path}'`;
    const { command, args, ...identity } = postgresUser([path], stranger).wrap('/bin/sh', ['-c', script]);
    const answer = spawnSync(command, args, { ...identity, cwd: '/', encoding: 'utf8' });
    expect(answer.stdout.trim(), answer.stderr).toBe('65534');
  }
});

test.skipIf(isRoot)('an ordinary user runs it as themselves', () => {
  expect(postgresUser(['/nowhere']).wrap('a', ['b'])).toEqual({ command: 'a', args: ['b'] });
});
