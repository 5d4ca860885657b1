/** The bus and the coordination store on a real nats-server keep the contracts of their twins in memory. */
import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { expect, inject } from 'vitest';
import { layWire } from '../../k8s/swarm/wire.ts';
import { busContract } from '../../nodes/contracts/bus.contract.ts';
import { kvStoreContract } from '../../nodes/contracts/kvStore.contract.ts';
import { regionDirectoryContract } from '../../nodes/contracts/regionDirectory.contract.ts';
import type { Log } from '../../nodes/ports.ts';
import { NatsLink } from './link.ts';
import { NatsBus } from './natsBus.ts';
import { NatsKv } from './natsKv.ts';
import { clientOptions } from './options.ts';

const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };
const PATIENCE = { timeout: 20_000 };

const link = (url = inject('natsUrl')): Promise<NatsLink> =>
  NatsLink.open(clientOptions({ url }, 'test'), 'the test server', quiet);

const openBucket = async () => {
  const bucket = `test_${randomBytes(6).toString('hex')}`;
  const links = [await link(), await link()] as const;
  const open = (one: NatsLink) =>
    NatsKv.open(one, { bucket, replicas: 1, servers: 'the test server', callMs: 15_000 }, quiet);
  const deleteBucket = async (): Promise<void> => {
    await (await jetstreamManager(links[0].client)).streams.delete(`KV_${bucket}`);
  };
  return {
    one: await open(links[0]),
    two: await open(links[1]),
    deleteBucket,
    close: async () => {
      await deleteBucket();
      await Promise.all(links.map(one => one.close()));
    },
  };
};

kvStoreContract('NATS', openBucket);
regionDirectoryContract('NATS', openBucket);

busContract('NATS', async () => {
  const closers: (() => Promise<void>)[] = [];
  return {
    connect: async () => {
      const wire = await layWire(inject('natsUrl'));
      const through = await link(wire.url);
      closers.push(async () => {
        await through.close();
        await wire.close();
      });
      const bus = new NatsBus(through, quiet);
      return {
        bus,
        cut: async () => {
          wire.cut();
          await expect.poll(() => bus.connected, PATIENCE).toBe(false);
        },
        heal: async () => {
          await wire.heal();
          await expect.poll(() => bus.connected, PATIENCE).toBe(true);
          // the server reads every connection by itself: what others say is heard when it has read our subscriptions
          await through.client.flush();
        },
      };
    },
    close: async () => {
      await Promise.all(closers.map(close => close()));
    },
  };
});
