/** Batches as bytes: what goes in comes out, the first version is pinned, and rubbish is a value. */
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { ACTOR_KINDS } from '../../actors/turn.ts';
import { decodeBody, decodeParcels, encodeBody, encodeParcels } from './body.ts';
import { bodyOf, decodeBatch, encodeBatch, type Writable, writeEnvelope } from './codec.ts';
import { type Batch, type Envelope, KIND, type LetterEnvelope, VERSION, VERSION_OLDEST } from './envelope.ts';
import { Slice } from './slice.ts';
import { batchOf, signed } from './testNodes.ts';
import { WireReader, WireWriter } from './wire.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const all: Envelope[] = [
  {
    kind: KIND.ask,
    id: 41,
    to: { kind: 'pair', id: 'o|c' },
    shard: 511,
    epoch: 12,
    mapRevision: 9_007_199_254_740_991,
    round: 3,
    ttlMs: 2_999,
    hops: 1,
    key: 'k-1',
    chain: [
      { kind: 'user', id: 'ann' },
      { kind: 'region', id: 'r' },
    ],
    trace: TRACE,
    body: encodeBody({ type: 'observe', n: 1 }),
  },
  {
    kind: KIND.tell,
    id: 42,
    to: { kind: 'user', id: 'bob' },
    shard: 0,
    epoch: 1,
    mapRevision: 0,
    round: 1,
    ttlMs: 1,
    hops: 0,
    key: null,
    chain: [],
    trace: null,
    body: encodeBody({ type: 'x' }),
  },
  { kind: KIND.reply, id: 7, body: encodeBody({ ok: true, value: null }) },
  { kind: KIND.bounce, id: 8, shard: 5, why: 1, owner: 'n2.0123456789abcdef', epoch: 4, mapRevision: 6 },
  {
    kind: KIND.cargo,
    id: 9,
    shard: 5,
    epoch: 4,
    transfer: 2,
    index: 0,
    count: 3,
    body: new Slice(new Uint8Array([1])),
  },
  {
    kind: KIND.push,
    userId: 'bob',
    sessions: ['s1', 's2'],
    volatile: true,
    bytes: new Slice(new Uint8Array([9, 8])),
  },
  { kind: KIND.close, userId: 'bob', sessions: ['s1'], code: 4105, reason: 'again' },
];
const acks = [
  { gateway: '', last: 17, holes: [3, 4] },
  { gateway: 'gw-1', last: 2, holes: [] },
];
const parts = all.map(
  (one): Writable => ({ kind: one.kind, body: bodyOf(one), write: out => writeEnvelope(out, one) }),
);
const bytes = encodeBatch('n1.aaaaaaaaaaaaaaaa', 'n2.bbbbbbbbbbbbbbbb', 5, 4, acks, parts, 0);

/** The fields of an envelope as they stand on the wire, read by a packer that is not ours. */
const fields = (): unknown[][] => {
  const head = bytes.subarray(8, 8 + new DataView(bytes.buffer).getUint32(4));
  return (new Packr({ useRecords: false }).unpack(head) as unknown[][])[6] as unknown[][];
};

/** As version 1 wrote the batch above. Never change it: nodes of that version are out there during an update. */
const VERSION_1 = [
  'dcb915bd0000010d9701b36e312e61616161616161616161616161616161b36e322e62626262626262626262626262626262',
  '05049293a01192030493a467772d310290979e011329a470616972a36f7c63cd01ff0ccb433fffffffffffff03cd0bb701a3',
  '6b2d3194a475736572a3616e6ea6726567696f6ea172d93730302d3061663736353139313663643433646438343438656232',
  '3131633830333139632d623761643662373136393230333333312d30319e000a2aa475736572a3626f62000100010100c0c0',
  'c093020e07980300080501b36e322e303132333435363738396162636465660406980401090504020003950502a3626f6292',
  'a27331a2733201960600a3626f6291a27331cd1009a5616761696ede0002a474797065a76f627365727665a16e01de0001a4',
  '74797065a178de0002a26f6bc3a576616c7565c0010908',
].join('');

const plain = (batch: Batch): unknown =>
  JSON.parse(JSON.stringify(batch, (_key, value) => (value instanceof Slice ? [...value.view()] : value)));
const expected: Batch = {
  from: 'n1.aaaaaaaaaaaaaaaa',
  to: 'n2.bbbbbbbbbbbbbbbb',
  number: 5,
  oldest: 4,
  acks,
  envelopes: all,
  refused: [],
};

test('every kind of envelope comes out as it went in', () => {
  expect(plain(decodeBatch(bytes) as Batch)).toEqual(plain(expected));
});

test('every kind of actor is reached on another node', () => {
  const [ask] = all as [LetterEnvelope];
  for (const kind of ACTOR_KINDS) {
    const one: LetterEnvelope = { ...ask, to: { kind, id: 'x' }, chain: [{ kind, id: 'y' }] };
    const part = { kind: one.kind, body: bodyOf(one), write: (out: WireWriter) => writeEnvelope(out, one) };
    const read = decodeBatch(encodeBatch('n1.a', 'n2.b', 1, 1, [], [part], 0)) as Batch;
    expect(plain(read)).toMatchObject({ refused: [], envelopes: [{ to: one.to, chain: one.chain }] });
  }
});

test('the first version is read for as long as it is spoken anywhere', () => {
  expect([VERSION_OLDEST, VERSION]).toEqual([1, 1]);
  expect(plain(decodeBatch(new Uint8Array(Buffer.from(VERSION_1, 'hex'))) as Batch)).toEqual(plain(expected));
});

test('a later version may append: what this one does not know it leaves', () => {
  const wire = fields().map(([kind, , ...known], i) => {
    const body = bodyOf(all[i]!);
    return [
      kind,
      ...known,
      'new',
      { more: [1, -1, 1.5, 'x'.repeat(300), null, true] },
      ...(body ? [body] : []),
    ];
  });
  const more = batchOf(expected.from, expected.to, 5, acks, wire, 4);
  expect(plain(decodeBatch(more) as Batch)).toEqual(plain(expected));
});

test('what is written by hand is MessagePack, to the last byte', () => {
  const wire = fields().map(([kind, , ...known], i) => {
    const body = bodyOf(all[i]!);
    return [kind, ...known, ...(body ? [body] : [])];
  });
  expect(Buffer.from(batchOf(expected.from, expected.to, 5, acks, wire, 4))).toEqual(Buffer.from(bytes));
});

test('counts, texts and lists of every size come out as they went in', () => {
  const numbers = [0, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
  const texts = [
    '',
    'a',
    'ü😀',
    'x'.repeat(31),
    'x'.repeat(32),
    'y'.repeat(63),
    'z'.repeat(64),
    'é'.repeat(300),
  ];
  const out = new WireWriter();
  out.begin(3);
  out.counts(numbers);
  out.texts(texts);
  const many = Array.from({ length: 70_000 }, () => 7);
  out.counts(many);
  out.text(null);
  const wire = new WireReader(out.bytes, 3, out.at);
  expect(wire.counts(100)).toEqual(numbers);
  expect(wire.texts(100, 512)).toEqual(texts);
  expect(wire.counts(100_000)).toEqual(many);
  expect([wire.textOrNull(1), wire.failed, wire.at]).toEqual([null, false, out.at]);
  // the same once more, gone over
  const over = new WireReader(out.bytes, 3, out.at);
  over.skip(3);
  expect([over.isNull(), over.failed]).toEqual([true, false]);
  wire.count();
  expect(wire.failed).toBe(true);
});

test('a batch of which a bit changed on the way is not a batch, whichever bit it is', () => {
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const bad = bytes.slice();
    bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
    expect(decodeBatch(bad), `bit ${bit}`).toBe('damaged');
  }
});

test('no bytes throw: cut short, changed, or made up they are refused or harmless', () => {
  for (let length = 0; length < bytes.length; length++)
    decodeBatch(signed(bytes.slice(0, Math.max(4, length))));
  for (let at = 0; at < bytes.length; at++) {
    for (const value of [0x00, 0x7f, 0xc1, 0xdd, 0xdf, 0xc6, 0xff]) {
      const bad = bytes.slice();
      bad[at] = value;
      decodeBatch(bad);
      if (at >= 4) decodeBatch(signed(bad));
    }
  }
  // lengths that would fill the memory
  for (const huge of [
    [0xdd, 255, 255, 255, 255],
    [0xdf, 255, 255, 255, 255],
    [0xc6, 255, 255, 255, 255],
  ]) {
    expect(decodeBatch(signed(new Uint8Array([0, 0, 0, 0, 0, 0, 0, huge.length, ...huge])))).toBe('garbage');
    expect(decodeBatch(signed(new Uint8Array([0, 0, 0, 0, ...huge])))).toBe('garbage');
    expect(() => decodeBody(new Slice(new Uint8Array(huge)))).toThrow();
  }
  const deep = new Uint8Array(100_000).fill(0x91);
  expect(decodeBatch(deep)).toBe('damaged');
  const head = new Uint8Array(deep);
  new DataView(head.buffer).setUint32(4, head.length - 8);
  expect(decodeBatch(signed(head))).toBe('garbage');
  expect(() => decodeBody(new Slice(deep))).toThrow();
});

test('messages keep plain values; packed actors keep maps and sets too', () => {
  const value = {
    u: undefined,
    n: null,
    big: 2 ** 53 - 1,
    ms: 1_767_225_600_000,
    f: -1.5,
    t: true,
    s: 'ü😀',
    list: [1, [2, {}]],
    bytes: new Uint8Array([0, 255]),
  };
  const back = decodeBody(encodeBody(value)) as typeof value;
  expect({ ...back, bytes: [...back.bytes] }).toEqual({ ...value, bytes: [0, 255] });
  const packed = { ...value, map: new Map<unknown, unknown>([[1, { a: new Map() }]]), set: new Set(['x']) };
  const unpacked = decodeParcels(encodeParcels(packed)) as typeof packed;
  expect({ ...unpacked, bytes: [...unpacked.bytes] }).toEqual({ ...packed, bytes: [0, 255] });
});

test('what an actor keeps does not hold on to the batch in which it came', () => {
  const body = encodeBody({ type: 'x', bytes: new Uint8Array(8) });
  const around = new Uint8Array(65_536);
  body.copyTo(around, 0);
  const { bytes: kept } = decodeBody(new Slice(around, 0, body.length)) as { bytes: Uint8Array };
  expect(kept.buffer.byteLength).toBeLessThan(16_384);
});
