/** What comes along with a shard is the actor's own: no part of it keeps the message that brought everybody. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { Arrivals, parcelOf } from './arrivals.ts';
import type { Parcel } from './ports.ts';
import { copied } from './routing/body.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const ID = '01900000-0000-7000-8000-0000000000f1';
const HAND_OVERS = 500;
const TEXTS = 400;
const SHARD = 7;

test('an actor that came along holds on to nothing that came beside it', () => {
  const arrivals = new Arrivals();
  const address = { kind: 'user', id: ID } as const;
  const results = { first: { ok: true, value: { id: ID } } };
  const owed = [{ node: 'a-node-with-a-long-name', askId: 3 }];
  const kept: unknown[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < HAND_OVERS; i++) {
    const message = {
      parcels: [parcelOf(address, { v: 1, results }, owed)],
      rest: new Array(TEXTS).fill(ID),
    };
    arrivals.add(SHARD, copied(message).parcels as Parcel[]);
    const arrived = arrivals.take(address, SHARD);
    expect(arrived).toEqual({ packed: { v: 1, results }, owed });
    kept.push(arrived);
  }
  collect();
  const each = (process.memoryUsage().heapUsed - before) / HAND_OVERS;
  expect(kept).toHaveLength(HAND_OVERS);
  expect(each).toBeLessThan((TEXTS * ID.length) / 4);
});
