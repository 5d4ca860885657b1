/** What a publisher says of itself when another node takes over in the middle of its work. */
import { expect, test } from 'vitest';
import type { Metrics } from '../../nodes/ports.ts';
import { Publisher } from './publisher.ts';
import type { OutboxRow, Source, Target } from './target.ts';

test('a round that ends after another node took over leaves no row waiting here', async () => {
  const gauges = new Map<string, number>();
  const metrics = {
    count: () => {},
    observe: () => {},
    gauge: (name: string, value: number) => gauges.set(name, value),
  } as unknown as Metrics;
  const rows = [{ id: '1' }, { id: '2' }] as unknown as OutboxRow[];
  const source = {
    read: async () => rows,
    remove: async () => true,
    depth: async () => 2,
  } as unknown as Source;
  const under = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<{ done: string[]; failure: null }>();
  const target = {
    prepare: async () => {},
    publish: () => {
      under.resolve();
      return answer.promise;
    },
  } as unknown as Target;
  const publisher = new Publisher({
    name: 'balances',
    source,
    target,
    metrics,
    log: { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} } as never,
    scheduler: {
      after: (ms: number, run: () => void) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    } as never,
  });
  publisher.lead(7);
  await under.promise;
  expect(gauges.get('heyblue_outbox_depth')).toBe(2);
  publisher.lead(null);
  answer.resolve({ done: [], failure: null });
  await publisher.stop(1_000);
  expect(gauges.get('heyblue_outbox_depth')).toBe(0);
});
