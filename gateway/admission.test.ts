import { beforeEach, expect, test } from 'vitest';
import { Admission, type Holder } from './admission.ts';
import { addressLimits, LIMITS } from './limits.ts';
import { counting } from './testing/town.ts';

/** Who may come in, by the numbers; over real sockets in `halfOpen.test.ts`. */

const A = '10.0.0.1';
const B = '10.0.0.2';
let metrics: ReturnType<typeof counting>;
beforeEach(() => {
  metrics = counting();
});

const admission = (rest: Partial<ConstructorParameters<typeof Admission>[0]> = {}) =>
  new Admission({ connectionsPerAddress: 200, metrics, ...rest });

/** A socket that was let in. */
const open = (door: Admission, address: string): Holder => {
  const holder: Holder = { addressMeter: null, userMeter: null };
  door.opened(holder, address);
  return holder;
};
const rejected = (reason: string): number => metrics.counts.get(`rt_accept_rejected_total ${reason}`) ?? 0;

test('an address of the usual size: 200 sockets, 20 without a token, 64 handshakes under way, 20 a second', () => {
  expect(addressLimits(200)).toEqual({
    sockets: 200,
    unauthenticated: 20,
    handshaking: 64,
    handshakes: { perS: 20, burst: 200 },
  });
});

test('sockets without a token: twenty, until one of them shows one or leaves', () => {
  const door = admission();
  const holders = Array.from({ length: 20 }, () => open(door, A));
  expect(door.admit(A, 0)).toMatchObject({ status: 429, retryAfterS: 5 });
  expect(door.admit(B, 0)).toBeNull();
  door.authenticated(holders[0]!, 'ana');
  expect(door.admit(A, 0)).toBeNull();
  open(door, A);
  expect(door.admit(A, 0)).toMatchObject({ status: 429 });
  door.closed(holders[1]!);
  expect(door.admit(A, 0)).toBeNull();
  expect(rejected('unauthenticated')).toBe(2);
});

test('sockets in all: two hundred from one address', () => {
  const door = admission();
  const holders = Array.from({ length: 200 }, (_, n) => {
    const holder = open(door, A);
    door.authenticated(holder, `u${n}`);
    return holder;
  });
  expect(door.admit(A, 0)).toMatchObject({ status: 429 });
  expect(rejected('connections')).toBe(1);
  door.closed(holders[0]!);
  door.closed(holders[0]!);
  expect(door.admit(A, 0)).toBeNull();
  open(door, A);
  expect(door.admit(A, 0)).toMatchObject({ status: 429 });
});

test('handshakes of one address: a burst, then twenty a second; the answer says when', () => {
  const door = admission();
  for (let n = 0; n < 200; n++) expect(door.admit(A, 0)).toBeNull();
  expect(door.admit(A, 0)).toMatchObject({ status: 429, retryAfterS: 1 });
  expect(door.admit(A, 50)).toBeNull();
  expect(door.admit(A, 50)).toMatchObject({ status: 429 });
});

test('handshakes of everybody: a thousand a second; over it 503 with the time to wait', () => {
  const door = admission();
  for (let n = 0; n < 1_000; n++) expect(door.admit(`10.1.${n >> 8}.${n & 255}`, 0)).toBeNull();
  expect(door.admit(A, 0)).toMatchObject({ status: 503, retryAfterS: 1 });
  expect(door.admit(A, 1)).toBeNull();
  expect(rejected('rate')).toBe(1);
});

test('what one address is refused is taken from nobody else', () => {
  const door = admission({ handshakesPerS: 500 });
  let refused = 0;
  for (let n = 0; n < 100_000; n++) if (door.admit(A, 0) !== null) refused++;
  expect(refused).toBe(100_000 - 200);
  for (let n = 0; n < 100; n++) expect(door.admit(`10.1.0.${n}`, 0)).toBeNull();
});

test('connections that say nothing: sixty-four of one address; each that speaks or goes makes room', () => {
  const door = admission();
  for (let n = 0; n < 64; n++) expect(door.connected(A)).toBe(true);
  expect(door.connected(A)).toBe(false);
  // the same address, written as a socket that listens to both families does
  expect(door.connected('::ffff:10.0.0.1')).toBe(false);
  expect(door.connected(B)).toBe(true);
  expect(door.admit(A, 0)).toMatchObject({ status: 429 });
  door.spoke(A);
  expect(door.connected(A)).toBe(true);
  door.silent(A);
  expect(door.connected(A)).toBe(true);
  expect(door.halfOpen).toBe(65);
  expect([rejected('half_open'), rejected('silent'), rejected('handshakes')]).toEqual([2, 1, 1]);
});

test('handshakes whose token is verified count as under way', async () => {
  const door = admission();
  for (let n = 0; n < 64; n++) door.verifying(A);
  expect(door.admit(A, 0)).toMatchObject({ status: 429 });
  door.verified(A);
  expect(door.admit(A, 0)).toBeNull();
});

test('behind a proxy its own address is not counted: the phones have theirs', () => {
  const door = admission({ trustedProxyHops: 1 });
  for (let n = 0; n < 1_000; n++) expect(door.connected('10.0.0.254')).toBe(true);
  for (let n = 0; n < 1_000; n++) door.spoke('10.0.0.254');
  expect(door.halfOpen).toBe(0);
  expect(door.size).toBe(0);
});

test('a full gateway lets nobody in', () => {
  const door = admission({ connectionsPerAddress: 1_000_000, handshakesPerS: 1_000_000 });
  for (let n = 0; n < LIMITS.socketsMax; n++) expect(door.connected(A)).toBe(true);
  expect(door.connected(B)).toBe(false);
  for (let n = 0; n < LIMITS.socketsMax; n++) {
    door.spoke(A);
    open(door, A);
  }
  expect(door.admit(B, 0)).toMatchObject({ status: 503, retryAfterS: 5 });
});

test('nothing is remembered of those who have gone and whose buckets are full again; never more than so many', () => {
  const door = admission({ handshakesPerS: 1_000_000 });
  for (let n = 0; n < LIMITS.metersMax + 5_000; n++) {
    const address = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    door.connected(address);
    door.spoke(address);
    door.admit(address, n);
    const holder = open(door, address);
    door.authenticated(holder, `u${n}`);
    door.closed(holder);
  }
  expect(door.size).toBeLessThanOrEqual(2 * LIMITS.metersMax);
  door.sweep(1e9);
  expect(door.size).toBe(0);
});
