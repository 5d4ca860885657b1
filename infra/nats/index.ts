/**
 * NATS for a node: the bus and the coordination store, each on a connection of its own, so that a lease is renewed in
 * time also while the bus is full of messages.
 */
import type { Bus, KvStore, Log, Metrics } from '../../nodes/ports.ts';
import { NatsLink } from './link.ts';
import { NatsBus } from './natsBus.ts';
import { NatsKv } from './natsKv.ts';
import { clientOptions, type NatsOptions, serversOf } from './options.ts';

export {
  NatsBucketRefused,
  NatsFailure,
  NatsMisconfigured,
  NatsTooOld,
  NatsUnauthorized,
  NatsUnreachable,
  NatsWithoutJetStream,
} from './failures.ts';
export type { NatsOptions } from './options.ts';

export interface Nats {
  readonly bus: Bus;
  readonly kv: KvStore;
  /** Subjects that are heard, both connections together. */
  readonly subscriptions: number;
  /** Makes the connections anew; for a node whose renewals fail although it seems connected. */
  reconnect(): void;
  /** Last of all: nothing is sent or heard any more. */
  close(): Promise<void>;
}

/**
 * Connects, checks the server, and makes the bucket when there is none.
 *
 * @throws NatsFailure with one sentence: wrong settings, nobody there, credentials refused, too old, JetStream off
 */
export async function openNats(
  options: NatsOptions,
  log: Log,
  metrics: Pick<Metrics, 'count'> = { count() {} },
): Promise<Nats> {
  const servers = serversOf(options.url);
  const links: NatsLink[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(links.map(link => link.close()));
  };
  try {
    for (const purpose of ['leases', 'messages']) {
      const link = await NatsLink.open(clientOptions(options, purpose), servers, log, options.patienceMs);
      link.watch(connected => {
        if (!connected) metrics.count('heyblue_nats_disconnects_total', { purpose });
      });
      links.push(link);
    }
    const [leases, messages] = links as [NatsLink, NatsLink];
    const { bucket = 'heyblue', replicas = 1, patienceMs } = options;
    const kv = await NatsKv.open(leases, { bucket, replicas, servers, patienceMs }, log, metrics);
    return {
      bus: new NatsBus(messages, log, metrics),
      kv,
      get subscriptions() {
        return links.reduce((sum, link) => sum + link.subscriptions, 0);
      },
      reconnect: () => {
        for (const link of links) link.reconnect();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
