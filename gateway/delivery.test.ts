import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { encodeServerFrame } from '../protocol/codec.ts';
import { CLOSE, ERROR, ok, refuse } from '../protocol/errors.ts';
import { encodeError, encodeEvent, encodeVolatile } from '../protocol/messages.ts';
import { LIMITS } from './limits.ts';
import { BACKGROUND_TICKS } from './pacer.ts';
import { createSessionIds } from './sessionIds.ts';
import { refOf, Stage, volatilesIn } from './testing/stage.ts';
import { EPOCH, signingKey } from './testing/town.ts';
import type { Wire } from './testing/wire.ts';
import { BUFFERED, DROPPED, SENT } from './transport.ts';

/** What a phone hears, in which order and how often; and what becomes of one that does not keep up. */

const ID = '01900000-0000-7000-8000-0000000000aa';
const eventBytes = (offset: number) => encodeEvent('sharing.ended', offset, ID, { reason: 'timeout' });
const area = (cell: string, version: number) => encodeVolatile('area.officers', cell, version, null);
const answer = (seq: number) => encodeVolatile('report.next', '', seq, { periodS: 15 });

let stage: Stage;
let wire: Wire;
beforeEach(async () => {
  stage = new Stage();
  wire = await stage.phone();
  // somebody else, who never has anything waiting
  await stage.phone('01900000-0000-7000-8000-000000000002');
});

const push = (bytes: Uint8Array, kind: 'durable' | 'volatile' = 'volatile', to = wire): void =>
  stage.sessions.push([refOf(to)], bytes, kind);
const heard = (of = wire) => volatilesIn(of.frames).map(one => [one.key, one.version]);
/** It takes nothing, and so much waits. */
const stuck = (buffered: number, of = wire): void => {
  of.status = BUFFERED;
  of.buffered = buffered;
  of.data!.choked = true;
};

describe('volatile frames', () => {
  test('one alone passes at once; more within a tick go out together with the next, the newest of each thing', () => {
    push(area('a', 1));
    expect(heard()).toEqual([['a', 1]]);
    push(area('b', 1));
    push(area('a', 2));
    push(area('b', 2));
    expect(heard()).toHaveLength(1);
    stage.ticks(1);
    expect(wire.frames.at(-1)?.type).toBe('batch');
    expect(heard().slice(1)).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
    stage.ticks(5);
    expect(heard()).toHaveLength(3);
    push(area('a', 3));
    expect(heard()).toHaveLength(4);
    stage.sessions.sweep();
    expect(stage.metrics.counts.get('rt_conflated_total area.officers')).toBe(1);
    expect(stage.metrics.counts.get('rt_frames_total out volatile')).toBe(4);
  });

  test('in the background each two seconds; back on the screen with the next tick', () => {
    wire.say({ type: 'clientState', foreground: false });
    push(area('a', 1));
    stage.ticks(BACKGROUND_TICKS - 1);
    push(area('a', 2));
    expect(heard()).toEqual([]);
    stage.ticks(1);
    expect(heard()).toEqual([['a', 2]]);
    push(area('a', 3));
    stage.ticks(3);
    wire.say({ type: 'clientState', foreground: true });
    stage.ticks(1);
    expect(heard()).toEqual([
      ['a', 2],
      ['a', 3],
    ]);
    expect(BACKGROUND_TICKS * LIMITS.flushMs).toBe(2_000);
  });

  test('answers to positions pass however many there are, but not before one of them that waits', () => {
    for (let seq = 1; seq <= 5; seq++) push(answer(seq));
    push(area('a', 1));
    push(area('b', 1));
    push(answer(6));
    expect(heard().map(([, version]) => version)).toEqual([1, 2, 3, 4, 5, 1, 6]);
    wire.say({ type: 'clientState', foreground: false });
    push(answer(7));
    wire.say({ type: 'clientState', foreground: true });
    push(answer(8));
    push(answer(7));
    expect(heard()).toHaveLength(7);
    stage.ticks(1);
    expect(heard().slice(7)).toEqual([
      ['b', 1],
      ['', 8],
    ]);
  });

  test('an older version that comes late is dropped, whether the newer one waits or was said', () => {
    push(area('a', 5));
    push(area('a', 4));
    push(area('a', 5));
    push(area('a', 6));
    push(area('a', 3));
    push(answer(2));
    push(answer(1));
    stage.ticks(2);
    expect(heard()).toEqual([
      ['a', 5],
      ['', 2],
      ['a', 6],
    ]);
    stage.sessions.sweep();
    expect(stage.metrics.counts.get('rt_frames_total out late')).toBe(4);
  });

  test('none overtakes WELCOME or the replay; a newer one takes the place of one that was written into the replay', async () => {
    stage.door.asked.length = 0;
    stage.door.holding.add('attach');
    const late = await stage.phone();
    push(area('a', 7), 'volatile', late);
    push(area('b', 2), 'volatile', late);
    push(eventBytes(3), 'durable', late);
    stage.ticks(3);
    expect(late.frames).toEqual([]);
    const frames = [eventBytes(1), eventBytes(2), area('a', 6), area('c', 1)];
    stage.door.answer('attach', ok({ epoch: EPOCH, offset: 2, resumed: true, frames }));
    push(area('b', 1), 'volatile', late);
    push(area('c', 1), 'volatile', late);
    stage.ticks(2);
    expect(late.types()).toEqual(['welcome', 'event', 'event', 'volatile', 'event', 'batch']);
    expect(heard(late)).toEqual([
      ['c', 1],
      ['a', 7],
      ['b', 2],
    ]);
  });

  test('a refusal of a position is about no thing: it is said at once, or not at all', () => {
    const refusal = encodeError(0, refuse(ERROR.conflict, 'x'));
    push(area('a', 1));
    push(area('a', 2));
    push(refusal);
    expect(wire.types()).toEqual(['welcome', 'volatile', 'error']);
    stuck(LIMITS.closeBufferBytes + 1);
    push(refusal);
    expect(wire.types()).toEqual(['welcome', 'volatile', 'error']);
    expect(wire.code).toBeNull();
  });

  test('a tick visits only those who have something waiting, and nothing stays of one that left', () => {
    push(area('a', 1));
    push(area('a', 2));
    expect(stage.sessions.delivery.waiting).toBe(1);
    wire.leave();
    expect(stage.sessions.delivery.waiting).toBe(0);
    push(area('a', 3));
    stage.ticks(BACKGROUND_TICKS + 1);
    expect(heard()).toEqual([['a', 1]]);
  });

  test('thousands in the background do not all have their turn in one tick', async () => {
    const others = await Promise.all(Array.from({ length: 20 }, () => stage.phone()));
    for (const other of others) other.say({ type: 'clientState', foreground: false });
    const turns = new Map<number, number>();
    others.forEach(other => {
      push(area('a', 1), 'volatile', other);
      stage.ticks(1);
    });
    for (let tick = 1; tick <= BACKGROUND_TICKS; tick++) {
      const before = others.reduce((sum, other) => sum + heard(other).length, 0);
      stage.ticks(1);
      turns.set(tick, others.reduce((sum, other) => sum + heard(other).length, 0) - before);
    }
    expect(Math.max(...turns.values())).toBe(1);
  });

  test('whatever is pushed and however time passes, events stay in order and each thing ends with its newest', () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ k: fc.constant('area' as const), cell: fc.nat(4), version: fc.nat(20) }),
      },
      { weight: 2, arbitrary: fc.constant({ k: 'event' as const }) },
      {
        weight: 2,
        arbitrary: fc.record({ k: fc.constant('ticks' as const), n: fc.integer({ min: 1, max: 5 }) }),
      },
      { weight: 1, arbitrary: fc.record({ k: fc.constant('screen' as const), on: fc.boolean() }) },
      {
        weight: 1,
        arbitrary: fc.record({ k: fc.constant('stuck' as const), bytes: fc.constantFrom(0, 20_000) }),
      },
    );
    return fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async steps => {
        const free = new Stage({ rates: null });
        const phone = await free.phone();
        const refs = [refOf(phone)];
        const newest = new Map<string, number>();
        let offset = 0;
        for (const one of steps) {
          if (one.k === 'area') {
            const cell = `c${one.cell}`;
            free.sessions.push(refs, area(cell, one.version), 'volatile');
            newest.set(cell, Math.max(newest.get(cell) ?? -1, one.version));
          } else if (one.k === 'event') free.sessions.push(refs, eventBytes(++offset), 'durable');
          else if (one.k === 'ticks') free.ticks(one.n);
          else if (one.k === 'screen') phone.say({ type: 'clientState', foreground: one.on });
          else {
            phone.buffered = one.bytes;
            phone.status = one.bytes > 0 ? BUFFERED : SENT;
            if (one.bytes === 0) free.sessions.drained(phone);
          }
        }
        free.ticks(BACKGROUND_TICKS + 1);
        if (phone.code !== null) {
          // more events than it may be behind
          expect(phone.code).toBe(CLOSE.slowConsumer);
          return;
        }
        const seen = new Map<string, number>();
        for (const { key, version } of volatilesIn(phone.frames)) {
          expect(version).toBeGreaterThan(seen.get(key) ?? -1);
          seen.set(key, version);
        }
        expect(seen).toEqual(newest);
        const offsets = phone.frames.flatMap(one => (one.type === 'event' ? [one.offset] : []));
        expect(offsets).toEqual(Array.from({ length: offset }, (_, i) => i + 1));
      }),
      { numRuns: 60 },
    );
  });
});

test('a push reaches the connection that it is for and no other, however often its device came back', () => {
  const step = fc.oneof(
    fc.constant({ k: 'connect' as const }),
    fc.constant({ k: 'leave' as const }),
    // the actor is between two nodes: the same socket is attached under a new name
    fc.constant({ k: 'again' as const }),
    fc.record({ k: fc.constant('push' as const), to: fc.nat(), durable: fc.boolean() }),
  );
  return fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const free = new Stage({ rates: null, sessionIds: createSessionIds([signingKey()]) });
      const names: { wire: Wire; id: string }[] = [];
      const meant = new Map<Wire, number[]>();
      const known = (wire: Wire): void => {
        names.push({ wire, id: refOf(wire).id });
      };
      let offset = 0;
      for (const one of steps) {
        const newest = names.at(-1)?.wire;
        if (one.k === 'connect') {
          known(await free.phone());
          meant.set(names.at(-1)!.wire, []);
        } else if (one.k === 'leave') {
          if (newest?.code === null) newest.leave();
        } else if (one.k === 'again') {
          free.door.answers.attach = () => refuse(ERROR.unavailable, 'x');
          const wire = await free.phone();
          meant.set(wire, []);
          known(wire);
          free.door.answers.attach = () => ok({ epoch: EPOCH, offset: 0, resumed: false, frames: [] });
          free.clock.advance(LIMITS.attachRetryMs);
          free.sessions.attachAgain();
          known(wire);
        } else if (names.length > 0) {
          const { wire, id } = names[one.to % names.length]!;
          const bytes = one.durable ? eventBytes(++offset) : answer(++offset);
          free.sessions.push([{ gateway: 'g1', id }], bytes, one.durable ? 'durable' : 'volatile');
          expect(free.sessions.knows({ gateway: 'g1', id })).toBe(
            wire.code === null && refOf(wire).id === id,
          );
          if (wire.code === null && refOf(wire).id === id) meant.get(wire)!.push(offset);
        }
      }
      expect(new Set(names.map(one => one.id)).size).toBe(names.length);
      for (const [wire, offsets] of meant) {
        const heardOf = wire.frames.flatMap(one =>
          one.type === 'event' ? [one.offset] : one.type === 'volatile' ? [one.version] : [],
        );
        expect(heardOf).toEqual(offsets);
      }
    }),
    { numRuns: 40 },
  );
});

test('what was pushed to a socket before it was attached under another name is told once', async () => {
  stage.door.answers.attach = () => refuse(ERROR.unavailable, 'heard, and the answer was lost');
  const phone = await stage.phone();
  for (const offset of [1, 2]) push(eventBytes(offset), 'durable', phone);
  const frames = [1, 2, 3].map(eventBytes);
  stage.door.answers.attach = () => ok({ epoch: EPOCH, offset: 3, resumed: true, frames });
  stage.clock.advance(LIMITS.attachRetryMs);
  stage.sessions.attachAgain();
  push(eventBytes(4), 'durable', phone);
  expect(phone.frames.flatMap(one => (one.type === 'event' ? [one.offset] : []))).toEqual([1, 2, 3, 4]);
});

describe('a phone that does not keep up', () => {
  test('above 16 KB volatile frames go out with every second tick, below it with each again', () => {
    stuck(LIMITS.thinBufferBytes + 1);
    push(eventBytes(1), 'durable');
    const ticksUntilHeard = (version: number): number => {
      push(area('a', version));
      for (let tick = 1; tick <= 4; tick++) {
        stage.ticks(1);
        if (heard().some(([, seen]) => seen === version)) return tick;
      }
      return 0;
    };
    const waits = [1, 2, 3].map(ticksUntilHeard);
    expect(waits.slice(1)).toEqual([2, 2]);
    wire.buffered = LIMITS.thinBufferBytes;
    stage.ticks(1);
    push(area('a', 4));
    expect(heard().at(-1)).toEqual(['a', 4]);
    expect(wire.code).toBeNull();
  });

  test('above 64 KB they stop, and the next look closes with 4102; one that recovers before hears the newest', async () => {
    const other = await stage.phone();
    for (const one of [wire, other]) {
      stuck(LIMITS.closeBufferBytes + 1, one);
      push(area('a', 1), 'volatile', one);
      push(area('a', 2), 'volatile', one);
    }
    stage.ticks(4);
    expect([heard(), heard(other)]).toEqual([[], []]);
    other.buffered = 0;
    other.status = SENT;
    stage.sessions.drained(other);
    stage.ticks(1);
    stage.sessions.sweep();
    expect([wire.code, other.code]).toEqual([CLOSE.slowConsumer, null]);
    expect(heard(other)).toEqual([['a', 2]]);
    expect(stage.metrics.gauges.get('rt_slow_ladder stopped')).toBe(1);
    expect(stage.metrics.observed.get('rt_buffered_bytes')).toEqual([LIMITS.closeBufferBytes + 1]);
    stage.pass(LIMITS.sampleMs);
    expect(stage.metrics.gauges.get('rt_slow_ladder stopped')).toBe(0);
  });

  test.each([
    ['an event', () => push(eventBytes(2), 'durable')],
    ['an answer', () => wire.say({ type: 'ping', n: 1 })],
  ])('above 64 KB %s closes at once, before anything would be dropped', (_, say) => {
    stuck(LIMITS.closeBufferBytes);
    push(eventBytes(1), 'durable');
    say();
    expect(wire.code).toBeNull();
    wire.buffered = LIMITS.closeBufferBytes + 1;
    say();
    expect(wire.code).toBe(CLOSE.slowConsumer);
  });

  test('64 events that it has not taken are enough; those that it took in between do not count', () => {
    const bytes = eventBytes(1).length;
    wire.status = BUFFERED;
    for (let i = 0; i < 1_000; i++) {
      wire.buffered = Math.min(i, 10) * bytes;
      push(eventBytes(i), 'durable');
    }
    expect(wire.code).toBeNull();
    for (let i = 1; i <= LIMITS.eventsBehind * 2 && wire.code === null; i++) {
      wire.buffered = (10 + i) * bytes;
      push(eventBytes(1_000 + i), 'durable');
    }
    expect(wire.code).toBe(CLOSE.slowConsumer);
    const events = wire.frames.filter(frame => frame.type === 'event').length - 1_000;
    expect(events).toBeLessThanOrEqual(LIMITS.eventsBehind);
  });

  test('from the first event that it does not take, 64 more at most', () => {
    wire.status = BUFFERED;
    for (let i = 1; i <= 200; i++) {
      push(eventBytes(i), 'durable');
      wire.buffered += eventBytes(i).length;
    }
    expect(wire.code).toBe(CLOSE.slowConsumer);
    expect(wire.frames.filter(frame => frame.type === 'event')).toHaveLength(LIMITS.eventsBehind);
  });

  test('gauge and histogram: so many are thinned, so many bytes wait', async () => {
    stuck(20_000);
    push(eventBytes(1), 'durable');
    const other = await stage.phone();
    stuck(100, other);
    push(eventBytes(1), 'durable', other);
    stage.sessions.sweep();
    expect(stage.metrics.gauges.get('rt_slow_ladder thinned')).toBe(1);
    expect(stage.metrics.observed.get('rt_buffered_bytes')).toEqual([20_000, 100]);
    stage.sessions.sweep();
    expect(stage.metrics.observed.get('rt_buffered_bytes')).toHaveLength(2);
  });

  test('when very many are behind, those who are not do not wait until all of them are let go', async () => {
    const many = await Promise.all(Array.from({ length: LIMITS.lettingGo + 5 }, () => stage.phone()));
    for (const one of many) stuck(LIMITS.closeBufferBytes + 1, one);
    const open = () => many.filter(one => one.code === null).length;
    stage.sessions.sweep();
    expect(open()).toBe(5);
    stage.pass(LIMITS.sampleMs);
    expect(open()).toBe(0);
  });

  test('what waits for WELCOME is bounded in frames and in bytes', async () => {
    stage.door.holding.add('attach');
    const many = await stage.phone();
    for (let i = 0; i <= LIMITS.queuedPushes; i++) push(eventBytes(i), 'durable', many);
    const big = await stage.phone();
    const bytes = encodeServerFrame({
      type: 'event',
      offset: 1,
      kind: 1,
      eventId: ID,
      body: ['x'.repeat(2_000)],
    });
    for (let i = 0; i < LIMITS.queuedBytes / 2_000; i++) push(bytes, 'durable', big);
    expect([many.code, big.code]).toEqual([CLOSE.slowConsumer, CLOSE.slowConsumer]);
  });

  test('a volatile frame that the transport drops is only counted, an event ends the session', () => {
    wire.status = DROPPED;
    push(area('a', 1));
    push(area('a', 2));
    stage.ticks(1);
    expect(wire.code).toBeNull();
    push(eventBytes(1), 'durable');
    expect(wire.code).toBe(CLOSE.slowConsumer);
    stage.sessions.sweep();
    expect(stage.metrics.counts.get('rt_frames_total out skipped')).toBe(2);
  });
});

describe('while actors have their turns', () => {
  test('frames are kept in their order, and what is for one phone in a row is one packet', async () => {
    const other = await stage.phone('01900000-0000-7000-8000-000000000003');
    const [mine, theirs] = [wire.frames.length, other.frames.length];
    let corked = 0;
    wire.cork = write => {
      corked++;
      write();
    };
    stage.sessions.hold();
    push(eventBytes(1), 'durable');
    push(answer(1));
    stage.sessions.delivery.say(wire.data!, encodeError(7, refuse(ERROR.conflict, 'no')));
    push(eventBytes(5), 'durable', other);
    push(eventBytes(2), 'durable');
    expect([wire.frames.length, other.frames.length]).toEqual([mine, theirs]);
    stage.sessions.release();
    expect(wire.frames.slice(mine).map(one => one.type)).toEqual(['event', 'volatile', 'error', 'event']);
    expect(other.frames.slice(theirs).map(one => one.type)).toEqual(['event']);
    expect(corked).toBe(1);
    push(eventBytes(3), 'durable');
    expect(wire.frames.at(-1)).toMatchObject({ type: 'event', offset: 3 });
  });

  test('too many are not kept, and a socket that is closed has heard what came before', () => {
    stage.sessions.hold();
    const before = wire.frames.length;
    for (let i = 1; i <= LIMITS.heldFrames; i++) push(eventBytes(i), 'durable');
    expect(wire.frames.length).toBe(before + LIMITS.heldFrames);
    push(eventBytes(1_000), 'durable');
    stage.sessions.close([refOf(wire)], CLOSE.replaced, 'replaced');
    expect(wire.frames.at(-1)).toMatchObject({ type: 'event', offset: 1_000 });
    expect(wire.code).toBe(CLOSE.replaced);
  });

  test('a phone that left in between is told nothing, and one that breaks is the only one', async () => {
    const other = await stage.phone('01900000-0000-7000-8000-000000000003');
    stage.sessions.hold();
    push(eventBytes(1), 'durable');
    push(eventBytes(1), 'durable', other);
    const heardBefore = wire.frames.length;
    wire.leave();
    other.send = () => {
      throw new Error('as told');
    };
    const third = await stage.phone('01900000-0000-7000-8000-000000000004');
    push(eventBytes(9), 'durable', third);
    stage.sessions.release();
    expect(wire.frames.length).toBe(heardBefore);
    expect(other.code).toBe(CLOSE.internal);
    expect(third.frames.at(-1)).toMatchObject({ type: 'event', offset: 9 });
  });
});
