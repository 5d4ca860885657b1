/**
 * A few nodes for tests: the real runtime and router on virtual time and the bus in memory, with ownership moved by hand.
 * The coordinators share one map of shards, but each may be told of a change late, so that every kind of stale route can
 * be made. Actors keep a list of numbers; everything that they execute is written down.
 */
import { crc32 } from 'node:zlib';
import { Packr } from 'msgpackr';
import type { DurableOp } from '../../actors/durable.ts';
import type { Address, Behaviour, ReplyTo, SessionRef, SystemMessage } from '../../actors/turn.ts';
import { ok, type Result } from '../../protocol/errors.ts';
import { shardOf } from '../../protocol/shard.ts';
import { ActorSystem } from '../actorSystem.ts';
import type { AskOptions } from '../gatewayPort.ts';
import type { LIMITS, ROUTING_LIMITS } from '../limits.ts';
import { type MemoryBus, MemoryHub } from '../memory/memoryBus.ts';
import { soleOwner } from '../memory/soleOwner.ts';
import type { Bus, Coordinator, Owner, Parcel, Tracer, WriteOutcome } from '../ports.ts';
import { seededRandom, VirtualTime } from '../simulation/virtualTime.ts';
import { type Ack, VERSION } from './envelope.ts';
import { Router } from './router.ts';
import { Slice } from './slice.ts';

export interface Listing {
  readonly list: readonly number[];
  readonly held: readonly ReplyTo[];
  readonly sockets: readonly SessionRef[];
  readonly waiting: Readonly<Record<string, ReplyTo>>;
}

export type Said =
  /** Appends; answers how many there are. */
  | {
      readonly type: 'add';
      readonly patient?: boolean;
      readonly n: number;
      readonly key?: string;
      readonly pad?: Uint8Array;
    }
  | { readonly type: 'read' }
  /** Answers only when `release` comes. */
  | { readonly type: 'hold' }
  | { readonly type: 'release' }
  /** Asks another actor and answers what it answered. */
  | {
      readonly type: 'relay';
      readonly to: Address;
      readonly message: object;
      readonly keyed?: boolean;
      readonly timeoutMs?: number;
    }
  /** Tells another actor the numbers up to `count`. */
  | { readonly type: 'count'; readonly to: Address; readonly count: number }
  /** Appends and answers when it is durable. */
  | { readonly type: 'save'; readonly n: number }
  | { readonly type: 'attach'; readonly session: SessionRef }
  | { readonly type: 'detach'; readonly session: SessionRef; readonly connSeq: number }
  | { readonly type: 'push'; readonly text: string; readonly volatile?: boolean }
  /** Answers how many it believes to be attached. */
  | { readonly type: 'sockets' }
  /** Answers, and asks another actor in the same turn. */
  | { readonly type: 'thank'; readonly to: Address };

export interface Executed {
  readonly node: string;
  readonly id: string;
  readonly n: number;
}

const op = (id: string): DurableOp => ({
  type: 'transfer',
  id,
  reason: 'test',
  legs: [],
  rule: { id: 'test', version: 1 },
  idempotency: null,
});

const packr = new Packr({ useRecords: false, int64AsType: 'number' });

/**
 * A batch from envelopes as they stand on the wire, with their bodies at whatever place, by a packer that is not ours:
 * whatever can be said in MessagePack can be said, with a good checksum.
 */
export function batchOf(
  from: string,
  to: string,
  number: number,
  acks: readonly Ack[],
  envelopes: readonly (readonly unknown[])[],
  oldest = number,
): Uint8Array {
  const bodies = envelopes.map(one => (one.find(part => part instanceof Slice) as Slice | undefined) ?? null);
  const wires = envelopes.map(([kind, ...rest], i) => {
    const fields = rest.filter(part => !(part instanceof Slice));
    return [kind, bodies[i]?.length ?? 0, ...fields];
  });
  const told = acks.map(({ gateway, last, holes }) => [gateway, last, holes]);
  const head = packr.pack([VERSION, from, to, number, oldest, told, wires]);
  const front = new DataView(new ArrayBuffer(8));
  front.setUint32(4, head.length);
  const views = bodies.map(body => body?.view() ?? new Uint8Array(0));
  const bytes = new Uint8Array(Buffer.concat([new Uint8Array(front.buffer), head, ...views]));
  return signed(bytes);
}

/** With the checksum of what it is now: as somebody sends it who means it. */
export function signed(bytes: Uint8Array): Uint8Array {
  if (bytes.length >= 4) new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, crc32(bytes.subarray(4)));
  return bytes;
}

/** A client of the bus whose messages a test may drop, repeat or hold back. */
class TamperedBus implements Bus {
  readonly #bus: MemoryBus;
  /** Called for each message that leaves; it goes only if `pass` is called, and as often. */
  tamper: ((subject: string, bytes: Uint8Array, pass: () => boolean) => boolean) | null = null;
  published = 0;

  constructor(bus: MemoryBus) {
    this.#bus = bus;
  }
  get connected(): boolean {
    return this.#bus.connected;
  }
  get bytesMax(): number {
    return this.#bus.bytesMax;
  }
  publish(subject: string, bytes: Uint8Array, unheard?: () => void): boolean {
    this.published++;
    const pass = (): boolean => this.#bus.publish(subject, bytes, unheard);
    return this.tamper ? this.tamper(subject, bytes, pass) : pass();
  }
  subscribe(subject: string, heard: (bytes: Uint8Array) => void): () => void {
    return this.#bus.subscribe(subject, heard);
  }
  watchConnection(changed: (connected: boolean) => void): void {
    this.#bus.watchConnection(changed);
  }
  setConnected(connected: boolean): void {
    this.#bus.setConnected(connected);
  }
}

export interface TestNodesOptions {
  readonly nodes: number;
  readonly runtime?: Partial<{ [K in keyof typeof LIMITS]: number }>;
  readonly routing?: Partial<{ [K in keyof typeof ROUTING_LIMITS]: number }>;
  /** Actors take nothing along when their shard moves. */
  readonly unpacked?: boolean;
  readonly encodeLocal?: boolean;
  readonly tracer?: Tracer;
}

export class TestNode {
  readonly town: TestNodes;
  readonly gateway: string;
  readonly bus: TamperedBus;
  readonly system: ActorSystem;
  readonly router: Router;
  ref: string;
  serving = true;
  /** Called in the middle of every turn. */
  onTurn: () => void = () => {};
  /** What it believes; the shared map when it is up to date. */
  owners: (Owner | null)[];
  mine: (number | null)[] = new Array(512).fill(null);
  revision = 1;
  readonly unheard: string[] = [];
  readonly lost: number[] = [];
  readonly cargo: { from: string; shard: number; epoch: number; parcels: readonly Parcel[] }[] = [];
  readonly pushed: string[] = [];
  readonly closed: number[] = [];
  /** Sockets that its gateway holds. */
  readonly sockets = new Set<string>();
  readonly commits: ((outcome: WriteOutcome) => void)[] = [];
  readonly counted: Record<string, number> = {};

  constructor(town: TestNodes, index: number) {
    this.town = town;
    this.gateway = `gw${index}`;
    this.ref = `n${index}.${String(index).repeat(16)}`;
    this.owners = [...town.owners];
    this.bus = new TamperedBus(town.hub.connect());
    const { time, options } = town;
    const self = this;
    const coordinator: Coordinator = {
      ...soleOwner(),
      get ref() {
        return self.ref;
      },
      get mapRevision() {
        return self.revision;
      },
      serving: () => this.serving,
      epochOf: shard => this.mine[shard] ?? null,
      ownerOf: shard => this.owners[shard] ?? null,
      lost: shard => void this.lost.push(shard),
      unheard: ref => void this.unheard.push(ref),
      received: (from, shard, epoch, parcels) => void this.cargo.push({ from, shard, epoch, parcels }),
    };
    const log = (_fields: object, message: string): void => void town.said.push(`${this.ref}: ${message}`);
    const world = {
      clock: time,
      scheduler: time,
      random: seededRandom(index + 1),
      tracer: options.tracer,
      log: { debug() {}, info() {}, warn: log, error: log },
      metrics: {
        count: (name: string, labels: Record<string, string> = {}, by = 1) => {
          const what = [name.replace('heyblue_', ''), ...Object.values(labels)].join(' ');
          this.counted[what] = (this.counted[what] ?? 0) + by;
        },
        observe() {},
        gauge() {},
      },
      sink: {
        push: (sessions: readonly SessionRef[], bytes: Uint8Array) => {
          for (const { id } of sessions)
            if (this.sockets.has(id)) this.pushed.push(`${id} ${new TextDecoder().decode(bytes)}`);
        },
        close: (sessions: readonly SessionRef[], code: number) => {
          for (const { id } of sessions) if (this.sockets.delete(id)) this.closed.push(code);
        },
        knows: (session: SessionRef) => this.sockets.has(session.id),
      },
    };
    const behaviour = this.#behaviour(options.unpacked !== true);
    const behaviours = {
      user: behaviour,
      region: behaviour,
      area: behaviour,
      pair: behaviour,
      offer: behaviour,
      budget: behaviour,
    };
    this.system = new ActorSystem({
      ...world,
      behaviours,
      coordinator,
      writer: { submit: (_entry, done) => void this.commits.push(done) },
      queries: { query: async () => ({}) },
      limits: options.runtime,
      encodeLocal: options.encodeLocal,
    });
    this.router = new Router({
      ...world,
      bus: this.bus,
      gatewayId: this.gateway,
      coordinator,
      inbox: this.system,
      behaviours,
      asks: this.system.asks,
      wheel: this.system.wheel,
      limits: options.routing,
    });
    this.system.connect(this.router);
  }

  /** Learns the map as it is now. */
  learn(): void {
    const changed: number[] = [];
    for (let shard = 0; shard < 512; shard++) {
      const now = this.town.owners[shard] ?? null;
      if (this.owners[shard] !== now) changed.push(shard);
      this.owners[shard] = now;
    }
    this.revision++;
    this.system.routed(changed);
  }

  /** Owns the shard from now on, under a new epoch. */
  open(shard: number, parcels: readonly Parcel[] = []): void {
    const epoch = ++this.town.epochs[shard]!;
    this.town.owners[shard] = { node: this.ref, epoch };
    this.mine[shard] = epoch;
    this.system.opened(shard, epoch, parcels);
  }

  ask(to: Address, message: Said, options?: AskOptions): Result<unknown>[] {
    const answers: Result<unknown>[] = [];
    this.system.ask(to, message, result => answers.push(result), options);
    return answers;
  }

  tell(to: Address, message: Said): void {
    this.system.tell(to, message);
  }

  commit(): void {
    for (const done of this.commits.splice(0))
      done({ ok: true, committed: { id: 'x', code: 'created', atMs: 1, postings: [] } });
  }

  #behaviour(packs: boolean): Behaviour<Listing, Said> {
    const { town } = this;
    return {
      kind: 'user',
      hydrate: () => null,
      create: () => ok({ list: [], held: [], sockets: [], waiting: {} }),
      idleMs: () => false,
      patient: message => message.type === 'add' && message.patient === true,
      sessions: state => state.sockets,
      discarded: (state, turn) => turn.close(state.sockets, 4105, 'gone'),
      ...(packs && {
        pack: state => state,
        unpack: (_id, packed) => ok(packed as Listing),
      }),
      receive: (state, message: Said | SystemMessage, turn) => {
        this.onTurn();
        const added = (n: number): Listing => {
          town.executed.push({ node: this.ref, id: turn.self.id, n });
          return { ...state, list: [...state.list, n] };
        };
        switch (message.type) {
          case 'add':
            turn.reply(ok(state.list.length + 1));
            return added(message.n);
          case 'read':
            turn.reply(ok(state.list));
            return state;
          case 'hold':
            return { ...state, held: [...state.held, turn.replyTo!] };
          case 'release':
            for (const to of state.held) turn.reply(ok('released'), to);
            return { ...state, held: [] };
          case 'relay': {
            const tag = turn.newId();
            const { to, message: said, keyed, timeoutMs } = message;
            turn.ask(to, said, tag, timeoutMs, { keyed });
            return { ...state, waiting: { ...state.waiting, [tag]: turn.replyTo! } };
          }
          case 'answer': {
            const { [message.tag]: to, ...waiting } = state.waiting;
            if (to) turn.reply(message.result, to);
            return { ...state, waiting };
          }
          case 'count':
            for (let n = 1; n <= message.count; n++) turn.tell(message.to, { type: 'add', n });
            return state;
          case 'save':
            turn.persist(op(turn.newId()), 'saved');
            turn.reply(ok(message.n));
            return added(message.n);
          case 'attach':
            turn.reply(ok(null));
            return { ...state, sockets: [...state.sockets, message.session] };
          case 'detach':
            return { ...state, sockets: state.sockets.filter(one => one.id !== message.session.id) };
          case 'push': {
            const bytes = new TextEncoder().encode(message.text);
            turn.push(state.sockets, bytes, message.volatile ? 'volatile' : 'durable');
            turn.reply(ok(null));
            return state;
          }
          case 'sockets':
            turn.reply(ok(state.sockets.length));
            return state;
          case 'thank':
            turn.ask(message.to, { type: 'add', n: 1 }, turn.newId());
            turn.reply(ok(null));
            return state;
          default:
            return state;
        }
      },
    };
  }
}

export class TestNodes {
  readonly time = new VirtualTime();
  readonly options: TestNodesOptions;
  readonly hub: MemoryHub;
  readonly owners: (Owner | null)[] = new Array(512).fill(null);
  readonly epochs: number[] = new Array(512).fill(0);
  readonly executed: Executed[] = [];
  /** Warnings and errors. */
  readonly said: string[] = [];
  readonly nodes: TestNode[] = [];

  constructor(options: TestNodesOptions) {
    this.options = options;
    const log = (fields: object, message: string): void =>
      void this.said.push(`bus: ${message} ${(fields as { error?: Error }).error?.stack}`);
    this.hub = new MemoryHub(this.time, { debug() {}, info() {}, warn: log, error: log });
    for (let index = 1; index <= options.nodes; index++) this.nodes.push(new TestNode(this, index));
    for (let shard = 0; shard < 512; shard++) this.nodes[shard % options.nodes]!.open(shard);
    for (const node of this.nodes) node.learn();
  }

  node(index: number): TestNode {
    return this.nodes[index - 1]!;
  }

  /** An actor that lives on the node now; `nth` makes different ones. */
  actorOn(node: TestNode, nth = 0): Address {
    for (let i = 0, found = 0; ; i++) {
      const id = `actor-${i}`;
      if (this.owners[shardOf('user', id)]?.node === node.ref && found++ === nth) return { kind: 'user', id };
    }
  }

  shardOf(actor: Address): number {
    return shardOf(actor.kind, actor.id);
  }

  async move(shard: number, from: TestNode, to: TestNode, learn = true): Promise<void> {
    const epoch = from.mine[shard]!;
    from.mine[shard] = null;
    let parcels: Parcel[] | null = null;
    void from.system.close(shard).then(packed => {
      parcels = packed;
    });
    for (let waited = 0; parcels === null && waited < 600; waited++) await this.time.advance(10);
    const packed = parcels ?? [];
    let shipped: boolean | null = null;
    void from.router.ship(to.ref, shard, epoch, packed).then(well => {
      shipped = well;
    });
    for (let waited = 0; shipped === null && waited < 600; waited++) await this.time.advance(10);
    const cargo = to.cargo.find(one => one.shard === shard && one.epoch === epoch);
    to.open(shard, cargo?.parcels ?? []);
    if (learn) for (const node of this.nodes) node.learn();
  }

  /** What one actor executed, in order. */
  numbersOf(actor: Address): number[] {
    return this.executed.filter(one => one.id === actor.id).map(one => one.n);
  }
}
