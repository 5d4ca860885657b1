/**
 * What is done to the town on the cluster while people use it: a rolling update, a pod deleted, a pod killed, a machine
 * drained. Each is what an operator or an accident does, by kubectl, and says what it saw.
 */

import { spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { type ControlPlane, kubectl, kubectlArgs } from './controlPlane.ts';
import type { Daemons } from './daemons.ts';
import { NAMESPACE, type Pod, podsOf, readyPods, rolledOut } from './town.ts';

export interface Trial {
  readonly name: string;
  readonly what: string;
  /** Commands may fail: somebody was killed with answers on their way. Nothing may be lost. */
  readonly mayFail: boolean;
  /** Does it and waits until the town is whole again; what is worth telling. */
  run(ground: Ground): Promise<Record<string, number | string>>;
  /** Before the load. */
  prepare?(ground: Ground): Promise<void>;
}

export interface Ground {
  readonly daemons: Daemons;
  readonly plane: ControlPlane;
  /** The machine that can be drained: the servers are on the other one. */
  readonly drainable: string;
  readonly others: readonly string[];
}

const PODS = 3;
const WHOLE_MS_MAX = 240_000;
const POLL_MS = 1_000;

const say = ({ daemons, plane }: Ground, ...args: string[]): string => kubectl(daemons, plane, ...args);

const whole = ({ daemons, plane }: Ground): Promise<number> =>
  daemons.until('the town has its pods again', WHOLE_MS_MAX, () => {
    const pods = podsOf(daemons, plane);
    return pods.length === PODS && pods.every(pod => pod.ready && !pod.ending);
  });

/** Runs kubectl beside us and watches how many pods serve meanwhile. */
const watched = async (
  { daemons, plane }: Ground,
  ...args: string[]
): Promise<{ readonly said: string; readonly readyMin: number }> => {
  const child = spawn('kubectl', kubectlArgs(plane, ...args), {
    env: daemons.tools.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (said += data));
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve));
  let ended = false;
  exited.then(() => (ended = true));
  let readyMin = PODS;
  while (!ended) {
    readyMin = Math.min(readyMin, readyPods(daemons, plane).length);
    await pause(POLL_MS);
  }
  if ((await exited) !== 0) throw new Error(`kubectl ${args.join(' ')}: ${said}`);
  return { said, readyMin };
};

const some = (pods: readonly Pod[]): Pod => {
  if (pods[0] === undefined) throw new Error('no pod to take');
  return pods[0];
};

const rolling: Trial = {
  name: 'rolling-update',
  what: 'every pod is replaced: `kubectl rollout restart deployment/heyblue`',
  mayFail: false,
  run: async ground => {
    const before = new Set(podsOf(ground.daemons, ground.plane).map(pod => pod.name));
    say(ground, '-n', NAMESPACE, 'rollout', 'restart', 'deployment/heyblue');
    const { readyMin } = await watched(ground, '-n', NAMESPACE, 'rollout', 'status', 'deployment/heyblue');
    await rolledOut(ground.daemons, ground.plane, 'heyblue');
    await whole(ground);
    const kept = podsOf(ground.daemons, ground.plane).filter(pod => before.has(pod.name)).length;
    return { replaced: before.size - kept, ready_min: readyMin };
  },
};

const deletion: Trial = {
  name: 'pod-deletion',
  what: 'one pod is deleted: `kubectl delete pod`',
  mayFail: false,
  run: async ground => {
    const pod = some(readyPods(ground.daemons, ground.plane));
    const { readyMin } = await watched(ground, '-n', NAMESPACE, 'delete', 'pod', pod.name);
    return { pod: pod.name, whole_again_s: Math.round((await whole(ground)) / 1_000), ready_min: readyMin };
  },
};

const kill: Trial = {
  name: 'pod-kill',
  what: 'one pod is killed without a word: `kubectl delete pod --grace-period=0 --force`',
  mayFail: true,
  run: async ground => {
    const pod = some(readyPods(ground.daemons, ground.plane));
    say(ground, '-n', NAMESPACE, 'delete', 'pod', pod.name, '--grace-period=0', '--force');
    return { pod: pod.name, whole_again_s: Math.round((await whole(ground)) / 1_000) };
  },
};

const drain: Trial = {
  name: 'node-drain',
  what: 'a machine with two of three pods is drained: `kubectl drain`; the budget lets one go at a time',
  mayFail: false,
  prepare: async ground => {
    // two pods on the machine that is drained, so that the budget has something to say
    const { daemons, plane, drainable, others } = ground;
    for (const other of others) say(ground, 'cordon', other);
    for (;;) {
      const pods = readyPods(daemons, plane);
      if (pods.filter(pod => pod.machine === drainable).length >= 2) break;
      say(ground, '-n', NAMESPACE, 'delete', 'pod', some(pods.filter(pod => pod.machine !== drainable)).name);
      await whole(ground);
    }
    for (const other of others) say(ground, 'uncordon', other);
  },
  run: async ground => {
    const { daemons, plane, drainable } = ground;
    const there = readyPods(daemons, plane).filter(pod => pod.machine === drainable).length;
    const flags = ['--ignore-daemonsets', '--delete-emptydir-data', '--timeout=240s'];
    const { said, readyMin } = await watched(ground, 'drain', drainable, ...flags);
    const refused = said.split('\n').filter(line => /disruption budget/.test(line)).length;
    await whole(ground);
    const left = readyPods(daemons, plane).filter(pod => pod.machine === drainable).length;
    say(ground, 'uncordon', drainable);
    if (readyMin < PODS - 1) throw new Error(`the budget was not honoured: ${readyMin} pods served`);
    return { pods_there: there, left_there: left, evictions_refused_by_budget: refused, ready_min: readyMin };
  },
};

export const TRIALS: readonly Trial[] = [rolling, deletion, kill, drain];
