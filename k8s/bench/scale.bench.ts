/**
 * What it costs a cluster to stand still, and what it moves when somebody comes or goes. The real nodes (`createNode`) in
 * one process on virtual time, over the bus and the coordination store in memory, with everything counted that passes
 * between a node and the outside: with nobody in town, and with users in memory on every node.
 */
import type { Behaviour } from '../../actors/turn.ts';
import { MemoryHub } from '../../nodes/memory/memoryBus.ts';
import { MemoryBucket, MemoryKv } from '../../nodes/memory/memoryKv.ts';
import { MemoryLedger } from '../../nodes/memory/memoryLedger.ts';
import { createNode, type TownNode } from '../../nodes/node.ts';
import type { Bus, KvEntry, KvStore, Log, Metrics } from '../../nodes/ports.ts';
import { seededRandom, VirtualTime } from '../../nodes/simulation/virtualTime.ts';
import { ok } from '../../protocol/errors.ts';
import { SHARDS } from '../../protocol/limits.ts';
import type { Bench } from '../bench.ts';
import { settle } from '../simulate/settle.ts';
import { anySeed } from '../swarm/random.ts';
import { numberArg } from './args.ts';
import { figure, rounded, table } from './table.ts';

const SIZES = [3, 10, 30];
const REST_S = 60;
/** More than any of these may take; a minute past it something is wrong. */
const PATIENCE_MS = 120_000;

class Tally {
  messages = 0;
  bytes = 0;
  add(messages: number, bytes: number): void {
    this.messages += messages;
    this.bytes += bytes;
  }
}

/** A call is two messages, a change that the watch tells is one. */
class CountedKv implements KvStore {
  readonly #kv: KvStore;
  readonly #tally: Tally;
  constructor(kv: KvStore, tally: Tally) {
    this.#kv = kv;
    this.#tally = tally;
  }
  async get(key: string): Promise<KvEntry | null> {
    const entry = await this.#kv.get(key);
    this.#tally.add(2, key.length + (entry?.value.length ?? 0));
    return entry;
  }
  put(key: string, value: Uint8Array, revision: number): Promise<number> {
    this.#tally.add(2, key.length + value.length);
    return this.#kv.put(key, value, revision);
  }
  remove(key: string, revision: number): Promise<void> {
    this.#tally.add(2, key.length);
    return this.#kv.remove(key, revision);
  }
  async list(): Promise<KvEntry[]> {
    const entries = await this.#kv.list();
    this.#tally.add(
      1 + entries.length,
      entries.reduce((sum, one) => sum + one.key.length + one.value.length, 0),
    );
    return entries;
  }
  lastRevision(): Promise<number> {
    this.#tally.add(2, 0);
    return this.#kv.lastRevision();
  }
  watch(changed: (entry: KvEntry) => void): () => void {
    return this.#kv.watch(entry => {
      this.#tally.add(1, entry.key.length + entry.value.length);
      changed(entry);
    });
  }
}

const countedBus = (bus: Bus, tally: Tally): Bus => ({
  get connected() {
    return bus.connected;
  },
  bytesMax: bus.bytesMax,
  publish: (subject, bytes, unheard) => {
    tally.add(1, subject.length + bytes.length);
    return bus.publish(subject, bytes, unheard);
  },
  subscribe: (subject, heard) =>
    bus.subscribe(subject, bytes => {
      tally.add(1, subject.length + bytes.length);
      heard(bytes);
    }),
  watchConnection: changed => bus.watchConnection(changed),
});

/** Somebody whose phone is connected and quiet: in memory for good, and taken along. */
const QUIET_USER: Behaviour<number, { readonly type: string }> = {
  kind: 'user',
  hydrate: () => null,
  create: () => ok(0),
  receive: (state, _message, turn) => {
    if (turn.replyTo) turn.reply(ok(state));
    return state + 1;
  },
  pack: state => state,
  unpack: (_id, packed) => ok(packed as number),
  idleMs: () => false,
};

const LOG: Log = { debug() {}, info() {}, warn() {}, error() {} };
const METRICS: Metrics = { count() {}, observe() {}, gauge() {} };

class ScaledTown {
  readonly time = new VirtualTime();
  readonly #bucket = new MemoryBucket(this.time);
  readonly #hub = new MemoryHub(this.time, LOG);
  readonly #ledger = new MemoryLedger(() => this.time.nowMs());
  readonly #seed: number;
  readonly nodes: TownNode[] = [];
  readonly tallies: Tally[] = [];

  constructor(seed: number) {
    this.#seed = seed;
  }

  start(): void {
    const { time } = this;
    const index = this.tallies.length + 1;
    const tally = new Tally();
    this.tallies.push(tally);
    const node = createNode({
      nodeId: `n${index}`,
      gatewayId: `g${index}`,
      version: '1',
      weight: 1,
      behaviours: { user: QUIET_USER, region: QUIET_USER, pair: QUIET_USER } as never,
      commitStore: this.#ledger,
      queryStore: { query: async () => [] },
      epochStore: this.#ledger,
      sink: { push() {}, close() {} },
      clock: time,
      scheduler: time,
      random: seededRandom(this.#seed + index),
      log: LOG,
      metrics: METRICS,
      cluster: {
        bus: countedBus(this.#hub.connect(), tally),
        kv: new CountedKv(new MemoryKv(this.#bucket), tally),
      },
    });
    this.nodes.push(node);
    void node.start();
  }

  pass(ms: number): void {
    this.time.run(this.time.monotonicMs() + ms, settle);
  }

  owners(): (string | null)[] {
    const [first] = this.nodes;
    return Array.from({ length: SHARDS }, (_, shard) => first!.coordinator.ownerOf(shard)?.node ?? null);
  }

  /** Everybody knows the same owner of every shard, and that one serves it. */
  get whole(): boolean {
    for (let shard = 0; shard < SHARDS; shard++) {
      const owner = this.nodes[0]!.coordinator.ownerOf(shard);
      if (!owner) return false;
      for (const { coordinator } of this.nodes) {
        if (coordinator.ownerOf(shard)?.node !== owner.node) return false;
        if (coordinator.ref === owner.node && coordinator.epochOf(shard) !== owner.epoch) return false;
      }
    }
    return true;
  }

  /** Milliseconds until everything is served and nothing moved for two seconds. */
  steady(): number {
    const startedMs = this.time.monotonicMs();
    let before = '';
    let sinceMs = startedMs;
    while (this.time.monotonicMs() - startedMs < PATIENCE_MS) {
      const now = this.whole ? this.owners().join() : '';
      const nowMs = this.time.monotonicMs();
      if (now !== before || now === '') {
        before = now;
        sinceMs = nowMs;
      } else if (nowMs - sinceMs >= 2_000) return sinceMs - startedMs;
      this.pass(20);
    }
    throw new Error('the cluster did not come to rest');
  }

  /** Messages and bytes per node and second while nothing happens. */
  rest(): { messages: number; bytes: number } {
    for (const tally of this.tallies) tally.messages = tally.bytes = 0;
    this.pass(REST_S * 1_000);
    const sum = (of: (tally: Tally) => number): number =>
      this.tallies.reduce((total, tally) => total + of(tally), 0) / this.nodes.length / REST_S;
    return { messages: sum(tally => tally.messages), bytes: sum(tally => tally.bytes) };
  }

  /** So many users in memory, wherever they live. */
  wake(users: number): number {
    let awake = 0;
    const some = 500;
    for (let from = 0; from < users; from += some) {
      for (let i = from; i < Math.min(users, from + some); i++) {
        const door = this.nodes[i % this.nodes.length]!.door;
        door.ask({ kind: 'user', id: `u${i}` }, { type: 'hello' }, result => {
          if (result.ok) awake++;
        });
      }
      this.pass(50);
    }
    this.pass(1_000);
    return awake;
  }

  usersInMemory(): number {
    return this.nodes.reduce((sum, node) => sum + node.system.count('user'), 0);
  }
}

const movedBetween = (before: readonly (string | null)[], after: readonly (string | null)[]): number =>
  before.filter((owner, shard) => owner !== after[shard]).length;

interface Figures {
  readonly nodes: number;
  readonly users: number;
  readonly users_kept: number;
  readonly start_s: number;
  readonly messages_per_node_s: number;
  readonly messages_per_node_s_with_users: number;
  readonly bytes_per_node_s: number;
  readonly bytes_per_node_s_with_users: number;
  readonly join_moved: number;
  readonly join_fair_share: number;
  readonly join_s: number;
  readonly leave_moved: number;
  readonly leave_fair_share: number;
  readonly leave_s: number;
}

const measure = (nodes: number, usersPerNode: number, seed: number): Figures => {
  const town = new ScaledTown(seed);
  for (let i = 0; i < nodes; i++) town.start();
  const startMs = town.steady();
  const empty = town.rest();
  const users = town.wake(usersPerNode * nodes);
  const full = town.rest();

  const beforeJoin = town.owners();
  town.start();
  const joinMs = town.steady();
  const joinMoved = movedBetween(beforeJoin, town.owners());

  const beforeLeave = town.owners();
  const leaver = town.nodes[1]!;
  let left = false;
  const leaveStartedMs = town.time.monotonicMs();
  void leaver
    .drain()
    .then(() => leaver.stop(1_000))
    .then(() => {
      left = true;
    });
  while (!left) town.pass(20);
  const drainedMs = town.time.monotonicMs() - leaveStartedMs;
  town.nodes.splice(1, 1);
  const leaveMs = drainedMs + town.steady();
  const leaveMoved = movedBetween(beforeLeave, town.owners());
  return {
    nodes,
    users,
    users_kept: town.usersInMemory(),
    start_s: rounded(startMs / 1_000),
    messages_per_node_s: rounded(empty.messages),
    messages_per_node_s_with_users: rounded(full.messages),
    bytes_per_node_s: Math.round(empty.bytes),
    bytes_per_node_s_with_users: Math.round(full.bytes),
    join_moved: joinMoved,
    join_fair_share: rounded(SHARDS / (nodes + 1), 1),
    join_s: rounded(joinMs / 1_000),
    leave_moved: leaveMoved,
    leave_fair_share: rounded(SHARDS / (nodes + 1), 1),
    leave_s: rounded(leaveMs / 1_000),
  };
};

/** From a macrotask: see `settle`. */
const macrotask = <T>(run: () => T): Promise<T> =>
  new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(run());
      } catch (error) {
        reject(error);
      }
    });
  });

export const bench: Bench = {
  name: 'scale',
  description:
    'simulated clusters of 3, 10 and 30 nodes: traffic at rest, shards moved by a join and a leave',
  run: async (report, args) => {
    const seed = numberArg(args, 'seed', anySeed());
    const usersPerNode = numberArg(args, 'users', 1_000);
    report(`Seed ${seed}; ${figure(usersPerNode)} users on each node, in virtual time`);
    const clusters: Figures[] = [];
    for (const nodes of SIZES) {
      const found = await macrotask(() => measure(nodes, usersPerNode, seed));
      clusters.push(found);
      const factor = (moved: number, fair: number): string =>
        `${moved} of ${SHARDS}, ${figure(moved / fair, 2)} of the fair share ${figure(fair, 1)}  (goal 1.2)`;
      report(`\n${nodes} nodes`);
      report(
        table([
          ['started and at rest after', `${figure(found.start_s, 1)} s`],
          ['messages per node and second', `${figure(found.messages_per_node_s, 1)}`],
          [
            `  with ${figure(found.users)} users`,
            `${figure(found.messages_per_node_s_with_users, 1)}  (goal: the same)`,
          ],
          ['bytes per node and second', `${figure(found.bytes_per_node_s)}`],
          [
            `  with ${figure(found.users)} users`,
            `${figure(found.bytes_per_node_s_with_users)}  (goal: the same)`,
          ],
          ['moved by a join', factor(found.join_moved, found.join_fair_share)],
          ['  at rest after', `${figure(found.join_s, 1)} s`],
          ['moved by a leave', factor(found.leave_moved, found.leave_fair_share)],
          ['  at rest after', `${figure(found.leave_s, 1)} s`],
          ['users in memory afterwards', `${figure(found.users_kept)} of ${figure(found.users)}`],
        ]),
      );
    }
    const [smallest] = clusters;
    const largest = clusters.at(-1)!;
    const growth = largest.messages_per_node_s / smallest!.messages_per_node_s;
    const linear = largest.nodes / smallest!.nodes;
    report(
      `\nFrom ${smallest!.nodes} to ${largest.nodes} nodes: ${figure(growth, 1)} times the messages per node  (goal ${linear})`,
    );
    return {
      clusters,
      grows_with_users: clusters.some(
        one =>
          one.messages_per_node_s_with_users > one.messages_per_node_s * 1.02 ||
          one.bytes_per_node_s_with_users > one.bytes_per_node_s * 1.02,
      ),
      growth_with_nodes: rounded(growth),
      linear_growth: linear,
      moved_join_max: rounded(Math.max(...clusters.map(one => one.join_moved / one.join_fair_share))),
      moved_leave_max: rounded(Math.max(...clusters.map(one => one.leave_moved / one.leave_fair_share))),
      seed,
    };
  },
};
