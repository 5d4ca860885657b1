/**
 * What is broken while a soak runs: seeded, one thing at a time, healed again, with peace in between so that the figures
 * of peace can be told from those of trouble. One node, the witness, is never ended, so that its memory has one long
 * history; everything else happens to it as well.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster, ClusterNode } from '../swarm/clusterTown.ts';
import type { Random } from '../swarm/random.ts';
import type { FaultWindow } from './recording.ts';

interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Ends the process, or stands still for longer than its lease: not for the witness. */
  readonly deadly: boolean;
  /** Breaks something and heals it; what it hit, in words. */
  run(node: ClusterNode, random: Random): Promise<string>;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** Stands still for so long, and goes on. */
const stand = async (node: ClusterNode, ms: number): Promise<string> => {
  node.freeze();
  try {
    await pause(ms);
  } finally {
    node.thaw();
  }
  return `stood still for ${seconds(ms)}`;
};

/** The catalogue, with about the weights of TigerBeetle's Vortex: restarts and pauses often, kills and partitions seldom. */
export const FAULTS: readonly Fault[] = [
  {
    name: 'kill',
    weight: 2,
    deadly: true,
    run: async (node, random) => {
      await node.kill();
      const ms = random.between(500, 8_000);
      await pause(ms);
      await node.start();
      return `killed, started again after ${seconds(ms)}`;
    },
  },
  {
    name: 'restart',
    weight: 3,
    deadly: true,
    run: async node => {
      const { words, tookMs } = await node.drain();
      await node.start();
      return `drained in ${seconds(tookMs)} (${words}), started again`;
    },
  },
  {
    name: 'pause',
    weight: 2,
    deadly: false,
    run: (node, random) => stand(node, random.between(500, 2_500)),
  },
  {
    name: 'zombie',
    weight: 1,
    deadly: true,
    run: (node, random) => stand(node, random.between(9_000, 15_000)),
  },
  {
    name: 'partition',
    weight: 1,
    deadly: false,
    run: async (node, random) => {
      const { nats } = node.wires;
      const how = random.pick(['cut', 'drop', 'dropToNode', 'dropToServer'] as const);
      const ms = random.between(2_000, 12_000);
      if (how === 'cut') nats.cut();
      else nats.drop(how === 'drop' ? 'both' : how === 'dropToNode' ? 'toNode' : 'toServer');
      await pause(ms);
      await nats.heal();
      return `the way to NATS ${how === 'cut' ? 'cut' : `lost everything (${how})`} for ${seconds(ms)}`;
    },
  },
  {
    name: 'store',
    weight: 1,
    deadly: false,
    run: async (node, random) => {
      const { postgres } = node.wires;
      const ms = random.between(1_000, 6_000);
      postgres.drop();
      await pause(ms);
      await postgres.heal();
      return `the way to PostgreSQL lost everything for ${seconds(ms)}`;
    },
  },
  {
    name: 'slow',
    weight: 2,
    deadly: false,
    run: async (node, random) => {
      const wire = random.below(2) === 0 ? node.wires.nats : node.wires.postgres;
      const delayMs = random.between(10, 100);
      const ms = random.between(3_000, 10_000);
      wire.delay(delayMs);
      await pause(ms);
      await wire.heal();
      return `the way to ${wire === node.wires.nats ? 'NATS' : 'PostgreSQL'} took ${delayMs.toFixed(0)} ms for ${seconds(ms)}`;
    },
  },
];

/** What a short run breaks, in turn. */
export const SHORT: readonly string[] = ['kill', 'pause', 'partition'];

const STEADY_MS_MAX = 60_000;
/** Phones come back with a backoff of seconds, and what waited is done. */
const CALM_MS = 5_000;

export interface FaultPlan {
  readonly random: Random;
  readonly peaceS: readonly [least: number, most: number];
  /** No fault begins when less than this is left of the run. */
  readonly untilMs: number;
  /** In turn instead of by weight. */
  readonly inTurn: readonly string[] | null;
  readonly nowS: () => number;
  readonly add: (window: FaultWindow) => void;
  readonly report: (line: string) => void;
}

const byWeight = (random: Random): Fault => {
  let at = random.unit() * FAULTS.reduce((sum, one) => sum + one.weight, 0);
  for (const fault of FAULTS) {
    at -= fault.weight;
    if (at < 0) return fault;
  }
  return FAULTS.at(-1)!;
};

/** Waits until all nodes serve and agree again, and phones had the time to come back. */
const well = async (cluster: Cluster): Promise<void> => {
  await cluster.steady(cluster.nodes, STEADY_MS_MAX);
  await pause(CALM_MS);
};

/** Something that is done to the cluster, as one window of the recording. */
export const inWindow = async (
  cluster: Cluster,
  plan: Pick<FaultPlan, 'nowS' | 'add' | 'report'>,
  fault: string,
  node: string,
  work: () => Promise<string>,
): Promise<void> => {
  const fromS = plan.nowS();
  // known at once to whoever judges meanwhile
  const window: FaultWindow = { kind: 'fault', fault, node, fromS, toS: Number.POSITIVE_INFINITY, hit: '' };
  const hit = await work();
  await well(cluster);
  const done = { ...window, hit, toS: plan.nowS() };
  plan.add(done);
  plan.report(
    `  ${fromS.toFixed(0)} s: ${fault} of ${node}: ${hit}; well again after ${(done.toS - fromS).toFixed(0)} s`,
  );
};

/** Breaks one thing after the other until the run is nearly over, or all of `inTurn` was done. */
export const breakThings = async (cluster: Cluster, plan: FaultPlan): Promise<void> => {
  const { random, peaceS, inTurn, untilMs } = plan;
  const [witness, ...others] = cluster.nodes;
  for (let i = 0; inTurn === null || i < inTurn.length; i++) {
    await pause(random.between(...peaceS) * 1_000);
    if (inTurn === null && performance.now() > untilMs) return;
    const fault = inTurn === null ? byWeight(random) : FAULTS.find(one => one.name === inTurn[i])!;
    const node = random.pick(fault.deadly ? others : [witness!, ...others]);
    await inWindow(cluster, plan, fault.name, node.id, () => fault.run(node, random));
  }
};
