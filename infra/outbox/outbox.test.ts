/** What is committed reaches the streams and the balances: in order per key, at least once, whatever is away meanwhile. */
import { randomBytes } from 'node:crypto';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand, ListShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { at, encounter, move } from '../../nodes/contracts/town.ts';
import type { Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { wrongWith } from '../events/check.ts';
import { nextWave, StreamTarget } from '../kinesis/streamTarget.ts';
import type { Lines } from '../postgres/lines.ts';
import type { OutboxTarget } from '../postgres/outboxTargets.ts';
import { PgRevocationStore } from '../postgres/revocationStore.ts';
import { silent } from '../postgres/testTown.ts';
import { type FaultyProxy, faultyProxy } from './faultyProxy.ts';
import { PUT_RECORDS_BYTES_MAX, PUT_RECORDS_MAX, ROWS_MAX } from './limits.ts';
import { Publisher } from './publisher.ts';
import { PgOutboxSource } from './source.ts';
import type { Target } from './target.ts';
import { awsAt, type OutboxTown, outboxTown, PATIENCE, type StreamEvent } from './testOutbox.ts';

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

let town: OutboxTown;
let lines: Lines;
/** The newest epoch of a target's shard, as long as nobody minted another one. */
let leads: Record<OutboxTarget, number>;

beforeAll(async () => {
  town = await outboxTown();
  lines = town.lines(2);
  await lines.tried();
  leads = {
    userEvents: await town.lead('userEvents'),
    transactions: await town.lead('transactions'),
    balances: await town.lead('balances'),
    catalogs: await town.lead('catalogs'),
  };
});
afterAll(async () => {
  await lines.close();
  await town.close();
});

const publishers: Publisher[] = [];
const gauges = new Map<string, number>();
const metrics: Metrics = {
  count() {},
  observe() {},
  gauge: (name, value, labels = {}) => gauges.set(`${name} ${labels.target}`, value),
};

/** A publisher that leads. */
function publish(from: OutboxTarget, target: Target): Publisher {
  const publisher = new Publisher({
    name: from,
    source: new PgOutboxSource(lines, from),
    target,
    scheduler: systemScheduler,
    log: silent,
    metrics,
  });
  publishers.push(publisher);
  publisher.lead(leads[from]);
  return publisher;
}

/** Arrivals of each key without repeats, as a consumer sees them who knows event ids. */
function sequences(events: readonly StreamEvent[]): Map<string, number[]> {
  const seen = new Set<string>();
  const byKey = new Map<string, number[]>();
  for (const { id, subject, seq } of events) {
    if (seen.has(id)) continue;
    seen.add(id);
    byKey.set(subject, [...(byKey.get(subject) ?? []), seq]);
  }
  return byKey;
}

const MET_BY = { id: 'proximity.notify', version: 2 };

describe('transactions to Kinesis', () => {
  let stream: string;
  let proxy: FaultyProxy;
  let target: StreamTarget;

  beforeEach(async () => {
    await town.database.sql('delete from ops.outbox');
    stream = `t-${randomBytes(4).toString('hex')}`;
    proxy = await faultyProxy(inject('kinesisEndpoint'));
    target = new StreamTarget(stream, awsAt(proxy.url));
  });
  /** One that gives up soon, for a service that hangs: an answer that is late would be asked for twice. */
  const impatient = (): StreamTarget => {
    target.close();
    target = new StreamTarget(stream, { ...awsAt(proxy.url), requestMsMax: 400 });
    return target;
  };
  afterEach(async () => {
    proxy.behaviour = 'pass';
    await Promise.all(publishers.splice(0).map(one => one.stop(2_000)));
    target.close();
    await proxy.close();
    await town.kinesis.send(new DeleteStreamCommand({ StreamName: stream })).catch(() => {});
  });

  const drained = () => expect.poll(() => town.waiting(2), PATIENCE).toBe(0);
  const inOrder = async (ids: readonly string[], rounds: number): Promise<void> => {
    const byKey = sequences(await town.eventsIn(stream));
    const expected = Array.from({ length: rounds }, (_, i) => i + 1);
    for (const id of ids) expect(byKey.get(id)).toEqual(expected);
  };

  it('makes the stream, tells what happened, and removes what arrived', async () => {
    const [officer = '', civilian = ''] = await town.people(2);
    const publisher = publish('transactions', target);
    const id = town.uuid();
    const meeting = at(
      1,
      town.epoch,
      encounter(id, officer, civilian, { method: 'proximity', metBy: MET_BY }),
    );
    await town.commitStore.commit([{ ...meeting, trace: TRACE }]);
    publisher.poke();
    await drained();
    const events = await town.eventsIn(stream);
    expect(events).toEqual([
      {
        stamp: { shard: 1, epoch: town.epoch, seq: expect.any(Number) },
        trace: TRACE,
        id,
        source: 'heyblue.ledger',
        type: 'encounter.recorded',
        version: 1,
        detailType: 'encounter.recorded.v1',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        subject: civilian,
        seq: 1,
        correlationId: TRACE.slice(3, 35),
        causationId: null,
        userId: civilian,
        data: {
          transferId: id,
          reason: 'encounter',
          rule: { id: 'encounter', version: 1, trace: null },
          method: 'proximity',
          officer,
          civilian,
          zip: null,
          metBy: MET_BY,
          legs: [
            { account: civilian, delta: 10, balance: 10, version: 1 },
            { account: officer, delta: 5, balance: 5, version: 1 },
            { account: MINT_ACCOUNT, delta: -15 },
          ],
        },
      },
    ]);
    expect(events.map(wrongWith)).toEqual([null]);
    expect(JSON.stringify(events)).not.toContain('dr5ru');
  });

  it('a row that tells of itself is sent as it is, one event or a list of them', async () => {
    const [user = '', merchant = ''] = await town.people(2);
    const [id, transferId, low] = [town.uuid(), town.uuid(), town.uuid()];
    await town.commit({ ...move(transferId, MINT_ACCOUNT, user, 10), reason: 'welcome' });
    const write = (keys: string[], eventIds: string[] | null, payload: object) =>
      town.database.sql(
        'insert into ops.outbox (target, keys, event_ids, payload) values (2, $1::uuid[], $2::uuid[], $3)',
        [keys, eventIds, JSON.stringify(payload)],
      );
    await write([user], [id], { type: 'redemption.reserved', seq: 7, data: { redemptionId: id } });
    await write([merchant, user, merchant], null, [
      { id: low, type: 'stock.low', data: { left: 2 }, time: '2026-11-21T10:00:00.000Z' },
      { type: 'redemption.expired', data: {}, causationId: id },
      { type: 'stock.adjusted', version: 2, data: { left: 1 } },
    ]);
    proxy.behaviour = async ({ action, body }, pass) => {
      if (action !== 'PutRecords') return null;
      proxy.behaviour = 'pass';
      const request = JSON.parse(body) as { Records: object[] };
      const Records = request.Records.slice(0, 1);
      const { Records: answers } = JSON.parse((await pass(JSON.stringify({ ...request, Records }))).body);
      const rest = request.Records.slice(1).map(() => ({ ErrorCode: 'InternalFailure' }));
      return { status: 200, body: JSON.stringify({ FailedRecordCount: 1, Records: [...answers, ...rest] }) };
    };
    publish('transactions', target);
    await drained();
    const events = await town.eventsIn(stream);
    const of = (type: string) => events.find(event => (event as { type?: string }).type === type);
    expect(events).toHaveLength(5);
    expect(of('points.awarded')).toMatchObject({ id: transferId, subject: user, seq: 1 });
    expect(of('redemption.reserved')).toMatchObject({
      id,
      source: 'heyblue.market',
      detailType: 'redemption.reserved.v1',
      subject: user,
      seq: 7,
      userId: user,
      data: { redemptionId: id },
    });
    expect(of('stock.low')).toMatchObject({
      id: low,
      time: '2026-11-21T10:00:00.000Z',
      subject: merchant,
    });
    expect(of('redemption.expired')).toMatchObject({ causationId: id, subject: user, data: {} });
    expect(of('stock.adjusted')).toMatchObject({ version: 2, detailType: 'stock.adjusted.v2' });
    expect(new Set(events.map(event => event.id)).size).toBe(5);
  });

  it('keeps the order per key while half of each batch is throttled', async () => {
    const ids = await town.people(8);
    let refused = 0;
    proxy.behaviour = async ({ action, body }, pass) => {
      if (action !== 'PutRecords' || refused > 60) return null;
      const request = JSON.parse(body) as { StreamName: string; Records: object[] };
      const taken = request.Records.map((_, i) => (i + refused) % 2 === 0);
      const Records = request.Records.filter((_, i) => taken[i]);
      refused += request.Records.length - Records.length;
      const passed = Records.length === 0 ? [] : await pass(JSON.stringify({ ...request, Records }));
      const answers = Records.length === 0 ? [] : JSON.parse((passed as { body: string }).body).Records;
      const throttled = { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'slow down' };
      const all = taken.map(one => (one ? answers.shift() : throttled));
      return { status: 200, body: JSON.stringify({ FailedRecordCount: 1, Records: all }) };
    };
    await town.earn(ids, 6);
    publish('transactions', target);
    await drained();
    expect(refused).toBeGreaterThan(10);
    await inOrder(ids, 6);
    expect(await town.eventsIn(stream)).toHaveLength(48);
  });

  it('who is refused again and again keeps nobody else waiting, and what was refused goes out in order', async () => {
    const sick = await town.people(ROWS_MAX + 100);
    const well = await town.people(4);
    const refused = new Set(sick);
    proxy.behaviour = async ({ action, body }, pass) => {
      if (action !== 'PutRecords') return null;
      const request = JSON.parse(body) as { Records: { PartitionKey: string }[] };
      const Records = request.Records.filter(one => !refused.has(one.PartitionKey));
      const failed = { ErrorCode: 'InternalFailure', ErrorMessage: 'not this one' };
      const answered = JSON.stringify({ ...request, Records });
      const passed = Records.length === 0 ? [] : JSON.parse((await pass(answered)).body).Records;
      const all = request.Records.map(one => (refused.has(one.PartitionKey) ? failed : passed.shift()));
      return { status: 200, body: JSON.stringify({ FailedRecordCount: 1, Records: all }) };
    };
    await town.earn(sick, 2);
    await town.earn(well, 3);
    const publisher = publish('transactions', target);
    await expect.poll(() => town.waiting(2), PATIENCE).toBe(2 * sick.length);
    await town.earn(well, 1);
    publisher.poke();
    await expect.poll(() => town.waiting(2), PATIENCE).toBe(2 * sick.length);
    await inOrder(well, 4);
    refused.clear();
    await drained();
    await inOrder(sick, 2);
  });

  it('two nodes that publish the same rows lose nothing and keep the order', async () => {
    const ids = await town.people(6);
    const other = new StreamTarget(stream, awsAt(inject('kinesisEndpoint')));
    let refused = 0;
    proxy.behaviour = async ({ action, body }, pass) => {
      if (action !== 'PutRecords' || refused > 30) return null;
      const request = JSON.parse(body) as { Records: object[] };
      const Records = request.Records.slice(0, Math.ceil(request.Records.length / 2));
      refused += request.Records.length - Records.length;
      const passed = JSON.parse((await pass(JSON.stringify({ ...request, Records }))).body) as {
        Records: object[];
      };
      const rest = request.Records.slice(Records.length).map(() => ({ ErrorCode: 'InternalFailure' }));
      return {
        status: 200,
        body: JSON.stringify({ FailedRecordCount: 1, Records: [...passed.Records, ...rest] }),
      };
    };
    await town.earn(ids, 5);
    publish('transactions', target);
    publish('transactions', other);
    await town.earn(ids, 5);
    await drained();
    await inOrder(ids, 10);
    await Promise.all(publishers.splice(0).map(one => one.stop(2_000)));
    other.close();
  });

  it('repeats what it got no answer for; order holds for who knows event ids', async () => {
    const ids = await town.people(3);
    await town.earn(ids, 2);
    const publisher = publish('transactions', target);
    await drained();
    proxy.behaviour = 'lose answers';
    await town.earn(ids, 3);
    publisher.poke();
    await expect
      .poll(() => proxy.calls.filter(call => call === 'PutRecords').length, PATIENCE)
      .toBeGreaterThan(5);
    proxy.behaviour = 'pass';
    await drained();
    await inOrder(ids, 5);
    expect((await town.eventsIn(stream)).length).toBeGreaterThan(15);
  });

  it.each(['away', 'hang'] as const)(
    'Kinesis %s: commits go on, nothing is lost, it catches up by itself',
    async how => {
      const ids = await town.people(4);
      proxy.behaviour = how;
      publish('transactions', impatient());
      await town.earn(ids, 3);
      await expect.poll(() => proxy.calls.length, PATIENCE).toBeGreaterThan(0);
      expect(await town.waiting(2)).toBe(12);
      proxy.behaviour = 'pass';
      await drained();
      await inOrder(ids, 3);
    },
  );

  it('a stream that vanishes is made again', async () => {
    const ids = await town.people(2);
    await town.earn(ids, 1);
    const publisher = publish('transactions', target);
    await drained();
    await town.kinesis.send(new DeleteStreamCommand({ StreamName: stream }));
    await town.earn(ids, 1);
    publisher.poke();
    await drained();
    expect(sequences(await town.eventsIn(stream))).toEqual(new Map(ids.map(id => [id, [2]])));
  });

  it('throttled as a whole, it waits and goes on; resharded meanwhile, it goes on in order', async () => {
    const ids = await town.people(6);
    let refused = 0;
    proxy.behaviour = async ({ action }) => {
      if (action !== 'PutRecords' || refused++ > 4) return null;
      const throttled = { __type: 'ProvisionedThroughputExceededException', message: 'slow down' };
      return { status: 400, body: JSON.stringify(throttled) };
    };
    await town.earn(ids, 2);
    const publisher = publish('transactions', target);
    await drained();
    expect(refused).toBeGreaterThan(4);
    const [first] = (await town.kinesis.send(new ListShardsCommand({ StreamName: stream }))).Shards ?? [];
    const half = String(BigInt(first!.HashKeyRange!.EndingHashKey!) / 2n);
    const split = { StreamName: stream, ShardToSplit: first!.ShardId, NewStartingHashKey: half };
    await town.kinesis.send(new SplitShardCommand(split));
    await town.earn(ids, 2);
    publisher.poke();
    await drained();
    await town.earn(ids, 2);
    publisher.poke();
    await drained();
    await inOrder(ids, 6);
  });

  it('works off more rows than it holds, and says how many wait', async () => {
    const ids = await town.people(300);
    proxy.behaviour = 'away';
    const publisher = publish('transactions', target);
    await town.earn(ids, 3);
    publisher.poke();
    await expect
      .poll(() => gauges.get('heyblue_outbox_depth transactions'), PATIENCE)
      .toBeGreaterThanOrEqual(ROWS_MAX);
    proxy.behaviour = 'pass';
    await drained();
    await inOrder(ids, 3);
    await expect.poll(() => gauges.get('heyblue_outbox_depth transactions'), PATIENCE).toBe(0);
  });

  it('publishes what is there before it stops, and keeps what it cannot', async () => {
    const ids = await town.people(5);
    const publisher = publish('transactions', target);
    await town.earn(ids, 2);
    await publisher.stop(10_000);
    expect(await town.waiting(2)).toBe(0);
    await inOrder(ids, 2);
    proxy.behaviour = 'hang';
    const second = publish('transactions', impatient());
    await town.earn(ids, 1);
    second.poke();
    await expect.poll(() => proxy.calls.at(-1), PATIENCE).toBe('DescribeStreamSummary');
    await second.stop(50);
    expect(await town.waiting(2)).toBe(5);
  });

  it('a wave has one row of a key, and the size that Kinesis takes', () => {
    const row = (id: number, key: string, body = 'x') => ({ id: String(id), key, body });
    const keys = nextWave([row(1, 'a'), row(2, 'a'), row(3, 'b'), row(4, 'a')]);
    expect(keys.send.map(one => one.id)).toEqual(['1', '3']);
    expect(keys.hold.map(one => one.id)).toEqual(['2', '4']);
    const many = nextWave(Array.from({ length: 700 }, (_, i) => row(i, `k${i}`)));
    expect(many.send).toHaveLength(PUT_RECORDS_MAX);
    const big = nextWave(Array.from({ length: 9 }, (_, i) => row(i, `k${i}`, 'x'.repeat(900_000))));
    expect(big.send.length * 900_000).toBeLessThan(PUT_RECORDS_BYTES_MAX);
    expect(big.send.length + big.hold.length).toBe(9);
    // what its shard does not take yet waits with all of its key, and says for how long
    const slow = nextWave([row(1, 'a'), row(2, 'b'), row(3, 'a'), row(4, 'c')], one =>
      one.key === 'a' ? 30 : 0,
    );
    expect(slow.send.map(one => one.key)).toEqual(['b', 'c']);
    expect(slow.hold.map(one => one.id)).toEqual(['1', '3']);
    expect(slow.waitMs).toBe(30);
    // what did not fit keeps its key's later rows back as well
    const held = nextWave([
      ...Array.from({ length: 500 }, (_, i) => row(i, `k${i}`)),
      row(500, 'z'),
      row(501, 'z'),
    ]);
    expect(held.hold.map(one => one.id)).toEqual(['500', '501']);
  });
});

it('who signs up, moves to another device or loses tokens is told to user-events', async () => {
  const stream = `u-${randomBytes(4).toString('hex')}`;
  await town.database.sql('delete from ops.outbox');
  const target = new StreamTarget(stream, awsAt(inject('kinesisEndpoint')));
  const made = await town.directory.createUser({
    kind: 'civilian',
    handle: stream,
    passwordHash: 'secret',
    deviceId: 'd',
    zip: '10001',
    badge: null,
  });
  if (!made.ok) throw new Error(made.message);
  const { userId } = made.value;
  await town.directory.linkDevice(userId, 'a till', 4);
  await town.directory.moveDevice(userId, 'another phone');
  const revocations = new PgRevocationStore({ url: town.database.appUrl, log: silent });
  await revocations.tried();
  const revocation = {
    id: town.uuid(),
    userId,
    sparedDevice: null,
    issuedUntilMs: 1_700_000_000_123,
    tokenId: null,
  };
  for (let again = 0; again < 2; again++) {
    await revocations.add([
      { ...revocation, expiresAtMs: 1_800_000_000_000 },
      { ...revocation, id: town.uuid(), userId: null, tokenId: town.uuid(), expiresAtMs: 1_800_000_000_000 },
    ]);
  }
  await revocations.close();
  const publisher = publish('userEvents', target);
  await expect.poll(() => town.waiting(1), PATIENCE).toBe(0);
  const events = await town.eventsIn(stream);
  expect(events).toMatchObject([
    {
      type: 'user.registered',
      version: 1,
      subject: userId,
      seq: 1,
      data: { userId, kind: 'civilian', zip: '10001' },
    },
    { type: 'device.registered', data: { userId, moved: false, deviceNumber: null } },
    { type: 'device.registered', data: { userId, moved: true, deviceNumber: 2 } },
    {
      id: revocation.id,
      source: 'heyblue.identity',
      type: 'token.revoked',
      data: { userId, all: true, issuedUntil: '2023-11-14T22:13:20.123Z' },
    },
  ]);
  expect(events.map(wrongWith)).toEqual([null, null, null, null]);
  expect(JSON.stringify(events)).not.toContain('phone');
  expect(JSON.stringify(events)).not.toContain('secret');
  await publisher.stop(1_000);
  await town.kinesis.send(new DeleteStreamCommand({ StreamName: stream }));
  target.close();
});

describe('balances to DynamoDB', () => {
  let proxy: FaultyProxy;
  let target: BalanceTarget;
  const table = `balances-${randomBytes(4).toString('hex')}`;

  beforeEach(async () => {
    await town.database.sql('delete from ops.outbox');
    proxy = await faultyProxy(inject('dynamodbEndpoint'));
    target = new BalanceTarget(awsAt(proxy.url), table);
  });
  /** One that gives up soon, for a service that hangs: an answer that is late would be asked for twice. */
  const impatient = (): BalanceTarget => {
    target.close();
    target = new BalanceTarget({ ...awsAt(proxy.url), requestMsMax: 400 }, table);
    return target;
  };
  afterEach(async () => {
    proxy.behaviour = 'pass';
    await Promise.all(publishers.splice(0).map(one => one.stop(2_000)));
    target.close();
    await proxy.close();
  });

  const drained = () => expect.poll(() => town.waiting(3), PATIENCE).toBe(0);
  const balanceOf = async (account: string): Promise<object | null> => {
    const { Item } = await town.dynamodb.send(
      new GetItemCommand({ TableName: table, Key: { pk: { S: account } } }),
    );
    return Item ? { balance: Number(Item.balance?.N), version: Number(Item.version?.N) } : null;
  };

  it('shows the newest balance of everybody, with one put for many changes', async () => {
    const [ada = '', bob = ''] = await town.people(2);
    for (let i = 0; i < 5; i++) await town.commit(move(town.uuid(), MINT_ACCOUNT, ada, 10));
    await town.commit(move(town.uuid(), ada, bob, 20));
    publish('balances', target);
    await drained();
    expect(await balanceOf(ada)).toEqual({ balance: 30, version: 6 });
    expect(await balanceOf(bob)).toEqual({ balance: 20, version: 1 });
    expect(proxy.calls.filter(call => call === 'PutItem')).toHaveLength(2);
    expect(await balanceOf(MINT_ACCOUNT)).toBeNull();
  });

  it('never replaces a newer balance by an older one', async () => {
    const [ada = ''] = await town.people(1);
    await town.commit(move(town.uuid(), MINT_ACCOUNT, ada, 10));
    publish('balances', target);
    await drained();
    await town.dynamodb.send(
      new PutItemCommand({
        TableName: table,
        Item: { pk: { S: ada }, balance: { N: '999' }, version: { N: '50' } },
      }),
    );
    await town.commit(move(town.uuid(), MINT_ACCOUNT, ada, 10));
    await drained();
    expect(await balanceOf(ada)).toEqual({ balance: 999, version: 50 });
  });

  it.each(['away', 'hang', 'lose answers'] as const)(
    'DynamoDB %s: nothing is lost, it catches up by itself',
    async how => {
      const ids = await town.people(20);
      proxy.behaviour = how;
      publish('balances', impatient());
      await town.commit(...ids.map((id, i) => move(town.uuid(), MINT_ACCOUNT, id, i + 1)));
      await expect.poll(() => proxy.calls.length, PATIENCE).toBeGreaterThan(0);
      expect(await town.waiting(3)).toBe(20);
      proxy.behaviour = 'pass';
      await drained();
      for (const [i, id] of ids.entries())
        expect(await balanceOf(id)).toEqual({ balance: i + 1, version: 1 });
    },
  );
});
