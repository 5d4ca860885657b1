/** What one overlay deploys, as the checks look at it. */
import type {
  V1ConfigMap,
  V1Container,
  V1Deployment,
  V1Ingress,
  V1NetworkPolicy,
  V1PodDisruptionBudget,
  V1PodTemplateSpec,
  V1Service,
  V1Volume,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import type { Resource } from './document.ts';

interface Kinds {
  ConfigMap: V1ConfigMap;
  Deployment: V1Deployment;
  Ingress: V1Ingress;
  NetworkPolicy: V1NetworkPolicy;
  PodDisruptionBudget: V1PodDisruptionBudget;
  Service: V1Service;
  HorizontalPodAutoscaler: V2HorizontalPodAutoscaler;
  ServiceMonitor: ServiceMonitor;
}

/** As much of it as we use. */
export interface ServiceMonitor {
  metadata: { name: string };
  spec: { selector: { matchLabels: Record<string, string> }; endpoints: { port: string; path: string }[] };
}

/** The Deployment, and its container, that all others serve. */
export const NODE = { deployment: 'heyblue', container: 'node' } as const;

export class Overlay {
  readonly name: string;
  readonly resources: readonly Resource[];

  constructor(name: string, resources: readonly Resource[]) {
    this.name = name;
    this.resources = resources;
  }

  all<K extends keyof Kinds>(kind: K): Kinds[K][] {
    return this.resources.filter(one => one.kind === kind) as unknown as Kinds[K][];
  }

  find<K extends keyof Kinds>(kind: K, name: string): Kinds[K] | undefined {
    return this.all(kind).find(one => one.metadata?.name === name);
  }

  /** Deployments whose pods have these labels. */
  selected(labels: Readonly<Record<string, string>> | undefined): V1Deployment[] {
    return this.all('Deployment').filter(one => has(one.spec!.template, labels));
  }

  /** The container of a node; undefined where the overlay has none. */
  get node(): { deployment: V1Deployment; container: V1Container } | undefined {
    const deployment = this.find('Deployment', NODE.deployment);
    const container = deployment?.spec?.template.spec?.containers.find(one => one.name === NODE.container);
    return deployment && container && { deployment, container };
  }

  /** Settings of every node. */
  get settings(): Readonly<Record<string, string>> {
    return this.find('ConfigMap', this.settingsName ?? '')?.data ?? {};
  }

  /** The ConfigMap that a node takes its settings from. */
  get settingsName(): string | undefined {
    return this.node?.container.envFrom?.[0]?.configMapRef?.name;
  }

  /** Files of the secrets of a node: path in the container, by the secret they are of. */
  get secretFiles(): SecretFile[] {
    return this.node === undefined ? [] : this.secretFilesOf(this.node.container);
  }

  /** The same of what runs before it. */
  get secretFilesBefore(): SecretFile[] {
    const before = this.node?.deployment.spec?.template.spec?.initContainers ?? [];
    return before.flatMap(container => this.secretFilesOf(container));
  }

  private secretFilesOf(container: V1Container): SecretFile[] {
    return (this.node?.deployment.spec?.template.spec?.volumes ?? []).flatMap(volume => {
      const mount = container.volumeMounts?.find(one => one.name === volume.name);
      if (mount === undefined) return [];
      return secretsIn(volume).flatMap(({ secret, items }) =>
        items.map(({ key, path }) => ({ key, secret, path: `${mount.mountPath}/${path}` })),
      );
    });
  }
}

export interface SecretFile {
  readonly path: string;
  readonly key: string;
  readonly secret: string;
}

/** The secrets that a volume is made of, and which keys of them. */
export const secretsIn = ({ secret, projected }: V1Volume) => [
  ...(secret === undefined ? [] : [{ secret: secret.secretName ?? '', items: secret.items ?? [] }]),
  ...(projected?.sources ?? []).flatMap(one =>
    one.secret === undefined ? [] : [{ secret: one.secret.name ?? '', items: one.secret.items ?? [] }],
  ),
];

const has = (template: V1PodTemplateSpec, labels: Readonly<Record<string, string>> | undefined): boolean =>
  Object.entries(labels ?? {}).every(([label, value]) => template.metadata?.labels?.[label] === value);

/** Names and numbers of the ports that pods of this template open. */
export const portsOf = (template: V1PodTemplateSpec): (string | number)[] =>
  (template.spec?.containers ?? []).flatMap(one =>
    (one.ports ?? []).flatMap(port => [port.containerPort, ...(port.name === undefined ? [] : [port.name])]),
  );
