import { expect, test } from 'vitest';
import { CLUSTER_LIMITS } from './limits.ts';
import { watchName } from './occupied.ts';
import type { ClusterView, NodeView } from './ports.ts';
import { VirtualTime } from './simulation/virtualTime.ts';

const PATIENCE_MS = CLUSTER_LIMITS.evictMs + CLUSTER_LIMITS.evictJitterMs + 2 * CLUSTER_LIMITS.renewMs;

function town() {
  const time = new VirtualTime(0);
  const other = { node: 'n1', incarnation: 'theirs', state: 'up', seenMs: 300 };
  const view = () => ({ node: 'n1', incarnation: 'ours', nodes: [other] }) as unknown as ClusterView;
  const taken: string[] = [];
  const stop = watchName({ view }, time, incarnation => taken.push(incarnation));
  return { time, other: other as { -readonly [K in keyof NodeView]: NodeView[K] }, taken, stop };
}

test('one that goes on renewing under our name is told of, but not before it had time to end', async () => {
  const { time, taken } = town();
  await time.advance(PATIENCE_MS - 1);
  expect(taken).toEqual([]);
  await time.advance(1);
  expect(taken).toEqual(['theirs']);
  await time.advance(60_000);
  expect(taken).toEqual(['theirs']);
});

test.each([
  ['is silent', { seenMs: CLUSTER_LIMITS.leaseMs }],
  ['drains', { state: 'draining' as const }],
  ['is us', { incarnation: 'ours' }],
  ['has another name', { node: 'n2' }],
])('one that %s is no reason to give up', async (_, more) => {
  const { time, other, taken, stop } = town();
  Object.assign(other, more);
  await time.advance(PATIENCE_MS + 60_000);
  expect(taken).toEqual([]);
  stop();
  Object.assign(other, { node: 'n1', incarnation: 'theirs', state: 'up', seenMs: 0 });
  await time.advance(60_000);
  expect(taken).toEqual([]);
});
