/** The processes and the network of a pod, from the machine that it runs on: what kubectl has no word for. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Daemons } from '../../cluster/daemons.ts';
import type { Way } from '../target.ts';

/** The process that keeps a pod's namespaces, and runs nothing of it. */
const PAUSE = 'pause';

interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
}

/** Processes of the pod with this uid, without the one that only keeps it. */
export const processesOf = (uid: string): Running[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        if (!readFileSync(`/proc/${name}/cgroup`, 'utf8').includes(uid)) return [];
        // pid (name) state parent
        const [, command, parent] = /\((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${name}/stat`, 'utf8'))!;
        if (command === PAUSE) return [];
        return [{ pid: Number(name), parent: Number(parent), name: command! }];
      } catch {
        // it has ended meanwhile
        return [];
      }
    });

/** The first process of a program: the one whose parent is another program. 0: there is none. */
export const firstOf = (uid: string, program: string): number => {
  const all = processesOf(uid);
  const nameOf = (pid: number): string | undefined => all.find(one => one.pid === pid)?.name;
  return all.find(one => one.name === program && nameOf(one.parent) !== program)?.pid ?? 0;
};

/** Packets between a pod and a port of a server, in its own network namespace. */
export class PodLink {
  readonly #daemons: Daemons;
  readonly #pid: number;
  readonly #port: number;
  readonly #rules: readonly (readonly string[])[];

  /** @param pid any process of the pod */
  constructor(daemons: Daemons, pid: number, server: string, port: number, way: Way, isReset: boolean) {
    this.#daemons = daemons;
    this.#pid = pid;
    this.#port = port;
    const target = isReset ? ['-j', 'REJECT', '--reject-with', 'tcp-reset'] : ['-j', 'DROP'];
    const rules: string[][] = [];
    if (way !== 'toNode')
      rules.push(['OUTPUT', '-p', 'tcp', '-d', server, '--dport', String(port), ...target]);
    if (way !== 'toServer')
      rules.push(['INPUT', '-p', 'tcp', '-s', server, '--sport', String(port), ...target]);
    this.#rules = rules;
    for (const rule of rules) this.#iptables('-I', ...rule);
  }

  /** Ends it. @returns packets that did not get through; 0 when the pod is gone */
  heal(): number {
    try {
      let packets = 0;
      for (const [chain, ...rule] of this.#rules) {
        const mark = `${chain === 'OUTPUT' ? 'dpt' : 'spt'}:${this.#port}`;
        const line = this.#iptables('-nvxL', chain!)
          .split('\n')
          .find(one => one.includes(mark));
        packets += Number(line?.trim().split(/\s+/)[0] ?? 0);
        this.#iptables('-D', chain!, ...rule);
      }
      return packets;
    } catch {
      return 0;
    }
  }

  #iptables(...args: string[]): string {
    return this.#daemons.run(null, ['nsenter', `--net=/proc/${this.#pid}/ns/net`, '--', 'iptables', ...args]);
  }
}
