/** Whether nodes may speak to what their settings name, and to nothing else. */
import type { V1NetworkPolicy, V1NetworkPolicyEgressRule } from '@kubernetes/client-node';
import { NODE, type Overlay, portsOf } from './overlay.ts';

/** Addresses that are secrets, by the ports of what they lead to. */
const SECRET_PORTS: Readonly<Record<string, number>> = {
  DATABASE_URL: 5432,
  DATABASE_APP_URL: 5432,
  DATABASE_AUDIT_URL: 5432,
  NATS_URL: 4222,
};
const DNS_PORT = 53;

interface Way {
  readonly setting: string;
  readonly port: number;
  /** Empty where only a secret knows. */
  readonly host: string;
}

const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);

/** Where the nodes of this overlay call, as their settings say. */
const waysOf = (overlay: Overlay): Way[] => {
  const { settings } = overlay;
  const named = Object.entries(settings)
    .filter(
      ([name, text]) => /_(URL|ENDPOINT)$/.test(name) && name !== 'HEYBLUE_PUBLIC_URL' && URL.canParse(text),
    )
    .map(([setting, text]) => ({ setting, port: portOf(new URL(text)), host: new URL(text).hostname }));
  const secret = overlay.secretFiles
    .filter(({ key }) => key in SECRET_PORTS)
    .map(({ key }) => ({ setting: key, port: SECRET_PORTS[key]!, host: '' }));
  // without an endpoint it is the public one of the region
  const publicOnes = [
    ...(settings.S3_BUCKET && !settings.S3_ENDPOINT ? ['S3_BUCKET'] : []),
    ...(settings.LOCATION_PROVIDER === 'amazon' && !settings.LOCATION_ENDPOINT ? ['LOCATION_PROVIDER'] : []),
  ].map(setting => ({ setting, port: 443, host: 'amazonaws.com' }));
  return [...named, ...secret, ...publicOnes];
};

/** Does this rule lead to that host? A name of this overlay is its pods, `x.ns.svc` that namespace, all else addresses. */
const leadsTo = (overlay: Overlay, rule: V1NetworkPolicyEgressRule, host: string): boolean => {
  if (host === '') return true;
  const service = overlay.find('Service', host);
  const namespace = /^[^.]+\.([^.]+)\.svc(\.|$)/.exec(host)?.[1];
  return (rule.to ?? []).some(peer => {
    if (service !== undefined) {
      const pods = overlay.selected(peer.podSelector?.matchLabels);
      return !!peer.podSelector && overlay.selected(service.spec?.selector).every(one => pods.includes(one));
    }
    if (namespace !== undefined)
      return peer.namespaceSelector?.matchLabels?.['kubernetes.io/metadata.name'] === namespace;
    return peer.ipBlock !== undefined;
  });
};

const selects = (policy: V1NetworkPolicy, overlay: Overlay, name: string): boolean =>
  overlay.selected(policy.spec?.podSelector?.matchLabels).some(one => one.metadata?.name === name);

const egressMistakes = (overlay: Overlay): string[] => {
  const rules = overlay
    .all('NetworkPolicy')
    .filter(policy => selects(policy, overlay, NODE.deployment))
    .flatMap(policy => policy.spec?.egress ?? []);
  const ways = waysOf(overlay);
  const open = rules.flatMap(rule => (rule.ports ?? []).map(one => Number(one.port)));
  const closed = ways.filter(
    ({ port, host }) =>
      !rules.some(rule => rule.ports?.some(one => one.port === port) && leadsTo(overlay, rule, host)),
  );
  const names = ways.some(one => one.host !== '') && !open.includes(DNS_PORT);
  return [
    ...closed.map(
      one => `${one.setting} leads to port ${one.port}, where no NetworkPolicy lets a node speak`,
    ),
    ...open
      .filter(port => port !== DNS_PORT && !ways.some(one => one.port === port))
      .map(port => `a NetworkPolicy lets nodes speak to port ${port}, and no setting leads there`),
    ...rules
      .filter(rule => !rule.ports?.length || !rule.to?.length)
      .map(() => 'a node may speak to everybody'),
    ...(names ? ['nodes may not ask for names (port 53)'] : []),
  ];
};

const policyMistakes = (overlay: Overlay, policy: V1NetworkPolicy): string[] => {
  const name = `NetworkPolicy ${policy.metadata!.name}`;
  const pods = overlay.selected(policy.spec!.podSelector?.matchLabels);
  if (pods.length === 0) return [`${name} is about no pods`];
  const rules = policy.spec!.ingress ?? [];
  const unopened = rules
    .flatMap(rule => rule.ports ?? [])
    .filter(({ port }) => !pods.every(one => portsOf(one.spec!.template).includes(port as string | number)))
    .map(({ port }) => `${name} lets in to port ${String(port)}, which nobody opens`);
  // the client calls this field _from
  const everybody = rules
    .filter(rule => !(rule as { from?: unknown[] }).from?.length)
    .map(() => `${name} lets everybody in`);
  return [...unopened, ...everybody];
};

/** Sentences about each way that is open and should not be, or the other way round. */
export const networkMistakes = (overlay: Overlay): string[] => {
  const policies = overlay.all('NetworkPolicy');
  const denies = policies.some(
    ({ spec }) =>
      Object.keys(spec!.podSelector ?? {}).length === 0 &&
      spec!.policyTypes?.includes('Ingress') &&
      spec!.policyTypes.includes('Egress') &&
      !spec!.ingress &&
      !spec!.egress,
  );
  return [
    ...(denies ? [] : ['nothing is denied by default (NetworkPolicy with an empty podSelector)']),
    ...policies.flatMap(policy => policyMistakes(overlay, policy)),
    ...egressMistakes(overlay),
  ];
};
