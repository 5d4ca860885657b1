import { expect, test } from 'vitest';
import { ACTOR_LIMITS } from '../limits.ts';
import { Ring, type RingEvent } from './ring.ts';

const event = (offset: number, fill = offset, length = 60): RingEvent => ({
  offset,
  id: `event ${fill}`,
  atMs: offset,
  bytes: new Uint8Array(length).fill(fill),
});

/** With so many more events. */
function grown(ring: Ring, from: number, to: number, fill = 0): Ring {
  let next = ring;
  for (let offset = from; offset <= to; offset++) next = next.append(event(offset, offset + fill));
  return next;
}

const plain = (from: number, to: number, fill = 0): RingEvent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(from + i, from + i + fill));

test('a ring stays what it was, whatever is appended to it, once or twice', () => {
  const base = grown(Ring.EMPTY, 1, 5);
  const thrownAway = grown(base, 6, 9, 100);
  const kept = grown(base, 6, 8, 50);
  expect(base.events()).toEqual(plain(1, 5));
  expect(thrownAway.events()).toEqual([...plain(1, 5), ...plain(6, 9, 100)]);
  expect(kept.events()).toEqual([...plain(1, 5), ...plain(6, 8, 50)]);
  expect(Ring.EMPTY.events()).toEqual([]);
});

test('every version on a long way has the newest events, and bytes once given do not change', () => {
  const versions: Ring[] = [];
  const given: Uint8Array[] = [];
  let ring = Ring.EMPTY;
  for (let offset = 1; offset <= 1_000; offset++) {
    ring = ring.append(event(offset));
    versions.push(ring);
    given.push(ring.byId(`event ${offset}`)!.bytes);
  }
  for (const [i, version] of versions.entries()) {
    expect(given[i]![0]).toBe((i + 1) % 256);
    expect(version.length).toBe(Math.min(i + 1, ACTOR_LIMITS.ringEvents));
    if (i % 97 > 0) continue;
    const first = Math.max(1, i + 2 - ACTOR_LIMITS.ringEvents);
    expect(version.events()).toEqual(plain(first, i + 1));
    expect(version.bytes).toBe(version.length * 60);
    expect(given[i]).toEqual(event(i + 1).bytes);
  }
});

test('what is too much or too old leaves, the newest stays', () => {
  const large = Ring.EMPTY.append(event(1, 1, 10_000)).append(event(2, 2, 6_384));
  expect(large.length).toBe(2);
  expect(large.append(event(3, 3, 1)).events()).toEqual([event(2, 2, 6_384), event(3, 3, 1)]);
  const tooLarge = large.append(event(3, 3, ACTOR_LIMITS.ringBytes + 1));
  expect(tooLarge.events()).toEqual([event(3, 3, ACTOR_LIMITS.ringBytes + 1)]);
  const late = { ...event(3), atMs: 2 + ACTOR_LIMITS.ringMs };
  expect(large.append(late).events()).toEqual([event(2, 2, 6_384), late]);
});

test('finds by id and by place, only what is in it', () => {
  const base = grown(Ring.EMPTY, 1, 200);
  const longer = grown(base, 201, 210);
  expect(base.byId('event 200')).toEqual(event(200));
  expect(base.byId('event 201')).toBeUndefined();
  expect(longer.byId('event 82')).toBeUndefined();
  expect(longer.byId('event 83')).toEqual(event(83));
  expect(longer.atMsAfter(0)).toBe(event(83).atMs);
  expect(longer.atMsAfter(0, 82)).toBeUndefined();
  expect(longer.atMsAfter(0, 83)).toBe(event(83).atMs);
  expect(longer.atMsAfter(150)).toBe(event(151).atMs);
  expect(longer.atMsAfter(150, 150)).toBeUndefined();
  expect(longer.atMsAfter(210)).toBeUndefined();
  expect(base.atMsAfter(200, 300)).toBeUndefined();
  expect(Ring.EMPTY.atMsAfter(0)).toBeUndefined();
});
