/** Shards that move in good order: what goes along, what is waited for, and what happens when it takes too long. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Address } from '../actors/turn.ts';
import { ERROR, ok } from '../protocol/errors.ts';
import type { Parcel } from './ports.ts';
import { type TestNode, TestNodes } from './routing/testNodes.ts';

let town: TestNodes;
let a: TestNode;
let b: TestNode;
let to: Address;
let shard: number;
const begin = (options: Partial<ConstructorParameters<typeof TestNodes>[0]> = {}): void => {
  town = new TestNodes({ nodes: 2, ...options });
  [a, b] = town.nodes as [TestNode, TestNode];
  to = town.actorOn(b);
  shard = town.shardOf(to);
};
beforeEach(() => begin());

/** Closes the shard of `b`; the parcels are there when it is done. */
const close = (): Parcel[][] => {
  const done: Parcel[][] = [];
  b.mine[shard] = null;
  void b.system.close(shard).then(parcels => done.push(parcels));
  return done;
};

describe('what goes along', () => {
  test('memory, sockets and whom an actor owes an answer', async () => {
    a.sockets.add('s');
    b.tell(to, { type: 'attach', session: { gateway: a.gateway, id: 's' } });
    b.tell(to, { type: 'add', n: 1 });
    const owed = b.ask(to, { type: 'hold' });
    await town.time.advance(10);
    await town.move(shard, b, a);
    await town.time.advance(10);
    expect([b.system.count('user'), a.system.count('user')]).toEqual([0, 1]);
    b.tell(to, { type: 'push', text: 'hello' });
    b.tell(to, { type: 'release' });
    await town.time.advance(50);
    expect([owed, a.pushed, a.closed]).toEqual([[ok('released')], ['s hello'], []]);
    const list = b.ask(to, { type: 'read' });
    await town.time.advance(10);
    expect(list).toEqual([ok([1])]);
  });

  test('an owed answer is refused when the moved actor is thrown away there', async () => {
    const owed = b.ask(to, { type: 'hold' });
    await town.time.advance(10);
    await town.move(shard, b, a);
    await town.time.advance(10);
    a.system.dropped(shard);
    await town.time.advance(10);
    expect(owed).toMatchObject([{ ok: false, retryable: true }]);
  });

  test('an actor that takes nothing along says goodbye, and starts from what is durable', async () => {
    begin({ unpacked: true });
    b.sockets.add('s');
    b.tell(to, { type: 'attach', session: { gateway: b.gateway, id: 's' } });
    b.tell(to, { type: 'add', n: 1 });
    await town.time.advance(10);
    await town.move(shard, b, a);
    const list = b.ask(to, { type: 'read' });
    await town.time.advance(10);
    expect([list, b.closed]).toEqual([[ok([])], [4105]]);
  });

  test('a parcel that cannot be read costs memory only', async () => {
    const packed = { list: [9], held: [], sockets: [], waiting: {} };
    a.open(shard, [{ address: to, state: { v: 99, packed, owed: [] } }]);
    a.learn();
    const list = a.ask(to, { type: 'read' });
    await town.time.advance(10);
    expect(list).toEqual([ok([])]);
  });

  test('many actors come to life little by little, the one with a message first', async () => {
    const others = Array.from({ length: 400 }, (_, i): Address => ({ kind: 'user', id: `u${i}` }));
    const mine = others.filter(one => town.shardOf(one) === town.shardOf(others[0]!));
    const parcels = others.map(address => ({
      address,
      state: { v: 1, packed: { list: [7], held: [], sockets: [], waiting: {} }, owed: [] },
    }));
    const home = town.shardOf(others[0]!);
    a.open(home, parcels);
    expect(a.system.count('user')).toBe(0);
    const list = a.ask(mine.at(-1)!, { type: 'read' });
    expect(a.system.count('user')).toBe(1);
    await town.time.advance(10);
    expect([list, a.system.count('user')]).toEqual([[ok([7])], 400]);
    expect(a.counted.actors_arrived_total).toBe(400);
  });

  test('who has not come to life yet goes on to the next node as he came', async () => {
    const parcels = Array.from({ length: 100 }, (_, i) => ({
      address: { kind: 'user', id: `u${i}` } as const,
      state: { v: 1, packed: { list: [i], held: [], sockets: [], waiting: {} }, owed: [] },
    }));
    b.open(shard, parcels);
    const done = close();
    await town.time.advance(10);
    expect(done[0]).toHaveLength(100);
  });
});

describe('what is waited for', () => {
  test('a commit, and what the gate holds behind it leaves before the shard does', async () => {
    const answers = a.ask(to, { type: 'save', n: 1 });
    await town.time.advance(20);
    const done = close();
    await town.time.advance(500);
    expect([answers, done]).toEqual([[], []]);
    b.commit();
    await town.time.advance(50);
    expect([answers, done[0]?.length]).toEqual([[ok(1)], 1]);
  });

  test('mail that waits gets its turn; what comes then goes to the next owner', async () => {
    for (let n = 1; n <= 100; n++) a.tell(to, { type: 'add', n });
    await town.time.advance(1);
    const done = close();
    b.tell(to, { type: 'add', n: 101 });
    await town.time.advance(20);
    expect(town.numbersOf(to)).toHaveLength(100);
    a.open(shard, done[0]!);
    b.learn();
    await town.time.advance(200);
    expect(town.numbersOf(to)).toEqual(Array.from({ length: 101 }, (_, i) => i + 1));
    expect(town.executed.at(-1)?.node).toBe(a.ref);
  });

  test('an ask of its own, also to somebody who leaves with it', async () => {
    let nth = 1;
    while (town.shardOf(town.actorOn(b, nth)) !== shard) nth++;
    const neighbour = town.actorOn(b, nth);
    const answers = b.ask(to, { type: 'relay', to: neighbour, message: { type: 'add', n: 5 } });
    const done = close();
    await town.time.advance(50);
    expect([answers, done[0]?.length]).toEqual([[ok(1)], 2]);
  });

  test('what its actors said to others: it would be overtaken by what they say from the next node', async () => {
    const other = town.actorOn(a);
    const home = town.shardOf(other);
    const epoch = a.mine[home]!;
    a.mine[home] = null;
    b.tell(to, { type: 'count', to: other, count: 3 });
    await town.time.advance(10);
    // it came back and waits for its second try; meanwhile the actor moves next to the other one
    a.mine[home] = epoch;
    await town.move(shard, b, a);
    a.tell(to, { type: 'relay', to: other, message: { type: 'add', n: 4 } });
    await town.time.advance(1_000);
    expect(town.numbersOf(other)).toEqual([1, 2, 3, 4]);
  });

  test('not longer than five seconds: what is still under way is unknown to its asker, and nothing of it goes along', async () => {
    const answers = b.ask(to, { type: 'save', n: 1 }, { timeoutMs: 20_000 });
    await town.time.advance(10);
    const done = close();
    await town.time.advance(4_900);
    expect([answers, done]).toEqual([[], []]);
    await town.time.advance(200);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.timeout }]);
    expect(done).toEqual([[]]);
    // the commit that ends afterwards says nothing
    b.commit();
    await town.time.advance(10);
    expect(answers).toHaveLength(1);
  });

  test('a shard that is lost while it is handed over takes nothing along', async () => {
    b.tell(to, { type: 'save', n: 1 });
    await town.time.advance(10);
    const done = close();
    b.system.dropped(shard);
    await town.time.advance(10);
    expect([done, b.system.count('user')]).toEqual([[[]], 0]);
  });
});

describe('the way of the cargo', () => {
  const cargo = (count: number, bytes: number): Parcel[] =>
    Array.from({ length: count }, (_, i) => ({
      address: { kind: 'user', id: `u${i}` },
      state: { v: 1, packed: new Map([['ring', new Uint8Array(bytes).fill(i)]]), owed: [] },
    }));
  const ship = (parcels: Parcel[]): boolean[] => {
    const done: boolean[] = [];
    void b.router.ship(a.ref, 3, 9, parcels).then(well => done.push(well));
    return done;
  };

  test('large cargo travels in pieces and arrives whole, maps and bytes as they were', async () => {
    const parcels = cargo(300, 10_000);
    const done = ship(parcels);
    await town.time.advance(2_000);
    expect([done, a.cargo.length]).toEqual([[true], 1]);
    expect(a.cargo[0]).toMatchObject({ from: b.ref, shard: 3, epoch: 9 });
    const arrived = a.cargo[0]!.parcels;
    expect(arrived.map(one => one.address.id).sort()).toEqual(parcels.map(one => one.address.id).sort());
    const ring = (arrived[5]!.state as { packed: Map<string, Uint8Array> }).packed.get('ring')!;
    expect([ring.length, ring[0]]).toEqual([10_000, Number(arrived[5]!.address.id.slice(1)) & 0xff]);
    expect(b.router.waitingBytes).toBe(0);
  });

  test('one actor too large to move stays behind, the others go', async () => {
    const done = ship([...cargo(1, 700_000), ...cargo(3, 100)]);
    await town.time.advance(1_000);
    expect([done, a.cargo[0]?.parcels.length]).toEqual([[true], 3]);
  });

  test('a receiver that is not there is a clear no, soon when the bus knows and in time when it does not', async () => {
    a.bus.setConnected(false);
    const soon = ship(cargo(5, 100));
    await town.time.advance(50);
    expect(soon).toEqual([false]);
    a.bus.setConnected(true);
    a.serving = false;
    const late = ship(cargo(5, 100));
    await town.time.advance(5_100);
    expect(late).toEqual([false]);
    const gone = ship(cargo(5, 100));
    b.system.nodeGone(a.ref, a.gateway);
    await town.time.advance(1);
    expect(gone).toEqual([false]);
  });
});
