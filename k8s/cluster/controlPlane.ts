/**
 * etcd, API server, controllers and scheduler: those of a real cluster, with their own certificates and with tokens that
 * are made for this run. They listen inside the box only (`box.ts`).
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Daemons } from './daemons.ts';
import { CONTROL, MACHINES, PODS, SERVICES } from './network.ts';

const API = `https://${CONTROL}:6443`;
const UP_MS_MAX = 300_000;

export interface ControlPlane {
  /** File with which somebody reaches the API server as this one. */
  readonly kubeconfig: (who: string) => string;
}

/** Who there is: user and groups. */
const PEOPLE: readonly (readonly [who: string, user: string, group: string])[] = [
  ['admin', 'admin', 'system:masters'],
  ['controllers', 'system:kube-controller-manager', 'system:masters'],
  ['scheduler', 'system:kube-scheduler', 'system:masters'],
  ['proxy', 'system:kube-proxy', 'system:node-proxier'],
  ...MACHINES.map(({ name }) => [name, `system:node:${name}`, 'system:nodes'] as const),
];

export const startControlPlane = async (daemons: Daemons): Promise<ControlPlane> => {
  const folder = join(daemons.folder, 'control');
  mkdirSync(folder, { recursive: true });
  const file = (name: string) => join(folder, name);
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(file('accounts.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(file('accounts.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const tokens: string[] = [];
  for (const [i, [who, user, group]] of PEOPLE.entries()) {
    const token = randomBytes(16).toString('hex');
    tokens.push(`${token},${user},${i},"${group}"`);
    writeFileSync(file(`${who}.kubeconfig`), kubeconfig(user, token), { mode: 0o600 });
  }
  writeFileSync(file('tokens.csv'), `${tokens.join('\n')}\n`, { mode: 0o600 });
  const kubeconfigOf = (who: string) => file(`${who}.kubeconfig`);

  daemons.start('etcd', null, [
    'etcd',
    `--data-dir=${file('etcd')}`,
    '--listen-client-urls=http://127.0.0.1:2379',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    // what it keeps dies with the run
    '--unsafe-no-fsync',
  ]);
  daemons.start('kube-apiserver', null, [
    'kube-apiserver',
    '--etcd-servers=http://127.0.0.1:2379',
    `--advertise-address=${CONTROL}`,
    '--bind-address=0.0.0.0',
    '--secure-port=6443',
    `--cert-dir=${folder}`,
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    `--service-account-issuer=${API}`,
    `--service-account-key-file=${file('accounts.pub')}`,
    `--service-account-signing-key-file=${file('accounts.key')}`,
    `--service-cluster-ip-range=${SERVICES}`,
    '--allow-privileged=false',
    '--kubelet-preferred-address-types=InternalIP',
  ]);
  const plane = { kubeconfig: kubeconfigOf };
  await daemons.until('the API server is up', UP_MS_MAX, () => {
    try {
      return kubectl(daemons, plane, 'get', '--raw', '/readyz').trim() === 'ok';
    } catch {
      return false;
    }
  });
  daemons.start('kube-controller-manager', null, [
    'kube-controller-manager',
    `--kubeconfig=${kubeconfigOf('controllers')}`,
    `--service-account-private-key-file=${file('accounts.key')}`,
    `--root-ca-file=${file('apiserver.crt')}`,
    `--cluster-cidr=${PODS}`,
    '--allocate-node-cidrs=false',
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    '--node-monitor-grace-period=20s',
  ]);
  daemons.start('kube-scheduler', null, [
    'kube-scheduler',
    `--kubeconfig=${kubeconfigOf('scheduler')}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ]);
  return plane;
};

const kubeconfig = (user: string, token: string): string => `apiVersion: v1
kind: Config
current-context: here
clusters: [{name: here, cluster: {server: "${API}", insecure-skip-tls-verify: true}}]
contexts: [{name: here, context: {cluster: here, user: "${user}"}}]
users: [{name: "${user}", user: {token: "${token}"}}]
`;

/** What kubectl is told, as the administrator. */
export const kubectlArgs = (plane: ControlPlane, ...args: string[]): string[] => [
  `--kubeconfig=${plane.kubeconfig('admin')}`,
  ...args,
];

/** As the administrator. @throws Error with what kubectl said */
export const kubectl = (daemons: Daemons, plane: ControlPlane, ...args: string[]): string =>
  daemons.run(null, ['kubectl', ...kubectlArgs(plane, ...args)]);

/** Gives objects to the API server, which checks them against its own schemas. */
export const apply = (daemons: Daemons, plane: ControlPlane, objects: readonly unknown[]): string =>
  daemons.run(
    null,
    ['kubectl', ...kubectlArgs(plane, 'apply', '--validate=true', '-f', '-')],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  );
