import { Decoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bodyOf, clientFrame, commandNames, eventNames, serverFrame } from './arbitraries.ts';
import { decodeBody, encodeBody } from './body.ts';
import { COMMANDS, type CommandBody, EVENTS } from './catalogue.ts';
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeBatch,
  encodeClientFrame,
  encodeServerFrame,
  pack,
} from './codec.ts';
import type { ClientFrame, ServerFrame } from './frames.ts';
import {
  encodeCommand,
  encodeError,
  encodeEvent,
  encodeReply,
  encodeVolatile,
  openCommand,
  openEvent,
  openReply,
  openVolatile,
} from './messages.ts';
import { type Field, f } from './schema.ts';
import { DecodeError, type DecodeWhy } from './walker.ts';

const ID = '0192f0c1-7d3e-7a3b-8c4d-5e6f708192a3';
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** Heads of every value in `bytes`: extension and float heads must never be among what a server says. */
const heads = (bytes: Uint8Array): number[] => {
  const out: number[] = [];
  let at = 0;
  const size = (n: number): number => {
    at += n;
    return bytes.subarray(at - n, at).reduce((sum, b) => sum * 256 + b, 0);
  };
  const walk = (): void => {
    const h = bytes[at++]!;
    out.push(h);
    if (h < 0x80 || h >= 0xe0 || h === 0xc0 || h === 0xc2 || h === 0xc3) return;
    let skip = 0;
    if (h >= 0xa0 && h <= 0xbf) skip = h & 31;
    else if (h === 0xc4 || h === 0xd9) skip = size(1);
    else if (h === 0xc5 || h === 0xda) skip = size(2);
    else if (h >= 0xcc && h <= 0xcf) skip = 2 ** (h - 0xcc);
    else if (h >= 0xd0 && h <= 0xd3) skip = 2 ** (h - 0xd0);
    else if ((h >= 0x90 && h <= 0x9f) || h === 0xdc)
      for (let n = h === 0xdc ? size(2) : h & 15; n > 0; n--) walk();
    else throw new Error(`0x${h.toString(16)} must not be said`);
    at += skip;
  };
  walk();
  expect(at).toBe(bytes.length);
  return out;
};

const whyOf = (bytes: Uint8Array): DecodeWhy | null => {
  try {
    decodeClientFrame(bytes);
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return (error as DecodeError).why;
  }
};

describe('frames', () => {
  it('of a client come back as they were', () => {
    fc.assert(
      fc.property(
        clientFrame,
        frame => void expect(decodeClientFrame(encodeClientFrame(frame))).toEqual(frame),
      ),
    );
  });

  it('of a server come back as they were', () => {
    fc.assert(
      fc.property(
        serverFrame,
        frame => void expect(decodeServerFrame(encodeServerFrame(frame))).toEqual(frame),
      ),
    );
  });

  it('hold no extension, no map and no float', () => {
    fc.assert(fc.property(serverFrame, frame => void heads(encodeServerFrame(frame))));
    fc.assert(fc.property(clientFrame, frame => void heads(encodeClientFrame(frame))));
  });

  it('stay what they are: encoding the next one does not change them', () => {
    const first = encodeClientFrame({ type: 'ping', n: 1 });
    const copy = first.slice();
    for (let i = 0; i < 5_000; i++) encodeClientFrame({ type: 'ping', n: i });
    expect(first).toEqual(copy);
  });

  it('survive when the memory that they were read from is taken back', () => {
    const frame: ClientFrame = {
      type: 'command',
      cid: 1,
      op: 20,
      body: [new Uint8Array([1, 2]), 'hello'],
      idem: ID,
    };
    const buffer = encodeClientFrame(frame).slice().buffer;
    const decoded = decodeClientFrame(new Uint8Array(buffer));
    structuredClone(buffer, { transfer: [buffer] });
    expect(decoded).toEqual(frame);
  });

  it('with an absent tail are read as nil, with a longer one as they are', () => {
    const bare = { type: 'location', seq: 5, latE7: 1, lngE7: 2, accuracyDm: 30 };
    const none = { headingDeg: null, speedDms: null, takenAtMs: null };
    expect(decodeClientFrame(pack([3, 5, 1, 2, 30]))).toEqual({ ...bare, ...none });
    const full = [3, 5, 1, 2, 30, 90, 14, 1_000, 7];
    const all = { headingDeg: 90, speedDms: 14, takenAtMs: 1_000_007 };
    expect(decodeClientFrame(pack(full))).toEqual({ ...bare, ...all });
    expect(decodeClientFrame(pack([...full, null, 'new', [1, [2]], null]))).toEqual({ ...bare, ...all });
    expect(decodeClientFrame(pack([...full, 0]))).toEqual({ ...bare, ...all });
    expect(decodeClientFrame(pack([...full, 1, 'new']))).toEqual({ ...bare, ...all, flags: 1 });
    expect(decodeClientFrame(pack([1, 9, 2, []]))).toEqual({
      type: 'command',
      cid: 9,
      op: 2,
      body: [],
      idem: null,
    });
  });

  it('take a whole number in any of its spellings', () => {
    for (const seven of [
      '07',
      'cc07',
      'cd0007',
      'ce00000007',
      'cf0000000000000007',
      'd007',
      'd10007',
      'd200000007',
    ]) {
      expect(decodeClientFrame(hex(`92 04 ${seven}`))).toEqual({ type: 'ping', n: 7 });
    }
    expect(decodeClientFrame(hex('92 04 d30000000000000007'))).toEqual({ type: 'ping', n: 7 });
    expect(decodeClientFrame(hex('92 04 cb401c000000000000'))).toEqual({ type: 'ping', n: 7 });
    expect(decodeClientFrame(hex('92 04 ca40e00000'))).toEqual({ type: 'ping', n: 7 });
    const zero = decodeClientFrame(hex('92 04 cb8000000000000000')) as { n: number };
    expect(Object.is(zero.n, 0)).toBe(true);
  });

  it('of a later version do not take the others in their batch with them', () => {
    const batch = pack([
      9,
      [
        [5, 1],
        [42, 'later', [1, new Uint8Array(3)]],
        [7, 180],
      ],
    ]);
    expect(decodeServerFrame(batch)).toEqual({
      type: 'batch',
      frames: [
        { type: 'pong', n: 1 },
        { type: 'tokenExpiring', ttlS: 180 },
      ],
    });
    expect(() =>
      decodeClientFrame(
        pack([
          9,
          [
            [5, 1],
            [42, 1],
          ],
        ]),
      ),
    ).toThrow('unknown');
  });

  it('may be joined into a batch without decoding them', () => {
    const frames: ClientFrame[] = Array.from({ length: 16 }, (_, n) => ({ type: 'ping', n }));
    for (const some of [frames.slice(0, 1), frames.slice(0, 15), frames]) {
      const batch = encodeBatch(some.map(encodeClientFrame));
      expect(decodeClientFrame(batch)).toEqual({ type: 'batch', frames: some });
    }
    expect(() => encodeBatch([])).toThrow(RangeError);
    expect(() => encodeBatch(new Array(17).fill(new Uint8Array(1)))).toThrow(RangeError);
  });

  it('refuse to say what is not a whole number', () => {
    for (const n of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => encodeClientFrame({ type: 'ping', n })).toThrow(RangeError);
    }
  });
});

describe('the bounded decoder', () => {
  const nested = (depth: number): Uint8Array => hex(`94 01 01 01 ${'91'.repeat(depth)}c0`);

  it.each<[string, Uint8Array, DecodeWhy]>([
    ['nothing', hex(''), 'truncated'],
    ['a message over 8 KiB', new Uint8Array(8_193), 'bytes'],
    ['a lone number', hex('05'), 'shape'],
    ['a map', hex('81 04 01'), 'shape'],
    ['an empty array', hex('90'), 'shape'],
    ['a frame without items', hex('91 04'), 'shape'],
    ['a cut frame', hex('92 04 cd 00'), 'truncated'],
    ['bytes after the frame', hex('92 04 01 00'), 'trailing'],
    ['an unknown frame', hex('92 0a 01'), 'unknown'],
    ['an array longer than the message', hex('dd ff ff ff ff 04'), 'length'],
    ['an array of 65', pack([1, 1, 1, new Array(65).fill(0)]), 'length'],
    ['an array that lies about its length', hex('94 01 01 01 9f 01'), 'truncated'],
    ['a text of 2,049 bytes', pack([1, 1, 1, ['a'.repeat(2_049)]]), 'length'],
    ['a bin of 4,097 bytes', pack([1, 1, 1, [new Uint8Array(4_097)]]), 'length'],
    ['a text that lies about its length', hex('94 01 01 01 91 db ff ff ff ff 61'), 'length'],
    ['an empty device id', pack([0, 1, 'token', '', 'app']), 'shape'],
    ['a device id of 65 bytes', pack([0, 1, 'token', 'd'.repeat(65), 'app']), 'length'],
    ['a map of 17', hex('94 01 01 01 91 de 00 11'), 'length'],
    ['a key twice', hex('94 01 01 01 91 82 01 01 01 02'), 'forbidden'],
    ['an array as a key', hex('94 01 01 01 91 81 90 01'), 'depth'],
    ['nil as a key', hex('94 01 01 01 91 81 c0 01'), 'forbidden'],
    ['0xc1', hex('94 01 01 01 91 c1'), 'forbidden'],
    ['a record of msgpackr', hex('94 01 01 01 91 d4 72 40 91 a1 61 01'), 'forbidden'],
    ['undefined of msgpackr', hex('94 01 01 01 91 d4 00 00'), 'forbidden'],
    ['a timestamp', hex('94 01 01 01 91 d6 ff 00 00 00 00'), 'forbidden'],
    ['a long extension', hex('94 01 01 01 91 c7 ff 01'), 'forbidden'],
    ['NaN as a coordinate', hex('95 03 01 cb 7f f8 00 00 00 00 00 00 02 03'), 'number'],
    ['infinity as a coordinate', hex('95 03 01 ca 7f 80 00 00 02 03'), 'number'],
    ['degrees as a coordinate', hex('95 03 01 cb 40 44 5b 22 d0 e5 60 42 02 03'), 'shape'],
    ['a coordinate over int32', hex('95 03 01 ce 80 00 00 00 02 03'), 'shape'],
    ['an integer over 2^53', hex('92 04 cf 00 20 00 00 00 00 00 00'), 'number'],
    ['an integer under -2^53', hex('94 01 01 01 91 d3 80 00 00 00 00 00 00 00'), 'number'],
    ['a negative offset', hex('92 02 ff'), 'shape'],
    ['a command without an id', hex('94 01 00 01 90'), 'shape'],
    ['overlong UTF-8', hex('94 01 01 01 91 a2 c0 af'), 'utf8'],
    ['a surrogate in UTF-8', hex('94 01 01 01 91 a3 ed a0 80'), 'utf8'],
    ['cut UTF-8', hex('94 01 01 01 91 a1 c3'), 'utf8'],
    [
      'bad UTF-8 in a long text',
      pack([1, 1, 1, ['a'.repeat(100)]]).map((b, i) => (i === 50 ? 0xff : b)),
      'utf8',
    ],
    ['a batch in a batch', pack([9, [[9, [[4, 1]]]]]), 'shape'],
    ['a batch of 17', pack([9, new Array(17).fill([4, 1])]), 'length'],
    ['an idempotency key that is text', pack([1, 1, 1, [], ID]), 'shape'],
    ['an idempotency key of 15 bytes', pack([1, 1, 1, [], new Uint8Array(15)]), 'shape'],
    ['nine levels', nested(8), 'depth'],
    ['four thousand levels', nested(4_000), 'depth'],
  ])('refuses %s', (_, bytes, why) => {
    expect(whyOf(bytes)).toBe(why);
  });

  it('takes exactly its bounds', () => {
    expect(whyOf(nested(7))).toBeNull();
    expect(whyOf(pack([1, 1, 1, new Array(64).fill(0)]))).toBeNull();
    expect(whyOf(pack([1, 1, 1, ['a'.repeat(2_048), new Uint8Array(4_096)]]))).toBeNull();
    expect(whyOf(pack([9, new Array(16).fill([4, 1])]))).toBeNull();
  });

  it('keeps a byte order mark and a key named __proto__ harmless', () => {
    const frame = decodeClientFrame(hex('94 01 01 01 92 a4 ef bb bf 61 81 a9 5f 5f 70 72 6f 74 6f 5f 5f 01'));
    expect(frame).toMatchObject({ body: ['\ufeffa', new Map([['__proto__', 1]])] });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('answers any bytes with a frame or with its one error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => void whyOf(bytes)),
      { numRuns: 2_000 },
    );
  });
});

describe('bodies', () => {
  it.each(commandNames)('%s comes back as it was, and so does its reply', name => {
    const command = COMMANDS[name];
    fc.assert(
      fc.property(bodyOf(command.body), bodyOf(command.result), fc.uuid(), (body, result, idem) => {
        const bytes = encodeCommand(name, 7, body as CommandBody<typeof name>, idem);
        heads(bytes);
        const frame = decodeClientFrame(bytes) as ClientFrame & { type: 'command' };
        expect(openCommand(frame)).toEqual({ ok: true, value: { name, command, body } });
        const reply = encodeReply(name, 7, result as never);
        heads(reply);
        const answer = decodeServerFrame(reply) as ServerFrame & { type: 'reply' };
        expect(openReply(name, answer.result)).toEqual({ ok: true, value: result });
      }),
      { numRuns: 50 },
    );
  });

  it.each(eventNames)('%s comes back as it was', name => {
    const event = EVENTS[name];
    fc.assert(
      fc.property(bodyOf(event.body), fc.uuid(), fc.maxSafeNat(), (body, id, n) => {
        const bytes = event.durable
          ? encodeEvent(name as 'snapshot', n, id, body as never)
          : encodeVolatile(name as 'report.next', 'key', n, body as never);
        heads(bytes);
        const frame = decodeServerFrame(bytes);
        if (frame.type === 'event') {
          expect(frame).toMatchObject({ offset: n, eventId: id });
          expect(openEvent(frame)).toEqual({ name, body });
        } else if (frame.type === 'volatile') {
          expect(frame).toMatchObject({ key: 'key', version: n });
          expect(openVolatile(frame)).toEqual({ name, body });
        } else expect.unreachable();
      }),
      { numRuns: 50 },
    );
  });

  it('say that a volatile thing is gone', () => {
    const frame = decodeServerFrame(encodeVolatile('area.officers', 'dr5r', 3, null));
    expect(frame).toEqual({ type: 'volatile', kind: 40, key: 'dr5r', version: 3, body: null });
    expect(openVolatile(frame as never)).toEqual({ name: 'area.officers', body: null });
  });

  it('that a client does not know are null', () => {
    const event = { type: 'event', offset: 1, eventId: ID } as const;
    expect(openEvent({ ...event, kind: 999, body: [] })).toBeNull();
    expect(openEvent({ ...event, kind: 41, body: [1] })).toBeNull();
    expect(openEvent({ ...event, kind: 2, body: [] })).toBeNull();
    expect(openVolatile({ type: 'volatile', kind: 1, key: '', version: 1, body: [] })).toBeNull();
    expect(openVolatile({ type: 'volatile', kind: 41, key: '', version: 1, body: [-1] })).toBeNull();
  });

  it('errors carry what a client needs', () => {
    const refusal = {
      ok: false,
      code: 429,
      message: 'slow down',
      retryable: true,
      retryAfterMs: 250,
    } as const;
    const frame = {
      type: 'error',
      cid: 3,
      code: 429,
      message: 'slow down',
      retryable: true,
      retryAfterMs: 250,
    };
    expect(decodeServerFrame(encodeError(3, refusal))).toEqual(frame);
  });

  it('point numbers of 2^32 and more stay whole for other libraries', () => {
    const bytes = encodeReply('hey.accept', 1, { encounterId: ID, points: -(2 ** 40), balance: 2 ** 53 - 1 });
    const [, , , result] = new Decoder({ useBigInt64: true }).decode(bytes) as [
      number,
      number,
      number,
      unknown[],
    ];
    expect(result.slice(1)).toEqual([-(2n ** 40n), 2n ** 53n - 1n]);
  });

  it('replace lone surrogates instead of saying what is not UTF-8', () => {
    const bytes = encodeReply('qr.show', 1, { token: 'a\ud800b', expiresS: 1 });
    expect(decodeServerFrame(bytes)).toMatchObject({ result: ['a\ufffdb', 1] });
  });

  const fields: readonly Field[] = [
    f.bool('on', ''),
    f.u8('level', ''),
    f.str('word', 4, ''),
    f.enum('side', ['left', 'right'], ''),
    f.list('ids', [f.id('id', '')], 2, ''),
    f.optional(f.u8('extra', '')),
  ];
  const good = [true, 7, 'é€'.slice(0, 1), 1, [[new Uint8Array(16)]]];

  it('have nil for an absent optional, and ignore what follows', () => {
    const value = {
      on: true,
      level: 7,
      word: 'é',
      side: 'right',
      ids: [{ id: '00000000-0000-0000-0000-000000000000' }],
    };
    expect(decodeBody(fields, good)).toEqual({ ok: true, value: { ...value, extra: null } });
    expect(decodeBody(fields, [...good, 9, 'later'])).toEqual({ ok: true, value: { ...value, extra: 9 } });
    expect(encodeBody(fields, { ...value, extra: null } as never)).toEqual([...good, null]);
  });

  it.each([
    [0, 1, 'on: true or false expected'],
    [1, 256, 'level: whole number from 0 to 255 expected'],
    [1, 1.5, 'level: whole number from 0 to 255 expected'],
    [1, '7', 'level: whole number from 0 to 255 expected'],
    [1, null, 'level: whole number from 0 to 255 expected'],
    [2, 'abcde', 'word: text of at most 4 bytes expected'],
    [2, '€€', 'word: text of at most 4 bytes expected'],
    [3, 2, 'side: index from 0 to 1 expected'],
    [3, -1, 'side: index from 0 to 1 expected'],
    [3, 0.5, 'side: index from 0 to 1 expected'],
    [4, 1, 'ids: list of at most 2 expected'],
    [4, [[], [], []], 'ids: list of at most 2 expected'],
    [4, [[new Uint8Array(15)]], 'ids: item 0: id: id of 16 bytes expected'],
    [4, [7], 'ids: item 0: tuple expected'],
    [5, 'x', 'extra: whole number from 0 to 255 expected'],
  ])('with item %i = %j are refused by name', (at, value, why) => {
    const tuple: unknown[] = [...good, null];
    tuple[at] = value;
    expect(decodeBody(fields, tuple)).toEqual({ ok: false, why });
  });

  it('that we ourselves got wrong throw', () => {
    expect(() => encodeReply('location.share', 1, { untilS: -1 })).toThrow('untilS: whole number');
    expect(() => encodeCommand('hey.say', 1, { officerId: 'nobody' }, ID)).toThrow(
      'officerId: id of 16 bytes',
    );
  });
});

describe('commands', () => {
  const open = (op: number, body: unknown[], idem: string | null) =>
    openCommand(decodeClientFrame(encodeClientFrame({ type: 'command', cid: 1, op, body, idem })) as never);

  it('are refused when unknown, misshapen or without the key that they need', () => {
    expect(open(999, [], null)).toMatchObject({ ok: false, code: 404, message: 'there is no operation 999' });
    expect(open(12, [1], ID)).toMatchObject({
      ok: false,
      code: 400,
      message: 'instant.set: on: true or false expected',
    });
    expect(open(12, [true], null)).toMatchObject({
      code: 400,
      message: 'instant.set: an idempotency key is required',
    });
    expect(open(12, [true], ID)).toMatchObject({
      ok: true,
      value: { name: 'instant.set', body: { on: true } },
    });
    expect(open(2, [], null)).toMatchObject({ ok: true });
  });
});
