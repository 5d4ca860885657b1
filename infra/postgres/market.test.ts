/** Offers, stock and redemptions in PostgreSQL: any groups are decided as the plain model decides them, and all sums hold. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
} from 'vitest';
import {
  COMMIT_CODES,
  type CommitCode,
  type Committed,
  type DurableOp,
  MINT_ACCOUNT,
  type OfferRecord,
  type PendingOp,
  type RefundOp,
} from '../../actors/durable.ts';
import type { OfferView, RedemptionView } from '../../actors/queries.ts';
import {
  at,
  move,
  offerOf,
  pending,
  post,
  redemption,
  refund,
  sale,
  stockOf,
  voidOf,
} from '../../nodes/contracts/town.ts';
import type { WhichOffers } from '../../nodes/marketPort.ts';
import { MemoryLedger } from '../../nodes/memory/memoryLedger.ts';
import { MemoryOffers } from '../../nodes/memory/memoryOffers.ts';
import type { CommitEntry, EntryOutcome } from '../../nodes/ports.ts';
import { CATALOGUE } from '../events/catalogue.ts';
import { BEFORE_CODES, encodeGroup } from './commitCodec.ts';
import { PgCommitStore } from './commitStore.ts';
import { PgMarketBook } from './marketBook.ts';
import { PgNoteStore } from './noteStore.ts';
import { type TcpProxy, tcpProxy } from './tcpProxy.ts';
import { arrivesTooLate, endedInTheMiddle, fault, PATIENCE } from './testFaults.ts';
import { postgresTown, silent } from './testTown.ts';

const SHARDS = [5, 6];
const RUNS = 30;
const USERS = 3;
const IDS = 14;

let town: Awaited<ReturnType<typeof postgresTown>>;
beforeAll(async () => {
  town = await postgresTown(inject('databaseUrl'));
});
afterAll(() => town.close());

const open = async (n: number): Promise<string[]> => {
  const ids = Array.from({ length: n }, () => town.uuid());
  await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [ids]);
  return ids;
};
const rows = (sql: string, ...values: unknown[]) => town.database.sql(sql, values);

/** Whatever does not add up, in words; nothing when all of it does. */
const DIFFERENCES = `
  select 'stock is not the sum of its log' as what, s.offer_id::text as id
    from market.stock s cross join lateral (
      select coalesce(sum(m.on_hand_delta), 0) as on_hand, coalesce(sum(m.reserved_delta), 0) as reserved
      from market.stock_movement m where m.offer_id = s.offer_id) m
    where s.on_hand <> m.on_hand or s.reserved <> m.reserved
  union all select 'reserved is not what is open', s.offer_id::text
    from market.stock s where s.reserved <> (
      select coalesce(sum(r.quantity), 0) from market.redemption r where r.offer_id = s.offer_id and r.state = 'reserved')
  union all select 'the log does not go on from itself', m.id::text
    from (select id, on_hand, reserved, on_hand_delta, reserved_delta,
        lag(on_hand, 1, 0) over w as on_hand_before, lag(reserved, 1, 0) over w as reserved_before
      from market.stock_movement window w as (partition by offer_id order by id)) m
    where m.on_hand <> m.on_hand_before + m.on_hand_delta or m.reserved <> m.reserved_before + m.reserved_delta
      or m.reserved < 0 or m.on_hand < m.reserved
  union all select 'a redemption is not as its points', r.id::text
    from market.redemption r left join ledger.pending p on p.id = r.id
    where (p.payer, p.payee, p.points, p.transfer_id, coalesce(p.posted_points, 0)) is distinct from
        (r.user_id, r.merchant, r.points, r.transfer_id, r.sold_points)
      or p.state <> case r.state when 'reserved' then 'pending' when 'confirmed' then 'posted'
        when 'cancelled' then 'voided' else r.state end
  union all select 'more was given back than sold', r.id::text
    from market.redemption r where r.refunded_points > r.sold_points or r.refunded_quantity > r.sold_quantity
      or r.refunded_points <> r.refunded_quantity * (r.points / r.quantity)
  union all select 'an account has not set aside what is pending', a.account_id::text
    from ledger.account a where a.reserved <> (select coalesce(sum(p.points), 0) from ledger.pending p
      where p.payer = a.account_id and p.state = 'pending')`;

/** An operation by small numbers, so that ids, codes and offers collide often. */
const sketches = fc.array(
  fc.record({
    kind: fc.constantFrom(
      ...(['reserve', 'reserve', 'reserve', 'bought', 'bought', 'again', 'sell', 'sell', 'pay'] as const),
      ...(['cancel', 'expire', 'refund', 'refund', 'move', 'aside', 'grant'] as const),
    ),
    id: fc.nat(IDS - 1),
    of: fc.nat(IDS),
    payment: fc.nat(15 + IDS - 1),
    user: fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 2, USERS),
    offer: fc.constantFrom(0, 0, 0, 1, 1, 1, 2, 2, 3),
    quantity: fc.constantFrom(1, 1, 2, 2, 3, 4),
    price: fc.constantFrom(3, 3, 3, 3, 3, 2),
    code: fc.nat(9),
    perUserMax: fc.constantFrom(0, 2, 3),
    restock: fc.boolean(),
    key: fc.nat(23).map(n => (n < 4 ? n : null)),
    shard: fc.constantFrom(...SHARDS),
    stale: fc.nat(19).map(n => n === 0),
  }),
  { minLength: 3, maxLength: 12, size: 'max' },
);
const changes = fc.array(
  fc.record({
    kind: fc.constantFrom('stock', 'stock', 'stock', 'offer' as const),
    offer: fc.nat(3),
    id: fc.nat(5),
    delta: fc.integer({ min: -4, max: 6 }),
    state: fc.constantFrom(
      ...(['published', 'published', 'published', 'published', 'published', 'published'] as const),
      ...(['withdrawn', 'withdrawn', 'removed'] as const),
    ),
    step: fc.constantFrom(1, 1, 1, 0, 2),
  }),
  { minLength: 1, maxLength: 4 },
);
type One<A> = A extends fc.Arbitrary<(infer S)[]> ? S : never;
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: sketches.map(group => ({ group })) },
    { weight: 2, arbitrary: changes.map(notes => ({ notes })) },
    { weight: 1, arbitrary: fc.nat(IDS - 1).map(ends => ({ ends })) },
  ),
  { minLength: 3, maxLength: 8, size: 'max' },
);

/** What both must agree on: everything but the clock. */
const comparable = (outcomes: readonly EntryOutcome[]): object[] =>
  outcomes.map(one => {
    const { id, code } = one;
    const postings = [...((one as Committed).postings ?? [])].sort((x, y) =>
      x.account < y.account ? -1 : 1,
    );
    return { id, code, postings };
  });
const untimed = (view: RedemptionView | null): object | null => view && { ...view, atMs: 0, expiresAtMs: 0 };

/** A town of two merchants with two offers each, in both stores. */
async function twins() {
  const model = new MemoryLedger(
    (
      n => () =>
        ++n
    )(1_000),
  );
  const offers = new MemoryOffers(model.market, shard => model.epochOf(shard));
  const users = await open(USERS);
  const merchants = await open(2);
  const everybody = [...users, town.uuid()];
  for (const one of [...users, ...merchants]) model.openAccount(one);
  const epochs = await town.epochStore.mint(SHARDS, 'property');
  for (const [i, shard] of SHARDS.entries())
    for (let n = 0; n < epochs[i]!; n++) await model.mint([shard], '');
  const ids = Array.from({ length: IDS }, () => town.uuid());
  // some of what pays has the id of something that is pending
  const payments = [...ids, ...Array.from({ length: 15 }, () => town.uuid())].reverse();
  const noteIds = Array.from({ length: 6 }, () => town.uuid());
  const offerIds = Array.from({ length: 4 }, () => town.uuid());
  const merchantOf = (n: number): string => merchants[n % 2]!;
  const noted = async (entries: readonly CommitEntry[]): Promise<void> => {
    const [real, expected] = [await town.noteStore.commit(entries), await offers.commit(entries)];
    expect(comparable(real)).toEqual(comparable(expected));
  };
  const ledgered = async (entries: readonly CommitEntry[]): Promise<void> => {
    const [real, expected] = [await town.commitStore.commit(entries), await model.commit(entries)];
    expect(comparable(real)).toEqual(comparable(expected));
    const ops = entries.map(one => one.op);
    const [found, modelled] = [await town.commitStore.lookup(ops), await model.lookup(ops)];
    expect(found.map(one => one?.code)).toEqual(modelled.map(one => one?.code));
  };
  // the last offer is of nobody yet
  const record = (n: number): OfferRecord =>
    offerOf('', { id: offerIds[n]!, merchant: merchantOf(n), perUserMax: 5, lowStock: 2 }).offer;
  for (const n of [0, 1, 2]) {
    const first = at(SHARDS[0]!, epochs[0]!, { type: 'offer', id: town.uuid(), offer: record(n) });
    await noted([first, at(SHARDS[0]!, epochs[0]!, stockOf(town.uuid(), offerIds[n]!, 5 + n))]);
  }
  await ledgered(users.map(one => at(SHARDS[0]!, epochs[0]!, move(town.uuid(), MINT_ACCOUNT, one, 60))));
  await ledgered(merchants.map(one => at(SHARDS[0]!, epochs[0]!, move(town.uuid(), MINT_ACCOUNT, one, 4))));

  /** What was asked for under each id, so that it is sold and given back often. */
  const asked = new Map<string, PendingOp>();
  const reservation = (sketch: One<typeof sketches>, id: string): PendingOp => {
    const { user, offer, quantity, code, perUserMax } = sketch;
    const hold = { offer: offerIds[offer]!, quantity, code: `C${code}`, perUserMax };
    return redemption(id, everybody[user]!, merchantOf(offer), hold);
  };
  const opsOf = (sketch: One<typeof sketches>): DurableOp[] => {
    const { kind, user, quantity, price, restock, key } = sketch;
    const [id, payment] = [ids[sketch.id]!, payments[sketch.payment]!];
    const idempotency =
      key === null ? null : { userId: users[0]!, key: `k${key}`, requestHash: `${kind}${payment}` };
    const known = [...asked.values()][sketch.of % (asked.size + 1)] ?? reservation(sketch, id);
    const reserved = (): PendingOp => {
      const fresh = { ...reservation(sketch, id), idempotency };
      asked.set(id, fresh);
      return fresh;
    };
    const back = (op: PendingOp, name: string): RefundOp => ({
      ...refund(name, op, quantity, { restock }),
      points: price * quantity,
      idempotency,
    });
    switch (kind) {
      case 'reserve':
        return [reserved()];
      case 'again':
        return [known];
      case 'bought': {
        // all of it and all of it back, or a part of it
        const op = reserved();
        if (!restock) return [op, sale(payment, op, Math.ceil(quantity / 2))];
        return [op, post(payment, op), { ...back(op, town.uuid()), idempotency: null }];
      }
      case 'sell':
        return [{ ...sale(payment, known, quantity), points: price * quantity, idempotency }];
      case 'pay':
        return [{ ...post(payment, known), idempotency }];
      case 'cancel':
        return [voidOf(known)];
      case 'expire':
        return [voidOf(known, 'expired')];
      case 'refund':
        return [back(known, payment)];
      case 'aside': {
        const plain = pending(id, everybody[user]!, merchants[0]!, quantity);
        asked.set(id, plain);
        return [plain];
      }
      case 'grant':
        return [move(payment, MINT_ACCOUNT, everybody[user]!, quantity)];
      case 'move':
        return [move(payment, everybody[user]!, merchants[1]!, quantity)];
    }
  };
  return {
    group: (group: readonly One<typeof sketches>[]) =>
      ledgered(
        group.flatMap(one => {
          const epoch = epochs[SHARDS.indexOf(one.shard)]!;
          return opsOf(one).map(op => at(one.shard, one.stale ? epoch - 1 : epoch, op));
        }),
      ),
    notes: (notes: readonly One<typeof changes>[]) =>
      noted(
        notes.map(({ kind, offer, id, delta, state, step }) => {
          const version = (model.market.offers.get(offerIds[offer]!)?.offer.version ?? 0) + step;
          const next = {
            type: 'offer',
            id: noteIds[id]!,
            offer: { ...record(offer), version, state },
          } as const;
          const change = kind === 'offer' ? next : stockOf(noteIds[id]!, offerIds[offer]!, delta);
          return at(SHARDS[0]!, epochs[0]!, change);
        }),
      ),
    async ends(n: number) {
      if (!model.pending.has(ids[n]!)) return;
      model.endPending(ids[n]!);
      await town.endPending(ids[n]!);
    },
    async agree() {
      for (const id of offerIds) {
        expect(await town.queryStore.query({ type: 'offer', id })).toEqual(model.market.offerView(id));
      }
      const real = await Promise.all(ids.map(id => town.queryStore.query({ type: 'redemption', id })));
      expect(real.map(one => untimed(one as RedemptionView | null))).toEqual(
        ids.map(id => untimed(model.market.redemptionView(id))),
      );
      for (const user of users) expect(await town.reservedOf(user)).toBe(model.accounts.get(user)!.reserved);
    },
  };
}

it('agrees with the model on points and stock, group after group', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async all => {
      const both = await twins();
      for (const step of all) {
        if ('group' in step) await both.group(step.group);
        else if ('notes' in step) await both.notes(step.notes);
        else await both.ends(step.ends);
      }
      await both.agree();
    }),
    { numRuns: RUNS, verbose: fc.VerbosityLevel.Verbose },
  );
  expect(await rows(DIFFERENCES)).toEqual([]);
  expect(await town.sums()).toEqual({ postings: 0, accounts: 0 });
  // the sketches reach every end
  const [reached] = await rows(`select array_agg(distinct state order by state) as states,
      sum(refunded_quantity)::int as refunded, count(*) filter (where sold_quantity between 1 and quantity - 1)::int as partly
    from market.redemption`);
  expect(reached?.states).toEqual(['cancelled', 'confirmed', 'expired', 'reserved']);
  expect(reached?.refunded).toBeGreaterThan(0);
  expect(reached?.partly).toBeGreaterThan(0);
}, 120_000);

it('a day of a merchant that is over is kept with the checksum over its lines, once', async () => {
  const [epoch = 0] = await town.epochStore.mint([1], 'test');
  const [user = '', merchant = ''] = await open(2);
  const offer = town.uuid();
  const noted = [offerOf(town.uuid(), { id: offer, merchant }), stockOf(town.uuid(), offer, 5)];
  await town.noteStore.commit(noted.map(op => at(1, epoch, op)));
  const bought = redemption(town.uuid(), user, merchant, { offer, quantity: 3, code: 'DAY' });
  const [paid, back] = [sale(town.uuid(), bought, 2), refund(town.uuid(), bought, 1)];
  for (const op of [move(town.uuid(), MINT_ACCOUNT, user, 30), bought, paid, back])
    expect(await town.commitStore.commit([at(1, epoch, op)])).toMatchObject([{ code: 'created' }]);
  const book = new PgMarketBook({ url: town.database.appUrl, log: silent });
  onTestFinished(() => book.close());
  await book.tried();
  const dayOf = async (): Promise<string> => {
    const [row] = await rows(
      `select (settled_at at time zone 'utc')::date::text as day from market.redemption where id = $1`,
      bought.id,
    );
    return String(row!.day);
  };
  expect(await book.closedDay(merchant, await dayOf())).toBe(null);
  // both on one day, whatever the time is now
  await rows(
    `update market.redemption set settled_at = date_trunc('day', now(), 'utc') - interval '30 hours' where id = $1`,
    bought.id,
  );
  await rows(
    `update market.refund set at = date_trunc('day', now(), 'utc') - interval '29 hours' where transfer_id = $1`,
    back.id,
  );
  const day = await dayOf();
  const startMs = Date.parse(`${day}T00:00:00Z`);
  const span = { fromMs: startMs, beforeMs: startMs + 86_400_000 };
  const settled = await book.settled(merchant, span, null, 10);
  expect(settled.map(({ kind }) => kind)).toEqual(['sale', 'refund']);
  const lines = settled.map(
    ({ id, kind, redemptionId, offerId, quantity, points, atMs }) =>
      `${[id, kind, redemptionId, offerId, quantity, points, atMs].join(' ')}\n`,
  );
  const [sold, returned] = settled.map(({ quantity, points }) => ({ count: 1, quantity, points }));
  const net = sold!.points - returned!.points;
  const title = settled[0]!.title;
  const kept = {
    ...{ sales: sold, refunds: returned, points: net },
    offers: [{ offerId: offer, title, sold: 2, refunded: 1, points: net }],
    checksum: createHash('sha256').update(lines.join('')).digest('hex'),
  };
  expect(await book.closedDay(merchant, day)).toEqual(kept);
  await rows('update market.redemption set sold_points = sold_points + 1 where id = $1', bought.id);
  expect(await book.closedDay(merchant, day)).toEqual(kept);
  await rows('update market.redemption set sold_points = sold_points - 1 where id = $1', bought.id);

  // an empty day is kept of whoever had an account, and of nobody else
  const empty = '2020-02-29';
  const none = { count: 0, quantity: 0, points: 0 };
  const checksum = createHash('sha256').digest('hex');
  const nothing = { sales: none, refunds: none, points: 0, offers: [], checksum };
  expect(await book.closedDay(merchant, empty)).toEqual(nothing);
  const keptDays = () => rows('select from market.settlement where merchant = $1', merchant);
  expect(await keptDays()).toHaveLength(1);
  await rows(
    `insert into user_schema.users (id, kind, handle, created_at) values ($1, 'merchant', $2, '2019-01-01')`,
    merchant,
    `shop-${merchant}`,
  );
  expect(await book.closedDay(merchant, empty)).toEqual(nothing);
  expect(await keptDays()).toHaveLength(2);

  // each is told once, with what is kept
  const told = await rows(
    `select payload -> 'data' as data from ops.outbox where keys = array[$1::uuid] and payload ->> 'type' = 'settlement.closed'
     order by id`,
    merchant,
  );
  const dataOf = (one: string, { offers: _, ...report }: { readonly offers: unknown }) => ({
    ...{ merchant, day: one },
    ...report,
  });
  expect(told).toEqual([{ data: dataOf(day, kept) }, { data: dataOf(empty, nothing) }]);
  for (const { data } of told) expect(Value.Check(CATALOGUE['settlement.closed'].data, data)).toBe(true);
});

describe('when the connection breaks', () => {
  let proxy: TcpProxy;
  let store: PgCommitStore;
  let notes: PgNoteStore;
  let epoch: number;
  let [user, merchant, offer] = ['', '', ''];

  beforeEach(async () => {
    [epoch = 0] = await town.epochStore.mint([1], 'test');
    const [one = '', other = ''] = await open(2);
    [user, merchant, offer] = [one, other, town.uuid()];
    await town.noteStore.commit(
      [offerOf(town.uuid(), { id: offer, merchant }), stockOf(town.uuid(), offer, 5)].map(op =>
        at(1, epoch, op),
      ),
    );
    await town.commitStore.commit([at(1, epoch, move(town.uuid(), MINT_ACCOUNT, user, 30))]);
    const direct = new URL(town.database.appUrl);
    proxy = await tcpProxy({ host: direct.hostname, port: Number(direct.port) });
    direct.port = String(proxy.port);
    store = new PgCommitStore({ url: direct.href, log: silent });
    notes = new PgNoteStore({ url: direct.href, log: silent });
    await Promise.all([store.tried(), notes.tried()]);
  });
  afterEach(async () => {
    await Promise.all([store.close(), notes.close()]);
    await proxy.close();
    expect(await rows(DIFFERENCES)).toEqual([]);
  });

  const hold = (quantity: number, code = 'X'): PendingOp =>
    redemption(town.uuid(), user, merchant, { offer, quantity, code });
  /** Units there and set aside, and points set aside and left. */
  const standing = async (): Promise<number[]> => {
    const [row] = await rows(
      `select s.on_hand, s.reserved, a.reserved::int as points, a.balance::int
       from market.stock s, ledger.account a where s.offer_id = $1 and a.account_id = $2`,
      offer,
      user,
    );
    return ['on_hand', 'reserved', 'points', 'balance'].map(name => Number(row?.[name]));
  };
  const found = async (from: PgCommitStore | PgNoteStore, ...ops: DurableOp[]) => {
    await expect.poll(() => fault(from.lookup(ops)), PATIENCE).toBe('no fault');
    return (await from.lookup(ops)).map(one => one?.code ?? null);
  };
  /** Commits while answers are lost, until it is seen from outside. */
  async function unanswered(from: PgCommitStore | PgNoteStore, ops: readonly DurableOp[], then: number[]) {
    proxy.swallowAnswers = true;
    const committing = fault(from.commit(ops.map(op => at(1, epoch, op))));
    await expect.poll(standing, PATIENCE).toEqual(then);
    proxy.swallowAnswers = false;
    proxy.cut(false);
    expect(await committing).toBe('unknown');
  }

  it('with the answer lost: unknown, and the look-up finds what was set aside, sold and given back', async () => {
    const [a, b] = [hold(2, 'A'), hold(1, 'B')];
    const paid = post(town.uuid(), a);
    const back = refund(town.uuid(), a, 1, { restock: true });
    const ops = [a, b, paid, voidOf(b), back];
    await unanswered(store, ops, [4, 0, 0, 27]);
    expect(await found(store, ...ops)).toEqual(ops.map(() => 'exists'));
    const again = await store.commit(ops.map(op => at(1, epoch, op)));
    expect(again.map(one => one.code)).toEqual(ops.map(() => 'exists'));
    expect(await standing()).toEqual([4, 0, 0, 27]);
  });

  it('with the answer lost: the look-up finds what the merchant noted', async () => {
    const next = offerOf(town.uuid(), { id: offer, merchant, version: 2, title: 'now' });
    const more = stockOf(town.uuid(), offer, 4);
    await unanswered(notes, [next, more], [9, 0, 0, 30]);
    expect(await found(notes, next, more)).toEqual(['exists', 'exists']);
    // what was found came over a connection that is back; another one may not be yet
    const again = async () =>
      (await notes.commit([next, more].map(op => at(1, epoch, op)))).map(one => one.code);
    await expect.poll(again, PATIENCE).toEqual(['exists', 'exists']);
    expect(await standing()).toEqual([9, 0, 0, 30]);
  });

  it('with the request still on its way: once the look-up says no, it never arrives', async () => {
    const late = hold(5);
    await arrivesTooLate(proxy, store, at(1, epoch, late));
    // somebody else gets it meanwhile
    const other = hold(4);
    expect((await town.commitStore.commit([at(1, epoch, other)]))[0]?.code).toBe('created');
    await arrivesTooLate(proxy, notes, at(1, epoch, stockOf(town.uuid(), offer, 3)));
    expect(await standing()).toEqual([5, 4, 12, 30]);
    expect(await found(store, late, other)).toEqual([null, 'exists']);
  });

  it('ended by the server in the middle, with stock set aside and a code taken: nothing of it is there', async () => {
    const [a, b] = [hold(1, 'A'), hold(2, 'B')];
    const paid = post(town.uuid(), a);
    // the second code is being taken by somebody whose own commit has not ended
    const lock = (blocker: { query(sql: string, values: unknown[]): Promise<unknown> }) =>
      blocker.query(
        `insert into market.redemption (id, user_id, merchant, offer_id, quantity, points, code, rule_id, rule_version,
           at, expires_at) values ($1, $1, $2, $3, 1, 3, 'B', 'r', 1, now(), now())`,
        [town.uuid(), merchant, offer],
      );
    await endedInTheMiddle(town.database, lock, () => store.commit([a, paid, b].map(op => at(1, epoch, op))));
    expect(await found(store, a, paid, b)).toEqual([null, null, null]);
    expect(await standing()).toEqual([5, 0, 0, 30]);
    expect((await store.commit([a, paid, b].map(op => at(1, epoch, op)))).map(one => one.code)).toEqual([
      'created',
      'created',
      'created',
    ]);
    expect(await standing()).toEqual([4, 2, 6, 27]);
  });

  it('ended by the server in the middle of a note: the offer is as it was', async () => {
    const ops = [
      offerOf(town.uuid(), { id: offer, merchant, version: 2, state: 'withdrawn' }),
      stockOf(town.uuid(), offer, 3),
    ];
    const lock = (blocker: { query(sql: string, values: unknown[]): Promise<unknown> }) =>
      blocker.query('select from market.stock where offer_id = $1 for update', [offer]);
    await endedInTheMiddle(town.database, lock, () => notes.commit(ops.map(op => at(1, epoch, op))));
    expect(await found(notes, ...ops)).toEqual([null, null]);
    const view = (await town.queryStore.query({ type: 'offer', id: offer })) as OfferView;
    expect([view.offer.version, view.onHand]).toEqual([1, 5]);
  });

  it('a hundred come for five at once, from two nodes: five get one, without a deadlock', async () => {
    const crowd = await open(100);
    const [other = ''] = await open(1);
    const second = town.uuid();
    const setUp = [offerOf(town.uuid(), { id: second, merchant }), stockOf(town.uuid(), second, 5)];
    await town.noteStore.commit(setUp.map(op => at(1, epoch, op)));
    await town.commitStore.commit(crowd.map(one => at(1, epoch, move(town.uuid(), MINT_ACCOUNT, one, 6))));
    const ops = crowd.flatMap((one, i) => {
      const both = i % 2 === 0 ? [offer, second] : [second, offer];
      return both.map((of, n) =>
        redemption(town.uuid(), one, merchant, { offer: of, quantity: 1, code: `${i}/${n}` }),
      );
    });
    const groups = Array.from({ length: 20 }, (_, n) => ops.slice(n * 10, n * 10 + 10));
    const said = await Promise.all(
      groups.map((group, n) =>
        (n % 2 === 0 ? store : town.commitStore).commit(group.map(op => at(1, epoch, op))),
      ),
    );
    const won = ops.filter((_, i) => said.flat()[i]?.code === 'created');
    expect(said.flat().filter(one => one.code === 'out_of_stock')).toHaveLength(190);
    expect([won.filter(one => one.stock?.offer === offer).length, won.length]).toEqual([5, 10]);
    const ends = won.map((op, i) => (i % 3 === 0 ? voidOf(op) : post(town.uuid(), op)));
    const ended = await Promise.all(
      ends.map((op, n) => (n % 2 === 0 ? store : town.commitStore).commit([at(1, epoch, op)])),
    );
    expect(ended.flat().every(one => one.code === 'created')).toBe(true);
    expect(await town.reservedOf(other)).toBe(0);
  });
});

it('tells of everything in the outbox, in the transaction in which it happens', async () => {
  const [epoch = 0] = await town.epochStore.mint([1], 'test');
  const [user = '', merchant = ''] = await open(2);
  const offer = town.uuid();
  await town.commitStore.commit([at(1, epoch, move(town.uuid(), MINT_ACCOUNT, user, 60))]);
  await rows('delete from ops.outbox');
  const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const rule = { id: 'price', version: 2, trace: '0123456789abcdef' };
  const counted = stockOf(town.uuid(), offer, -1, { reason: 'broken' });
  await town.noteStore.commit(
    [
      offerOf(town.uuid(), { id: offer, merchant, lowStock: 3 }),
      stockOf(town.uuid(), offer, 6, { kind: 'receipt', reason: '' }),
      counted,
    ].map(op => at(1, epoch, op)),
  );
  const [a, b, c] = ['A', 'B', 'C'].map(code => ({
    ...redemption(town.uuid(), user, merchant, { offer, quantity: 2, code }),
    rule,
  })) as [PendingOp, PendingOp, PendingOp];
  const [paid, back] = [sale(town.uuid(), a, 1), refund(town.uuid(), a, 1, { restock: true })];
  await town.commitStore.commit([
    { ...at(1, epoch, a), trace },
    at(1, epoch, b),
    at(1, epoch, redemption(town.uuid(), user, merchant, { offer, quantity: 5, code: 'D' })),
    { ...at(1, epoch, paid), trace },
    at(1, epoch, back),
    at(1, epoch, voidOf(b)),
  ]);
  await town.commitStore.commit([at(1, epoch, c), at(1, epoch, voidOf(c, 'expired'))]);
  const told = await rows(`select n.key, n.trace, n.told from ops.outbox o cross join lateral
      unnest(o.keys, o.traces, array(select jsonb_array_elements(o.payload))) with ordinality as n(key, trace, told, ord)
    where o.target = 2 and o.payload is not null order by o.id, n.ord`);
  const stock = (onHand: number, reserved: number) => ({ offer, merchant, onHand, reserved });
  const of = (op: PendingOp, quantity: number, [onHand, reserved]: [number, number], more: object = {}) => ({
    ...{ redemptionId: op.id, user, quantity, points: 3 * quantity, rule },
    ...stock(onHand, reserved),
    ...more,
  });
  const event = (
    type: string,
    key: string,
    data: object,
    of: string | null = null,
    by: string | null = null,
  ) => ({
    key,
    trace: of,
    told: { type, data, ...(by !== null && { causationId: by }) },
  });
  const at10Min = { expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) };
  const low = (reserved: number) => event('stock.low', merchant, { ...stock(5, reserved), lowStock: 3 });
  expect(told).toEqual([
    event(
      'stock.adjusted',
      merchant,
      { ...stock(6, 0), kind: 'receipt', delta: 6, reason: '' },
      null,
      expect.any(String),
    ),
    event(
      'stock.adjusted',
      merchant,
      { ...stock(5, 0), kind: 'adjustment', delta: -1, reason: 'broken' },
      null,
      counted.id,
    ),
    event('redemption.reserved', user, of(a, 2, [5, 2], at10Min), trace, a.id),
    { ...low(2), trace },
    event('redemption.reserved', user, of(b, 2, [5, 4], at10Min), null, b.id),
    event('redemption.confirmed', user, of(a, 1, [4, 2], { transferId: paid.id }), trace, paid.id),
    event(
      'redemption.refunded',
      user,
      of(a, 1, [5, 2], { transferId: back.id, restock: true }),
      null,
      back.id,
    ),
    event('redemption.cancelled', user, of(b, 2, [5, 0]), null, b.id),
    event('redemption.reserved', user, of(c, 2, [5, 2], at10Min), null, c.id),
    low(2),
    event('redemption.expired', user, of(c, 2, [5, 0]), null, c.id),
  ]);
  expect(JSON.stringify(told)).not.toContain('"code"');
  const [kept] = await rows(
    `select (select rule_trace from ledger.pending where id = $1) as pending,
       (select rule_trace from ledger.transfer where id = $2) as transfer`,
    a.id,
    paid.id,
  );
  expect(kept).toEqual({ pending: rule.trace, transfer: rule.trace });
});

it('a node of the version before is told the word that it knows of more than one user may have', async () => {
  const [epoch] = await town.epochStore.mint([5], 'property');
  const [user, merchant] = (await open(2)) as [string, string];
  const { offer } = offerOf('', { id: town.uuid(), merchant, perUserMax: 1 });
  await town.noteStore.commit([
    at(5, epoch!, { type: 'offer', id: town.uuid(), offer }),
    at(5, epoch!, stockOf(town.uuid(), offer.id, 5)),
  ]);
  await town.commitStore.commit([at(5, epoch!, move(town.uuid(), MINT_ACCOUNT, user, 60))]);
  const hold = { offer: offer.id, quantity: 2, code: 'BEFORE', perUserMax: 1 };
  const { values } = encodeGroup([at(5, epoch!, redemption(town.uuid(), user, merchant, hold))], 0);
  const said = values!.slice(0, BEFORE_CODES);
  const named = said.map((_, i) => `$${i + 1}`).join(', ');
  const asked = (more = '') => rows(`select codes from ledger.commit_group(${named}${more})`, ...said);
  const code = (word: CommitCode) => [{ codes: `${COMMIT_CODES.indexOf(word)}` }];
  expect(await asked()).toEqual(code('limit_exceeded'));
  expect(await asked(`, ${COMMIT_CODES.length}`)).toEqual(code('offer_limit_exceeded'));
});

it('offers are found by their merchant, by their place, or both', async () => {
  const [epoch] = await town.epochStore.mint([5], 'property');
  const user = {
    kind: 'merchant',
    handle: 'baker',
    passwordHash: '',
    deviceId: 'd',
    zip: null,
    badge: null,
  } as const;
  const made = await town.directory.createUser(user);
  const merchant = made.ok ? made.value.userId : '';
  const [placeId, elsewhere] = [town.uuid(), town.uuid()];
  const [bread, cake, tea] = [placeId, elsewhere, null].map(
    one => offerOf('', { id: town.uuid(), merchant, placeId: one }).offer,
  ) as [OfferRecord, OfferRecord, OfferRecord];
  await town.noteStore.commit(
    [bread, cake, tea].map(offer => at(5, epoch!, { type: 'offer', id: town.uuid(), offer })),
  );
  const book = new PgMarketBook({ url: town.database.appUrl, log: silent });
  await book.tried();
  const found = async (which: Partial<WhichOffers>) =>
    new Set(
      (await book.offers({ merchant: null, place: null, open: true, ...which }, 9, null)).map(one => one.id),
    );
  expect(await found({ merchant })).toEqual(new Set([bread.id, cake.id, tea.id]));
  expect(await found({ place: placeId })).toEqual(new Set([bread.id]));
  expect(await found({ merchant, place: elsewhere })).toEqual(new Set([cake.id]));
  expect(await found({ merchant: town.uuid(), place: placeId })).toEqual(new Set());
  await book.close();
});
