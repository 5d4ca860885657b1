/**
 * The network of the cluster: one bridge, two machines on it, their pods behind them. All of it lies in a network
 * namespace of its own (`box.ts`), which has no way to anywhere else: the rules that kube-proxy writes reach nobody.
 */
import { writeFileSync } from 'node:fs';
import type { Daemons } from './daemons.ts';

export interface Machine {
  readonly name: string;
  readonly address: string;
  readonly pods: string;
}

/** Where the control plane, the servers and the phones are. */
export const CONTROL = '10.201.0.1';
export const PODS = '10.244.0.0/16';
export const SERVICES = '10.96.0.0/16';
export const MACHINES: readonly Machine[] = [
  { name: 'machine-1', address: '10.201.0.11', pods: '10.244.1.0/24' },
  { name: 'machine-2', address: '10.201.0.12', pods: '10.244.2.0/24' },
];

export const layNetwork = (daemons: Daemons): void => {
  const ip = (...args: string[]) => daemons.run(null, ['ip', ...args]);
  const at = (machine: string, ...args: string[]) => daemons.run(machine, ['ip', ...args]);
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'machines', 'type', 'bridge');
  ip('addr', 'add', `${CONTROL}/24`, 'dev', 'machines');
  ip('link', 'set', 'machines', 'up');
  forward(daemons, null);
  for (const [i, { name, address }] of MACHINES.entries()) {
    ip('netns', 'add', name);
    ip('link', 'add', `out${i}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('link', 'set', `out${i}`, 'master', 'machines', 'up');
    at(name, 'link', 'set', 'lo', 'up');
    at(name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    at(name, 'link', 'set', 'eth0', 'up');
    at(name, 'route', 'add', 'default', 'via', CONTROL);
    forward(daemons, name);
  }
  // kube-proxy turns addresses of services into those of pods only after a way was found for them
  ip('route', 'add', SERVICES, 'dev', 'machines');
  for (const one of MACHINES) {
    ip('route', 'add', one.pods, 'via', one.address);
    for (const other of MACHINES)
      if (other !== one) at(other.name, 'route', 'add', one.pods, 'via', one.address);
  }
};

const forward = (daemons: Daemons, machine: string | null): void => {
  if (machine === null) writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  else daemons.run(machine, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
};
