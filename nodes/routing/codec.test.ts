/** Batches as bytes: what goes in comes out, the first version is pinned, and rubbish is a value. */
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { decodeBody, decodeParcels, encodeBody, encodeParcels } from './body.ts';
import { bodyOf, decodeBatch, encodeBatch, toWire } from './codec.ts';
import { type Batch, type Envelope, KIND, VERSION, VERSION_OLDEST } from './envelope.ts';
import { Slice } from './slice.ts';

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
const bytes = encodeBatch(
  'n1.aaaaaaaaaaaaaaaa',
  'n2.bbbbbbbbbbbbbbbb',
  5,
  4,
  acks,
  all.map(toWire),
  all.map(bodyOf),
);

/** As version 1 wrote the batch above. Never change it: nodes of that version are out there during an update. */
const VERSION_1 = [
  'a53d93890000010e9801b36e312e61616161616161616161616161616161b36e322e62626262626262626262626262626262',
  '05049293a01192030493a467772d310290979d0129a470616972a36f7c63cd01ff0ccb433fffffffffffff03cd0bb701a36b',
  '2d3194a475736572a3616e6ea6726567696f6ea172d93730302d306166373635313931366364343364643834343865623231',
  '31633830333139632d623761643662373136393230333333312d30319d002aa475736572a3626f62000100010100c0c0c092',
  '02079703080501b36e322e30313233343536373839616263646566040697040905040200039405a3626f6292a27331a27332',
  '019506a3626f6291a27331cd1009a5616761696e97130a0e00010200de0002a474797065a76f627365727665a16e01de0001',
  'a474797065a178de0002a26f6bc3a576616c7565c0010908',
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

test('the first version is read for as long as it is spoken anywhere', () => {
  expect([VERSION_OLDEST, VERSION]).toEqual([1, 1]);
  expect(plain(decodeBatch(new Uint8Array(Buffer.from(VERSION_1, 'hex'))) as Batch)).toEqual(plain(expected));
});

test('a later version may append: what this one does not know it leaves', () => {
  const wire = all.map(one => [...toWire(one), 'new', { more: 1 }]);
  const more = encodeBatch(expected.from, expected.to, 5, 4, acks, wire, all.map(bodyOf));
  expect(plain(decodeBatch(more) as Batch)).toEqual(plain(expected));
});

test('a batch of which a bit changed on the way is not a batch, whichever bit it is', () => {
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const bad = bytes.slice();
    bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
    expect(decodeBatch(bad), `bit ${bit}`).toBe('damaged');
  }
});

/** With the checksum of what it is now: as somebody sends it who means it. */
const signed = (made: Uint8Array): Uint8Array => {
  new DataView(made.buffer, made.byteOffset).setUint32(0, crc32(made.subarray(4)));
  return made;
};

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
