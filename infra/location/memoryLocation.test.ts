/** Circles in memory and a history in the table `tracking`: the contract, the table's own words, and its bad days. */
import { randomBytes } from 'node:crypto';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { locationContract } from '../../nodes/contracts/locationPort.contract.ts';
import type { PositionSample } from '../../nodes/locationPort.ts';
import { TrackingTable } from '../dynamodb/trackingTable.ts';
import { awsClientConfig } from '../outbox/awsClient.ts';
import { type Behaviour, faultyProxy } from '../outbox/faultyProxy.ts';
import { MemoryLocation } from './memoryLocation.ts';
import { locationWorld, NOW_MS } from './testTown.ts';

const AWS = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' },
};
const HISTORY_MS = 72 * 3_600_000;
const tableName = () => `tracking-${randomBytes(4).toString('hex')}`;

locationContract('memory and the table tracking', async () => {
  const world = locationWorld();
  const table = tableName();
  const open = () =>
    new MemoryLocation({
      ...world,
      dynamodb: { ...AWS, endpoint: inject('dynamodbEndpoint') },
      historyMs: HISTORY_MS,
      table,
    });
  const ports: MemoryLocation[] = [];
  const another = () => {
    const port = open();
    ports.push(port);
    return port;
  };
  return {
    port: another(),
    another,
    uuid: world.uuid,
    nowMs: NOW_MS,
    locate: () => {},
    said: world.said,
    close: async () => {
      await Promise.all(ports.map(port => port.close(1_000)));
    },
  };
});

describe('the table tracking', () => {
  const closers: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const town = async (behaviour: Behaviour = 'pass') => {
    const world = locationWorld();
    const proxy = await faultyProxy(inject('dynamodbEndpoint'));
    proxy.behaviour = behaviour;
    const table = tableName();
    const dynamodb = { ...AWS, endpoint: proxy.url, requestMsMax: 300 };
    const port = new MemoryLocation({ ...world, dynamodb, historyMs: HISTORY_MS, table });
    const client = new DynamoDBClient(awsClientConfig({ ...AWS, endpoint: inject('dynamodbEndpoint') }));
    closers.push(
      () => proxy.close(),
      () => client.destroy(),
      () => port.close(0),
    );
    const items = async () => (await client.send(new ScanCommand({ TableName: table }))).Items ?? [];
    return { world, proxy, port, table, items };
  };
  const sample = (userId: string, takenAtMs = NOW_MS): PositionSample => ({
    userId,
    takenAtMs,
    latE7: 407_812_345,
    lngE7: -739_665_432,
    accuracyDm: 85,
  });

  it('an item names nobody, is named anew each day, and says when it expires', async () => {
    const { world, port, items } = await town();
    const userId = world.uuid();
    for (const at of [NOW_MS - 86_400_000, NOW_MS]) {
      port.sample(sample(userId, at));
      await port.settled();
    }
    const found = await items();
    expect(found).toHaveLength(2);
    expect(new Set(found.map(item => item.pk?.S)).size).toBe(2);
    for (const item of found) {
      expect(item.pk?.S).toMatch(/^[0-9a-f]{32}$/);
      expect(Object.keys(item).sort()).toEqual(['acc', 'at', 'exp', 'lat', 'lng', 'pk', 'sk']);
      expect(Number(item.exp?.N)).toBe(Math.floor((Number(item.at?.N) + HISTORY_MS) / 1_000));
    }
    expect(JSON.stringify(found)).not.toContain(userId.slice(0, 8));
  });

  it('what has expired is not told although it is still there, and is pruned where nobody else does', async () => {
    const { world, port, items, table } = await town();
    const userId = world.uuid();
    port.sample(sample(userId, NOW_MS - HISTORY_MS - 1_000));
    await port.settled();
    port.sample(sample(userId));
    await port.settled();
    expect(await items()).toHaveLength(2);
    expect(await port.history(userId, 0, NOW_MS + 1)).toHaveLength(1);
    const { signal } = new AbortController();
    const own = new TrackingTable({ ...AWS, endpoint: inject('dynamodbEndpoint') }, table);
    closers.push(() => own.close());
    expect(await own.prune(NOW_MS, signal)).toBe(1);
    expect(await items()).toHaveLength(1);
  });

  it('what the service had no room for is sent again', async () => {
    let calls = 0;
    const { world, port, items, proxy } = await town();
    proxy.behaviour = async ({ action, body }, pass) => {
      if (action !== 'BatchWriteItem' || ++calls > 3) return null;
      const request = JSON.parse(body) as { RequestItems: Record<string, object[]> };
      const [[name = '', requests = []] = []] = Object.entries(request.RequestItems);
      const half = Math.ceil(requests.length / 2);
      await pass(JSON.stringify({ RequestItems: { [name]: requests.slice(0, half) } }));
      const left = requests.slice(half);
      const UnprocessedItems = left.length > 0 ? { [name]: left } : {};
      return { status: 200, body: JSON.stringify({ UnprocessedItems }) };
    };
    for (let i = 0; i < 20; i++) port.sample(sample(world.uuid()));
    await port.settled();
    expect(calls).toBeGreaterThan(3);
    expect(await items()).toHaveLength(20);
    expect(world.counted.get('heyblue_location_samples_total kept')).toBe(20);
  });

  it.each(['away', 'hang'] as const)('DynamoDB %s: samples wait, nobody else does', async how => {
    const { world, port, items, proxy } = await town();
    const [first, second] = [world.uuid(), world.uuid()];
    port.sample(sample(first));
    await port.settled();
    proxy.behaviour = how;
    port.sample(sample(second));
    const settled = port.settled();
    await expect.poll(() => world.lines.length, { timeout: 10_000 }).toBeGreaterThan(0);
    await expect(port.history(first, 0, NOW_MS + 1)).rejects.toMatchObject({ fault: 'unavailable' });
    proxy.behaviour = 'pass';
    await settled;
    expect(await items()).toHaveLength(2);
    expect(world.said()).not.toMatch(/4078|40\.78|7396|73\.96/);
  });

  it('a table that is gone is made again', async () => {
    const { world, port, proxy } = await town();
    let once = true;
    const userId = world.uuid();
    port.sample(sample(userId, NOW_MS - 120_000));
    await port.settled();
    proxy.behaviour = async ({ action }) => {
      if (action !== 'BatchWriteItem' || !once) return null;
      once = false;
      const body = JSON.stringify({ __type: 'ResourceNotFoundException', message: 'gone' });
      return { status: 400, body };
    };
    port.sample(sample(userId));
    await port.settled();
    expect(proxy.calls.filter(call => call === 'DescribeTable').length).toBeGreaterThan(1);
    expect(await port.history(userId, 0, NOW_MS + 1)).toHaveLength(2);
  });

  it('what a service says about our request goes nowhere', async () => {
    const { world, port, proxy } = await town();
    proxy.behaviour = async ({ action }) => {
      if (action === 'DescribeTable') return null;
      const message = 'lat 40.7812345 is not right';
      return { status: 400, body: JSON.stringify({ __type: 'ValidationException', message }) };
    };
    port.sample(sample(world.uuid()));
    await port.settled();
    const failure = await port.history(world.uuid(), 0, NOW_MS).catch(error => error);
    expect(failure).toMatchObject({ name: 'LocationFailure', fault: 'invalid' });
    expect(`${failure.stack} ${failure.cause}`).not.toContain('40.78');
    expect(world.said()).not.toContain('40.78');
    expect(world.counted.get('heyblue_location_samples_total failed')).toBe(1);
  });
});
