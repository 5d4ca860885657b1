import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { verifyHubToken } from '../protocol/hubToken.ts';
import { mintToken, verifyToken } from '../protocol/qr.ts';
import { keyFileOf, loadKeys, parseKeys, qrKeysOf, type StoredKeys } from './keys.ts';
import { posterText } from './poster.ts';
import { addHubKey, addKey, KEEP_MS, removeHubKey, removeKey } from './rotateKeys.ts';

const NOW_MS = 1_795_000_005_000;
const HOUR_MS = 3_600_000;

let folder: string;
let first: StoredKeys;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'heyblue-rotate-'));
  loadKeys(folder);
  first = JSON.parse(readFileSync(keyFileOf(folder), 'utf8'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const stored = (outcome: ReturnType<typeof addKey>): StoredKeys => {
  if (!outcome.ok) throw new Error(outcome.said);
  return outcome.stored;
};
const keysAt = (file: StoredKeys, nowMs: number) => qrKeysOf(parseKeys(JSON.stringify(file)), () => nowMs);
const codeAt = (file: StoredKeys, nowMs: number): string => {
  const { newest, masters } = keysAt(file, nowMs);
  const master = masters.get(newest)!;
  const who = { userNumber: 7, deviceNumber: 1, nonce: 1, flags: 0 };
  return mintToken({ ...who, kind: 'officer', kid: newest, master, nowMs });
};
const verifies = (file: StoredKeys, text: string, nowMs: number): boolean =>
  verifyToken(text, { nowMs, masters: keysAt(file, nowMs).masters, kinds: ['officer'] }).ok;

test('a new key verifies at once and makes codes when its time has come; the old one verifies until it is removed', () => {
  const both = stored(addKey(first, NOW_MS));
  expect(keysAt(both, NOW_MS).newest).toBe(1);
  expect(keysAt(both, NOW_MS + HOUR_MS - 1).newest).toBe(1);
  expect(keysAt(both, NOW_MS + HOUR_MS).newest).toBe(2);
  const later = NOW_MS + 2 * HOUR_MS;
  const [old, young] = [codeAt(first, later), codeAt(both, later)];
  for (const text of [old, young]) expect(verifies(both, text, later)).toBe(true);
  const after = NOW_MS + HOUR_MS + KEEP_MS;
  const alone = stored(removeKey(both, 1, after));
  expect(verifies(alone, codeAt(first, after), after)).toBe(false);
  expect(verifies(alone, codeAt(alone, after), after)).toBe(true);
});

test('a key that phones may still use is not removed, unless it leaked; the one at work never', () => {
  const both = stored(addKey(first, NOW_MS));
  expect(removeKey(both, 1, NOW_MS)).toMatchObject({ ok: false });
  const later = NOW_MS + HOUR_MS + KEEP_MS - 1;
  expect(removeKey(both, 1, later)).toMatchObject({ ok: false });
  expect(removeKey(both, 1, later, true)).toMatchObject({ ok: true });
  expect(removeKey(both, 2, later, true)).toMatchObject({ ok: false });
  expect(removeKey(both, 3, later)).toMatchObject({ ok: false });
  // One that has not begun was on no phone.
  expect(removeKey(both, 2, NOW_MS)).toMatchObject({ ok: true });
});

test('numbers are used again after 255, never two at once', () => {
  let file = stored(addKey(first, 0, 0));
  for (let round = 1; round < 600; round++) {
    file = stored(removeKey(stored(addKey(file, round, 0)), file.qr[0]!.kid, round, true));
    expect(new Set(file.qr.map(key => key.kid)).size).toBe(2);
    expect(keysAt(file, round).newest).toBe(file.qr.at(-1)!.kid);
  }
});

test('hubs have keys of their own, the last of which stays', () => {
  const two = stored(addHubKey(first));
  expect([...parseKeys(JSON.stringify(two)).hubKeys.keys()]).toEqual([1, 2]);
  expect(removeHubKey(first, 1)).toMatchObject({ ok: false });
  expect(stored(removeHubKey(two, 1)).hub).toMatchObject([{ kid: 2 }]);
  // A file from before there were hubs.
  const { hub: _, ...before } = first;
  expect(stored(addHubKey(before)).hub).toHaveLength(1);
});

test('a poster is signed with the newest hub key, and good under the older ones as long as they stay', () => {
  const two = parseKeys(JSON.stringify(stored(addHubKey(first))));
  const publicKeys = new Map([...two.hubKeys].map(([kid, { publicKey }]) => [kid, publicKey]));
  for (const keys of [parseKeys(JSON.stringify(first)), two]) {
    const text = posterText(keys, 12, 3, null);
    const value = { hubNumber: 12, posterNumber: 3 };
    expect(verifyHubToken(text, { nowMs: NOW_MS, publicKeys })).toEqual({ ok: true, value });
  }
  expect(() => posterText({ hubKeys: new Map() }, 12, 3, null)).toThrow('no hub key');
});

test('the command writes the file that nodes read, for its owner alone', () => {
  const command = (...args: string[]) =>
    execFileSync(process.execPath, ['--no-warnings', 'infra/rotateKeys.ts', ...args, '--data', folder], {
      encoding: 'utf8',
    });
  expect(command('list')).toContain('key 1  makes codes');
  expect(command('add', '--in', '0')).toContain('key 2 makes codes from');
  const keys = loadKeys(folder);
  expect(qrKeysOf(keys, Date.now).newest).toBe(2);
  expect([...keys.qrMasters.keys()]).toEqual([1, 2]);
  expect(statSync(keyFileOf(folder)).mode & 0o777).toBe(0o600);
  expect(() => command('remove', '1')).toThrow();
  expect(loadKeys(folder).qrMasters.size).toBe(2);
});
