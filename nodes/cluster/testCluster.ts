/**
 * Several coordinators over one store, for tests: processes that can be paused and killed, a way to the store that can be
 * spoiled call by call, hosts that remember what they were told, and a table of who serves what in which two owners at
 * once are a failure. Runs on virtual time over memory and in real time over real servers alike.
 */
import type {
  Clock,
  EpochStore,
  KvEntry,
  KvStore,
  Log,
  Metrics,
  Parcel,
  Random,
  Scheduler,
  ShardHost,
} from '../ports.ts';
import { KvError } from '../ports.ts';
import { seededRandom } from '../simulation/virtualTime.ts';
import { ClusterCoordinator } from './clusterCoordinator.ts';
import type { ClusterLimits } from './options.ts';

/** One process: its clock runs on while it is paused, its work waits; killed, it never does anything again. */
class TestProcess implements Clock, Scheduler {
  readonly #base: Clock & Scheduler;
  readonly #rate: number;
  alive = true;
  #waiting: (() => void)[] | null = null;

  constructor(base: Clock & Scheduler, rate = 1) {
    this.#base = base;
    this.#rate = rate;
  }

  nowMs(): number {
    return this.#base.nowMs();
  }

  monotonicMs(): number {
    return this.#base.monotonicMs() * this.#rate;
  }

  immediate(run: () => void): void {
    this.#base.immediate(() => this.arrive(run));
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#base.after(delayMs / this.#rate, () => this.arrive(run));
  }

  arrive(run: () => void): void {
    if (!this.alive) return;
    if (this.#waiting) this.#waiting.push(run);
    else run();
  }

  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const run of waiting) this.#base.immediate(() => this.arrive(run));
  }

  kill(): void {
    this.alive = false;
  }
}

/** What happens to a call: `lost`: done, its answer lost. `dropped`: not done, its answer lost. `late`: done later. */
export type Mishap = 'lost' | 'dropped' | 'late' | 'hang' | 'refused' | 'doneThenSilence' | null;

const LATE_MS = 1_500;

/** One node's way to the store. */
class TestKv implements KvStore {
  readonly #kv: KvStore;
  readonly #process: TestProcess;
  readonly #base: Clock & Scheduler;
  readonly #random: Random;
  /** No way to the store: nothing arrives, nothing is answered. */
  cut = false;
  /** The watch tells nothing of these keys. */
  deafTo: (key: string) => boolean = () => false;
  set deaf(deaf: boolean) {
    this.deafTo = () => deaf;
  }
  /** Decides about each call; the write or read is `${operation} ${key}`. */
  mishap: (call: string) => Mishap = () => null;
  /** How long the answer takes once the call is done. */
  answerMs: (call: string) => number = () => 0;
  /** Answers a read with something older. */
  stale: ((key: string) => KvEntry | null | undefined) | null = null;
  staleList: (() => KvEntry[] | undefined) | null = null;
  calls = 0;
  readonly log: string[] = [];

  constructor(kv: KvStore, process: TestProcess, base: Clock & Scheduler, random: Random) {
    this.#kv = kv;
    this.#process = process;
    this.#base = base;
    this.#random = random;
  }

  get(key: string): Promise<KvEntry | null> {
    const old = this.stale?.(key);
    if (old !== undefined) return this.#call(`get ${key}`, async () => old);
    return this.#call(`get ${key}`, () => this.#kv.get(key));
  }

  put(key: string, value: Uint8Array, revision: number): Promise<number> {
    return this.#call(`put ${key}`, () => this.#kv.put(key, value, revision), stateIn(value));
  }

  remove(key: string, revision: number): Promise<void> {
    return this.#call(`remove ${key}`, () => this.#kv.remove(key, revision));
  }

  list(): Promise<KvEntry[]> {
    // all of it as it was, never a mixture of old and new
    const old = this.staleList?.();
    return this.#call('list', async () => old ?? this.#kv.list());
  }

  lastRevision(): Promise<number> {
    return this.#call('lastRevision', () => this.#kv.lastRevision());
  }

  watch(changed: (entry: KvEntry) => void): () => void {
    let stopped = false;
    let lastMs = 0;
    const stop = this.#kv.watch(entry => {
      if (this.cut || this.deafTo(entry.key)) return;
      const nowMs = this.#base.monotonicMs();
      // late by 1 to 4 ms, in order
      lastMs = Math.max(lastMs, nowMs + 1 + (this.#random.uint32() % 4));
      this.#base.after(lastMs - nowMs, () =>
        this.#process.arrive(() => {
          if (!stopped) changed(entry);
        }),
      );
    });
    return () => {
      stopped = true;
      stop();
    };
  }

  #call<T>(name: string, run: () => Promise<T>, detail = ''): Promise<T> {
    this.calls++;
    const call = detail ? `${name} ${detail}` : name;
    this.log.push(call);
    const mishap = this.cut ? 'hang' : this.mishap(call);
    return new Promise<T>((resolve, reject) => {
      const arrive = (settle: () => void): void => this.#process.arrive(settle);
      const lost = (): void => arrive(() => reject(new KvError('unknown', 'the answer was lost')));
      if (mishap === 'hang') return;
      // the last thing that this process did
      if (mishap === 'doneThenSilence') return void run().catch(() => {});
      if (mishap === 'refused')
        return void this.#base.after(1, () => arrive(() => reject(new KvError('unavailable', 'refused'))));
      if (mishap === 'dropped') return void this.#base.after(2, lost);
      if (mishap === 'late') {
        this.#base.after(LATE_MS, () => void run().catch(() => {}));
        return void this.#base.after(2, lost);
      }
      this.#base.after(1 + (this.#random.uint32() % 3), () => {
        if (!this.#process.alive) return;
        const answerMs = this.answerMs(call);
        const answer = (settle: () => void): void => {
          if (mishap === 'lost') lost();
          else if (answerMs === 0) arrive(settle);
          else this.#base.after(answerMs, () => arrive(settle));
        };
        run().then(
          value => answer(() => resolve(value)),
          error => answer(() => reject(error)),
        );
      });
    });
  }
}

/** `acquiring`, `owned`, ...: which step a write is. */
function stateIn(value: Uint8Array): string {
  return /"state":"([a-z]+)"/.exec(new TextDecoder().decode(value))?.[1] ?? '';
}

/** Remembers what it was told; its actors are one number for each shard. */
class TestHost implements ShardHost {
  readonly #process: TestProcess;
  readonly told: string[] = [];
  /** What only memory knows, by shard. */
  readonly memory = new Map<number, unknown>();
  readonly gone: string[] = [];
  closeMs = 5;

  constructor(process: TestProcess) {
    this.#process = process;
  }

  opened(shard: number, epoch: number, parcels: readonly Parcel[]): void {
    this.told.push(`opened ${shard} ${epoch}`);
    const parcel = parcels[0];
    this.memory.set(shard, parcel ? parcel.state : null);
  }

  close(shard: number): Promise<Parcel[]> {
    this.told.push(`close ${shard}`);
    return new Promise(resolve => {
      this.#process.after(this.closeMs, () => {
        const state = this.memory.get(shard) ?? null;
        this.memory.delete(shard);
        resolve(state === null ? [] : [{ address: { kind: 'user', id: `u${shard}` }, state }]);
      });
    });
  }

  dropped(shard: number): void {
    this.told.push(`dropped ${shard}`);
    this.memory.delete(shard);
  }

  suspended(): void {
    this.told.push('suspended');
  }

  resumed(): void {
    this.told.push('resumed');
  }

  evicted(ref: string): void {
    this.told.push(`evicted ${ref}`);
    this.memory.clear();
  }

  routed(): void {}

  nodeGone(ref: string): void {
    this.gone.push(ref);
  }
}

export interface TestNode {
  readonly id: string;
  readonly process: TestProcess;
  readonly kv: TestKv;
  readonly host: TestHost;
  readonly coordinator: ClusterCoordinator;
  started: boolean;
  /** What it ships arrives; false: nobody answers. */
  ships: boolean;
  /** Mints answer; false: they hang. */
  mints: boolean;
  /** How often it asked for another connection. */
  reconnects: number;
}

export interface TestClusterOptions {
  readonly base: Clock & Scheduler;
  /** A client of the store for each node. */
  readonly kvFor: (id: string) => KvStore;
  readonly epochs: EpochStore;
  readonly limits?: Partial<ClusterLimits>;
  readonly seed?: number;
  /** Lets this much time pass. */
  readonly pass: (ms: number) => Promise<void>;
}

export class TestCluster {
  readonly nodes: TestNode[] = [];
  readonly #options: TestClusterOptions;
  readonly random: Random;
  readonly problems: string[] = [];
  readonly counts = new Map<string, number>();
  /** Errors and warnings that were logged. */
  readonly logged: string[] = [];

  constructor(options: TestClusterOptions) {
    this.#options = options;
    this.random = seededRandom(options.seed ?? 1);
  }

  add(id: string, more: { version?: string; weight?: number; rate?: number } = {}): TestNode {
    const { base, kvFor, epochs, limits } = this.#options;
    const box = new TestProcess(base, more.rate);
    const kv = new TestKv(kvFor(id), box, base, this.random);
    const host = new TestHost(box);
    const node: { coordinator?: ClusterCoordinator } & Omit<TestNode, 'coordinator'> = {
      id,
      process: box,
      kv,
      host,
      started: false,
      ships: true,
      mints: true,
      reconnects: 0,
    };
    const log = this.#log(id);
    const metrics: Metrics = {
      count: (name, labels) => {
        const key = labels ? `${name} ${Object.values(labels).join()}` : name;
        this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      },
      observe: () => {},
      gauge: () => {},
    };
    node.coordinator = new ClusterCoordinator({
      nodeId: id,
      gatewayId: `g-${id}`,
      version: more.version ?? '1.0.0',
      weight: more.weight ?? 1,
      kv,
      epochs: {
        mint: (shards, owner) => {
          if (!node.mints) return new Promise(() => {});
          return new Promise((resolve, reject) => {
            epochs.mint(shards, owner).then(
              minted => base.after(3, () => box.arrive(() => resolve(minted))),
              error => box.arrive(() => reject(error)),
            );
          });
        },
      },
      host,
      shipper: {
        ship: (to, shard, epoch, parcels) =>
          new Promise(resolve => {
            base.after(2, () => {
              const other = this.nodes.find(one => one.process.alive && one.coordinator.ref === to);
              if (!node.ships || !other) return box.arrive(() => resolve(false));
              other.process.arrive(() => {
                other.coordinator.received(node.coordinator!.ref, shard, epoch, structuredClone(parcels));
                base.after(2, () => box.arrive(() => resolve(true)));
              });
            });
          }),
      },
      clock: box,
      scheduler: box,
      random: this.random,
      log,
      metrics,
      limits,
      reconnect: () => {
        node.reconnects++;
      },
    });
    const made = node as TestNode;
    this.nodes.push(made);
    return made;
  }

  /** Starts it; does not wait. */
  start(id: string, more: Parameters<TestCluster['add']>[1] = {}): TestNode {
    const node = this.add(id, more);
    void node.coordinator.start().then(() => {
      node.started = true;
    });
    return node;
  }

  kill(node: TestNode): void {
    node.process.kill();
    node.kv.cut = true;
  }

  /** Who serves the shard now, by the clock of each. */
  servers(shard: number): TestNode[] {
    return this.nodes.filter(
      ({ process: box, coordinator }) =>
        box.alive && coordinator.serving() && coordinator.epochOf(shard) !== null,
    );
  }

  /** Shards that this node serves. */
  share(node: TestNode): number {
    if (!node.process.alive || !node.coordinator.serving()) return 0;
    let count = 0;
    for (let shard = 0; shard < 512; shard++) if (node.coordinator.epochOf(shard) !== null) count++;
    return count;
  }

  shares(): number[] {
    return this.nodes.map(node => this.share(node));
  }

  /** Every shard is served, by one node, and everybody who is there knows by whom. */
  get whole(): boolean {
    return this.lack() === null;
  }

  /** What is missing for that; null: nothing. */
  lack(): string | null {
    const up = this.nodes.filter(({ process: box, coordinator }) => box.alive && coordinator.serving());
    if (up.length === 0) return 'nobody is there';
    for (let shard = 0; shard < 512; shard++) {
      const servers = this.servers(shard);
      const [server] = servers;
      if (!server || servers.length > 1) return `shard ${shard} is served by ${servers.map(one => one.id)}`;
      const owner = server.coordinator.ref;
      for (const { id, coordinator } of up) {
        const known = coordinator.ownerOf(shard)?.node;
        if (known !== owner) return `shard ${shard} is served by ${owner}, for ${id} it is ${known}`;
      }
    }
    return null;
  }

  /** Two owners at once are written down. */
  check(): void {
    const owner = new Map<number, TestNode>();
    for (const node of this.nodes) {
      if (!node.process.alive || !node.coordinator.serving()) continue;
      for (let shard = 0; shard < 512; shard++) {
        if (node.coordinator.epochOf(shard) === null) continue;
        const other = owner.get(shard);
        if (other) {
          const atMs = Math.round(this.#options.base.monotonicMs());
          this.problems.push(
            `${atMs} shard ${shard} at ${other.coordinator.ref} and ${node.coordinator.ref}`,
          );
        }
        owner.set(shard, node);
      }
    }
  }

  /** Lets time pass, looking for two owners all the while. */
  async pass(ms: number, stepMs = 20): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      await this.#options.pass(Math.min(stepMs, ms - passed));
      this.check();
    }
  }

  /** Until it is true; says what was waited for when that takes too long. */
  async until(what: string, condition: () => boolean, withinMs: number, stepMs = 20): Promise<number> {
    for (let passed = 0; passed <= withinMs; passed += stepMs) {
      if (condition()) return passed;
      await this.#options.pass(stepMs);
      this.check();
    }
    throw new Error(
      `not within ${withinMs} ms: ${what}\n${this.lack()}, shares ${this.shares()}\n${this.logged.slice(-20).join('\n')}`,
    );
  }

  /** Lets time pass until it is settled. */
  async settled<T>(what: string, promise: Promise<T>, withinMs: number): Promise<T> {
    let value: { readonly is: T } | null = null;
    void promise.then(is => {
      value = { is };
    });
    await this.until(what, () => value !== null, withinMs);
    return value!.is;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.process.kill();
  }

  #log(id: string): Log {
    const note =
      (level: string) =>
      (fields: object, message: string): void => {
        const at = Math.round(this.#options.base.monotonicMs());
        this.logged.push(`${at} ${level} ${id}: ${message} ${JSON.stringify(fields)}`);
      };
    return { debug: () => {}, info: note('info'), warn: note('warn'), error: note('error') };
  }
}
