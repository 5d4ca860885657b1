import { parseOptions } from '@node-rs/argon2';
import { expect, test } from 'vitest';
import { ERROR, ok } from '../../protocol/errors.ts';
import { createPasswords } from './passwords.ts';

test('argon2id with 19 MiB, two passes, one lane; right, wrong, unknown, damaged', async () => {
  const passwords = createPasswords();
  const hashed = await passwords.hash('correct horse');
  if (!hashed.ok) throw new Error('not hashed');
  expect(hashed.value).toMatch(/^\$argon2id\$/);
  expect(parseOptions(hashed.value)).toMatchObject({ memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  expect(await passwords.check('correct horse', hashed.value)).toEqual(ok(true));
  expect(await passwords.check('wrong horse', hashed.value)).toEqual(ok(false));
  expect(await passwords.check('correct horse', null)).toEqual(ok(false));
  expect(await passwords.check('correct horse', 'not a hash')).toEqual(ok(false));
});

test('a flood waits in a short queue, the rest is told to come back, and the places are free again', async () => {
  const passwords = createPasswords(1, 2);
  const all = await Promise.all(Array.from({ length: 5 }, () => passwords.hash('x')));
  const refused = all.filter(one => !one.ok);
  expect(refused).toHaveLength(2);
  expect(refused[0]).toMatchObject({ code: ERROR.unavailable, retryable: true });
  expect((await Promise.all([1, 2, 3].map(() => passwords.hash('x')))).every(one => one.ok)).toBe(true);
});
