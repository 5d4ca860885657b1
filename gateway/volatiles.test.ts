import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeServerFrame, encodeServerFrame } from '../protocol/codec.ts';
import { BATCH_FRAMES_MAX } from '../protocol/limits.ts';
import { volatileHead } from '../protocol/pieces.ts';
import { LIMITS } from './limits.ts';
import { Room } from './room.ts';
import { volatilesIn } from './testing/stage.ts';
import { Volatiles } from './volatiles.ts';

/** What waits for one phone: whatever is said to it, it ends with the newest of each thing, and it stays small. */

const frame = (key: string, version: number, bytes = 0): Uint8Array =>
  encodeServerFrame({ type: 'volatile', kind: 40, key, version, body: ['x'.repeat(bytes)] });

const give = (volatiles: Volatiles, bytes: Uint8Array, lost: (kind: number) => void = () => {}): boolean =>
  volatiles.wait(volatileHead(bytes)!, bytes, lost);

const taken = (volatiles: Volatiles): Uint8Array[] => {
  const messages: Uint8Array[] = [];
  volatiles.take(message => messages.push(message.slice()));
  return messages;
};

const heard = (messages: Uint8Array[]) => volatilesIn(messages.map(decodeServerFrame));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      k: fc.constant('wait' as const),
      key: fc.nat(70),
      version: fc.nat(12),
      bytes: fc.nat(900),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ k: fc.constant('pass' as const), key: fc.nat(70), version: fc.nat(12) }),
  },
  { weight: 1, arbitrary: fc.constant({ k: 'take' as const }) },
);

test('versions never go back, the newest of each thing arrives, and bounds hold, whatever comes in which order', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const volatiles = new Volatiles(new Room());
      const phone = new Map<string, number>();
      const newest = new Map<string, number>();
      let accepted = 0;
      let lost = 0;
      let got = 0;
      const hears = (key: string, version: number): void => {
        expect(version).toBeGreaterThan(phone.get(key) ?? -1);
        phone.set(key, version);
        got++;
      };
      const take = (): void => {
        const messages = taken(volatiles);
        for (const message of messages) {
          const decoded = decodeServerFrame(message);
          if (decoded.type !== 'batch') continue;
          expect(decoded.frames.length).toBeLessThanOrEqual(BATCH_FRAMES_MAX);
          expect(message.length).toBeLessThanOrEqual(LIMITS.batchBytes);
        }
        for (const one of heard(messages)) hears(one.key, one.version);
        expect(volatiles.waiting).toBe(0);
      };
      // few enough things that none is forgotten: then nothing at all is lost but what was replaced
      const few =
        new Set(steps.flatMap(one => (one.k === 'take' ? [] : [one.key]))).size <= LIMITS.volatileKeys;
      for (const one of steps) {
        if (one.k === 'take') take();
        else {
          const bytes = frame(String(one.key), one.version, one.k === 'wait' ? one.bytes : 0);
          const head = volatileHead(bytes)!;
          const count = () => lost++;
          const taken = one.k === 'wait' ? volatiles.wait(head, bytes, count) : volatiles.passes(head, count);
          if (taken) {
            accepted++;
            newest.set(String(one.key), one.version);
            if (one.k === 'pass') hears(String(one.key), one.version);
          } else if (few) expect(one.version).toBeLessThanOrEqual(newest.get(String(one.key))!);
        }
        expect(volatiles.waiting).toBeLessThanOrEqual(LIMITS.volatileKeys);
      }
      take();
      expect(got + lost).toBe(accepted);
      const fits =
        steps.reduce((sum, one) => sum + (one.k === 'wait' ? one.bytes + 30 : 0), 0) <= LIMITS.volatileBytes;
      if (few && fits) expect(phone).toEqual(newest);
    }),
  );
});

test('of too many things the one that was not heard of for longest is lost, and counted', () => {
  const volatiles = new Volatiles(new Room());
  const lost: number[] = [];
  for (let i = 0; i < LIMITS.volatileKeys; i++) give(volatiles, frame(`k${i}`, 1));
  give(volatiles, frame('k0', 2), kind => lost.push(kind));
  give(volatiles, frame('new', 1), kind => lost.push(kind));
  expect(lost).toEqual([40, 40]);
  const keys = heard(taken(volatiles)).map(one => one.key);
  expect(keys).toHaveLength(LIMITS.volatileKeys);
  expect(keys).not.toContain('k1');
  expect(keys.slice(-2)).toEqual(['k0', 'new']);
});

test('the version of what was lost stays known: an older one that comes late does not pass', () => {
  const volatiles = new Volatiles(new Room());
  give(volatiles, frame('a', 5));
  for (let i = 0; i < LIMITS.volatileKeys; i++) give(volatiles, frame(`k${i}`, 1));
  expect(heard(taken(volatiles)).map(one => one.key)).not.toContain('a');
  expect(give(volatiles, frame('a', 4))).toBe(false);
  expect(give(volatiles, frame('a', 6))).toBe(true);
});

test('of too many things known the one that was not heard of for longest is forgotten', () => {
  const volatiles = new Volatiles(new Room());
  for (let i = 0; i <= LIMITS.volatileKnown; i++) give(volatiles, frame(`k${i}`, 2));
  expect(give(volatiles, frame('k1', 1))).toBe(false);
  expect(give(volatiles, frame('k0', 1))).toBe(true);
});

test('what waits is a copy: what came is only lent', () => {
  const volatiles = new Volatiles(new Room());
  const bytes = frame('a', 1);
  give(volatiles, bytes);
  bytes.fill(0xc1);
  expect(heard(taken(volatiles))).toMatchObject([{ key: 'a', version: 1 }]);
});

test('what waits is bounded in bytes too', () => {
  const volatiles = new Volatiles(new Room());
  let lost = 0;
  for (let i = 0; i <= 60; i++) give(volatiles, frame(`k${i}`, 1, 1_000), () => lost++);
  const messages = taken(volatiles);
  expect(messages.reduce((sum, message) => sum + message.length, 0)).toBeLessThan(
    LIMITS.volatileBytes + 1_000,
  );
  expect(heard(messages).length + lost).toBe(61);
  give(volatiles, frame('b', 1));
  expect(heard(taken(volatiles)).map(one => one.key)).toEqual(['b']);
});

test('an older version is late, waiting or said; the same one too', () => {
  const volatiles = new Volatiles(new Room());
  expect(give(volatiles, frame('a', 5))).toBe(true);
  expect(give(volatiles, frame('a', 4))).toBe(false);
  taken(volatiles);
  expect(give(volatiles, frame('a', 5))).toBe(false);
  expect(volatiles.passes(volatileHead(frame('a', 6))!, () => {})).toBe(true);
  expect(give(volatiles, frame('a', 6))).toBe(false);
  expect(taken(volatiles)).toEqual([]);
});
