import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeNode,
  decodeShard,
  encodeRecord,
  type NodeRecord,
  nonceOf,
  parseKey,
  parseRef,
  RECORD_VERSION,
  type ShardRecord,
} from './records.ts';

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const NODE: NodeRecord = {
  incarnation: '0123456789abcdef',
  gateway: 'g1',
  version: '1.0.0',
  weight: 2,
  state: 'up',
  nonce: 'fedcba9876543210',
};
const SHARD: ShardRecord = {
  owner: 'n1',
  incarnation: '0123456789abcdef',
  epoch: 7,
  state: 'releasing',
  to: 'n2.0123456789abcdef',
  fromEpoch: null,
  nonce: 'fedcba9876543210',
};

describe('records', () => {
  it('come back as they were written', () => {
    expect(decodeNode(encodeRecord(NODE))).toEqual(NODE);
    expect(decodeShard(encodeRecord(SHARD))).toEqual(SHARD);
    expect(nonceOf(encodeRecord(SHARD))).toBe(SHARD.nonce);
  });

  it('of the version before are read, what they lack has a default', () => {
    const { weight: _w, ...node } = NODE;
    const { to: _t, fromEpoch: _f, ...shard } = SHARD;
    expect(decodeNode(bytes({ v: 1, ...node }))).toEqual({ ...NODE, weight: 1 });
    expect(decodeShard(bytes({ v: 1, ...shard }))).toEqual({ ...SHARD, to: null, fromEpoch: null });
  });

  it('of the version after are read, what they have more is passed over', () => {
    expect(decodeNode(bytes({ v: RECORD_VERSION + 1, ...NODE, more: [1] }))).toEqual(NODE);
    expect(decodeShard(bytes({ v: RECORD_VERSION + 1, ...SHARD, more: {} }))).toEqual(SHARD);
  });

  it('of any other version are none', () => {
    for (const v of [0, -1, RECORD_VERSION + 2, 1.5, '2', null, undefined]) {
      expect(decodeNode(bytes({ v, ...NODE })), `${v}`).toBeNull();
      expect(decodeShard(bytes({ v, ...SHARD })), `${v}`).toBeNull();
    }
  });

  it('with a field of the wrong kind are none', () => {
    const wrong: unknown[] = [null, 0.5, -1, '', 'x'.repeat(200), [], {}, true, Number.MAX_VALUE];
    for (const key of Object.keys(NODE)) {
      for (const value of wrong) {
        const found = decodeNode(bytes({ v: 2, ...NODE, [key]: value }));
        // some of these are good values of some fields
        if (found) expect(decodeNode(encodeRecord(found))).toEqual(found);
        else expect(found).toBeNull();
      }
    }
    for (const key of ['owner', 'incarnation', 'state', 'nonce', 'epoch']) {
      for (const value of wrong) {
        expect(decodeShard(bytes({ v: 2, ...SHARD, [key]: value })), `${key} ${value}`).toBeNull();
      }
    }
    expect(decodeShard(bytes({ v: 2, ...SHARD, to: 'n2' }))).toBeNull();
    expect(decodeShard(bytes({ v: 2, ...SHARD, fromEpoch: -3 }))).toBeNull();
  });

  it('rubbish is survived', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), noise => {
        expect(decodeNode(noise)).toBeNull();
        expect(decodeShard(noise)).toBeNull();
        expect(nonceOf(noise)).toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.json(), text => {
        const noise = new TextEncoder().encode(text);
        expect(decodeNode(noise)).toBeNull();
        expect(decodeShard(noise)).toBeNull();
      }),
    );
  });

  it('larger than allowed are none', () => {
    expect(decodeNode(bytes({ v: 2, ...NODE, more: 'x'.repeat(1_024) }))).toBeNull();
  });
});

describe('keys and references', () => {
  it('name a node, a shard, or nothing of ours', () => {
    expect(parseKey('node.a-B_9')).toEqual({ node: 'a-B_9' });
    expect(parseKey('shard.0')).toEqual({ shard: 0 });
    expect(parseKey('shard.511')).toEqual({ shard: 511 });
    for (const key of [
      '',
      'node.',
      'node.a.b',
      'shard.512',
      'shard.-1',
      'shard.01',
      'shard.1e2',
      'shard.',
      'x.1',
    ])
      expect(parseKey(key), key).toBeNull();
  });

  it('have two parts', () => {
    expect(parseRef('n1.0123456789abcdef')).toEqual({ id: 'n1', incarnation: '0123456789abcdef' });
    for (const ref of ['', 'n1', 'n1.', '.0123456789abcdef', 'n1.ABC', 'n1.0123456789abcdef.x', null, 7])
      expect(parseRef(ref)).toBeNull();
  });
});
