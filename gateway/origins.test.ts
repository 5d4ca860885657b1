import { expect, test } from 'vitest';
import { isOwn, mayCall } from './origins.ts';

/** Which pages may call, by the origin that their browser names. */

test.each([
  ['http://localhost:5173', true],
  ['http://127.0.0.1', true],
  ['https://127.0.0.1:8443', true],
  ['http://[::1]:3000', true],
  ['https://heyblue.example', false],
  ['http://localhost.evil.example', false],
  ['http://127.0.0.1.evil.example', false],
  ['http://evil.example/localhost', false],
  ['http://192.168.1.5:5173', false],
  ['null', false],
  ['file://', false],
  ['localhost', false],
])('loopback: %s is a page of this machine: %s', (origin, may) => {
  expect(mayCall(['loopback'], origin)).toBe(may);
  expect(mayCall(['*'], origin)).toBe(true);
  expect(mayCall(['https://other.example'], origin)).toBe(false);
  expect(mayCall(['https://other.example', origin], origin)).toBe(true);
});

test.each([
  ['http://10.0.2.2:8081', '10.0.2.2:8081', true],
  ['https://rt.heyblue.example', 'RT.heyblue.example', true],
  ['https://evil.example', 'rt.heyblue.example', false],
  ['http://10.0.2.2:5173', '10.0.2.2:8081', false],
  ['null', 'null', false],
  ['https://rt.heyblue.example', '', false],
])('%s at the door %s is the door itself: %s', (origin, host, own) => {
  expect(isOwn(origin, host)).toBe(own);
});
