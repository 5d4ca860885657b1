import { expect, test } from 'vitest';
import { FRAME } from '../../protocol/frames.ts';
import { bytesToUuid } from '../../protocol/ids.ts';
import { dice } from '../../protocol/mutate.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import { Ring, type RingEvent } from './ring.ts';

const idBytes = (name: number): Uint8Array =>
  new Uint8Array(16)
    .fill(7)
    .fill(name >> 8, 14, 15)
    .fill(name, 15);
const idOf = (name: number): string => bytesToUuid(idBytes(name));

/** A frame with the head of an EVENT where there is room for one; the rest is its name. */
function event(offset: number, name = offset, length = 60, atMs = offset): RingEvent {
  const bytes = new Uint8Array(length).fill(name);
  const head = [0x95, FRAME.event, 0xcd, offset >> 8, offset & 0xff, 5, 0xc4, 16, ...idBytes(name)];
  if (length >= head.length) bytes.set(head);
  return { offset, atMs, bytes };
}

/** With so many more events. */
function grown(ring: Ring, from: number, to: number, other = 0): Ring {
  let next = ring;
  for (let offset = from; offset <= to; offset++) next = next.append(event(offset, offset + other));
  return next;
}

/** Short to compare. */
const said = (events: readonly RingEvent[]): string =>
  events
    .map(({ offset, atMs, bytes }) => `${offset} ${atMs} ${Buffer.from(bytes).toString('latin1')}`)
    .join('\n');

const plain = (from: number, to: number, other = 0): RingEvent[] =>
  Array.from({ length: to - from + 1 }, (_, i) => event(from + i, from + i + other));

test('a ring stays what it was, whatever is appended to it, once or twice', () => {
  const base = grown(Ring.EMPTY, 1, 5);
  const thrownAway = grown(base, 6, 9, 100);
  const kept = grown(base, 6, 8, 50);
  expect(base.events()).toEqual(plain(1, 5));
  expect(thrownAway.events()).toEqual([...plain(1, 5), ...plain(6, 9, 100)]);
  expect(kept.events()).toEqual([...plain(1, 5), ...plain(6, 8, 50)]);
  expect(Ring.EMPTY.append(event(1, 1, 0)).length).toBe(1);
  expect(Ring.EMPTY.events()).toEqual([]);
});

test('a long way keeps the newest, in a circle that does not grow', () => {
  let ring = Ring.EMPTY;
  const given: Uint8Array[] = [];
  for (let offset = 1; offset <= 600; offset++) {
    const before = ring;
    ring = ring.append(event(offset));
    given.push(ring.events().at(-1)!.bytes);
    const first = Math.max(1, offset + 1 - ACTOR_LIMITS.ringEvents);
    expect(said(ring.events()) === said(plain(first, offset)), `${offset}`).toBe(true);
    expect(ring.bytes).toBe(ring.length * 60);
    // the turn that appended may yet be thrown away
    const was = plain(Math.max(1, offset - ACTOR_LIMITS.ringEvents), offset - 1);
    expect(said(before.events()) === said(was), `before ${offset}`).toBe(true);
  }
  for (const [i, bytes] of given.entries()) expect(bytes).toEqual(event(i + 1).bytes);
});

test('random lengths, times and turns thrown away: the newest is exact, an older one forgets its oldest at most', () => {
  const seed = 20_261_121;
  const whole = dice(seed);
  for (let life = 0; life < 12; life++) {
    let versions: { readonly ring: Ring; readonly events: readonly RingEvent[] }[] = [
      { ring: Ring.EMPTY, events: [] },
    ];
    let atMs = 0;
    const [longest, pauseMs] = [[40, 200, 9_000][whole(3)]!, [1, 3_000, 90_000][whole(3)]!];
    for (let step = 0; step < 400; step++) {
      if (whole(20) === 0) versions = versions.slice(0, 1 + whole(versions.length));
      const { ring, events: all } = versions.at(-1)!;
      // gone back to after many that were thrown away: it may have forgotten its oldest
      const events = all.slice(all.length - ring.length);
      const offset = (events.at(-1)?.offset ?? 0) + 1;
      atMs += whole(pauseMs);
      const one = event(offset, step, 1 + whole(longest), atMs);
      let kept = [...events, one];
      const sum = (): number => kept.reduce((all, { bytes }) => all + bytes.length, 0);
      while (
        kept.length > ACTOR_LIMITS.ringEvents ||
        (kept.length > 1 && sum() > ACTOR_LIMITS.ringBytes) ||
        atMs - kept[0]!.atMs > ACTOR_LIMITS.ringMs
      )
        kept = kept.slice(1);
      versions = [...versions.slice(-300), { ring: ring.append(one), events: kept }];
      const latest = versions.at(-1)!;
      const where = `seed ${seed}, life ${life}, step ${step}`;
      expect(said(latest.ring.events()) === said(kept), where).toBe(true);
      expect(latest.ring.bytes).toBe(sum());
      const older = versions[whole(versions.length)]!;
      const there = older.ring.events();
      const newest = older.events.slice(older.events.length - there.length);
      expect(said(there) === said(newest), where).toBe(true);
      expect(older.ring.length).toBe(there.length);
      const after = whole(offset + 2);
      expect(said(latest.ring.events(after)) === said(kept.filter(one => one.offset > after)), where).toBe(
        true,
      );
      expect(said(ring.events()) === said(events), where).toBe(true);
    }
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
  expect(base.offsetOf(idOf(200))).toBe(200);
  expect(base.offsetOf(idOf(201))).toBeUndefined();
  expect(longer.offsetOf(idOf(82))).toBeUndefined();
  expect(longer.offsetOf(idOf(83))).toBe(83);
  expect(longer.append(event(211, 999, 3)).offsetOf(idOf(999))).toBeUndefined();
  expect(longer.offsetOf('no id')).toBeUndefined();
  expect(longer.atMsAfter(0)).toBe(event(83).atMs);
  expect(longer.atMsAfter(0, 82)).toBeUndefined();
  expect(longer.atMsAfter(0, 83)).toBe(event(83).atMs);
  expect(longer.atMsAfter(150)).toBe(event(151).atMs);
  expect(longer.atMsAfter(150, 150)).toBeUndefined();
  expect(longer.atMsAfter(210)).toBeUndefined();
  expect(base.atMsAfter(200, 300)).toBeUndefined();
  expect(Ring.EMPTY.atMsAfter(0)).toBeUndefined();
});
