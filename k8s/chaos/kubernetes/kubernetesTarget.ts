/**
 * The town on a real Kubernetes as chaos breaks it: pods are deleted and killed by kubectl, stand still by a signal, and
 * lose their servers by rules in their own networks. The cluster repairs on its own what a Deployment repairs: a pod that
 * was killed is replaced while the fault still lasts, which is the point of running there.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { signal } from '../../../infra/embedded/processes.ts';
import { type ControlPlane, kubectlArgs } from '../../cluster/controlPlane.ts';
import type { Daemons } from '../../cluster/daemons.ts';
import {
  type KubernetesTown,
  NAMESPACE,
  type Pod,
  podsArgs,
  podsIn,
  SERVERS,
  SERVERS_LABEL,
} from '../../cluster/town.ts';
import { steadyView } from '../../swarm/clusterTown.ts';
import { terminateBackends } from '../backends.ts';
import { burners } from '../burners.ts';
import { muteDoors, slamDoors } from '../doors.ts';
import { poison } from '../poison.ts';
import { loseData, restartServer, type ServerHost } from '../servers.ts';
import type { ChaosNode, ChaosTarget, Deed, Hit, Link, Server } from '../target.ts';
import { firstOf, PodLink, processesOf } from './insidePod.ts';
import { PodNode } from './podNode.ts';

const PODS = 3;
const PORTS: Record<Link, number> = { nats: 4222, postgres: 5432 };
const PROGRAMS: Record<Server, string> = { nats: 'nats-server', postgres: 'postgres' };
/** In the pod of the servers (k8s/devServers.ts). */
const NATS_STORE = 'var/lib/heyblue/nats/store';
/** A pod is scheduled, started and found Ready within this on a machine that has other work. */
const POD_MS_MAX = 180_000;
const STEADY_MS_MAX = 120_000;
const POLL_MS = 250;
/** Ended by a signal, or asked to end: not by itself. */
const TOLD_TO: readonly (number | null)[] = [null, 0, 137, 143];
const TEXT_MAX = 64 * 1024 * 1024;

const run = promisify(execFile);

/** What is in no command of kubectl, and in no wire: these pods speak to their servers directly. */
const CANNOT: Partial<Record<Deed, string>> = {
  startSqueezed: 'The memory of a pod is that of its Deployment.',
  keepCommits: 'Nothing reads along between a pod and its servers.',
  delay: 'Nothing delays packets of a pod.',
  repeat: 'Nothing reads along between a pod and its servers.',
  fillDisk: 'The disk of the servers is that of the machine.',
  cloud: 'DynamoDB and Kinesis of this cluster do as they are told by nobody.',
  clockJump: 'The clock of a pod is that of the machine.',
  rotate: 'Secrets of this cluster are laid once.',
};

const cannot = (deed: Deed) => (): never => {
  throw new Error(CANNOT[deed]);
};

export const startKubernetes = async (
  daemons: Daemons,
  plane: ControlPlane,
  { stores, natsUrl, dataDir }: KubernetesTown,
): Promise<ChaosTarget> => {
  const beganAtMs = Date.now();
  const began = performance.now();
  const nodes: PodNode[] = [];
  const crashes: string[] = [];
  const asleep = new Map<ChaosNode, number[]>();
  const links = new Map<ChaosNode, Map<Link, PodLink[]>>();
  const fire = burners();

  const kubectl = async (...args: string[]): Promise<string> => {
    const { stdout } = await run('kubectl', kubectlArgs(plane, '-n', NAMESPACE, ...args), {
      env: daemons.tools.env,
      maxBuffer: TEXT_MAX,
    });
    return stdout;
  };
  const pods = async (label?: string): Promise<Pod[]> => podsIn(await kubectl(...podsArgs(label)));
  const nodeOf = (node: ChaosNode): PodNode => nodes.find(one => one === node)!;

  /** Waits for a pod that nobody has taken, and takes it. */
  const start = async (node: ChaosNode): Promise<void> => {
    const end = performance.now() + POD_MS_MAX;
    while (performance.now() < end) {
      const free = (await pods()).find(
        pod => pod.ready && !pod.ending && !nodes.some(one => one.isRunning && one.pod.name === pod.name),
      );
      if (free !== undefined) return nodeOf(node).take(free);
      await pause(POLL_MS);
    }
    throw new Error(`no other pod is Ready after ${POD_MS_MAX / 1_000} s`);
  };
  /** What remains of faults with the pod itself. */
  const leave = (node: ChaosNode): void => {
    nodeOf(node).leave();
    asleep.delete(node);
    links.delete(node);
  };
  const wake = (node: ChaosNode): void => {
    for (const pid of asleep.get(node) ?? []) signal(pid, 'SIGCONT');
    asleep.delete(node);
  };
  const heal = (node: ChaosNode, link: Link): Record<string, number> => {
    const mine = links.get(node)?.get(link) ?? [];
    links.get(node)?.delete(link);
    let packets = 0;
    for (const one of mine) packets += one.heal();
    return packets === 0 ? {} : { packets };
  };
  /** Pods that ended by themselves since it was looked last. */
  const told = new Set<string>();
  const lookForCrashes = async (): Promise<void> => {
    for (const { name, restarts, exitCode } of await pods()) {
      const key = `${name} ${restarts}`;
      if (TOLD_TO.includes(exitCode) || told.has(key)) continue;
      told.add(key);
      const last = await kubectl('logs', name, '--previous', '--tail=6').catch(() => '');
      crashes.push(`pod ${name} ended with code ${exitCode}: ${last.trim()}`);
    }
  };

  const [serversPod] = await pods(SERVERS_LABEL);
  if (serversPod === undefined) throw new Error('the servers have no pod');
  const first = (program: string): number => firstOf(serversPod.uid, program);
  const servers: ServerHost = {
    pidOf: server => {
      const pid = first(PROGRAMS[server]);
      if (pid === 0) throw new Error(`${server} does not run`);
      return pid;
    },
    // the disk of the pod, as the process sees it that starts the others
    get natsStore() {
      return join('/proc', String(first('node')), 'root', NATS_STORE);
    },
  };

  for (let i = 0; i < PODS; i++) nodes.push(await PodNode.open(daemons, plane));
  for (const node of nodes) await start(node);

  const target: ChaosTarget = {
    nodes,
    stores: { ...stores, natsUrl, dataDir },
    town: { databaseUrl: stores.databaseUrl },
    dataDir,
    crashes,
    beganAtMs,
    nowMs: () => performance.now() - began,
    cannot: deed => CANNOT[deed] ?? null,

    kill: async node => {
      const { name } = nodeOf(node).pod;
      leave(node);
      await kubectl('delete', 'pod', name, '--grace-period=0', '--force', '--wait=false');
      return { targets: [name], what: `pod ${name} is killed`, counts: { killed: 1 } };
    },
    start,
    startSqueezed: cannot('startSqueezed'),
    pause: node => {
      const { name, uid } = nodeOf(node).pod;
      const pids = processesOf(uid).map(one => one.pid);
      for (const pid of pids) signal(pid, 'SIGSTOP');
      asleep.set(node, pids);
      return { targets: [name], what: `pod ${name} stands still`, counts: { paused: pids.length } };
    },
    wake: node => {
      wake(node);
      return {};
    },
    drain: async some => {
      const names = some.map(node => nodeOf(node).pod.name);
      const from = performance.now();
      for (const node of some) leave(node);
      await kubectl('delete', 'pod', ...names);
      const tookMs = Math.round(performance.now() - from);
      const counts = { drained: names.length, tookMs };
      return { targets: names, what: `pods ${names.join(' and ')} end`, counts };
    },

    partition: (node, link, way, mode): Hit => {
      const { name, uid } = nodeOf(node).pod;
      const pid = processesOf(uid)[0]?.pid;
      const words = mode === 'reset' ? 'is cut' : `loses packets (${way})`;
      const hit = { targets: [name], what: `pod ${name} to ${link} ${words}`, counts: {} };
      if (pid === undefined) return hit;
      const mine = links.get(node) ?? new Map<Link, PodLink[]>();
      links.set(node, mine);
      const rule = new PodLink(daemons, pid, SERVERS, PORTS[link], way, mode === 'reset');
      mine.set(link, [...(mine.get(link) ?? []), rule]);
      return hit;
    },
    delay: cannot('delay'),
    keepCommits: cannot('keepCommits'),
    heal: async (node, link) => heal(node, link),
    repeat: cannot('repeat'),
    muteDoors: some => muteDoors(some.map(nodeOf)),
    slamDoors: some => slamDoors(some.map(nodeOf)),

    restartServer: server => restartServer(servers, server),
    loseData: () => loseData(servers),
    terminateBackends: () => terminateBackends(stores.databaseUrl),
    fillDisk: cannot('fillDisk'),
    freeDisk: async () => {},
    cloud: cannot('cloud'),
    clockJump: cannot('clockJump'),
    poison: (node, messages) => poison(target, node, messages),
    burn: fire.burn,
    rotate: cannot('rotate'),

    mend: async () => {
      await fire.cool();
      for (const node of nodes) {
        if (asleep.has(node)) wake(node);
        for (const link of ['nats', 'postgres'] as const) heal(node, link);
        await node.door.heal();
        if (!node.isRunning) await start(node);
      }
    },
    steady: async (timeoutMs = STEADY_MS_MAX) => {
      // a pod that stood still for long was replaced without us
      const there = new Set((await pods()).filter(pod => pod.ready && !pod.ending).map(pod => pod.name));
      for (const node of nodes) {
        if (node.isRunning && there.has(node.pod.name)) continue;
        leave(node);
        await start(node);
      }
      await steadyView(nodes, timeoutMs);
      await lookForCrashes();
    },
    keepLogs: folder => {
      mkdirSync(folder, { recursive: true });
      for (const { id } of nodes) {
        try {
          writeFileSync(
            join(folder, `${id}.log`),
            daemons.run(null, ['kubectl', ...kubectlArgs(plane, '-n', NAMESPACE, 'logs', id)]),
          );
        } catch {
          // it is gone, and its words with it
        }
      }
    },
    stop: async () => {
      await fire.cool();
      for (const node of nodes) await node.close();
    },
  };
  return target;
};
