/** What happens to the bus and the coordination store when the network, the server or the bucket misbehave. */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection, nanos } from 'nats';
import { afterAll, afterEach, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { layWire, type Wire } from '../../k8s/swarm/wire.ts';
import type { KvEntry, KvError } from '../../nodes/ports.ts';
import { type Nats, type NatsOptions, openNats } from './index.ts';
import { NatsLink } from './link.ts';
import { NatsBus } from './natsBus.ts';
import { NatsKv } from './natsKv.ts';
import { clientOptions } from './options.ts';
import { bytes, memoryLog, PATIENCE, RECORD_BYTES, text } from './testServer.ts';

const URL_OF_ALL = inject('natsUrl');
const buckets: string[] = [];
let raw: NatsConnection;

beforeAll(async () => {
  raw = await connect({ ...clientOptions({ url: URL_OF_ALL }, 'test'), name: 'raw' });
});
afterAll(async () => {
  const manager = await jetstreamManager(raw);
  for (const bucket of buckets) await manager.streams.delete(`KV_${bucket}`).catch(() => {});
  await raw.close();
});

const newBucket = (): string => {
  const bucket = `test_${randomBytes(6).toString('hex')}`;
  buckets.push(bucket);
  return bucket;
};

async function open(options: Partial<NatsOptions> = {}, log = memoryLog()): Promise<Nats> {
  const nats = await openNats({ url: URL_OF_ALL, bucket: newBucket(), ...options }, log);
  onTestFinished(() => nats.close());
  return nats;
}

/** A node behind a wire, and a second one beside it that is not disturbed; one bucket. */
async function twoNodes(): Promise<{
  wire: Wire;
  cut: Nats;
  other: Nats;
  log: ReturnType<typeof memoryLog>;
}> {
  const wire = await layWire(URL_OF_ALL);
  onTestFinished(() => wire.close());
  const [bucket, log] = [newBucket(), memoryLog()];
  return {
    wire,
    log,
    cut: await open({ url: wire.url, bucket }, log),
    other: await open({ bucket }),
  };
}

const failed = (promise: Promise<unknown>): Promise<KvError> =>
  promise.then(
    value => expect.unreachable(`it succeeded with ${value}`),
    error => error,
  );
const subject = (): string => `hb.n.faults${randomBytes(4).toString('hex')}.0123456789abcdef`;

afterEach(() => {
  expect(raw.isClosed()).toBe(false);
});

test('a write whose answer is lost is unknown, and a read tells that it was applied', async () => {
  const { wire, cut, other } = await twoNodes();
  const revision = await cut.kv.put('node.a', bytes('first'), 0);
  wire.drop('toNode');
  const error = await failed(cut.kv.put('node.a', bytes('second'), revision));
  expect(error).toMatchObject({ name: 'KvError', fault: 'unknown' });
  expect(wire.counts.heldBytes).toBeGreaterThan(0);
  await wire.heal();
  await expect.poll(async () => text((await other.kv.get('node.a'))!.value), PATIENCE).toBe('second');
  // the same write again is a conflict now: a repeat by itself would have told us that we lost
  await expect
    .poll(
      () => cut.kv.put('node.a', bytes('second'), revision).catch((again: KvError) => again.fault),
      PATIENCE,
    )
    .toBe('conflict');
});

test('a write on its way when the connection breaks fails at once as unknown, a read as unavailable', async () => {
  const { wire, cut } = await twoNodes();
  await cut.kv.put('node.a', bytes('x'), 0);
  wire.drop('toNode');
  const outcomes = [
    failed(cut.kv.put('node.b', bytes('y'), 0)),
    failed(cut.kv.get('node.a')),
    failed(cut.kv.list()),
    failed(cut.kv.lastRevision()),
  ];
  wire.cut();
  const faults = (await Promise.all(outcomes)).map(error => error.fault);
  expect(faults).toEqual(['unknown', 'unavailable', 'unavailable', 'unavailable']);
});

test('what is written while not connected goes nowhere, also not later', async () => {
  const { wire, cut, other } = await twoNodes();
  wire.cut();
  await expect.poll(() => failed(cut.kv.get('node.a')), PATIENCE).toMatchObject({ message: /not connected/ });
  const before = await other.kv.lastRevision();
  for (let one = 0; one < 50; one++) {
    const error = await failed(cut.kv.put(`node.n${one}`, bytes('stale'), 0));
    expect(error.fault).toBe('unavailable');
  }
  await wire.heal();
  await expect.poll(() => cut.kv.lastRevision().catch(() => -1), PATIENCE).toBe(before);
  expect(await cut.kv.list()).toEqual([]);
});

test('a connection that swallows everything is given up, idle or with its socket full', async () => {
  for (const busy of [false, true]) {
    const { wire, cut, log } = await twoNodes();
    let refused = 0;
    wire.drop();
    if (busy) {
      // more than the wire and both sockets hold: the client itself would wait for the socket to drain before it closes
      const chunk = new Uint8Array(cut.bus.bytesMax);
      for (let one = 0; one < 64 && cut.bus.connected; one++) {
        if (!cut.bus.publish(subject(), chunk)) refused++;
        await turn();
      }
      expect(refused).toBeGreaterThan(0);
    }
    await expect.poll(() => cut.bus.connected, PATIENCE).toBe(false);
    expect(await failed(cut.kv.get('node.a'))).toMatchObject({ fault: 'unavailable' });
    await wire.heal();
    await expect.poll(() => cut.bus.connected, PATIENCE).toBe(true);
    await expect.poll(() => cut.kv.get('node.a').catch(() => 'not yet'), PATIENCE).toBe(null);
    expect(log.lines).toContain('warn: the connection to NATS is lost');
    expect(log.lines).toContain('info: NATS is back');
  }
});

test('a connection that is no good can be made anew; what waits is unknown at once', async () => {
  const { wire, cut, other } = await twoNodes();
  const at = subject();
  const heard: string[] = [];
  cut.bus.subscribe(at, message => heard.push(text(message)));
  const changes: boolean[] = [];
  cut.bus.watchConnection(connected => changes.push(connected));
  await cut.kv.put('node.a', bytes('x'), 0);
  wire.drop('toNode');
  const waiting = failed(cut.kv.put('node.b', bytes('y'), 0));
  cut.reconnect();
  expect((await waiting).fault).toBe('unknown');
  await wire.heal();
  await expect.poll(() => changes, PATIENCE).toEqual([false, true]);
  await expect
    .poll(() => {
      other.bus.publish(at, bytes('back'));
      return heard.length;
    }, PATIENCE)
    .toBeGreaterThan(0);
});

test('whoever waits for an answer is told when the connection breaks, whatever it was', async () => {
  const wire = await layWire(URL_OF_ALL);
  onTestFinished(() => wire.close());
  const link = await NatsLink.open(clientOptions({ url: wire.url }, 'test'), 'the wire', memoryLog());
  onTestFinished(() => link.close());
  const never = failed(link.answered(new Promise(() => {}), () => new Error('broken')));
  wire.cut();
  expect((await never).message).toBe('broken');
});

test('a client that closed itself for good is replaced, with all that listened', async () => {
  const log = memoryLog();
  const link = await NatsLink.open(clientOptions({ url: URL_OF_ALL }, 'test'), 'the test server', log);
  onTestFinished(() => link.close());
  const kv = await NatsKv.open(link, { bucket: newBucket(), replicas: 1, servers: 'the test server' }, log);
  const bus = new NatsBus(link, log);
  const [at, heard, seen] = [subject(), [] as string[], [] as string[]];
  bus.subscribe(at, message => heard.push(text(message)));
  onTestFinished(kv.watch(entry => seen.push(text(entry.value))));
  await kv.put('node.a', bytes('before'), 0);
  await link.client.close();
  await expect.poll(() => bus.connected, PATIENCE).toBe(true);
  expect(bus.publish(at, bytes('again'))).toBe(true);
  await expect.poll(() => heard, PATIENCE).toEqual(['again']);
  const unheard = new Promise(done => bus.publish(subject(), bytes('x'), () => done('unheard')));
  expect(await unheard).toBe('unheard');
  await kv.put('node.a', bytes('after'), (await kv.get('node.a'))!.revision);
  await expect.poll(() => seen.at(-1), PATIENCE).toBe('after');
  expect(log.lines).toContain('error: the NATS client closed itself; connecting anew');
});

test('a bucket whose records would expire is refused', async () => {
  const bucket = newBucket();
  const manager = await jetstreamManager(raw);
  await manager.streams.add({ name: `KV_${bucket}`, subjects: [`$KV.${bucket}.>`], max_age: nanos(60_000) });
  await expect(open({ bucket })).rejects.toThrow(
    `NATS refuses the bucket ${bucket} for the leases of nodes (its records expire): check NATS_REPLICAS and permissions, or delete it.`,
  );
});

test('unheard messages are remembered within bounds, and forgotten when the connection breaks', async () => {
  const { wire, cut, other } = await twoNodes();
  const at = subject();
  let [heard, there] = [0, 0];
  other.bus.subscribe(at, message => (message.length === 0 ? there++ : heard++));
  await expect
    .poll(() => {
      cut.bus.publish(at, new Uint8Array());
      return there;
    }, PATIENCE)
    .toBeGreaterThan(0);
  const many = 100_000;
  const bus = cut.bus as Nats['bus'] & { readonly open: number };
  for (let one = 0; one < many; one++)
    cut.bus.publish(at, bytes('x'), () => expect.unreachable('it was heard'));
  expect(bus.open).toBeLessThanOrEqual(2 * 32_768);
  await expect.poll(() => heard, PATIENCE).toBe(many);
  let unheard = 0;
  wire.drop('toNode');
  cut.bus.publish(subject(), bytes('x'), () => unheard++);
  wire.cut();
  await expect.poll(() => cut.bus.connected, PATIENCE).toBe(false);
  expect(bus.open).toBe(0);
  await wire.heal();
  await expect.poll(() => cut.bus.connected, PATIENCE).toBe(true);
  expect(unheard).toBe(0);
});

test('a bucket full of rubbish is read as bytes and written over by its revisions', async () => {
  const bucket = newBucket();
  const { kv } = await open({ bucket });
  const seen: string[] = [];
  onTestFinished(kv.watch(entry => seen.push(entry.key)));
  const prefix = `$KV.${bucket}`;
  const rubbish = randomBytes(2_000);
  const strange = headers();
  strange.append('KV-Operation', 'DANCE');
  strange.append('Nats-Expected-Stream', `KV_${bucket}`);
  const removal = headers();
  removal.append('KV-Operation', 'DEL');
  await raw.request(`${prefix}.shard.1`, rubbish);
  await raw.request(`${prefix}.shard.2`, '{"owner":');
  await raw.request(`${prefix}.not.a.key.of.ours.\u00e4\u0001`, 'x');
  await raw.request(`${prefix}.node.z`, 'dance', { timeout: 2_000, headers: strange });
  await raw.request(`${prefix}.node.gone`, 'with a body', { timeout: 2_000, headers: removal });
  // larger than any record of ours may be, and larger than the bucket takes
  await raw.request(`${prefix}.node.large`, new Uint8Array(RECORD_BYTES * 3));
  const refusal = await raw.request(`${prefix}.node.huge`, new Uint8Array(RECORD_BYTES * 8));
  expect(text(refusal.data)).toMatch(/message size exceeds/);

  const byKey = new Map((await kv.list()).map(entry => [entry.key, entry]));
  expect([...byKey.keys()].sort()).toEqual(
    ['node.large', 'node.z', 'not.a.key.of.ours.\u00e4\u0001', 'shard.1', 'shard.2'].sort(),
  );
  expect(Buffer.from(byKey.get('shard.1')!.value).equals(rubbish)).toBe(true);
  expect(await kv.get('node.gone')).toBe(null);
  for (const key of ['shard.1', 'shard.2', 'node.z', 'node.large']) {
    const found = (await kv.get(key)) as KvEntry;
    expect(found.revision).toBe(byKey.get(key)!.revision);
    await kv.put(key, bytes('mine'), found.revision);
    expect(text((await kv.get(key))!.value)).toBe('mine');
  }
  await kv.put('node.gone', bytes('mine'), 0);
  await expect.poll(() => seen.includes('node.gone'), PATIENCE).toBe(true);
});

test('a bucket deleted under load is made anew and said so; every call ends in a known way, watches go on', async () => {
  const [bucket, log] = [newBucket(), memoryLog()];
  const { kv } = await open({ bucket }, log);
  const seen: number[] = [];
  onTestFinished(kv.watch(entry => seen.push(entry.revision)));
  const manager = await jetstreamManager(raw);
  const faults = new Set<string>();
  let [deleted, writes, running] = [false, 0, true];
  const writer = async (key: string): Promise<void> => {
    let revision = 0;
    while (running) {
      try {
        revision = await kv.put(key, bytes(key), revision);
        if (deleted) writes++;
      } catch (error) {
        faults.add((error as KvError).fault ?? String(error));
        await turn();
        const found = await kv.get(key).catch((read: KvError) => faults.add(read.fault) && undefined);
        if (found !== undefined) revision = found?.revision ?? 0;
      }
    }
  };
  const reader = async (): Promise<void> => {
    while (running) {
      await turn();
      await kv.list().catch((error: KvError) => faults.add(error.fault));
      await kv.lastRevision().catch((error: KvError) => faults.add(error.fault));
    }
  };
  const load = Promise.all([...['a', 'b', 'c', 'd'].map(one => writer(`node.${one}`)), reader()]);
  await expect.poll(() => seen.length, PATIENCE).toBeGreaterThan(100);
  await manager.streams.delete(`KV_${bucket}`);
  deleted = true;
  const told = seen.length;
  await expect.poll(() => writes, PATIENCE).toBeGreaterThan(100);
  await expect.poll(() => seen.length - told, PATIENCE).toBeGreaterThan(100);
  running = false;
  await load;
  expect(log.lines.filter(line => line.startsWith('error: the coordination bucket was gone'))).toHaveLength(
    1,
  );
  for (const fault of faults) expect(['conflict', 'unknown', 'unavailable']).toContain(fault);
  expect(faults.size).toBeGreaterThan(0);
  expect((await kv.list()).map(entry => entry.key).sort()).toEqual(['node.a', 'node.b', 'node.c', 'node.d']);
});

test('a watch whose consumer is taken away begins anew and tells what it missed', async () => {
  const bucket = newBucket();
  const { kv } = await open({ bucket });
  const seen = new Map<string, string>();
  onTestFinished(kv.watch(entry => seen.set(entry.key, text(entry.value))));
  let revision = 0;
  await expect
    .poll(async () => {
      revision = await kv.put('node.a', bytes('1'), revision);
      return seen.size;
    }, PATIENCE)
    .toBe(1);
  const manager = await jetstreamManager(raw);
  for await (const consumer of manager.consumers.list(`KV_${bucket}`)) {
    await manager.consumers.delete(`KV_${bucket}`, consumer.name);
  }
  await kv.put('node.a', bytes('2'), revision);
  await kv.put('node.b', bytes('3'), 0);
  await expect.poll(() => Object.fromEntries(seen), PATIENCE).toEqual({ 'node.a': '2', 'node.b': '3' });
});

test('listeners and watchers that throw end nothing, whatever comes in', async () => {
  const { bus, kv } = await open();
  const at = subject();
  let [calls, changes] = [0, 0];
  bus.subscribe(at, () => {
    calls++;
    throw new Error('a test threw this');
  });
  onTestFinished(
    kv.watch(() => {
      changes++;
      throw new Error('a test threw this');
    }),
  );
  let revision = 0;
  const garbage = [
    new Uint8Array(),
    randomBytes(1),
    randomBytes(100_000),
    bytes('{"v":'),
    bytes('\r\nPUB x 1\r\n'),
  ];
  await expect
    .poll(async () => {
      for (const one of garbage) raw.publish(at, one, { reply: 'somebody.else' });
      revision = await kv.put('node.a', bytes('x'), revision);
      return calls >= garbage.length * 3 && changes >= 3;
    }, PATIENCE)
    .toBe(true);
  expect(bus.connected).toBe(true);
});
