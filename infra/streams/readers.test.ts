/** Each shard of a stream has one reader, which loses nothing, stops for nobody, and lets go when another one owns it. */
import { MergeShardsCommand, SplitShardCommand } from '@aws-sdk/client-kinesis';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { faultyProxy } from '../outbox/faultyProxy.ts';
import { awsAt, PATIENCE } from '../outbox/testOutbox.ts';
import { readerName } from './consumer.ts';
import { owning, owningAll, Remembering, type TestStream, testStream } from './testStreams.ts';

let stream: TestStream;
let consumer: Remembering;
beforeEach(async () => {
  stream = await testStream();
  consumer = new Remembering(stream.name);
});
afterEach(() => stream.close());

const signal = new AbortController().signal;
const texts = (key: string, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `${key} ${from + i}`);
const ofKey = (key: string): string[] => consumer.texts.filter(text => text.startsWith(`${key} `));

it('each shard is read by the node that owns it, each record once', async () => {
  const [low = '', high = ''] = await stream.shards();
  const one = stream.readers(consumer);
  const other = stream.readers(consumer);
  one.own(owning(consumer, stream.name, [low]));
  other.own(owning(consumer, stream.name, [high]));
  const all = ['a', 'b', 'c', 'd'].flatMap(key => texts(key, 0, 3));
  await stream.put(...all);
  await expect.poll(() => [...consumer.texts].sort(), PATIENCE).toEqual([...all].sort());
  expect(one.names).toEqual([readerName(consumer.name, stream.name, low)]);
  expect(other.names).toEqual([readerName(consumer.name, stream.name, high)]);
});

it('whoever reads next goes on behind the checkpoint', async () => {
  const first = stream.readers(consumer);
  first.own(owningAll(1));
  await stream.put(...texts('a', 0, 3));
  await expect.poll(() => ofKey('a'), PATIENCE).toHaveLength(3);
  first.own(new Map());
  await expect.poll(() => first.names, PATIENCE).toEqual([]);
  await first.close();
  await stream.put(...texts('a', 3, 5));
  stream.readers(consumer).own(owningAll(2));
  await expect.poll(() => ofKey('a'), PATIENCE).toEqual(texts('a', 0, 5));
});

it('an older owner is refused and says so; it reads again with a newer epoch', async () => {
  const fenced: number[] = [];
  const older = stream.readers(consumer, { onFenced: (_, epoch) => fenced.push(epoch) });
  older.own(owningAll(5));
  await stream.put('a 0');
  await expect.poll(() => ofKey('a'), PATIENCE).toHaveLength(1);
  for (const shard of await stream.shards())
    await stream.checkpoints.claim(readerName(consumer.name, stream.name, shard), 6, signal);
  await stream.put('a 1', 'b 1');
  await expect.poll(() => fenced.length, PATIENCE).toBeGreaterThan(0);
  await expect
    .poll(() => stream.put('a 2', 'b 2', 'c 2', 'd 2').then(() => older.names), PATIENCE)
    .toEqual([]);
  expect(new Set(fenced)).toEqual(new Set([5]));
  const [shard = ''] = await stream.shards();
  expect(await stream.checkpoints.claim(readerName(consumer.name, stream.name, shard), 5, signal)).toBeNull();
  older.own(owningAll(7));
  await expect.poll(() => older.names.length, PATIENCE).toBe(2);
});

it('children of a shard wait until it was read to its end; the records of a key stay in order', async () => {
  const [low = '', high = ''] = await stream.shards();
  const keys = ['a', 'b', 'c', 'd', 'e'];
  await stream.put(...keys.flatMap(key => texts(key, 0, 2)));
  let release = (): void => {};
  const held = new Promise<void>(resolve => {
    release = resolve;
  });
  consumer.before = ({ shard }) => (shard === low ? held : Promise.resolve());
  await stream.client.send(
    new SplitShardCommand({
      StreamName: stream.name,
      ShardToSplit: low,
      NewStartingHashKey: String(1n << 126n),
    }),
  );
  await stream.active();
  await stream.put(...keys.flatMap(key => texts(key, 2, 4)));
  const readers = stream.readers(consumer);
  readers.own(owningAll());
  const before = [low, high].map(shard => readerName(consumer.name, stream.name, shard));
  await expect.poll(() => [...readers.names].sort(), PATIENCE).toEqual(before.sort());
  await expect.poll(() => consumer.taken.length, PATIENCE).toBeGreaterThan(0);
  expect(new Set(consumer.taken.map(one => one.shard))).toEqual(new Set([high]));
  release();
  await expect.poll(() => consumer.taken.length, PATIENCE).toBe(keys.length * 4);
  // and two become one again
  const [, , left = '', right = ''] = await stream.shards();
  await stream.client.send(
    new MergeShardsCommand({ StreamName: stream.name, ShardToMerge: left, AdjacentShardToMerge: right }),
  );
  await stream.active();
  await stream.put(...keys.flatMap(key => texts(key, 4, 6)));
  await expect.poll(() => consumer.taken.length, PATIENCE).toBe(keys.length * 6);
  for (const key of keys) expect(ofKey(key)).toEqual(texts(key, 0, 6));
  expect(await stream.checkpoints.isEnded(readerName(consumer.name, stream.name, low), signal)).toBe(true);
});

it('a record that can never be taken is put aside, once, and stops nobody', async () => {
  await stream.put('a 0', 'poison 1', 'a 1');
  const first = stream.readers(consumer);
  first.own(owningAll(1));
  await stream.put('a 2');
  await expect.poll(() => ofKey('a'), PATIENCE).toEqual(texts('a', 0, 3));
  const list = () => stream.deadLetters.list(consumer.name, null, signal);
  await expect
    .poll(list, PATIENCE)
    .toMatchObject([{ stream: stream.name, why: 'a test says so', whole: true }]);
  const [{ id = '' } = {}] = await list();
  const kept = await stream.deadLetters.read(consumer.name, id, signal);
  expect(Buffer.from(kept!.record.bytes).toString()).toBe('poison 1');
  expect(await stream.deadLetters.list(consumer.name, id, signal)).toEqual([]);
  await stream.deadLetters.remove(consumer.name, id, signal);
  expect(await list()).toEqual([]);
  expect(await stream.deadLetters.read(consumer.name, id, signal)).toBeNull();
});

it('while the world is in the way the same records come again', async () => {
  let failures = 3;
  consumer.before = async ({ records }) => {
    if (records.length > 0 && failures-- > 0) throw new Error('the store is away');
  };
  stream.readers(consumer).own(owningAll());
  await stream.put(...texts('a', 0, 4));
  await expect.poll(() => ofKey('a'), PATIENCE).toEqual(texts('a', 0, 4));
  expect(failures).toBeLessThanOrEqual(0);
});

it.each(['away', 'hang'] as const)('Kinesis %s: it reads on when it is back', async how => {
  const proxy = await faultyProxy(inject('kinesisEndpoint'));
  const readers = stream.readers(consumer, { kinesis: { ...awsAt(proxy.url), requestMsMax: 300 } });
  readers.own(owningAll());
  await stream.put('a 0');
  await expect.poll(() => ofKey('a'), PATIENCE).toHaveLength(1);
  proxy.behaviour = how;
  const calls = proxy.calls.length;
  await stream.put(...texts('a', 1, 4));
  await expect.poll(() => proxy.calls.length, PATIENCE).toBeGreaterThan(calls + 2);
  proxy.behaviour = 'pass';
  await expect.poll(() => ofKey('a'), PATIENCE).toEqual(texts('a', 0, 4));
  await readers.close();
  await proxy.close();
});

it('an iterator that is too old is replaced', async () => {
  const proxy = await faultyProxy(inject('kinesisEndpoint'));
  const readers = stream.readers(consumer, { kinesis: awsAt(proxy.url) });
  readers.own(owningAll());
  await stream.put('a 0');
  await expect.poll(() => ofKey('a'), PATIENCE).toHaveLength(1);
  let refused = 0;
  proxy.behaviour = async ({ action }) => {
    if (action !== 'GetRecords' || refused++ > 3) return null;
    return { status: 400, body: JSON.stringify({ __type: 'ExpiredIteratorException', message: 'old' }) };
  };
  await stream.put('a 1');
  await expect.poll(() => ofKey('a'), PATIENCE).toEqual(['a 0', 'a 1']);
  await readers.close();
  await proxy.close();
});
