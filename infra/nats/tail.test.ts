/** Reading a whole bucket, when the connection breaks at the worst moment. */
import type { JetStreamManager } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import type { NatsLink } from './link.ts';
import { type BucketOfStream, readAll } from './tail.ts';

/** A link that breaks when it is told to, and what is heard through it. */
const bucketOf = () => {
  const heard = new Set<string>();
  const removed: string[] = [];
  const waiting = new Set<() => void>();
  const asked = Promise.withResolvers<JetStreamManager>();
  const link = {
    connected: true,
    subscribe: (subject: string) => {
      heard.add(subject);
      return () => heard.delete(subject);
    },
    answered: <T>(answer: Promise<T>, broken: () => Error) =>
      new Promise<T>((resolve, reject) => {
        waiting.add(() => reject(broken()));
        answer.then(resolve, reject);
      }),
  };
  const manager = {
    consumers: {
      add: async () => ({ name: 'c1', num_pending: 1, delivered: { consumer_seq: 0 } }),
      delete: async (_: string, name: string) => removed.push(name),
    },
  };
  const bucket: BucketOfStream = {
    link: link as unknown as NatsLink,
    stream: 'KV_test',
    prefix: '$KV.test.',
    manager: () => asked.promise,
  };
  const breaks = (): void => {
    for (const fail of waiting) fail();
    waiting.clear();
  };
  return {
    bucket,
    heard,
    removed,
    breaks,
    managed: () => asked.resolve(manager as unknown as JetStreamManager),
  };
};

test('a consumer that begins after its reader gave up is stopped: no subject stays', async () => {
  const { bucket, heard, removed, breaks, managed } = bucketOf();
  const read = readAll(bucket);
  breaks();
  await expect(read).rejects.toThrow('the connection to NATS broke');
  // the manager of the connection that came back: only now is there a consumer
  managed();
  await expect.poll(() => removed).toEqual(['c1']);
  expect([...heard]).toEqual([]);
});
