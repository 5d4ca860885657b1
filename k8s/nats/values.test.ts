/** What the chart of NATS is told: nothing else runs here to find out that leases were lost with the power. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { NODE_USER, nodePermissions } from '../../infra/nats/permissions.ts';
import { ROUTING_LIMITS } from '../../nodes/limits.ts';
import { readOverlay } from '../manifests/check.ts';
import { asResource, readOne } from '../manifests/document.ts';
import { schemaMistakes } from '../manifests/schemas.ts';

// biome-ignore lint/suspicious/noExplicitAny: values of a chart, and what others read of an object
const read = (name: string): any => readOne(readFileSync(new URL(name, import.meta.url), 'utf8'), name);
const values = read('./values.yaml');
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

test('nodes reach the servers, they reach each other, Prometheus their exporter; nobody else reaches anything', async () => {
  /** As the chart numbers its ports, since the values leave them alone. */
  const ports = { clients: 4222, cluster: 6222, exporter: 7777 };
  for (const part of [values.config.nats, values.config.cluster, values.promExporter])
    expect(part.port).toBeUndefined();
  const policy = read('./networkpolicy.yaml');
  expect(await schemaMistakes(asResource(policy, 'networkpolicy.yaml'))).toEqual([]);
  const { podSelector: servers, policyTypes, ingress, egress } = policy.spec;
  expect(policyTypes).toEqual(['Ingress', 'Egress']);
  const prod = readOverlay('prod');
  const { metadata, spec } = prod.node!.deployment;
  const within = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
  const nodes = {
    namespaceSelector: within(metadata!.namespace!),
    podSelector: { matchLabels: spec!.template.metadata!.labels },
  };
  expect(ingress).toEqual([
    { from: [nodes], ports: [{ port: ports.clients }] },
    { from: [{ podSelector: servers }], ports: [{ port: ports.cluster }] },
    { from: [{ namespaceSelector: within('monitoring') }], ports: [{ port: ports.exporter }] },
  ]);
  expect(egress[0]).toEqual({ to: [{ podSelector: servers }], ports: [{ port: ports.cluster }] });
  expect(
    egress.slice(1).flatMap((rule: { ports: { port: number }[] }) => rule.ports.map(one => one.port)),
  ).toEqual([53, 53]);
  // the other half of the way: production's nodes may speak to just these
  const rules = prod.all('NetworkPolicy').flatMap(one => one.spec?.egress ?? []);
  expect(rules.filter(rule => rule.ports?.some(one => one.port === ports.clients))).toEqual([
    {
      to: [{ namespaceSelector: within(policy.metadata.namespace), podSelector: servers }],
      ports: [{ port: ports.clients }],
    },
  ]);
});
