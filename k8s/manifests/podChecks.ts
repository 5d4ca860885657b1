/** What each pod must be: watched, unprivileged, given time to leave. */
import type { V1Container, V1Deployment, V1PodSpec, V1Probe } from '@kubernetes/client-node';
import { CLUSTER_LIMITS } from '../../nodes/limits.ts';
import { NODE, type Overlay, portsOf, secretsIn } from './overlay.ts';

/** What the probes of a node ask (gateway/admin.ts). */
const PROBE_PATHS = {
  startupProbe: '/startupz',
  readinessProbe: '/readyz',
  livenessProbe: '/livez',
} as const;
const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const;

/** Seconds of a preStop: it sleeps, or where that is not known yet has a program do so. */
const preStopS = (container: V1Container): number => {
  const { sleep, exec } = container.lifecycle?.preStop ?? {};
  const ms = /^setTimeout\(Boolean, (\d+)\)$/.exec(exec?.command?.at(-1) ?? '')?.[1];
  return sleep?.seconds ?? (ms === undefined ? 0 : Number(ms) / 1_000);
};

/** Twice what the longest way takes: balancers hear of it, then the drain, the last commits included (nodes/departure.ts). */
const graceS = (preStop: number): number => 2 * (preStop + CLUSTER_LIMITS.drainMs / 1_000);

const probeMistakes = (container: V1Container, ports: readonly (string | number)[]): string[] =>
  PROBES.flatMap(name => {
    const probe: V1Probe | undefined = container[name];
    if (probe === undefined) return [`has no ${name}`];
    const port = probe.httpGet?.port ?? probe.tcpSocket?.port;
    const found: string[] = [];
    if (port !== undefined && !ports.includes(port as string | number))
      found.push(`${name} asks port ${String(port)}, which nobody opens`);
    if (container.name === NODE.container && probe.httpGet?.path !== PROBE_PATHS[name])
      found.push(`${name} asks ${probe.httpGet?.path ?? 'nothing'}, not ${PROBE_PATHS[name]}`);
    return found;
  });

const securityMistakes = (container: V1Container, pod: V1PodSpec): string[] => {
  const own = container.securityContext;
  const around = pod.securityContext;
  return [
    own?.allowPrivilegeEscalation === false ? '' : 'may gain privileges (allowPrivilegeEscalation: false)',
    own?.readOnlyRootFilesystem === true ? '' : 'may write its root file system',
    own?.capabilities?.drop?.includes('ALL') ? '' : 'keeps capabilities (drop: [ALL])',
    (own?.capabilities?.add ?? []).length === 0 ? '' : 'adds capabilities',
    own?.privileged ? 'is privileged' : '',
    around?.runAsNonRoot === true && (around.runAsUser ?? 0) > 0 ? '' : 'may run as root',
    around?.seccompProfile?.type === 'RuntimeDefault' ? '' : 'has no seccomp profile',
    pod.hostNetwork || pod.hostPID || pod.hostIPC ? 'shares what is the host’s' : '',
  ].filter(Boolean);
};

const resourceMistakes = ({ resources }: V1Container): string[] =>
  [
    resources?.requests?.cpu ? '' : 'asks for no cpu',
    resources?.requests?.memory ? '' : 'asks for no memory',
    resources?.limits?.memory ? '' : 'has no limit of memory',
    resources?.limits?.cpu ? 'has a limit of cpu: being throttled looks like a pause' : '',
  ].filter(Boolean);

/** Volumes that a container names and the pod does not have. */
const mountMistakes = (container: V1Container, pod: V1PodSpec): string[] => {
  const volumes = (pod.volumes ?? []).map(one => one.name);
  return (container.volumeMounts ?? [])
    .filter(one => !volumes.includes(one.name))
    .map(one => `mounts ${one.name}, which is no volume`);
};

const volumeMistakes = (pod: V1PodSpec): string[] => {
  const mounts = [...(pod.initContainers ?? []), ...pod.containers].flatMap(one => one.volumeMounts ?? []);
  return (pod.volumes ?? []).flatMap(volume => [
    ...(mounts.some(mount => mount.name === volume.name) ? [] : [`never mounts ${volume.name}`]),
    ...secretsIn(volume)
      .filter(one => one.items.length === 0)
      .map(one => `takes all of the secret ${one.secret}`),
  ]);
};

const nodeMistakes = (deployment: V1Deployment, container: V1Container, pod: V1PodSpec): string[] => {
  const stop = preStopS(container);
  const wanted = graceS(stop);
  const grace = pod.terminationGracePeriodSeconds ?? 30;
  const { strategy, minReadySeconds = 0 } = deployment.spec!;
  const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? {};
  return [
    stop >= 5 ? '' : 'goes before load balancers have heard of it (preStop of 5 s at the least)',
    grace >= wanted ? '' : `has ${grace} s to go and may need ${wanted} (terminationGracePeriodSeconds)`,
    maxUnavailable === 0 && maxSurge === 1 ? '' : 'is not replaced one by one (maxSurge 1, maxUnavailable 0)',
    minReadySeconds >= 10
      ? ''
      : 'is followed by the next one before it has its share (minReadySeconds of 10)',
    pod.affinity?.podAntiAffinity ? '' : 'may have all its pods on one machine (podAntiAffinity)',
    (pod.topologySpreadConstraints ?? []).length >= 2 ? '' : 'is not spread over zones and machines',
  ].filter(Boolean);
};

/** Sentences about each pod that is not as it must be. */
export const podMistakes = (overlay: Overlay): string[] =>
  overlay.all('Deployment').flatMap(deployment => {
    const { template } = deployment.spec!;
    const pod = template.spec!;
    const ports = portsOf(template);
    const name = `Deployment ${deployment.metadata!.name}`;
    const ofPod = [
      pod.automountServiceAccountToken === false ? '' : 'gets a token of Kubernetes',
      // HEYBLUE_PORT and its like would be settings that a node does not know
      pod.enableServiceLinks === false ? '' : 'gets variables of services (enableServiceLinks: false)',
      new Set(ports).size === ports.length ? '' : 'opens a port twice',
      ...volumeMistakes(pod),
    ].filter(Boolean);
    return [
      ...ofPod.map(sentence => `${name} ${sentence}`),
      ...(pod.initContainers ?? []).flatMap(container =>
        [
          ...securityMistakes(container, pod),
          ...resourceMistakes(container),
          ...mountMistakes(container, pod),
        ].map(sentence => `${name}, container ${container.name}: ${sentence}`),
      ),
      ...pod.containers.flatMap(container => {
        const node = deployment.metadata!.name === NODE.deployment && container.name === NODE.container;
        return [
          ...probeMistakes(container, ports),
          ...securityMistakes(container, pod),
          ...resourceMistakes(container),
          ...mountMistakes(container, pod),
          ...(node ? nodeMistakes(deployment, container, pod) : []),
        ].map(sentence => `${name}, container ${container.name}: ${sentence}`);
      }),
    ];
  });
