import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { lockFolder } from './folder-lock.mjs';
import { processCommand, processIdentity } from './process-identity.mjs';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-lock-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Another process that tries to get the folder, says what it got, and holds it until it is killed. */
function contender(path: string) {
  const script = `
    import { lockFolder } from ${JSON.stringify(new URL('./folder-lock.mjs', import.meta.url).href)};
    const lock = await lockFolder(${JSON.stringify(path)});
    console.log(lock.ok ? 'mine' : 'taken ' + lock.pid);
    if (lock.ok) setInterval(() => {}, 60_000);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const said = new Promise<string>(resolve =>
    child.stdout.once('data', data => resolve(String(data).trim())),
  );
  const ended = new Promise(resolve => child.once('close', resolve));
  return { child, said, ended };
}

test('the second one hears who was first; after a release the folder is free and leaves no trace', async () => {
  const path = join(folder, 'one');
  const first = await lockFolder(path);
  expect(first.ok).toBe(true);
  expect(await lockFolder(path)).toEqual({ ok: false, pid: process.pid });
  if (first.ok) first.release();
  expect(readdirSync(folder)).toEqual([]);
  const again = await lockFolder(path);
  expect(again.ok).toBe(true);
  if (again.ok) again.release();
});

test('of many processes that start in the same moment exactly one gets it', async () => {
  const path = join(folder, 'crowd');
  const crowd = Array.from({ length: 6 }, () => contender(path));
  const said = await Promise.all(crowd.map(one => one.said));
  const winner = crowd[said.indexOf('mine')]!;
  expect(said.filter(word => word === 'mine')).toHaveLength(1);
  expect(said.filter(word => word === `taken ${winner.child.pid}`)).toHaveLength(5);
  winner.child.kill('SIGKILL');
  await Promise.all(crowd.map(one => one.ended));
  const next = await lockFolder(path); // what a killed owner left does not count
  expect(next.ok).toBe(true);
  if (next.ok) next.release();
});

test('a claim whose pid now belongs to somebody else, and a torn one, do not count', async () => {
  const path = join(folder, 'stale');
  const held = await lockFolder(path);
  if (held.ok) held.release();
  mkdirSync(path);
  writeFileSync(
    join(path, '1-reused'),
    JSON.stringify({ pid: process.ppid, identity: 'an earlier life', state: 'held' }),
  );
  writeFileSync(join(path, '2-torn'), '{"pid":');
  const lock = await lockFolder(path);
  expect(lock.ok).toBe(true);
  if (lock.ok) lock.release();
});

test('a process is recognised by more than its pid', () => {
  expect(processIdentity(process.pid)).toBe(processIdentity(process.pid));
  expect(processIdentity(process.pid)).not.toBe(processIdentity(process.ppid));
  expect(processIdentity(2 ** 22 + 1)).toBe(null);
  expect(processIdentity(0)).toBe(null);
  expect(processCommand(process.pid)).toContain('node');
  expect(processCommand(0)).toBe('');
});
