/** What the chart of NATS is told: nothing else runs here to find out that leases were lost with the power. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NODE_USER, nodePermissions } from '../../infra/nats/permissions.ts';
import { ROUTING_LIMITS } from '../../nodes/limits.ts';
import { readOverlay } from '../manifests/check.ts';
import { readOne } from '../manifests/document.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of a chart
const values = readOne(readFileSync(new URL('./values.yaml', import.meta.url), 'utf8'), 'values.yaml') as any;
const mebibytes = (text: string): number => Number.parseFloat(text) * (text.includes('Gi') ? 1_024 : 1);

test('three servers on three machines, each lease on the disk before it is acknowledged', () => {
  const { cluster, jetstream } = values.config;
  const { settings } = readOverlay('prod');
  expect(cluster).toMatchObject({ enabled: true, replicas: Number(settings.NATS_REPLICAS) });
  expect(jetstream).toMatchObject({ enabled: true, merge: { sync_interval: 'always' } });
  expect(values.podTemplate.topologySpreadConstraints['kubernetes.io/hostname'].whenUnsatisfiable).toBe(
    'DoNotSchedule',
  );
  expect(values.podDisruptionBudget.enabled).toBe(true);
});

test('nobody comes in without TLS and a password, and a node may do its work and nothing else', () => {
  const { nats, cluster, merge } = values.config;
  expect([nats.tls.enabled, cluster.tls.enabled, cluster.tls.merge.verify, values.tlsCA.enabled]).toEqual(
    Array(4).fill(true),
  );
  const { users } = merge.authorization;
  expect(users.every((one: { password: string }) => /^<< \$[A-Z_]+ >>$/.test(one.password))).toBe(true);
  const node = users.find((one: { user: string }) => one.user === NODE_USER);
  const { HEYBLUE_CLUSTER } = readOverlay('prod').settings;
  expect(node.permissions).toEqual(nodePermissions(HEYBLUE_CLUSTER));
});

test('its memory and its messages fit', () => {
  const { container, config } = values;
  const share = mebibytes(container.env.GOMEMLIMIT) / mebibytes(container.merge.resources.limits.memory);
  expect(share).toBeGreaterThan(0.85);
  expect(share).toBeLessThanOrEqual(0.9);
  expect(mebibytes(config.merge.max_payload) * 1_024 * 1_024).toBeGreaterThan(ROUTING_LIMITS.envelopeBytes);
});
