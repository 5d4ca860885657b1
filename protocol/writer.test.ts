import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { bodyOf, clientFrame, eventNames, serverFrame } from './arbitraries.ts';
import { encodeBody } from './body.ts';
import { EVENTS, type Event } from './catalogue.ts';
import { encodeClientFrame, encodeServerFrame } from './codec.ts';
import { FRAME } from './frames.ts';
import { uuidToBytes } from './ids.ts';
import { encodeEvent } from './messages.ts';
import type { DurableName } from './opening.ts';
import { clientTuple, serverTuple } from './tuples.ts';
import { Writer } from './writer.ts';

/** Another program for the same bytes; numbers of 2^32 and more are BigInt for it, or it writes floats. */
const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const forPackr = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(forPackr);
  if (typeof value !== 'number') return value;
  return value > 0xffff_ffff || value < -0x8000_0000 ? BigInt(value) : value + 0;
};
const packed = (tuple: unknown): number[] => [...packr.pack(forPackr(tuple))];

const ID = '0192f0c1-7d3e-7a3b-8c4d-5e6f708192a3';

describe('the same bytes as another program', () => {
  const leaf = fc.oneof(
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.integer({ min: -300, max: 70_000 }),
    fc.string({ unit: 'binary', maxLength: 400 }).filter(text => text.isWellFormed()),
    fc.uint8Array({ maxLength: 400 }),
  );
  const value = fc.letrec(tie => ({
    value: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('value'), { maxLength: 20 })),
  })).value;

  test('of any value, however small the memory is', () => {
    const large = new Writer(4_096);
    const small = new Writer(1);
    fc.assert(
      fc.property(value, one => {
        for (const writer of [large, small]) {
          writer.begin().value(one);
          expect([...writer.take()]).toEqual(packed(one));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('of every frame', () => {
    fc.assert(
      fc.property(clientFrame, serverFrame, (asked, said) => {
        expect([...encodeClientFrame(asked)]).toEqual(packed(clientTuple(asked)));
        expect([...encodeServerFrame(said)]).toEqual(packed(serverTuple(said)));
      }),
      { numRuns: 1_000 },
    );
  });

  test('of every event of the catalogue, written without its tuple', () => {
    for (const name of eventNames) {
      const { code, body: fields, durable } = EVENTS[name] as Event;
      if (!durable) continue;
      fc.assert(
        fc.property(bodyOf(fields), fc.nat(), (body, offset) => {
          const tuple = [FRAME.event, offset, code, uuidToBytes(ID), encodeBody(fields, body as never)];
          expect([...encodeEvent(name as DurableName, offset, ID, body as never)]).toEqual(packed(tuple));
        }),
        { numRuns: 50 },
      );
    }
  });
});

describe('frames that share their memory', () => {
  test('stay what they were', () => {
    const writer = new Writer(64);
    const said: [Uint8Array, number[]][] = [];
    for (let i = 0; i < 100; i++) {
      const one = [i, 'x'.repeat(i % 40), ID];
      writer.begin().value(one);
      said.push([writer.take(), packed(one)]);
    }
    for (const [bytes, expected] of said) expect([...bytes]).toEqual(expected);
  });

  test('one that was not finished leaves nothing behind', () => {
    const writer = new Writer(64);
    writer.begin().array(2);
    writer.text('forgotten');
    writer.begin().value([1]);
    expect([...writer.take()]).toEqual([0x91, 1]);
    expect(() => writer.begin().value([1, Number.NaN])).toThrow(RangeError);
    expect(() => writer.begin().value([1, 2 ** 53])).toThrow(RangeError);
    expect(() => writer.begin().value([1, new Map()])).toThrow(TypeError);
    expect(writer.begin().id('not a UUID')).toBe(false);
    writer.begin().value([2]);
    expect([...writer.take()]).toEqual([0x91, 2]);
  });
});
