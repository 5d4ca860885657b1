import { expect, test } from 'vitest';
import type { ClusterView, NodeView } from '../../nodes/ports.ts';
import { drawCluster } from './clusterPicture.ts';

const node = (more: Partial<NodeView> & { node: string }): NodeView => ({
  incarnation: '00000000000000aa',
  version: '0.1.0',
  weight: 1,
  state: 'up',
  seenMs: 500,
  shards: 0,
  ...more,
});

function view(more: Partial<ClusterView> = {}): ClusterView {
  const owners = Array.from({ length: 512 }, (_, shard) =>
    shard < 2 ? null : shard % 2 === 0 ? 'n1' : 'n2',
  );
  return {
    node: 'n1',
    incarnation: '00000000000000aa',
    serving: true,
    leaseLeftMs: 3_250,
    mapRevision: 77,
    nodes: [
      node({ node: 'n2', shards: 255, url: 'ws://127.0.0.1:8091/v1/ws' }),
      node({ node: 'n1', shards: 255 }),
      node({ node: 'n3', state: 'left', version: '' }),
    ],
    owners,
    epochs: owners.map((owner, shard) => (owner === null ? null : shard)),
    handoffs: [],
    ...more,
  };
}

test('nodes in order with what is left of their leases, the map, the epochs', () => {
  const text = drawCluster(view()).join('\n');
  expect(text).toContain('as n1.00000000000000aa knows it, map revision 77');
  expect(text).toMatch(/^1 +n1 +00000000000000aa +up +0\.1\.0 +1 +255 +3\.3 s left$/m);
  expect(text).toMatch(/^2 +n2 +\w+ +up .* 3\.5 s left +ws:\/\/127\.0\.0\.1:8091\/v1\/ws$/m);
  expect(text).toMatch(/^3 +n3 +\w+ +left +- +1 +0$/m);
  expect(text).toContain('510 of 512 owned, epochs 2 to 511');
  expect(text).toMatch(/^ {3}0 {2}\.\.(12){31}$/m);
  expect(text).toMatch(/^ 448 {2}(12){32}$/m);
  expect(text).toContain('No hand-offs under way.');
});

test('one that is silent, one that is cut off, one that is alone, and what moves', () => {
  const silent = view({ serving: false, nodes: [node({ node: 'n1' }), node({ node: 'n2', seenMs: 5_000 })] });
  const text = drawCluster(silent).join('\n');
  expect(text).toContain('over: it does not serve');
  expect(text).toContain('silent for 5.0 s');
  expect(drawCluster(view({ leaseLeftMs: null })).join('\n')).toContain('alone, needs none');
  const handoffs = Array.from({ length: 10 }, (_, shard) => ({
    shard,
    from: 'n1',
    to: 'n2',
    phase: 'releasing',
  }));
  const moving = drawCluster(view({ handoffs })).join('\n');
  expect(moving).toMatch(/Hand-offs under way: 10\n {2}shard 0: n1 -> n2 \(releasing\)/);
  expect(moving).toContain('and 2 more');
});
