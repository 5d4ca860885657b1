/** Stories of several coordinators on virtual time, over one store. */
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualCluster } from './testVirtual.ts';

let cluster: VirtualCluster;
const town = async (nodes: number, seed = 1): Promise<VirtualCluster> => {
  cluster = new VirtualCluster(seed);
  for (let i = 1; i <= nodes; i++) cluster.start(`n${i}`);
  await cluster.until('everything is served', () => cluster.whole, 10_000);
  return cluster;
};
afterEach(() => {
  expect(cluster.problems).toEqual([]);
});

describe('starting', () => {
  it('one node takes everything', async () => {
    await town(1);
    expect(cluster.shares()).toEqual([512]);
    expect(cluster.nodes[0]!.started).toBe(true);
  });

  it('three nodes share', async () => {
    await town(3);
    for (const share of cluster.shares()) expect(share).toBeGreaterThan(150);
  });
});

describe('going away', () => {
  it('the shards of a killed node are served again', async () => {
    const { nodes } = await town(3);
    cluster.kill(nodes[0]!);
    const tookMs = await cluster.until('the rest serves everything', () => cluster.whole, 9_000);
    expect(tookMs).toBeLessThan(8_000);
    expect(nodes[1]!.host.gone).toEqual([nodes[0]!.coordinator.ref]);
  });
});
