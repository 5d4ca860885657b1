/** What is kept of a message does not keep the message. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { copied } from '../nodes/routing/body.ts';
import { owned, ownText } from './owned.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const ID = '01900000-0000-7000-8000-0000000000f1';
const MESSAGES = 2_000;
const TEXTS = 100;
/** What stays in memory of so many messages of which one id each is kept. */
function kept(keep: (id: string) => unknown): number {
  const ids: unknown[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < MESSAGES; i++) ids.push(keep(copied({ id: ID, rest: new Array(TEXTS).fill(ID) }).id));
  collect();
  const after = process.memoryUsage().heapUsed;
  expect(ids).toHaveLength(MESSAGES);
  return after - before;
}

test('a text of an own is small, and a cut one is the whole message', () => {
  // should this fail, the decoder cuts no more and there is nothing left to do here
  expect(kept(id => id) / MESSAGES).toBeGreaterThan(TEXTS * 20);
  expect(kept(ownText) / MESSAGES).toBeLessThan(TEXTS * 5);
  expect(kept(id => owned({ ok: true, value: [{ id }] })) / MESSAGES).toBeLessThan(TEXTS * 5);
});

test('is the same value: any text, nested, with bytes and numbers as they are', () => {
  const bytes = new Uint8Array([1, 2]);
  for (const text of [
    '',
    'short',
    ID,
    'Gr\u00fc\u00dfe an alle \ud83d\ude00',
    `half a pair ${'\ud83d'} of it`,
  ])
    expect(ownText(text)).toBe(text);
  const value = { ok: true, value: { id: ID, list: [ID, 1, null, undefined], bytes, at: -0 } };
  expect(owned(value)).toEqual(value);
  expect(owned(value).value.bytes).toBe(bytes);
});
