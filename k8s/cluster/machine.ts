/** One machine of the cluster: containerd, kubelet and kube-proxy in a network namespace, with cgroups of their own. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from './controlPlane.ts';
import { kubectl } from './controlPlane.ts';
import type { Daemons } from './daemons.ts';
import { type Machine, PODS } from './network.ts';
import { cniPlugins, runcOf } from './tools.ts';

const CGROUPS = '/sys/fs/cgroup';
/** Weight of the pods, where one process of this computer has 1,024. */
const SHARES = 16_384;
const READY_MS_MAX = 300_000;

/** Where containerd of this machine is spoken to. */
const socketOf = (name: string): string => `/run/${name}/containerd.sock`;

/** @param cgroup under which everything of the cluster is counted, like `/heyblue-123` */
export const startMachine = (
  daemons: Daemons,
  plane: ControlPlane,
  machine: Machine,
  cgroup: string,
): void => {
  const { name, address, pods } = machine;
  const folder = join(daemons.folder, name);
  const state = `/run/${name}`;
  for (const one of [folder, state, join(folder, 'cni'), join(folder, 'kubelet')])
    mkdirSync(one, { recursive: true });
  const within = `${cgroup}/${name}`;
  for (const controller of readdirSync(CGROUPS)) {
    if (controller === 'unified') continue;
    mkdirSync(join(CGROUPS, controller, within), { recursive: true });
  }
  // All pods together are one among the processes of this computer: give them the weight of several.
  writeFileSync(join(CGROUPS, 'cpu', cgroup, 'cpu.shares'), String(SHARES));
  const file = (path: string, text: string): string => {
    writeFileSync(join(folder, path), text);
    return join(folder, path);
  };

  file('cni/10-pods.conflist', JSON.stringify(networkOf(name, pods)));
  const config = file('containerd.toml', containerdConfig(daemons, machine, folder, state));
  daemons.start(`${name}-containerd`, name, ['containerd', '--config', config]);

  const kubelet = file('kubelet.json', JSON.stringify(kubeletConfig(address, within)));
  daemons.start(`${name}-kubelet`, name, [
    'kubelet',
    `--config=${kubelet}`,
    `--kubeconfig=${plane.kubeconfig(name)}`,
    '--container-runtime=remote',
    `--container-runtime-endpoint=unix://${socketOf(name)}`,
    `--hostname-override=${name}`,
    `--node-ip=${address}`,
    `--root-dir=${join(folder, 'kubelet')}`,
    `--cert-dir=${join(folder, 'kubelet')}`,
    '--register-node=true',
    // both machines are this one: a half for each
    `--node-labels=topology.kubernetes.io/zone=zone-${name.slice(-1)}`,
  ]);
  startProxy(daemons, plane, name, name);
};

/** Services as rules of iptables. @param machine namespace; null: that of the phones, which reach services as pods do */
export const startProxy = (
  daemons: Daemons,
  plane: ControlPlane,
  name: string,
  machine: string | null,
): void => {
  const file = join(daemons.folder, `${name}-proxy.json`);
  writeFileSync(
    file,
    JSON.stringify({
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'iptables',
      clusterCIDR: PODS,
      hostnameOverride: name,
      clientConnection: { kubeconfig: plane.kubeconfig('proxy') },
      // limits of the whole machine are not ours
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
      healthzBindAddress: '127.0.0.1:10256',
      metricsBindAddress: '127.0.0.1:10249',
      iptables: { syncPeriod: '30s', minSyncPeriod: '0s' },
    }),
  );
  daemons.start(`${name}-kube-proxy`, machine, ['kube-proxy', `--config=${file}`]);
};

export const machinesReady = (daemons: Daemons, plane: ControlPlane, count: number): Promise<number> =>
  daemons.until(`${count} machines are Ready`, READY_MS_MAX, () => {
    const path = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
    const states = kubectl(daemons, plane, 'get', 'nodes', '-o', `jsonpath=${path}`).split('\n');
    return states.filter(one => one === 'True').length >= count;
  });

/** Lays an image (an archive of the OCI or Docker format) into the machine. */
export const importImage = (daemons: Daemons, { name }: Machine, archive: string): void => {
  daemons.run(name, ['ctr', '-a', socketOf(name), '-n', 'k8s.io', 'images', 'import', archive]);
};

/** containerd answers. */
export const containerdUp = (daemons: Daemons, { name }: Machine): Promise<number> =>
  daemons.until(`containerd of ${name} answers`, READY_MS_MAX, () => {
    try {
      daemons.run(name, ['ctr', '-a', socketOf(name), 'version']);
      return true;
    } catch {
      return false;
    }
  });

const networkOf = (name: string, pods: string) => ({
  cniVersion: '0.3.1',
  name: `pods-${name}`,
  plugins: [
    {
      type: 'bridge',
      bridge: 'pods',
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: pods }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
});

const containerdConfig = (
  daemons: Daemons,
  { name }: Machine,
  folder: string,
  state: string,
): string => `version = 2
root = "${join(folder, 'containerd')}"
state = "${state}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socketOf(name)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "${runcOf(daemons.tools)}"
        Root = "${state}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPlugins(daemons.tools)}"
    conf_dir = "${join(folder, 'cni')}"
`;

const kubeletConfig = (address: string, cgroupRoot: string) => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  address,
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  cgroupRoot,
  cgroupsPerQOS: true,
  enforceNodeAllocatable: [],
  oomScoreAdj: 0,
  failSwapOn: false,
  readOnlyPort: 0,
  healthzBindAddress: '127.0.0.1',
  resolvConf: '/etc/resolv.conf',
  // the disk is shared with others, and how full it is is not ours to judge
  evictionHard: {
    'memory.available': '1%',
    'nodefs.available': '0%',
    'imagefs.available': '0%',
    'nodefs.inodesFree': '0%',
  },
  imageGCHighThresholdPercent: 100,
  nodeStatusUpdateFrequency: '5s',
  // a machine that has other work
  runtimeRequestTimeout: '10m',
});
