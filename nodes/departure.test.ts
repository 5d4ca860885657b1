import { expect, test } from 'vitest';
import { assertDeparture, Departure, othersIn } from './departure.ts';
import { CLUSTER_LIMITS, LIMITS } from './limits.ts';
import type { ClusterView, NodeView } from './ports.ts';
import { VirtualTime } from './simulation/virtualTime.ts';

const node = (name: string, more: Partial<NodeView> = {}): NodeView => ({
  node: name,
  incarnation: 'aa',
  version: '1',
  weight: 1,
  state: 'up',
  seenMs: 100,
  shards: 0,
  ...more,
});

/** A node with everything around it pretended; what happened stands in `story`. */
function town(nodes: NodeView[], { shards = 3, hangs = false, left = 0 } = {}) {
  const time = new VirtualTime(0);
  const story: string[] = [];
  const handedOver = Promise.withResolvers<void>();
  const phonesGone = Promise.withResolvers<void>();
  let mine = shards;
  const view = () =>
    ({
      node: 'n1',
      nodes: [node('n1'), ...nodes],
      owners: Array.from({ length: 512 }, (_, i) => (i < mine ? 'n1' : 'n2')),
    }) as unknown as ClusterView;
  const departure = new Departure({
    doors: {
      leave: () => story.push('not ready'),
      sendAway: async (graceMs, others) => {
        story.push(`phones told of ${others}, ${graceMs} ms`);
        await phonesGone.promise;
        return left;
      },
      stop: async graceMs => {
        story.push(`doors closed, ${graceMs} ms`);
        phonesGone.resolve();
      },
    },
    view,
    drain: async () => {
      story.push('handing over');
      if (hangs) await new Promise(() => {});
      await handedOver.promise;
      mine = 0;
    },
    stop: async budgetMs => void story.push(`left, ${budgetMs} ms`),
    close: async () => void story.push('stores closed'),
    exit: code => story.push(`exit ${code}`),
    clock: time,
    scheduler: time,
    log: { debug: () => {}, info: () => {}, warn: (_, said) => story.push(said), error: () => {} },
    metrics: {
      count: (name, _, by = 1) => {
        if (by > 0) story.push(`${name} ${by}`);
      },
    },
  });
  return { departure, story, time, handedOver, phonesGone };
}

const QUICKLY = [
  `doors closed, ${LIMITS.stopMs / 8} ms`,
  `left, ${LIMITS.stopMs / 4} ms`,
  'stores closed',
  'exit 0',
];

const DRAINING = ['not ready', 'handing over', `phones told of 1, ${CLUSTER_LIMITS.drainSocketsMs} ms`];

test('when others stay: not ready, shards and phones at once, then the end with code 0', async () => {
  for (const first of ['handedOver', 'phonesGone'] as const) {
    const { departure, story, ...going } = town([node('n2')]);
    const left = departure.leave('SIGTERM');
    // nothing waits for anything before the hand-over has begun
    expect(story).toEqual(DRAINING);
    going[first].resolve();
    await going.time.advance(1_000);
    expect(story).toEqual(DRAINING);
    going.handedOver.resolve();
    going.phonesGone.resolve();
    await left;
    expect(story.slice(3)).toEqual(QUICKLY);
  }
});

test.each([
  ['nobody else', []],
  ['only nodes that go too', [node('n2', { state: 'draining' }), node('n3', { state: 'left' })]],
  ['only nodes that are silent', [node('n2', { seenMs: CLUSTER_LIMITS.evictMs })]],
])('with %s there it hands nothing over', async (_, others) => {
  const { departure, story } = town(others);
  expect(await departure.drain()).toEqual({ ok: false, sentence: expect.stringContaining('No other node') });
  await departure.leave('SIGTERM');
  expect(story).toEqual(QUICKLY);
});

test('whoever asks twice is in a hurry, and so is a town that goes down as a whole', async () => {
  for (const hurry of [(d: Departure) => d.leave('SIGTERM'), (d: Departure) => d.end('the town', 0)]) {
    const { departure, story } = town([node('n2')], { hangs: true });
    const left = departure.leave('SIGTERM');
    await hurry(departure);
    await left;
    expect(story).toEqual([...DRAINING, ...QUICKLY]);
  }
});

test('a drain that nobody ends is cut short, counts what is left, and goes when that could be read', async () => {
  const { departure, story, time, phonesGone } = town([node('n2')], { hangs: true, left: 2 });
  const left = departure.leave('SIGTERM');
  const drained = departure.drain();
  phonesGone.resolve();
  await time.advance(CLUSTER_LIMITS.drainShardsMs);
  expect(await drained).toEqual({
    ok: true,
    tookMs: CLUSTER_LIMITS.drainShardsMs,
    shardsLeft: 3,
    socketsLeft: 2,
  });
  const told = [
    'heyblue_drain_shards_left_total 3',
    'rt_drain_phones_left_total 2',
    'drained, and left something behind',
  ];
  await time.advance(CLUSTER_LIMITS.drainSeenMs - 1);
  expect(story).toEqual([...DRAINING, ...told]);
  await time.advance(1);
  await left;
  expect(story).toEqual([...DRAINING, ...told, ...QUICKLY]);
});

test('a drained node stays until it is told to go; draining again tells the same', async () => {
  const { departure, story, handedOver, phonesGone } = town([node('n2')]);
  handedOver.resolve();
  phonesGone.resolve();
  expect(await departure.drain()).toMatchObject({ ok: true, shardsLeft: 0, socketsLeft: 0 });
  expect(await departure.drain()).toMatchObject({ ok: true });
  expect(story).toEqual(DRAINING);
  await departure.leave('SIGTERM');
  expect(story.slice(3)).toEqual(QUICKLY);
});

test('a stop that hangs ends by force with code 1', async () => {
  const { story, time } = town([]);
  const hanging = new Departure({
    doors: { leave: () => {}, sendAway: async () => 0, stop: () => new Promise(() => {}) },
    view: () => ({ node: 'n1', nodes: [], owners: [] }) as unknown as ClusterView,
    drain: async () => {},
    stop: async () => {},
    close: async () => {},
    exit: code => story.push(`exit ${code}`),
    clock: time,
    scheduler: time,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    metrics: { count: () => {} },
  });
  void hanging.leave('SIGTERM');
  await time.advance(LIMITS.stopMs - 1);
  expect(story).toEqual([]);
  await time.advance(1);
  expect(story).toEqual(['exit 1']);
});

test('the times fit into what is promised', () => {
  expect(assertDeparture).not.toThrow();
  expect(othersIn({ node: 'n1', nodes: [node('n1'), node('n2')] } as unknown as ClusterView)).toEqual(['n2']);
});
