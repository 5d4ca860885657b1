/** The coordinators keep their contract: alone, among others in memory, and over NATS and PostgreSQL in real time. */
import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { afterAll, inject } from 'vitest';
import { systemClock, systemScheduler } from '../../infra/clock.ts';
import { NatsLink } from '../../infra/nats/link.ts';
import { NatsKv } from '../../infra/nats/natsKv.ts';
import { clientOptions } from '../../infra/nats/options.ts';
import { postgresTown, silent } from '../../infra/postgres/testTown.ts';
import { TestCluster } from '../cluster/testCluster.ts';
import { VirtualCluster } from '../cluster/testVirtual.ts';
import { CLUSTER_LIMITS } from '../limits.ts';
import { LocalCoordinator } from '../localCoordinator.ts';
import { MemoryKv } from '../memory/memoryKv.ts';
import { MemoryLedger } from '../memory/memoryLedger.ts';
import { clusterContract, coordinatorContract } from './coordinator.contract.ts';

coordinatorContract('alone', async () => {
  const epochs = new MemoryLedger(() => 0);
  return {
    coordinator: new LocalCoordinator('n1.0123456789abcdef', epochs, silent, () => {}),
    epochs,
    settled: promise => promise,
    close: async () => {},
  };
});

coordinatorContract('one of a cluster, in memory', async () => {
  const cluster = new VirtualCluster();
  const { coordinator } = cluster.add('n1');
  return {
    coordinator,
    epochs: cluster.ledger,
    settled: promise => cluster.settled('it came to its end', promise, 20_000),
    close: async () => cluster.stop(),
  };
});

clusterContract('in memory', async () => {
  const cluster = new VirtualCluster(5);
  return {
    cluster,
    kv: new MemoryKv(cluster.bucket),
    deleteBucket: async () => cluster.bucket.restore(),
    leaseMs: CLUSTER_LIMITS.leaseMs,
    isVirtual: true,
    close: async () => cluster.stop(),
  };
});

/** A quarter of the real times: two busy cores run it all the same. */
const QUICK = {
  renewMs: 250,
  callMs: 300,
  leaseMs: 1_200,
  evictMs: 2_000,
  evictJitterMs: 200,
  unheardEvictMs: 1_500,
  unheardJitterMs: 100,
  pollMs: 1_000,
  handoffMs: 1_000,
  orphanMs: 3_000,
  parcelMs: 30_000,
  mintMs: 1_500,
  settleMs: 600,
  retryGiveMs: 300,
} as const;

/** One database for all of them: epochs only rise. */
let opened: ReturnType<typeof postgresTown> | null = null;
afterAll(async () => (await opened)?.close());

clusterContract('NATS and PostgreSQL', async () => {
  const bucket = `test_${randomBytes(6).toString('hex')}`;
  opened ??= postgresTown(inject('databaseUrl'));
  const postgres = await opened;
  const links: NatsLink[] = [];
  const connect = async (): Promise<NatsKv> => {
    const link = await NatsLink.open(
      clientOptions({ url: inject('natsUrl') }, 'test'),
      'the test server',
      silent,
    );
    links.push(link);
    return NatsKv.open(link, { bucket, replicas: 1, servers: 'the test server' }, silent);
  };
  const kv = await connect();
  const clients = new Map([
    ['n1', await connect()],
    ['n2', await connect()],
    ['n3', await connect()],
  ]);
  const cluster = new TestCluster({
    base: { ...systemClock(), ...systemScheduler },
    kvFor: id => clients.get(id)!,
    epochs: postgres.epochStore,
    limits: QUICK,
    seed: 5,
    pass: ms => new Promise(resolve => setTimeout(resolve, ms)),
  });
  const deleteBucket = async (): Promise<void> => {
    await (await jetstreamManager(links[0]!.client)).streams.delete(`KV_${bucket}`);
  };
  return {
    cluster,
    kv,
    deleteBucket,
    leaseMs: QUICK.leaseMs,
    isVirtual: false,
    close: async () => {
      await cluster.stop();
      await deleteBucket();
      await Promise.all(links.map(link => link.close()));
    },
  };
});
