/** A dead owner's last words: read once for all its shards, told until heard. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { RedemptionView, SettledLately } from '../../actors/queries.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { RETELL_LIMITS } from '../limits.ts';
import { soleOwner } from '../memory/soleOwner.ts';
import { seededRandom, VirtualTime } from '../simulation/virtualTime.ts';
import { Retelling } from './retelling.ts';

const LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const side = (account: string, delta: number, version: number) => ({
  account,
  handle: `the ${account}`,
  delta,
  balance: 100 + delta,
  version,
});
const MET: SettledLately = {
  id: 'e1',
  reason: 'encounter',
  method: 'hey',
  atMs: 7,
  sides: [side('civilian', 10, 4), side('officer', 20, 5)],
};
const GAVE: SettledLately = {
  id: 't1',
  reason: 'give',
  method: null,
  atMs: 6,
  sides: [side('giver', -5, 2), side('taker', 5, 9)],
};

const REDEMPTION: RedemptionView = {
  ...{
    id: 'r1',
    user: 'customer',
    merchant: 'merchant',
    offer: 'o',
    offerTitle: 'Coffee',
    quantity: 3,
    points: 30,
  },
  ...{ code: 'CODE', state: 'confirmed', atMs: 1, expiresAtMs: 9, transferId: 's1' },
  ...{ sold: { quantity: 2, points: 20 }, refunded: { quantity: 1, points: 10 } },
  rule: { id: 'price', version: 1 },
};
const GAVE_BACK: SettledLately = {
  id: 'b1',
  reason: 'refund',
  method: null,
  atMs: 8,
  sides: [side('merchant', -10, 3), side('customer', 10, 6)],
  refunded: { redemption: REDEMPTION, quantity: 1, points: 10 },
};

let time: VirtualTime;
let reads: { shards: readonly number[]; withinMs: number }[];
let told: { to: string; message: Record<string, unknown> }[];
let found: SettledLately[];
let answer: (to: string) => Result<unknown>;
let away: number;
let retelling: Retelling;
beforeEach(() => {
  time = new VirtualTime();
  [reads, told, found] = [[], [], [MET, GAVE]];
  answer = () => ok({});
  away = 0;
  retelling = new Retelling({
    queries: {
      query: async query => {
        if (query.type !== 'settledLately') throw new Error('not asked here');
        reads.push({ shards: query.shards, withinMs: query.withinMs });
        if (away-- > 0) throw new Error('away');
        return found;
      },
    },
    door: {
      ask: (to, message, done) => {
        told.push({ to: to.id, message: message as Record<string, unknown> });
        time.after(1, () => done(answer(to.id)));
      },
    },
    coordinator: soleOwner('n1.0', shard => (shard < 500 ? 1 : null)),
    clock: time,
    scheduler: time,
    random: seededRandom(1),
    log: LOG,
    metrics: { count: () => {} },
  });
});

describe('shards that were taken over', () => {
  test('what came back of a redemption is told as its merchant tells it', async () => {
    found = [GAVE_BACK];
    retelling.opened(1);
    await time.advance(1_000);
    const { id, user, merchant, offer, quantity, points, code, expiresAtMs, rule } = REDEMPTION;
    const redemption = {
      id,
      user,
      merchant,
      offer,
      title: 'Coffee',
      quantity,
      points,
      code,
      expiresAtMs,
      rule,
    };
    const movement = { transferId: 'b1', version: 6, delta: 10, balance: 110, reason: 'refund', atMs: 8 };
    const message = {
      type: 'redemptionSettled',
      redemption,
      ending: { state: 'refunded', quantity: 1, points: 10 },
      movement: { ...movement, method: null, otherHandle: '' },
    };
    expect(told).toEqual([{ to: 'customer', message }]);
  });

  test('are read together, and everybody hears his own part, the oldest first', async () => {
    for (let shard = 0; shard < 170; shard++) retelling.opened(shard);
    await time.advance(1_000);
    expect(reads.map(read => read.shards.length)).toEqual([170]);
    expect(told).toEqual([
      {
        to: 'taker',
        message: {
          type: 'credited',
          credit: { transferId: 't1', points: 5, balance: 105, balanceVersion: 9, reason: 'give' },
        },
      },
      {
        to: 'civilian',
        message: {
          type: 'encounterSettled',
          settled: {
            encounterId: 'e1',
            method: 'hey',
            otherHandle: 'the officer',
            points: 10,
            balance: 110,
            balanceVersion: 4,
            atMs: 7,
          },
        },
      },
      { to: 'officer', message: expect.objectContaining({ type: 'encounterSettled' }) },
    ]);
  });

  test('while the store is away they are read again, and as far back as before', async () => {
    away = 3;
    retelling.opened(1);
    await time.advance(5_000);
    expect(reads).toHaveLength(4);
    expect(reads.at(-1)!.withinMs).toBeGreaterThanOrEqual(RETELL_LIMITS.withinMs + 3 * RETELL_LIMITS.retryMs);
    expect(told).toHaveLength(3);
  });

  test('that have gone on in good order are read all the same: nobody else will', async () => {
    retelling.opened(505);
    await time.advance(5_000);
    expect(reads.map(({ shards }) => shards)).toEqual([[505]]);
  });
});

describe('who is told', () => {
  test('hears it again until he has heard it, but not for ever', async () => {
    let deaf = 2;
    answer = to => (to === 'officer' && deaf-- > 0 ? refuse(ERROR.timeout, 'no answer') : ok({}));
    retelling.opened(1);
    await time.advance(20_000);
    expect(told.filter(one => one.to === 'officer')).toHaveLength(3);
    answer = () => refuse(ERROR.unavailable, 'away');
    told.length = 0;
    retelling.opened(2);
    await time.advance(120_000);
    expect(told.filter(one => one.to === 'officer')).toHaveLength(RETELL_LIMITS.attempts);
  });

  test('an account that is closed is left alone', async () => {
    answer = () => refuse(ERROR.notFound, 'no such account');
    retelling.opened(1);
    await time.advance(20_000);
    expect(told).toHaveLength(3);
  });

  test('many are told a few at a time', async () => {
    found = Array.from({ length: 500 }, (_, i) => ({ ...MET, id: `e${i}` }));
    retelling.opened(1);
    await time.advance(RETELL_LIMITS.gatherMs + 1);
    expect(told).toHaveLength(RETELL_LIMITS.atOnce);
    await time.advance(1_000);
    expect(told).toHaveLength(1_000);
  });
});
