/** Messages between nodes: where they go, in which order, what comes back, and what is never done twice. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Address } from '../../actors/turn.ts';
import { ERROR, ok } from '../../protocol/errors.ts';
import { type TestNode, TestNodes } from './testNodes.ts';

let town: TestNodes;
let a: TestNode;
let b: TestNode;
let c: TestNode;
beforeEach(() => {
  town = new TestNodes({ nodes: 3 });
  [a, b, c] = town.nodes as [TestNode, TestNode, TestNode];
});
/** What this node says is under way for so long. */
const slow = (node: TestNode, delayMs: number): void => {
  node.bus.tamper = (_subject, _bytes, pass) => {
    town.time.after(delayMs, () => void pass());
    return true;
  };
};
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('between two nodes', () => {
  test('an ask reaches the actor and its answer the asker', async () => {
    const answers = a.ask(town.actorOn(b), { type: 'add', n: 1 });
    await town.time.advance(10);
    expect(answers).toEqual([ok(1)]);
    expect(town.executed).toEqual([{ node: b.ref, id: town.actorOn(b).id, n: 1 }]);
  });

  test('what an actor says arrives in order, and many messages travel in few batches', async () => {
    const to = town.actorOn(b);
    a.tell(town.actorOn(a), { type: 'count', to, count: 250 });
    await town.time.advance(20);
    expect(town.numbersOf(to)).toEqual(upTo(250));
    expect(a.bus.published).toBeLessThan(10);
  });

  test('an actor asks another one on a third node, which asks a fourth', async () => {
    const last = { type: 'relay', to: town.actorOn(a, 1), message: { type: 'add', n: 7 } } as const;
    const answers = a.ask(town.actorOn(b), { type: 'relay', to: town.actorOn(c), message: last });
    await town.time.advance(20);
    expect(answers).toEqual([ok(1)]);
  });

  test('bytes, undefined and large numbers arrive as they were', async () => {
    const pad = new Uint8Array([1, 2, 3]);
    const answers = a.ask(town.actorOn(b), { type: 'add', n: Number.MAX_SAFE_INTEGER, pad });
    await town.time.advance(10);
    expect(answers).toEqual([ok(1)]);
    expect(town.executed[0]?.n).toBe(Number.MAX_SAFE_INTEGER);
  });

  test('a message too large is refused where it is made', async () => {
    const pad = new Uint8Array(600 * 1_024);
    const answers = a.ask(town.actorOn(b), { type: 'add', n: 1, pad });
    await town.time.advance(10);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.tooLarge, retryable: false }]);
  });

  test('a full mailbox over there is a refusal here', async () => {
    const to = town.actorOn(b);
    const answers = upTo(300).map(n => a.ask(to, { type: 'add', n }));
    await town.time.advance(20);
    const refused = answers.filter(one => one[0]?.ok === false && one[0].code === ERROR.unavailable);
    expect(refused.length + town.numbersOf(to).length).toBe(300);
    expect(answers.every(one => one.length === 1)).toBe(true);
  });
});

describe('what may wait', () => {
  const position = (n: number) => ({ type: 'add', n, patient: true }) as const;
  const to = (): Address => town.actorOn(b);

  test('leaves together after a tick, in order', async () => {
    for (const n of upTo(9)) {
      a.tell(to(), position(n));
      await town.time.advance(10);
    }
    expect([a.bus.published, town.numbersOf(to())]).toEqual([0, []]);
    await town.time.advance(20);
    expect([a.bus.published, town.numbersOf(to())]).toEqual([1, upTo(9)]);
  });

  test('leaves with whatever may not, in front of what came behind it', async () => {
    a.tell(to(), position(1));
    a.tell(to(), { type: 'add', n: 2 });
    a.tell(to(), position(3));
    await town.time.advance(5);
    expect([a.bus.published, town.numbersOf(to())]).toEqual([1, upTo(3)]);
    a.tell(to(), position(4));
    await town.time.advance(150);
    expect(town.numbersOf(to())).toEqual(upTo(4));
  });

  test('keeps no hand-over waiting', async () => {
    a.tell(to(), position(1));
    a.system.close(town.shardOf(town.actorOn(a)));
    await town.time.advance(5);
    expect(town.numbersOf(to())).toEqual([1]);
  });

  test('waits for nobody on its own node', async () => {
    a.tell(town.actorOn(a), position(1));
    await town.time.advance(1);
    expect(town.numbersOf(town.actorOn(a))).toEqual([1]);
  });

  test('outlives a connection that was away', async () => {
    a.tell(to(), position(1));
    a.bus.setConnected(false);
    await town.time.advance(150);
    a.bus.setConnected(true);
    await town.time.advance(300);
    expect(town.numbersOf(to())).toEqual([1]);
  });
});

describe('asks that would wait for themselves', () => {
  const loop = (): object => ({ type: 'relay', to: town.actorOn(a), message: { type: 'read' } });

  test('an ask that comes back over another node is refused at once', async () => {
    const answers = c.ask(town.actorOn(a), {
      type: 'relay',
      to: town.actorOn(b),
      message: loop(),
    });
    await town.time.advance(20);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.conflict, retryable: false }]);
    expect(b.counted.ask_cycles_total).toBe(1);
  });

  test('an actor that asks itself is refused at once', async () => {
    const answers = a.ask(town.actorOn(a), loop() as never);
    await town.time.advance(5);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.conflict }]);
  });

  test('whoever is answered in the same turn may be asked: nobody waits for himself', async () => {
    const asker = town.actorOn(a);
    const thanks = { type: 'thank', to: asker } as const;
    const answers = c.ask(asker, { type: 'relay', to: town.actorOn(b), message: thanks });
    await town.time.advance(20);
    expect([answers, town.numbersOf(asker)]).toEqual([[ok(null)], [1]]);
    expect(b.counted.ask_cycles_total).toBeUndefined();
  });
});

describe('a shard that moves', () => {
  test('a stream of numbered messages goes on: none lost, none doubled, in order, no ask fails', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    const answers: unknown[][] = [];
    let n = 0;
    const say = (): void => {
      for (let i = 0; i < 3; i++) answers.push(a.ask(to, { type: 'add', n: ++n }));
      if (n < 900) town.time.after(1, say);
    };
    say();
    await town.time.advance(50);
    await town.move(shard, b, c);
    await town.time.advance(50);
    await town.move(shard, c, a);
    await town.time.advance(50);
    await town.move(shard, a, b);
    await town.time.advance(1_000);
    expect(town.numbersOf(to)).toEqual(upTo(900));
    expect(answers).toEqual(upTo(900).map(one => [ok(one)]));
    const where = new Set(town.executed.map(one => one.node));
    expect(where).toEqual(new Set([a.ref, b.ref, c.ref]));
  });

  test('a stream from three nodes with different maps arrives from each in order', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    let n = 0;
    const say = (): void => {
      n++;
      for (const [at, node] of town.nodes.entries()) node.tell(to, { type: 'add', n: n * 10 + at });
      if (n < 200) town.time.after(2, say);
    };
    say();
    await town.time.advance(60);
    await town.move(shard, b, c, false);
    await town.time.advance(5);
    a.learn();
    await town.time.advance(60);
    b.learn();
    c.learn();
    await town.time.advance(2_000);
    const seen = town.numbersOf(to);
    for (const at of [0, 1, 2]) {
      const from = seen.filter(one => one % 10 === at);
      expect(from).toEqual(upTo(200).map(one => one * 10 + at));
    }
  });

  test('a node with an old map learns who owns the shard from the one that sent the message back', async () => {
    const to = town.actorOn(b);
    await town.move(town.shardOf(to), b, c, false);
    b.learn();
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(60);
    expect(answers).toEqual([ok(1)]);
    expect(town.executed[0]?.node).toBe(c.ref);
    expect(a.counted['redirects_total not_owner']).toBe(1);
  });

  test('a message that nobody takes goes round three times at most, then its asker may try again', async () => {
    const to = town.actorOn(b);
    b.mine[town.shardOf(to)] = null;
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(2_900);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.unavailable, retryable: true }]);
    expect(a.counted['redirects_total not_owner']).toBeLessThanOrEqual(4);
    expect(town.executed).toEqual([]);
  });

  test('many that come back at once, in more than one batch, all go on', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    b.mine[shard] = null;
    for (const n of upTo(250)) a.tell(to, { type: 'add', n });
    await town.time.advance(30);
    expect(b.counted['bounces_total not_owner']).toBe(250);
    c.open(shard);
    a.learn();
    await town.time.advance(100);
    expect(town.numbersOf(to)).toEqual(upTo(250));
  });

  test('what waits for an owner is bounded: the rest is refused', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    b.mine[shard] = null;
    a.owners[shard] = null;
    const answers = upTo(300).map(n => a.ask(to, { type: 'add', n }));
    await town.time.advance(1);
    expect(answers.filter(one => one.length === 1)).toHaveLength(44);
    b.open(shard);
    a.learn();
    await town.time.advance(100);
    expect(town.numbersOf(to)).toEqual(upTo(256));
  });

  test('what waited for a shard that comes to this very node is delivered here, before what is said then', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    b.mine[shard] = null;
    a.owners[shard] = null;
    const first = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(10);
    a.open(shard);
    const second = a.ask(to, { type: 'add', n: 2 });
    await town.time.advance(10);
    expect([first, second]).toEqual([[ok(1)], [ok(2)]]);
  });

  test('messages under way to the former owner come before those said when the shard has come here', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    b.mine[shard] = null;
    slow(b, 20);
    a.tell(to, { type: 'add', n: 1 });
    a.tell(to, { type: 'add', n: 2 });
    await town.time.advance(5);
    a.open(shard);
    a.tell(to, { type: 'add', n: 3 });
    await town.time.advance(5);
    expect(town.numbersOf(to)).toEqual([]);
    await town.time.advance(500);
    expect(town.numbersOf(to)).toEqual([1, 2, 3]);
  });

  test('a receiver that has an older epoch than the sender knows does not execute', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    a.owners[shard] = { node: b.ref, epoch: 99 };
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(100);
    expect([answers, town.executed]).toEqual([[], []]);
    expect(b.counted['bounces_total stale']).toBeGreaterThan(0);
    a.learn();
    await town.time.advance(2_000);
    expect(answers).toEqual([ok(1)]);
  });

  test('of two messages never only the later one is taken by a node that opens in between', async () => {
    const to = town.actorOn(b);
    const shard = town.shardOf(to);
    b.mine[shard] = null;
    town.owners[shard] = { node: c.ref, epoch: 2 };
    town.epochs[shard] = 2;
    a.learn();
    slow(c, 20);
    a.tell(to, { type: 'add', n: 1 });
    await town.time.advance(5);
    // c has sent the first one back, which a does not know yet, and opens before the second one arrives
    c.mine[shard] = 2;
    c.system.opened(shard, 2, []);
    a.tell(to, { type: 'add', n: 2 });
    await town.time.advance(2_000);
    expect(town.numbersOf(to)).toEqual([1, 2]);
    expect(c.counted['bounces_total behind']).toBe(1);
  });
});
