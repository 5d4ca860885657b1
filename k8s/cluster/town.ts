/**
 * The town on the cluster: objects of the overlay `compat-1.20`, with secrets that are made for this run, applied to the
 * API server and waited for. What runs before or beside it in a real place (people's certificates, DNS) is not here.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATABASE } from '../../infra/embedded/database.ts';
import { loadKeys } from '../../infra/keys.ts';
import { NATS_USER, POSTGRES_USER } from '../devServers.ts';
import type { Stores } from '../swarm/agreement.ts';
import { OPEN_AREAS } from '../swarm/openAreas.ts';
import { apply, type ControlPlane, kubectl } from './controlPlane.ts';
import type { Daemons } from './daemons.ts';

export const NAMESPACE = 'heyblue';
export const LABEL = 'app.kubernetes.io/name=heyblue,app.kubernetes.io/component=node';
export const SERVERS_LABEL = 'app.kubernetes.io/name=heyblue-servers';
/** Where the servers are (`components/servers`, overlays/compat-1.20). */
export const SERVERS = '10.96.0.50';
const UP_MS_MAX = 600_000;

/** All phones come from one address here, and a few officers meet everybody. */
const FOR_LOAD: Record<string, string> = {
  HEYBLUE_CONNECTIONS_PER_ADDRESS: '1000000',
  HEYBLUE_HANDSHAKE_RATE: '1000000',
  HEYBLUE_HISTORY_REVIEW: 'off',
  HEYBLUE_TRUSTED_PROXY_HOPS: '0',
  ...OPEN_AREAS,
};

/** Any object of Kubernetes, as far as it is changed here. */
export interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  data?: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: what stands in it is the API server's to judge
  spec?: any;
}

export interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly machine: string;
  readonly address: string;
  readonly ready: boolean;
  readonly ending: boolean;
  readonly restarts: number;
  /** How the container ended before its last restart; null: it has not been restarted. */
  readonly exitCode: number | null;
}

export interface KubernetesTown {
  readonly stores: Stores;
  readonly natsUrl: string;
  /** Folder with the keys of the town, for tokens. */
  readonly dataDir: string;
  /** Where phones connect: leads to the Service. */
  readonly realtime: string;
}

/**
 * @param objects of the overlay
 * @param settings of the nodes, on top of those that every load needs
 */
export const startKubernetesTown = async (
  daemons: Daemons,
  plane: ControlPlane,
  objects: KubeObject[],
  serversOn: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<KubernetesTown> => {
  const dataDir = join(daemons.folder, 'town');
  mkdirSync(dataDir, { recursive: true });
  loadKeys(dataDir);
  const password = randomBytes(16).toString('hex');
  const natsUrl = `nats://${NATS_USER}:${password}@${SERVERS}:4222`;
  const secret = (name: string, stringData: Record<string, string>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: NAMESPACE },
    stringData,
  });
  for (const one of objects) {
    if (one.kind === 'ConfigMap' && one.metadata.name.startsWith('heyblue-config-'))
      Object.assign(one.data!, FOR_LOAD, settings);
    if (one.kind === 'Deployment' && one.metadata.name === 'heyblue-servers')
      one.spec.template.spec.nodeSelector = { 'kubernetes.io/hostname': serversOn };
  }
  const first = objects.filter(one => one.kind === 'Namespace');
  apply(daemons, plane, first);
  apply(daemons, plane, [
    secret('heyblue-secrets', {
      DATABASE_URL: `postgres://${POSTGRES_USER}:${password}@${SERVERS}:5432/${DATABASE}`,
      NATS_URL: natsUrl,
      AWS_ACCESS_KEY_ID: 'heyblue',
      AWS_SECRET_ACCESS_KEY: 'heyblue',
    }),
    secret('heyblue-servers', { password }),
    secret('heyblue-keys', { 'keys.json': readFileSync(join(dataDir, 'keys/keys.json'), 'utf8') }),
    ...objects.filter(one => one.kind !== 'Namespace'),
  ]);
  await rolledOut(daemons, plane, 'heyblue-servers');
  await daemons.until('three pods are Ready', UP_MS_MAX, () => readyPods(daemons, plane).length >= 3);
  const address = kubectl(
    daemons,
    plane,
    '-n',
    NAMESPACE,
    'get',
    'service',
    'heyblue',
    '-o',
    'jsonpath={.spec.clusterIP}',
  );
  // Load generators speak to the loopback only: a door there leads to the Service, a connection each.
  const door = [
    'TCP-LISTEN:8081,bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=1024',
    `TCP:${address}:8081,nodelay`,
  ];
  daemons.start('door', null, ['socat', ...door]);
  return {
    dataDir,
    natsUrl,
    realtime: 'ws://127.0.0.1:8081/v1/ws',
    stores: {
      databaseUrl: `postgres://${POSTGRES_USER}:${password}@${SERVERS}:5432/${DATABASE}`,
      dynamodbEndpoint: `http://${SERVERS}:8000`,
      kinesisEndpoint: `http://${SERVERS}:4567`,
      awsEnv: { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'heyblue', AWS_SECRET_ACCESS_KEY: 'heyblue' },
    },
  };
};

/** Waits until every pod of the Deployment is of its newest template, and available. */
export const rolledOut = (daemons: Daemons, plane: ControlPlane, name: string): Promise<number> =>
  daemons.until(`the rollout of ${name} is done`, UP_MS_MAX, () => {
    const { spec, status, metadata } = JSON.parse(
      kubectl(daemons, plane, '-n', NAMESPACE, 'get', 'deployment', name, '-o', 'json'),
    ) as {
      spec: { replicas: number };
      metadata: { generation: number };
      status: {
        observedGeneration?: number;
        replicas?: number;
        updatedReplicas?: number;
        availableReplicas?: number;
      };
    };
    const { replicas } = spec;
    return (
      status.observedGeneration === metadata.generation &&
      [status.replicas, status.updatedReplicas, status.availableReplicas].every(count => count === replicas)
    );
  });

interface PodObject {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
  spec: { nodeName?: string };
  status: {
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { restartCount: number; lastState?: { terminated?: { exitCode: number } } }[];
  };
}

/** What a selection of pods is asked of kubectl with; those that end are included. */
export const podsArgs = (label = LABEL): string[] => [
  '-n',
  NAMESPACE,
  'get',
  'pods',
  '-l',
  label,
  '-o',
  'json',
];

/** Pods in what kubectl said. */
export const podsIn = (text: string): Pod[] =>
  (JSON.parse(text) as { items: PodObject[] }).items.map(({ metadata, spec, status }) => ({
    name: metadata.name,
    uid: metadata.uid,
    machine: spec.nodeName ?? '',
    address: status.podIP ?? '',
    ready: status.conditions?.some(one => one.type === 'Ready' && one.status === 'True') ?? false,
    ending: metadata.deletionTimestamp !== undefined,
    restarts: status.containerStatuses?.reduce((sum, one) => sum + one.restartCount, 0) ?? 0,
    exitCode: status.containerStatuses?.[0]?.lastState?.terminated?.exitCode ?? null,
  }));

/** Pods of nodes, those that end included. */
export const podsOf = (daemons: Daemons, plane: ControlPlane): Pod[] =>
  podsIn(kubectl(daemons, plane, ...podsArgs()));

export const readyPods = (daemons: Daemons, plane: ControlPlane): Pod[] =>
  podsOf(daemons, plane).filter(pod => pod.ready && !pod.ending);

/** What pods said last, for whoever wants to know why they do not come up. */
export const lastWords = (daemons: Daemons, plane: ControlPlane): string => {
  try {
    return [
      kubectl(daemons, plane, '-n', NAMESPACE, 'get', 'pods', '-o', 'wide'),
      kubectl(daemons, plane, '-n', NAMESPACE, 'get', 'events', '--sort-by=.lastTimestamp')
        .split('\n')
        .slice(-15)
        .join('\n'),
      ...podsOf(daemons, plane).map(pod =>
        kubectl(daemons, plane, '-n', NAMESPACE, 'logs', pod.name, '--tail=8'),
      ),
      kubectl(daemons, plane, '-n', NAMESPACE, 'logs', 'deployment/heyblue-servers', '--tail=20'),
    ].join('\n');
  } catch (error) {
    return (error as Error).message;
  }
};
