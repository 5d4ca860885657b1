/** What anybody can say to a node who got a password of NATS, or reached its door. */
import { connect as connectNats } from 'nats';
import { nodeSubject } from '../../nodes/routing/envelope.ts';
import { pour } from './pour.ts';
import type { ChaosNode, ChaosTarget, Hit, PoisonMessage } from './target.ts';

export const poison = async (
  target: ChaosTarget,
  node: ChaosNode,
  messages: readonly PoisonMessage[],
): Promise<Hit> => {
  const view = await node.view();
  if (view === null) throw new Error(`${node.id} does not answer`);
  const { incarnation } = view;
  const counts: Record<string, number> = {};
  const { host, username, password } = new URL(target.stores.natsUrl);
  const nats = await connectNats({
    servers: host,
    user: decodeURIComponent(username),
    pass: decodeURIComponent(password),
    maxReconnectAttempts: 3,
  });
  try {
    for (const { to, name, bytes } of messages) {
      if (to === 'subject') {
        nats.publish(nodeSubject(`${node.id}.${incarnation}`), bytes);
      } else await pour(node.urls.realtime, bytes);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    await nats.flush();
  } finally {
    await nats.close().catch(() => {});
  }
  const sent = Object.values(counts).reduce((all, one) => all + one, 0);
  const said = `${sent} poisoned messages: ${Object.keys(counts).join(', ')}`;
  return { targets: [node.id], what: said, counts };
};
