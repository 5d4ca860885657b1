/**
 * Where nodes are made to fail in front of an audience: a cluster of real processes, a crowd of phones that meet all the
 * time, and the judge. A scenario breaks something, mends it, and asks `verdict`: everybody is served again, nothing that
 * was acknowledged is lost, nothing happened twice, no older owner wrote after a newer one, and no node crashed.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { expect, inject } from 'vitest';
import type { ClusterView } from '../../../nodes/ports.ts';
import { type Cluster, type ClusterNode, startCluster } from '../../swarm/clusterTown.ts';
import { NEW_YORK } from '../../swarm/crowd.ts';
import { judge, type Verdict } from '../../swarm/judge.ts';
import { MeetingLoad } from '../../swarm/meetings.ts';
import { anySeed, Random } from '../../swarm/random.ts';
import { type SeededPeople, seedPeople } from '../../swarm/seed.ts';

/** `HEYBLUE_CLUSTER_ROUNDS=20` repeats every scenario so often, at other moments. */
export const ROUNDS = Math.max(1, Number(process.env.HEYBLUE_CLUSTER_ROUNDS ?? 1));
/** Everybody is served again within this after the last fault was mended. */
export const SERVED_MS_MAX = 45_000;
/** Longer than the pause between two portions of a hand-over. */
const PAGES_TRIES = 3;
const RESTING_MS = 3_000;
const RESTING_MS_MAX = 45_000;
const OFFICERS = 40;
const CIVILIANS = 160;
const PER_S = 30;
/** Shorter than the crowd takes until everybody has met everybody (213 s), so that a long run goes on. */
const COOLDOWN_H = 0.04;
const PROBES_PER_S = 30;

export interface Arena {
  readonly seed: number;
  readonly random: Random;
  readonly cluster: Cluster;
  readonly load: MeetingLoad;
  readonly people: SeededPeople;
  sql<T extends object>(text: string, values?: unknown[]): Promise<T[]>;
  /** The newest epoch of every shard, as PostgreSQL minted it. */
  epochs(): Promise<number[]>;
  /** The same when no shard has moved for a while: nodes that came back get their share in portions, with pauses between. */
  restingEpochs(): Promise<number[]>;
  /** Sum of a counter over all nodes that answer, for rows whose labels contain `labels`. */
  counter(name: string, labels?: string): Promise<number>;
  /** Commits that a store refused because they came from an older owner, as the nodes counted them since their start. */
  staleRefused(): Promise<number>;
  /** Lets the load run for a while. */
  run(ms: number): Promise<void>;
  /** How many meetings were acknowledged so far. */
  acknowledged(): number;
  /** Waits for a moment that lies somewhere within the next `ms`. */
  someMoment(ms: number): Promise<void>;
  /** Any node, as chance has it. */
  any(): ClusterNode;
  /** The others. */
  others(than: ClusterNode): ClusterNode[];
  /** A view that somebody has who is not `node`. */
  viewBeside(node: ClusterNode): Promise<ClusterView>;
  /** Ends every fault and starts every node that is gone, after a scenario that did not get that far. */
  mend(): Promise<void>;
  /** Everybody is served, the nodes agree, and the judge finds nothing. */
  verdict(): Promise<Verdict>;
  /** The verdict without the question whether everybody is served: nothing lost or doubled, no crash. */
  safe(): Promise<Verdict>;
  stop(): Promise<void>;
}

const sumOf = (page: string, name: string, labels: string): number =>
  page
    .split('\n')
    .filter(line => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);

export const openArena = async (env: Record<string, string> = {}): Promise<Arena> => {
  const seed = Number(process.env.HEYBLUE_CLUSTER_SEED ?? anySeed());
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  const cluster = await startCluster({
    nodes: 3,
    natsServerBin: inject('natsServerBin'),
    env: { HEYBLUE_COOLDOWN_H: String(COOLDOWN_H), ...env },
  });
  let postgres: Client | null = null;
  /** A server that is restarted ends our connection too. */
  const sql = async <T extends object>(text: string, values: unknown[] = []): Promise<T[]> => {
    for (let attempt = 0; ; attempt++) {
      try {
        if (postgres === null) {
          postgres = new Client({ connectionString: cluster.town.databaseUrl, application_name: 'arena' });
          postgres.on('error', () => {});
          await postgres.connect();
        }
        return (await postgres.query<T>(text, values)).rows;
      } catch (error) {
        await postgres?.end().catch(() => {});
        postgres = null;
        if (attempt === 50) throw error;
        await pause(200);
      }
    }
  };
  try {
    const people = await seedPeople(cluster, { officers: OFFICERS, civilians: CIVILIANS });
    const load = new MeetingLoad({
      urls: cluster.nodes.map(node => node.urls.realtime),
      ...people,
      perS: PER_S,
      probesPerS: PROBES_PER_S,
      random: random.fork('load'),
      centre: NEW_YORK,
      sideM: 600,
    });
    await cluster.steady();
    await load.connect();
    load.start();
    const pages = async (): Promise<string[]> => {
      for (let left = PAGES_TRIES; ; left--) {
        const running = cluster.nodes.filter(node => node.isRunning);
        const all = await Promise.all(running.map(node => node.metrics()));
        const told = all.filter(page => page !== null);
        // a sum without one of them would be less than before; but some stand still on purpose
        if (told.length === all.length || left === 0) return told;
      }
    };
    const counter = async (name: string, labels = ''): Promise<number> =>
      (await pages()).reduce((sum, page) => sum + sumOf(page, name, labels), 0);
    /** Not those that a test adds to make trouble. */
    const members = [...cluster.nodes];
    const others = (than: ClusterNode): ClusterNode[] => members.filter(node => node !== than);
    const safe = async (): Promise<Verdict> => {
      const verdict = await judge(cluster.town.databaseUrl, load, COOLDOWN_H);
      expect([...verdict.problems, ...load.problems, ...cluster.crashes]).toEqual([]);
      expect(verdict).toMatchObject({ lost: 0, doubled: 0, interleaved: 0 });
      return verdict;
    };
    const epochs = async (): Promise<number[]> =>
      (await sql<{ epoch: number }>('select epoch::float8 as epoch from ops.shard_fence order by shard')).map(
        row => row.epoch,
      );
    return {
      seed,
      random,
      cluster,
      load,
      people,
      sql,
      counter,
      others,
      staleRefused: () => counter('heyblue_commit_result_total', 'code="stale_epoch"'),
      epochs,
      restingEpochs: async () => {
        const until = performance.now() + RESTING_MS_MAX;
        for (let last = ''; ; ) {
          await cluster.steady(members);
          const now = await epochs();
          if (now.join() === last) return now;
          if (performance.now() > until) throw new Error('shards go on moving though nothing happens');
          last = now.join();
          await pause(RESTING_MS);
        }
      },
      run: ms => pause(ms),
      acknowledged: () => load.history.filter(op => op.outcome === 'ok').length,
      someMoment: ms => pause(random.between(0, ms)),
      any: () => random.pick(members),
      viewBeside: async node => {
        for (const other of others(node)) {
          const view = await other.view();
          if (view !== null) return view;
        }
        throw new Error(`nobody beside ${node.id} answers`);
      },
      mend: async () => {
        for (const node of members) {
          await node.wires.nats.heal();
          await node.wires.postgres.heal();
          if (node.isRunning) node.thaw();
          else await node.start();
        }
      },
      verdict: async () => {
        const notServed = await load.notServed(SERVED_MS_MAX);
        expect(notServed, 'phones that are not served').toEqual([]);
        await cluster.steady(members);
        return safe();
      },
      safe,
      stop: async () => {
        load.end();
        await postgres?.end().catch(() => {});
        await cluster.stop();
      },
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
};
