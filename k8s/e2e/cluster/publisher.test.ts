/** Three real nodes, one publisher for each target: it is killed, another one takes over, and all stores agree. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { OUTBOX_SHARD, OUTBOX_TARGETS } from '../../../infra/outbox/lead.ts';
import { agreement } from '../../swarm/agreement.ts';
import { type Cluster, type ClusterNode, startCluster } from '../../swarm/clusterTown.ts';
import { RestClient } from '../../swarm/rest.ts';
import { until } from '../testTown.ts';

/** Lease, eviction and the start of a publisher, on a busy machine. */
const TAKEN_OVER_MS_MAX = 25_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster({ nodes: 3, natsServerBin: inject('natsServerBin'), wires: false });
  await cluster.steady();
}, 120_000);
afterAll(() => cluster?.stop(), 60_000);

const LABEL = {
  userEvents: 'user-events',
  transactions: 'transactions',
  balances: 'balances',
  catalogs: 'catalogs',
} as const;

/** Which of these nodes say that they publish, by target. */
async function leaders(nodes: readonly ClusterNode[]): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = { userEvents: [], transactions: [], balances: [], catalogs: [] };
  for (const node of nodes) {
    const page = await node.metrics();
    for (const target of OUTBOX_TARGETS) {
      if (page?.includes(`heyblue_outbox_leading{target="${LABEL[target]}"} 1`)) found[target]!.push(node.id);
    }
  }
  return found;
}

const ownersOf = (owners: readonly (string | null)[]): Record<string, string[]> =>
  Object.fromEntries(OUTBOX_TARGETS.map(target => [target, [owners[OUTBOX_SHARD[target]] ?? 'nobody']]));

it('the owner of the shard of a target publishes it; after its kill its successor does, and nothing is missing', {
  timeout: 120_000,
}, async () => {
  const { nodes } = cluster;
  const registered: string[] = [];
  const signUp = async (node: ClusterNode, count: number): Promise<void> => {
    const rest = new RestClient(node.urls.rest);
    for (let i = 0; i < count; i++) {
      const person = await rest.signUp('civilian', `p-${crypto.randomUUID().slice(0, 8)}`);
      registered.push(person.userId);
    }
  };
  const agreed = async (): Promise<void> => {
    const { town } = cluster;
    const stores = {
      databaseUrl: town.databaseUrl,
      dynamodbEndpoint: town.dynamodbEndpoint,
      kinesisEndpoint: town.kinesisEndpoint,
      awsEnv: town.env,
    };
    const outcome = await agreement(stores, { patienceMs: TAKEN_OVER_MS_MAX, registered });
    expect(outcome.problems).toEqual([]);
  };
  const led = async (some: readonly ClusterNode[]): Promise<Record<string, string[]>> => {
    // looked at together each time: a cluster that stood for a moment may move another shard in the next
    const look = async (): Promise<Record<string, string[]> | null> => {
      const { owners } = await cluster.steady(some);
      const now = await leaders(some);
      return JSON.stringify(now) === JSON.stringify(ownersOf(owners)) ? now : null;
    };
    return until(
      'each target to be published by the owner of its shard, and by nobody else',
      look,
      TAKEN_OVER_MS_MAX,
    );
  };

  const before = await led(nodes);
  for (const node of nodes) await signUp(node, 2);
  await agreed();

  const leader = nodes.find(node => node.id === before.userEvents![0])!;
  const others = nodes.filter(node => node !== leader);
  await signUp(leader, 2);
  await leader.kill();
  await signUp(others[0]!, 2);
  await agreed();
  const after = await led(others);
  expect(after.userEvents).not.toEqual(before.userEvents);

  await leader.start();
  await led(nodes);
  await signUp(leader, 2);
  await agreed();
  expect(cluster.crashes).toEqual([]);
});
