/** What nodes make of a network that loses, repeats, delays and lies, and of neighbours that die. */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Address } from '../../actors/turn.ts';
import { CLOSE, ERROR, ok } from '../../protocol/errors.ts';
import { shardOf } from '../../protocol/shard.ts';
import { ROUTING_LIMITS } from '../limits.ts';
import { encodeBody } from './body.ts';
import { decodeBatch } from './codec.ts';
import { type Batch, gatewaySubject, KIND, nodeSubject } from './envelope.ts';
import { Slice } from './slice.ts';
import { batchOf, type Said, signed, type TestNode, TestNodes } from './testNodes.ts';

let town: TestNodes;
let a: TestNode;
let b: TestNode;
let c: TestNode;
const begin = (options: Partial<ConstructorParameters<typeof TestNodes>[0]> = {}): void => {
  town = new TestNodes({ nodes: 3, ...options });
  [a, b, c] = town.nodes as [TestNode, TestNode, TestNode];
};
beforeEach(() => begin());
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

describe('a network that repeats, loses and delays', () => {
  test('a batch that comes twice is taken once', async () => {
    a.bus.tamper = (_subject, _bytes, pass) => pass() && pass();
    const to = town.actorOn(b);
    const answers = upTo(5).map(n => a.ask(to, { type: 'add', n }));
    await town.time.advance(50);
    expect(town.numbersOf(to)).toEqual(upTo(5));
    expect(answers).toEqual(upTo(5).map(n => [ok(n)]));
    expect(b.counted['envelopes_refused_total duplicate']).toBeGreaterThan(0);
  });

  test('a batch that is lost is sent again under its number', async () => {
    let lose = true;
    a.bus.tamper = (_subject, _bytes, pass) => {
      if (!lose) return pass();
      lose = false;
      return true;
    };
    const to = town.actorOn(b);
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(2_000);
    expect([answers, town.numbersOf(to)]).toEqual([[ok(1)], [1]]);
  });

  test('an answer that is lost is said again, and nothing is executed twice', async () => {
    let lose = true;
    b.bus.tamper = (_subject, _bytes, pass) => {
      if (!lose) return pass();
      lose = false;
      return true;
    };
    const to = town.actorOn(b);
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(2_500);
    expect([answers, town.numbersOf(to)]).toEqual([[ok(1)], [1]]);
  });

  test('word of a message that was sent back comes late: its asker still hears that nothing happened', async () => {
    const to = town.actorOn(b);
    b.mine[town.shardOf(to)] = null;
    // acknowledgements pass, the batch with the word in it does not, for two seconds
    b.bus.tamper = (_subject, bytes, pass) => (decodeBatch(bytes) as Batch).number > 0 || pass();
    const answers = a.ask(to, { type: 'add', n: 1 }, { timeoutMs: 9_000 });
    await town.time.advance(2_000);
    expect(answers).toEqual([]);
    b.bus.tamper = null;
    await town.time.advance(1_500);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.unavailable, retryable: true }]);
    expect(a.counted['redirects_total not_owner']).toBeUndefined();
  });

  test('a batch that comes after a younger one is never taken; what was in it and nobody overtook is sent again', async () => {
    const held: (() => boolean)[] = [];
    let hold = true;
    a.bus.tamper = (_subject, _bytes, pass) => {
      if (!hold) return pass();
      hold = false;
      held.push(pass);
      return true;
    };
    const [first, second] = [town.actorOn(b, 0), town.actorOn(b, 1)];
    const early = a.ask(first, { type: 'add', n: 1 });
    await town.time.advance(1);
    const late = a.ask(second, { type: 'add', n: 2 });
    await town.time.advance(5);
    for (const pass of held) pass();
    await town.time.advance(100);
    expect([early, late]).toEqual([[ok(1)], [ok(1)]]);
    expect(b.counted['envelopes_refused_total late']).toBe(1);
    expect(town.numbersOf(first)).toEqual([1]);
  });

  test('a message that a later one for the same actor overtook is not executed: its asker may try again', async () => {
    let lose = true;
    a.bus.tamper = (_subject, _bytes, pass) => {
      if (!lose) return pass();
      lose = false;
      return true;
    };
    const to = town.actorOn(b);
    const early = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(1);
    const late = a.ask(to, { type: 'add', n: 2 });
    await town.time.advance(2_000);
    expect(early).toMatchObject([{ ok: false, code: ERROR.unavailable, retryable: true }]);
    expect([late, town.numbersOf(to)]).toEqual([[ok(1)], [2]]);
  });

  test('whatever a lossy, repeating, reordering network does, each number is executed at most once and in order', async () => {
    for (const seed of upTo(30)) {
      begin();
      let state = seed;
      const dice = (): number => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        return state / 2 ** 32;
      };
      for (const node of town.nodes) {
        node.bus.tamper = (_subject, _bytes, pass) => {
          const roll = dice();
          if (roll < 0.1) return true;
          if (roll < 0.2) pass();
          if (roll < 0.5) {
            town.time.after(Math.floor(dice() * 40), () => void pass());
            return true;
          }
          return pass();
        };
      }
      const to = town.actorOn(b);
      const answers: unknown[][] = [];
      let n = 0;
      const say = (): void => {
        answers.push(a.ask(to, { type: 'add', n: ++n }));
        if (n % 10 === 0) c.tell(town.actorOn(c), { type: 'count', to: town.actorOn(a), count: 3 });
        if (n < 200) town.time.after(3, say);
      };
      say();
      await town.time.advance(300);
      await town.move(town.shardOf(to), b, c);
      await town.time.advance(6_000);
      const seen = town.numbersOf(to);
      expect(seen, `seed ${seed}`).toEqual([...new Set(seen)].sort((x, y) => x - y));
      expect(seen.length, `seed ${seed}`).toBeGreaterThan(10);
      // everybody heard exactly once; who was told that nothing happened is right
      expect(
        answers.every(one => one.length === 1),
        `seed ${seed}`,
      ).toBe(true);
      for (const node of town.nodes) {
        expect(node.router.waitingBytes, `seed ${seed}`).toBe(0);
        for (let shard = 0; shard < 512; shard++) expect(node.router.underWayFrom(shard)).toBe(0);
      }
      expect(town.said, `seed ${seed}`).toEqual([]);
      answers.forEach(([answer], i) => {
        const { ok: well, code } = answer as { ok: boolean; code?: number };
        if (!well && code === ERROR.unavailable) expect(seen, `seed ${seed}`).not.toContain(i + 1);
        if (well) expect(seen, `seed ${seed}`).toContain(i + 1);
      });
    }
  });
});

describe('nobody listens', () => {
  const away = (node: TestNode): void => node.bus.setConnected(false);

  test('a message to a node that is away was not executed: it follows its shard', async () => {
    const to = town.actorOn(b);
    away(b);
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(20);
    expect(a.unheard).toContain(b.ref);
    expect(answers).toEqual([]);
    c.open(town.shardOf(to));
    a.learn();
    await town.time.advance(100);
    expect([answers, town.numbersOf(to)]).toEqual([[ok(1)], [1]]);
  });

  test('without a new owner the asker may try again', async () => {
    away(b);
    const answers = a.ask(town.actorOn(b), { type: 'add', n: 1 });
    await town.time.advance(2_500);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.unavailable, retryable: true }]);
  });

  test('a node that was away for a moment gets it on the second try', async () => {
    const to = town.actorOn(b);
    away(b);
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(10);
    b.bus.setConnected(true);
    await town.time.advance(1_500);
    expect(answers).toEqual([ok(1)]);
  });
});

describe('a node is lost', () => {
  test('asks that it had taken have an unknown outcome, at once', async () => {
    const answers = a.ask(town.actorOn(b), { type: 'hold' });
    await town.time.advance(100);
    a.system.nodeGone(b.ref, b.gateway);
    await town.time.advance(1);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.timeout, retryable: true }]);
  });

  test('an ask with a key is asked again, of the new owner', async () => {
    const to = town.actorOn(b);
    const held = a.ask(to, { type: 'add', n: 1, key: 'k' }, { keyed: true, timeoutMs: 5_000 });
    b.serving = false; // takes it and never answers
    await town.time.advance(100);
    a.system.nodeGone(b.ref, b.gateway);
    c.open(town.shardOf(to));
    a.learn();
    await town.time.advance(200);
    expect(held).toEqual([ok(1)]);
    expect(town.executed.map(one => one.node)).toEqual([c.ref]);
  });

  test('what had not left for it goes to the new owner', async () => {
    const to = town.actorOn(b);
    a.serving = false;
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(20);
    a.system.nodeGone(b.ref, b.gateway);
    c.open(town.shardOf(to));
    a.learn();
    a.serving = true;
    a.system.resumed();
    await town.time.advance(100);
    expect(answers).toEqual([ok(1)]);
  });

  test('what still comes from it is of the dead', async () => {
    const to = town.actorOn(b);
    a.system.ask(to, { type: 'hold' }, () => {});
    await town.time.advance(10);
    b.system.nodeGone(a.ref, a.gateway);
    a.tell(to, { type: 'add', n: 1 });
    await town.time.advance(50);
    expect(town.executed).toEqual([]);
    expect(b.counted['envelopes_refused_total incarnation']).toBeGreaterThan(0);
  });
});

describe('the connection of this node goes', () => {
  test('asks under way have an unknown outcome at once; those with a key are repeated when it is back', async () => {
    const plain = a.ask(town.actorOn(b), { type: 'hold' }, { timeoutMs: 5_000 });
    const to = town.actorOn(c);
    c.serving = false;
    const keyed = a.ask(to, { type: 'add', n: 1, key: 'k' }, { keyed: true, timeoutMs: 5_000 });
    await town.time.advance(100);
    a.bus.setConnected(false);
    expect(plain).toMatchObject([{ ok: false, code: ERROR.timeout }]);
    // it is executed there, and the answer finds nobody
    c.serving = true;
    await town.time.advance(1_000);
    expect([keyed, town.numbersOf(to)]).toEqual([[], [1]]);
    a.bus.setConnected(true);
    await town.time.advance(1_500);
    expect([keyed, town.numbersOf(to)]).toEqual([[ok(2)], [1, 1]]);
  });

  test('what its asker was told of already leaves nothing behind when it comes back', async () => {
    const to = town.actorOn(b);
    // lost, and lost again when the connection is back
    let lose = 2;
    a.bus.tamper = (_subject, _bytes, pass) => lose-- > 0 || pass();
    const answers = a.ask(to, { type: 'add', n: 1 });
    await town.time.advance(5);
    a.bus.setConnected(false);
    a.bus.setConnected(true);
    a.tell(to, { type: 'add', n: 2 });
    await town.time.advance(3_000);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.timeout }]);
    expect([town.numbersOf(to), a.router.waitingBytes]).toEqual([[2], 0]);
  });

  test('a repeat that cannot leave either is still an unknown outcome, not a refusal', async () => {
    const to = town.actorOn(c);
    c.serving = false;
    const keyed = a.ask(to, { type: 'add', n: 1, key: 'k' }, { keyed: true, timeoutMs: 9_000 });
    await town.time.advance(100);
    a.bus.setConnected(false);
    c.serving = true;
    await town.time.advance(4_000);
    expect(town.numbersOf(to)).toEqual([1]);
    expect(keyed).toMatchObject([{ ok: false, code: ERROR.timeout }]);
  });

  test('what could not leave is given up after a while and was not executed', async () => {
    a.bus.setConnected(false);
    const answers = a.ask(town.actorOn(b), { type: 'add', n: 1 });
    await town.time.advance(2_600);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.unavailable }]);
    a.bus.setConnected(true);
    await town.time.advance(1_000);
    expect(town.executed).toEqual([]);
  });

  test('what is past its time when it could leave does not leave', async () => {
    a.bus.setConnected(false);
    const answers = a.ask(town.actorOn(b), { type: 'add', n: 1 }, { timeoutMs: 300 });
    await town.time.advance(500);
    a.bus.setConnected(true);
    await town.time.advance(1_000);
    expect(answers).toMatchObject([{ ok: false, code: ERROR.timeout }]);
    expect(town.executed).toEqual([]);
    expect(b.counted['envelopes_refused_total garbage']).toBeUndefined();
  });
});

describe('bad input', () => {
  const hear = async (subject: string, bytes: Uint8Array): Promise<void> => {
    town.hub.connect().publish(subject, bytes);
    await town.time.advance(1);
  };
  const letter = (over: Partial<Record<number, unknown>> = {}): unknown[] => {
    const to = town.actorOn(b);
    const wire: unknown[] = [
      KIND.tell,
      1,
      to.kind,
      to.id,
      town.shardOf(to),
      1,
      1,
      1,
      3_000,
      0,
      null,
      null,
      null,
      encodeBody({ type: 'add', n: 1 }),
    ];
    for (const [at, value] of Object.entries(over)) wire[Number(at)] = value;
    return wire;
  };
  let numbers = 0;
  const send = (...envelopes: unknown[][]): Promise<void> =>
    hear(nodeSubject(b.ref), batchOf('x.1', b.ref, ++numbers, [], envelopes));

  test('a good one is taken, so that the bad ones below are bad for their one reason', async () => {
    await send(letter());
    expect(town.executed).toHaveLength(1);
  });

  test('garbage on every subject is counted, and the node lives', async () => {
    let state = 7;
    const byte = (): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 24;
    };
    for (const subject of [nodeSubject(b.ref), gatewaySubject(b.gateway)]) {
      for (let i = 0; i < 500; i++) {
        const noise = Uint8Array.from({ length: byte() }, byte);
        await hear(subject, noise);
        await hear(subject, signed(noise.slice()));
      }
      // a good batch with one byte wrong, at every place
      const good = batchOf('x.1', b.ref, 1, [{ gateway: '', last: 1, holes: [] }], [letter()]);
      for (let at = 0; at < good.length; at++) {
        const bad = good.slice();
        bad[at] = bad[at]! ^ 0xff;
        await hear(subject, bad);
        await hear(subject, signed(bad.slice()));
      }
    }
    expect(b.counted['envelopes_refused_total damaged']).toBeGreaterThan(1_000);
    expect(b.counted['envelopes_refused_total garbage']).toBeGreaterThan(100);
    expect(town.said.filter(one => one.startsWith('bus'))).toEqual([]);
    const answers = a.ask(town.actorOn(b), { type: 'read' });
    await town.time.advance(10);
    expect(answers).toMatchObject([{ ok: true }]);
  });

  test('another version, another kind and what is too large are dropped and counted', async () => {
    const batch = batchOf('x.1', b.ref, 1, [], [letter()]);
    const newer = batch.slice();
    newer[9] = 99;
    await hear(nodeSubject(b.ref), signed(newer));
    expect(b.counted['envelopes_refused_total version']).toBe(1);
    await send([42, 'from the future'], letter());
    expect(b.counted['envelopes_refused_total kind']).toBe(1);
    expect(town.executed).toHaveLength(1);
    await hear(nodeSubject(b.ref), new Uint8Array(1_048_577 - 1));
    await hear(
      nodeSubject(b.ref),
      batchOf('x.1', b.ref, 9, [], [letter({ 13: new Slice(new Uint8Array(1_040_000)) })]),
    );
    expect(town.executed).toHaveLength(1);
  });

  test('an expired one, one to a foreign shard and one to an old incarnation are not executed', async () => {
    await send(letter({ 8: 0 }));
    expect(b.counted['envelopes_refused_total expired']).toBe(1);
    await send(letter({ 4: shardOf('user', town.actorOn(c).id) }));
    expect(b.counted['bounces_total not_owner']).toBe(1);
    const other = town.actorOn(b, 1);
    await send(letter({ 3: other.id }));
    expect(b.counted['envelopes_refused_total foreign_shard']).toBe(1);
    await hear(nodeSubject(b.ref), batchOf('x.1', 'n2.old', 50, [], [letter()]));
    expect(b.counted['envelopes_refused_total incarnation']).toBe(1);
    expect(town.executed).toEqual([]);
  });

  test('a message that cannot be read costs itself, not its batch', async () => {
    await send(
      letter({ 13: new Slice(new Uint8Array([0xc1])) }),
      letter({ 13: encodeBody('hello') }),
      letter(),
    );
    expect(b.counted['envelopes_refused_total garbage']).toBe(2);
    expect(town.executed).toHaveLength(1);
  });

  test('answers, bounces and acknowledgements of what was never asked or sent change nothing', async () => {
    await send(
      [KIND.reply, 77, encodeBody(ok(1))],
      [KIND.bounce, 77, 1, 0, 'n9.x', 5, 5],
      [KIND.reply, 78, encodeBody({ ok: 'maybe' })],
    );
    expect(b.counted['envelopes_refused_total unasked']).toBe(2);
    await hear(nodeSubject(b.ref), batchOf(a.ref, b.ref, 0, [{ gateway: 'gw9', last: 1e9, holes: [5] }], []));
    const answers = b.ask(town.actorOn(a), { type: 'read' });
    await town.time.advance(10);
    expect(answers).toEqual([ok([])]);
  });
});

describe('a copy of a real batch that was changed', () => {
  let to: Address;
  let real: Uint8Array;
  beforeEach(async () => {
    to = town.actorOn(b);
    a.bus.tamper = (_subject, bytes, pass) => {
      if (decodedNumber(bytes) > 0) real = bytes.slice();
      return pass();
    };
    a.tell(to, { type: 'add', n: 1 });
    await town.time.advance(50);
    a.bus.tamper = null;
  });
  const decodedNumber = (bytes: Uint8Array): number => (decodeBatch(bytes) as Batch).number;
  const hear = (bytes: Uint8Array): boolean => town.hub.connect().publish(nodeSubject(b.ref), bytes);
  /** As somebody sends it who knows how. */
  const forged = (number: number, oldest: number): Uint8Array => {
    const letter = [KIND.tell, 1e9, to.kind, to.id, town.shardOf(to), 1, 1, 1, 3_000, 0, null, null, null];
    return batchOf(a.ref, b.ref, number, [], [[...letter, encodeBody({ type: 'add', n: 666 })]], oldest);
  };
  /** What is said from now on is heard, once and in order. */
  const goesOn = async (): Promise<void> => {
    const before = town.numbersOf(to);
    const answers: unknown[] = [];
    for (const n of [2, 3, 4]) {
      answers.push(...[a.ask(to, { type: 'add', n })]);
      await town.time.advance(5);
    }
    await town.time.advance(200);
    expect(answers).toMatchObject([[{ ok: true }], [{ ok: true }], [{ ok: true }]]);
    expect(town.numbersOf(to)).toEqual([...before, 2, 3, 4]);
  };

  test('is refused whichever bit it is, and stops nobody', async () => {
    for (let bit = 0; bit < 8 * real.length; bit++) {
      const bad = real.slice();
      bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
      hear(bad);
    }
    await town.time.advance(10);
    expect(town.numbersOf(to)).toEqual([1]);
    expect(b.counted['envelopes_refused_total damaged']).toBe(8 * real.length);
    await goesOn();
  });

  test('by somebody who makes its checksum right: a number out of reach is refused', async () => {
    for (const [number, oldest] of [
      [1 + ROUTING_LIMITS.window, 1],
      [100_000, 1],
      [2 ** 52, 1],
      [5, 6],
      [2 ** 52, 2 ** 52],
    ] as const)
      hear(forged(number, oldest));
    await town.time.advance(1);
    expect(b.counted['envelopes_refused_total reach']).toBe(5);
    expect(town.numbersOf(to)).toEqual([1]);
    await goesOn();
    expect(a.counted['envelopes_refused_total misled']).toBeUndefined();
  });

  test('and one that looks right silences the link no longer than until its sender hears of it', async () => {
    for (const [number, oldest] of [
      [9, 2],
      [500, 2],
      [100_000, 100_000],
      [2 ** 31, 2 ** 31],
    ] as const) {
      hear(forged(number, oldest));
      // what is said before that is lost, and its asker hears that nobody can say, or that it was not done
      const early = a.ask(to, { type: 'add', n: 7 });
      await town.time.advance(100);
      expect(early).toHaveLength(1);
      const done = town.numbersOf(to).filter(n => n === 7).length;
      if (early[0]!.ok) expect(done).toBeGreaterThan(0);
      await goesOn();
    }
    expect(a.counted['envelopes_refused_total misled']).toBe(4);
  });
});

test('batches that nobody heard may be more than a window: who is there again is heard', async () => {
  b.bus.setConnected(false);
  // pushes, because they do not wait for the map to change
  const user = town.actorOn(a);
  a.ask(user, { type: 'attach', session: { gateway: b.gateway, id: 's1' } });
  for (let i = 0; i < 3 * ROUTING_LIMITS.window; i++) {
    a.tell(user, { type: 'attach', session: { gateway: b.gateway, id: 's1' } });
    a.tell(user, { type: 'push', text: 'lost' });
    await town.time.advance(2);
  }
  b.bus.setConnected(true);
  b.sockets.add('s1');
  a.tell(user, { type: 'attach', session: { gateway: b.gateway, id: 's1' } });
  a.tell(user, { type: 'push', text: 'heard' });
  await town.time.advance(100);
  expect(b.pushed).toEqual(['s1 heard']);
  expect(b.counted['envelopes_refused_total reach']).toBeUndefined();
});

describe('memory is bounded', () => {
  const pad = new Uint8Array(40_000);

  test('a node that is full turns away what comes from outside, and goes on when there is room', async () => {
    begin({ routing: { nodeBytes: 400_000 } });
    b.serving = false;
    const to = upTo(30).map(nth => town.actorOn(b, nth));
    const answers = to.map(each => a.ask(each, { type: 'add', n: 1, pad }));
    await town.time.advance(50);
    const refused = answers.filter(one => one[0]?.ok === false && one[0].code === ERROR.unavailable);
    expect(refused.length).toBeGreaterThan(15);
    expect((a.counted['shed_total ask_out'] ?? 0) + (b.counted['shed_total ask_in'] ?? 0)).toBe(
      refused.length,
    );
    expect(b.router.waitingBytes).toBeLessThanOrEqual(400_000);
    b.serving = true;
    b.system.resumed();
    await town.time.advance(200);
    expect([a.router.waitingBytes, b.router.waitingBytes]).toEqual([0, 0]);
    const again = a.ask(to[0]!, { type: 'add', n: 2, pad });
    await town.time.advance(50);
    expect(again).toMatchObject([{ ok: true }]);
  });

  test('messages of many neighbours are bounded together', async () => {
    begin({ routing: { nodeBytes: 400_000 } });
    b.serving = false;
    const answers = [a, c].flatMap(node =>
      upTo(8).map(nth => node.ask(town.actorOn(b, nth), { type: 'add', n: nth, pad })),
    );
    await town.time.advance(50);
    expect(b.counted['shed_total ask_in']).toBeGreaterThan(5);
    b.serving = true;
    b.system.resumed();
    await town.time.advance(100);
    expect(answers.filter(one => one[0]?.ok).length + (b.counted['shed_total ask_in'] ?? 0)).toBe(16);
  });

  test('nothing is left behind when everything was said', async () => {
    for (const n of upTo(50)) {
      a.ask(town.actorOn(b, n), { type: 'add', n });
      b.ask(town.actorOn(c, n), { type: 'add', n });
    }
    await town.time.advance(1_000);
    expect(town.nodes.map(node => node.router.waitingBytes)).toEqual([0, 0, 0]);
  });
});

describe('sockets elsewhere', () => {
  const socket = (id: string): { gateway: string; id: string } => ({ gateway: a.gateway, id });
  let user: ReturnType<TestNodes['actorOn']>;
  const attach = async (id = 's1'): Promise<void> => {
    user = town.actorOn(b);
    a.sockets.add(id);
    a.ask(user, { type: 'attach', session: socket(id) });
    await town.time.advance(10);
  };
  /** How many sockets the actor believes in. */
  const believed = async (): Promise<unknown> => {
    const answers = b.ask(user, { type: 'sockets' });
    await town.time.advance(20);
    return answers;
  };

  test('a push reaches a socket of another gateway, in order', async () => {
    await attach();
    for (const n of upTo(20)) b.tell(user, { type: 'push', text: String(n) });
    await town.time.advance(20);
    expect(a.pushed).toEqual(upTo(20).map(n => `s1 ${n}`));
  });

  test('a socket that is not there any more is taken off the actor', async () => {
    await attach();
    a.sockets.delete('s1');
    b.tell(user, { type: 'push', text: 'hello' });
    await town.time.advance(50);
    expect([await believed(), a.pushed]).toEqual([[ok(0)], []]);
  });

  test('a gateway that nobody hears is taken off the actor', async () => {
    await attach();
    a.bus.setConnected(false);
    b.tell(user, { type: 'push', text: 'hello' });
    await town.time.advance(50);
    a.bus.setConnected(true);
    expect([await believed(), a.pushed]).toEqual([[ok(0)], []]);
  });

  test('a gateway whose node was evicted and came back hears again', async () => {
    await attach();
    for (const n of upTo(3)) b.tell(user, { type: 'push', text: String(n) });
    await town.time.advance(100);
    b.system.nodeGone(a.ref, a.gateway);
    a.ref = 'n1.ffffffffffffffff';
    a.system.evicted(a.ref);
    await attach();
    b.tell(user, { type: 'push', text: '4' });
    await town.time.advance(50);
    expect(a.pushed).toEqual(['s1 1', 's1 2', 's1 3', 's1 4']);
  });

  test('a node that left takes its sockets off the actors that knew them', async () => {
    await attach();
    b.system.nodeGone(a.ref, a.gateway);
    await town.time.advance(10);
    expect(await believed()).toEqual([ok(0)]);
  });

  test('a socket that missed something must come again: the loss is found, never skipped over', async () => {
    await attach();
    let lose = true;
    b.bus.tamper = (subject, _bytes, pass) => {
      if (!lose || !subject.startsWith('hb.g')) return pass();
      lose = false;
      return true;
    };
    b.tell(user, { type: 'push', text: '1' });
    await town.time.advance(1);
    b.tell(user, { type: 'push', text: '2' });
    await town.time.advance(200);
    expect([a.closed, await believed()]).toEqual([[CLOSE.moved], [ok(0)]]);
  });

  test('the last push is not lost either', async () => {
    await attach();
    let lose = true;
    b.bus.tamper = (subject, _bytes, pass) => {
      if (!lose || !subject.startsWith('hb.g')) return pass();
      lose = false;
      return true;
    };
    b.tell(user, { type: 'push', text: '1' });
    await town.time.advance(2_000);
    expect([a.pushed, a.closed]).toEqual([['s1 1'], []]);
  });
});

const add = (n: number): Said => ({ type: 'add', n });

describe('the lease', () => {
  test('while it has run out no turn runs and nothing leaves; afterwards everything goes on with memory intact', async () => {
    const [here, there] = [town.actorOn(a), town.actorOn(b)];
    a.tell(here, add(1));
    await town.time.advance(10);
    a.serving = false;
    a.system.suspended();
    const local = a.ask(here, add(2));
    const remote = a.ask(there, add(3));
    const from = b.ask(here, add(4));
    await town.time.advance(500);
    expect([local, remote, from, town.numbersOf(there)]).toEqual([[], [], [], []]);
    expect(town.numbersOf(here)).toEqual([1]);
    a.serving = true;
    a.system.resumed();
    await town.time.advance(50);
    expect([local, remote, from]).toEqual([[ok(2)], [ok(1)], [ok(3)]]);
  });

  test('a commit that ends meanwhile lets nothing out before the lease is back', async () => {
    const here = town.actorOn(a);
    a.sockets.add('s');
    a.tell(here, { type: 'attach', session: { gateway: a.gateway, id: 's' } });
    const answers = a.ask(here, { type: 'save', n: 1 });
    await town.time.advance(10);
    a.serving = false;
    a.commit();
    await town.time.advance(100);
    expect(answers).toEqual([]);
    a.serving = true;
    await town.time.advance(100);
    expect(answers).toEqual([ok(1)]);
  });

  test('a process that stood still in the middle of a turn lets nothing of it out', async () => {
    const here = town.actorOn(a);
    a.sockets.add('s');
    a.tell(here, { type: 'attach', session: { gateway: a.gateway, id: 's' } });
    await town.time.advance(10);
    // the lease is over when the turn says its words, and somebody else took over
    a.onTurn = () => {
      a.serving = false;
    };
    const answers = a.ask(here, { type: 'push', text: 'stale' });
    await town.time.advance(100);
    expect([answers, a.pushed]).toEqual([[], []]);
    a.onTurn = () => {};
    a.mine.fill(null);
    a.ref = 'n1.ffffffffffffffff';
    a.system.evicted(a.ref);
    a.serving = true;
    a.system.resumed();
    await town.time.advance(100);
    expect([answers, a.pushed]).toMatchObject([[{ ok: false, code: ERROR.timeout }], []]);
  });

  test('names that somebody makes up do not fill the memory', async () => {
    for (let i = 0; i < 3_000; i++) {
      const bytes = batchOf(
        `made${i}.up`,
        b.ref,
        1,
        [],
        [[KIND.ask, 1, 'user', 'x', 1, 0, 0, 0, 9, 0, null, null, null, encodeBody({ type: 'read' })]],
      );
      town.hub.connect().publish(nodeSubject(b.ref), bytes);
    }
    await town.time.advance(5_000);
    expect(b.router.waitingBytes).toBe(0);
    expect(b.router.links).toBeLessThan(2_100);
    const answers = a.ask(town.actorOn(b), { type: 'read' });
    await town.time.advance(10);
    expect(answers).toEqual([ok([])]);
  });

  test('it is noticed without being told', async () => {
    a.serving = false;
    const answers = a.ask(town.actorOn(a), add(1));
    await town.time.advance(200);
    expect(answers).toEqual([]);
    a.serving = true;
    await town.time.advance(100);
    expect(answers).toEqual([ok(1)]);
  });

  test('an evicted node forgets its actors, its asks are unknown, and it goes on under another name', async () => {
    const here = town.actorOn(a);
    a.tell(here, add(1));
    const local = a.ask(here, { type: 'hold' });
    const remote = a.ask(town.actorOn(b), { type: 'hold' });
    const from = b.ask(here, { type: 'hold' });
    await town.time.advance(10);
    const old = a.ref;
    a.ref = 'n1.ffffffffffffffff';
    a.mine.fill(null);
    a.system.evicted(a.ref);
    expect([local, remote]).toMatchObject([[{ code: ERROR.timeout }], [{ code: ERROR.timeout }]]);
    expect(a.system.count('user')).toBe(0);
    b.system.nodeGone(old, 'no gateway of that name');
    expect(from).toMatchObject([{ code: ERROR.timeout }]);
    // whoever goes to the old name is told that nobody is there
    const lost = b.ask(here, add(2));
    await town.time.advance(2_500);
    expect(lost).toMatchObject([{ ok: false, code: ERROR.unavailable }]);
    for (let shard = 0; shard < 512; shard += 3) a.open(shard);
    for (const node of town.nodes) node.learn();
    const anew = [b.ask(here, { type: 'read' }), a.ask(town.actorOn(b), { type: 'read' })];
    await town.time.advance(50);
    expect(anew).toEqual([[ok([])], [ok([])]]);
  });
});
