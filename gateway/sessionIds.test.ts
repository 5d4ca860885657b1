import { expect, test } from 'vitest';
import { isUuid, tryUuidToBytes } from '../protocol/ids.ts';
import { createSessionIds } from './sessionIds.ts';
import { signingKey } from './testing/town.ts';

const ana = { userId: '01900000-0000-7000-8000-00000000000a', deviceId: 'phone-1' };
const key = signingKey();
const ids = createSessionIds([key]);

test('an id is owned by the user and device that it was minted for, on every node with the key', () => {
  const id = ids.mint(ana);
  expect(isUuid(id)).toBe(true);
  expect(ids.owns(id, ana)).toBe(true);
  expect(ids.owns(id.toUpperCase(), ana)).toBe(true);
  expect(createSessionIds([key]).owns(id, ana)).toBe(true);
  expect(createSessionIds([signingKey('k2'), key]).owns(id, ana)).toBe(true);
});

test('by nobody else', () => {
  const id = ids.mint(ana);
  expect(ids.owns(id, { ...ana, deviceId: 'phone-2' })).toBe(false);
  expect(ids.owns(id, { ...ana, userId: '01900000-0000-7000-8000-00000000000b' })).toBe(false);
  expect(createSessionIds([signingKey()]).owns(id, ana)).toBe(false);
  for (const text of ['', 'x', '00000000-0000-0000-0000-000000000000'])
    expect(ids.owns(text, ana)).toBe(false);
});

test('any changed digit makes it foreign', () => {
  const id = ids.mint(ana);
  for (let at = 0; at < id.length; at++) {
    if (id[at] === '-') continue;
    const changed = `${id.slice(0, at)}${id[at] === '0' ? '1' : '0'}${id.slice(at + 1)}`;
    expect(ids.owns(changed, ana)).toBe(false);
  }
});

test('no two are alike', () => {
  const seen = new Set(Array.from({ length: 1_000 }, () => ids.mint(ana)));
  expect(seen.size).toBe(1_000);
  expect([...seen].every(id => tryUuidToBytes(id) !== null)).toBe(true);
});
