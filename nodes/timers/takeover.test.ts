/**
 * Real nodes over one memory cluster: what one of them owed to people when it died, another one does. Real coordinator,
 * router, writers and actors; only the wires and the clock are made.
 */
import { beforeEach, expect, test } from 'vitest';
import { areaBehaviour } from '../../actors/area.ts';
import { budgetBehaviour } from '../../actors/budget.ts';
import { TRUST } from '../../actors/fraud/trust.ts';
import type { Attached } from '../../actors/messages/user.ts';
import { offerBehaviour } from '../../actors/offer.ts';
import { pairId } from '../../actors/pair/state.ts';
import { pairBehaviour } from '../../actors/pair.ts';
import type { UserRecord } from '../../actors/queries.ts';
import { regionBehaviour } from '../../actors/region.ts';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import { userBehaviour } from '../../actors/user.ts';
import { decodeServerFrame, openEvent, type Result, shardOf } from '../../protocol/index.ts';
import { type MemoryBus, MemoryHub } from '../memory/memoryBus.ts';
import { MemoryBucket, MemoryKv } from '../memory/memoryKv.ts';
import { MemoryLedger } from '../memory/memoryLedger.ts';
import { MemoryNotes } from '../memory/memoryNotes.ts';
import { MemoryPeople } from '../memory/memoryPeople.ts';
import { createNode, type TownNode } from '../node.ts';
import type { CommitStore, EntryOutcome } from '../ports.ts';
import { builtInRules } from '../rules/builtIn.ts';
import { SimulatedProcess } from '../simulation/process.ts';
import { seededRandom, VirtualTime } from '../simulation/virtualTime.ts';

const silent = () => {};
const LOG = { debug: silent, info: silent, warn: silent, error: silent };
const METRICS = { count: silent, observe: silent, gauge: silent };
const KEYS = { newest: 1, masters: new Map([[1, new Uint8Array(32).fill(7)]]) };

interface Running {
  readonly id: string;
  readonly process: SimulatedProcess;
  readonly bus: MemoryBus;
  readonly node: TownNode;
}

class World {
  readonly time = new VirtualTime();
  readonly hub = new MemoryHub(this.time, LOG);
  readonly bucket = new MemoryBucket(this.time);
  readonly ledger = new MemoryLedger(() => this.time.nowMs());
  readonly notes = new MemoryNotes(
    shard => this.ledger.epochOf(shard),
    () => this.time.nowMs(),
    this.ledger,
  );
  readonly people = new MemoryPeople(this.ledger, seededRandom(1), () => this.time.nowMs(), this.notes);
  readonly nodes: Running[] = [];
  /** Durable events that the phone on a gateway got. */
  readonly heard: { gateway: string; name: string; body: Record<string, unknown> }[] = [];
  /** Applied, and the answer is lost, on nodes that are named here. */
  readonly mute = new Set<string>();
  commits: string[] = [];

  /** `alone`: as a node runs that has no cluster. */
  async start(id: string, alone = false): Promise<Running> {
    const process = new SimulatedProcess(id, this.time, { rate: 1, offsetMs: 0 }, error => {
      throw error;
    });
    const bus = this.hub.connect();
    const gateway = `g-${id}`;
    const node = createNode({
      nodeId: id,
      gatewayId: gateway,
      version: '1',
      weight: 1,
      behaviours: {
        user: userBehaviour(DEFAULT_RULES, KEYS),
        region: regionBehaviour(DEFAULT_RULES.proximity),
        area: areaBehaviour(DEFAULT_RULES.area),
        pair: pairBehaviour(DEFAULT_RULES),
        offer: offerBehaviour(),
        budget: budgetBehaviour(),
      },
      commitStore: this.#commits(id),
      queryStore: this.people,
      rules: builtInRules(DEFAULT_RULES),
      epochStore: this.ledger,
      noteStore: this.notes,
      sink: {
        push: (_sessions, bytes) => {
          const frame = decodeServerFrame(bytes);
          const event = frame.type === 'event' ? openEvent(frame) : null;
          if (event) this.heard.push({ gateway, name: event.name, body: event.body });
        },
        close: silent,
      },
      clock: process,
      scheduler: process,
      random: seededRandom(10 + this.nodes.length),
      log: LOG,
      metrics: METRICS,
      cluster: alone ? null : { bus, kv: new MemoryKv(this.bucket) },
    });
    const running = { id, process, bus, node };
    this.nodes.push(running);
    const started = node.start();
    await this.time.advance(3_000);
    await started;
    return running;
  }

  kill({ process, bus }: Running): void {
    process.kill();
    bus.setConnected(false);
  }

  ownerOf(kind: 'user' | 'pair', id: string): Running {
    const epochs = this.nodes.filter(
      one => one.process.alive && one.node.coordinator.epochOf(shardOf(kind, id)) !== null,
    );
    expect(epochs).toHaveLength(1);
    return epochs[0]!;
  }

  async person(kind: 'officer' | 'civilian', n: number): Promise<string> {
    const user = {
      kind,
      handle: `${kind} ${n}`,
      passwordHash: '',
      deviceId: `d${n}`,
      zip: null,
      badge: null,
    };
    const made = await this.people.createUser(user);
    if (!made.ok) throw new Error(made.message);
    return made.value.userId;
  }

  async ask(from: Running, to: { kind: 'user' | 'pair'; id: string }, message: object) {
    let answer: Result<unknown> | null = null;
    from.node.door.ask(to, message, result => {
      answer = result;
    });
    await this.time.advance(200);
    return answer as Result<unknown> | null;
  }

  /** A phone at the gateway of that node. */
  async attach(at: Running, id: string, n: number): Promise<Attached> {
    const session = { gateway: `g-${at.id}`, id: `s${n}` };
    const attach = { type: 'attach', session, deviceId: `d${n}`, connSeq: n, resume: null };
    const result = await this.ask(at, { kind: 'user', id }, attach);
    if (!result?.ok) throw new Error(JSON.stringify(result));
    return result.value as Attached;
  }

  #commits(id: string): CommitStore {
    return {
      commit: async (entries): Promise<EntryOutcome[]> => {
        const outcomes = await this.ledger.commit(entries);
        for (const { code } of outcomes) this.commits.push(`${id} ${code}`);
        return this.mute.has(id) ? new Promise(() => {}) : outcomes;
      },
      lookup: ops => this.ledger.lookup(ops),
    };
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});

test('a pair whose node dies between the commit and the telling: both phones, on other nodes, hear of it once', async () => {
  for (const id of ['a', 'b', 'c']) await world.start(id);
  await world.time.advance(10_000);
  // two people whose actors live elsewhere than their pair
  let [officer, civilian, n] = ['', '', 0];
  for (;;) {
    [officer, civilian] = [await world.person('officer', ++n), await world.person('civilian', ++n)];
    const owners = [
      world.ownerOf('user', officer),
      world.ownerOf('user', civilian),
      world.ownerOf('pair', pairId(officer, civilian)),
    ];
    if (owners[2] !== owners[0] && owners[2] !== owners[1]) break;
  }
  const dying = world.ownerOf('pair', pairId(officer, civilian));
  await world.attach(world.ownerOf('user', officer), officer, n - 1);
  await world.attach(world.ownerOf('user', civilian), civilian, n);
  world.mute.add(dying.id);
  const from = world.ownerOf('user', officer);
  const observe = {
    type: 'observe',
    evidence: { method: 'qr', id: 'proof', cell: '' },
    officer: { id: officer, handle: 'o' },
    civilian: { id: civilian, handle: 'c' },
  };
  await world.ask(from, { kind: 'pair', id: pairId(officer, civilian) }, observe);
  expect(world.commits).toEqual([`${dying.id} created`]);
  expect(world.heard).toEqual([]);
  world.kill(dying);
  await world.time.advance(20_000);
  expect(world.heard.map(one => one.name)).toEqual(['encounter.completed', 'encounter.completed']);
  expect(new Set(world.heard.map(one => one.body.otherHandle))).toEqual(
    new Set([`officer ${n - 1}`, `civilian ${n}`]),
  );
  expect(world.ledger.transfers.size).toBe(1);
});

test('a node that is alone and is killed between a rejection and its telling: when it is back both phones hear of it once', async () => {
  const first = await world.start('a', true);
  const [officer, civilian] = [await world.person('officer', 1), await world.person('civilian', 2)];
  const pair = { kind: 'pair', id: pairId(officer, civilian) } as const;
  await world.attach(first, officer, 1);
  await world.attach(first, civilian, 2);
  const observe = {
    type: 'observe',
    evidence: { method: 'qr', id: 'proof', cell: '', trust: TRUST.simulated },
    officer: { id: officer, handle: 'officer 1' },
    civilian: { id: civilian, handle: 'civilian 2' },
  };
  const held = await world.ask(first, pair, observe);
  const { encounterId } = (held as { value: { encounterId: string } }).value;
  expect(world.heard.map(one => one.name)).toEqual(['encounter.held', 'encounter.held']);
  world.mute.add('a');
  await world.ask(first, pair, { type: 'review', encounterId, verdict: 'rejected' });
  expect(world.commits).toEqual(['a held', 'a rejected']);
  world.kill(first);
  world.mute.clear();
  world.heard.length = 0;

  const back = await world.start('a', true);
  await world.attach(back, officer, 1);
  await world.attach(back, civilian, 2);
  await world.time.advance(20_000);
  for (const id of [officer, civilian]) {
    const { events } = ((await world.people.query({ type: 'user', id })) as UserRecord).stream;
    const names = events.map(({ frame }) => {
      const read = decodeServerFrame(frame);
      return read.type === 'event' && openEvent(read)?.name;
    });
    expect(names).toEqual(['encounter.rejected', 'encounter.held']);
  }
});

test("officers' sharing ends at its time, whoever serves them by then: killed, and moved to nodes that joined", async () => {
  const first = await world.start('a');
  const second = await world.start('b');
  await world.time.advance(10_000);
  const nowMs = world.time.nowMs();
  const officers: string[] = [];
  for (let n = 1; n <= 8; n++) {
    const id = await world.person('officer', n);
    officers.push(id);
    await world.attach(first, id, n);
    const share = {
      type: 'command',
      session: { gateway: 'g-a', id: `s${n}` },
      name: 'location.share',
      body: {},
      key: `00000000-0000-7000-8000-00000000000${n}`,
      requestHash: 'h',
    };
    expect(await world.ask(first, { kind: 'user', id }, share)).toMatchObject({ ok: true });
  }
  expect(new Set(officers.map(id => world.ownerOf('user', id)))).toEqual(new Set([first, second]));
  await world.time.advance(60_000);
  world.kill(second);
  await world.time.advance(60_000);
  for (const [i, id] of officers.entries()) {
    const attached = await world.attach(first, id, i + 1);
    const snapshot = decodeServerFrame(attached.frames[0]!);
    expect(snapshot.type === 'event' && openEvent(snapshot)?.body).toMatchObject({ sharing: true });
  }
  await world.start('c');
  await world.start('d');
  await world.time.advance(60_000);
  expect(new Set(officers.map(id => world.ownerOf('user', id))).size).toBeGreaterThan(1);
  await world.time.advance(nowMs + 15 * 60_000 - world.time.nowMs() - 1_000);
  const ended = () => world.heard.filter(one => one.name === 'sharing.ended').map(one => one.body);
  expect(ended()).toEqual([]);
  await world.time.advance(10_000);
  expect(ended()).toEqual(officers.map(() => ({ reason: 'timeout' })));
});
