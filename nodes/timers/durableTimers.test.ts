/** Durable timers on virtual time, over the store in memory (which keeps the contract of the real one). */
import { beforeEach, describe, expect, test } from 'vitest';
import type { TimerOp } from '../../actors/durable.ts';
import type { Address } from '../../actors/turn.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { LedgerWriter } from '../ledgerWriter.ts';
import { TIMER_LIMITS } from '../limits.ts';
import { MemoryTimers } from '../memory/memoryTimers.ts';
import { soleOwner } from '../memory/soleOwner.ts';
import type { Clock, DueTimer } from '../ports.ts';
import { seededRandom, VirtualTime } from '../simulation/virtualTime.ts';
import { DurableTimers, type DurableTimersOptions } from './durableTimers.ts';

const S = 1_000;
const LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** What outlives nodes: the clock, the store, and whose writes count. */
class World {
  readonly time = new VirtualTime();
  readonly epochs = new Map<number, number>();
  readonly store = new MemoryTimers(shard => this.epochs.get(shard) ?? 0);
  readonly startMs = this.time.nowMs();
}

interface Heard {
  readonly to: string;
  readonly name: string;
  readonly atS: number;
  readonly dueAtMs: number;
  readonly message: unknown;
}

/** A node whose actors say `answer` to whatever is due. */
class Node {
  readonly world: World;
  readonly heard: Heard[] = [];
  readonly reads: { shards: number; until: number }[] = [];
  readonly counts = new Map<string, number>();
  readonly lost: number[] = [];
  readonly timers: DurableTimers;
  serving = true;
  answer: (heard: Heard) => Result<unknown> | null = () => ok({});
  /** Stands in the way of a read. */
  duringRead: (() => Promise<void>) | null = null;
  readonly #epochs = new Map<number, number>();
  readonly #random = seededRandom(7);

  constructor(world: World, change: Partial<DurableTimersOptions> = {}) {
    this.world = world;
    const { time, store } = world;
    const shared = { clock: time as Clock, scheduler: time, log: LOG };
    const metrics = {
      count: (_: string, labels?: Record<string, string>) =>
        this.counts.set(labels?.result ?? '', (this.counts.get(labels?.result ?? '') ?? 0) + 1),
      observe: () => {},
      gauge: () => {},
    };
    this.timers = new DurableTimers({
      ...shared,
      metrics,
      store: {
        due: async (shards, untilMs, limit) => {
          this.reads.push({ shards: shards.length, until: untilMs - time.nowMs() });
          const found = await store.due(shards, untilMs, limit);
          await this.duringRead?.();
          return found;
        },
      },
      writer: new LedgerWriter({ ...shared, store, metrics: { ...metrics, count: () => {} } }),
      door: { ask: (to, message, done) => this.#ask(to, message as unknown as DueTimer, done) },
      coordinator: {
        ...soleOwner(
          'n1.0',
          shard => this.#epochs.get(shard) ?? null,
          shard => this.lost.push(shard),
        ),
        serving: () => this.serving,
      },
      random: seededRandom(8),
      ...change,
    });
  }

  /** Takes the shards over from whoever has them. */
  take(...shards: number[]): void {
    for (const shard of shards) {
      const epoch = (this.world.epochs.get(shard) ?? 0) + 1;
      this.world.epochs.set(shard, epoch);
      this.#epochs.set(shard, epoch);
      this.timers.opened(shard, epoch);
    }
  }

  give(...shards: number[]): void {
    for (const shard of shards) {
      this.#epochs.delete(shard);
      this.timers.closed(shard);
    }
  }

  /** As an actor does it; resolves with the time at which it is due, once that is durable. */
  async set(actor: string, name: string, inS: number, shard = 1, message: unknown = {}): Promise<number> {
    const dueAtMs = this.world.time.nowMs() + inS * S;
    await this.#submit(shard, { actor, name, dueAtMs, message });
    return dueAtMs;
  }

  async cancel(actor: string, name: string, shard = 1): Promise<void> {
    await this.#submit(shard, { actor, name, dueAtMs: null, message: null });
  }

  async #submit(shard: number, timer: Pick<TimerOp, 'actor' | 'name' | 'dueAtMs' | 'message'>) {
    const id = this.#random.uuid(0);
    const op: TimerOp = { type: 'timer', id, kind: 'user', onlyDueAtMs: null, ...timer };
    let outcome: unknown = null;
    this.timers.submit({ shard, epoch: this.#epochs.get(shard) ?? 0, op }, is => {
      outcome = is;
    });
    await this.world.time.advance(0);
    expect(outcome).toMatchObject({ ok: true });
  }

  #ask(to: Address, { name, dueAtMs, message }: DueTimer, done: (result: Result<unknown>) => void): void {
    const atS = (this.world.time.nowMs() - this.world.startMs) / S;
    const heard = { to: to.id, name, atS, dueAtMs, message };
    this.heard.push(heard);
    const result = this.answer(heard);
    if (result) this.world.time.after(5, () => done(result));
  }

  names(): string[] {
    return this.heard.map(one => one.name);
  }
}

let world: World;
let node: Node;
beforeEach(() => {
  world = new World();
  node = new Node(world);
  node.take(1, 2, 3);
});

const stored = (): Promise<DueTimer[]> => world.store.due([1, 2, 3], Number.MAX_SAFE_INTEGER, 1_000_000);

describe('a durable timer', () => {
  test('comes at its time with its message, never early, and is gone once it is answered', async () => {
    const dueAtMs = await node.set('a', 'x', 20, 1, { why: 'because' });
    await world.time.advance(20 * S - 1);
    expect(node.heard).toEqual([]);
    await world.time.advance(TIMER_LIMITS.tickMs + 1);
    expect(node.heard).toMatchObject([{ to: 'a', name: 'x', dueAtMs, message: { why: 'because' } }]);
    await world.time.advance(20);
    expect(await stored()).toEqual([]);
    await world.time.advance(3_600 * S);
    expect(node.heard).toHaveLength(1);
  });

  test('far ahead is not in memory until it is near', async () => {
    await node.set('a', 'x', 72 * 3_600);
    expect(node.timers.size).toBe(0);
    await world.time.advance(72 * 3_600 * S - TIMER_LIMITS.windowMs / 2);
    expect(node.timers.size).toBe(1);
    await world.time.advance(TIMER_LIMITS.windowMs);
    expect(node.names()).toEqual(['x']);
  });

  test('stored with points it comes at its time, with no read in between', async () => {
    await world.time.advance(1 * S);
    const reads = node.reads.length;
    const dueAtMs = world.time.nowMs() + 10 * S;
    const at = { kind: 'user', actor: 'a', name: 'x' } as const;
    const op: TimerOp = { type: 'timer', id: 't', ...at, dueAtMs, onlyDueAtMs: null, message: { n: 1 } };
    world.store.set(1, op);
    node.timers.stored(1, op);
    await world.time.advance(11 * S);
    expect(node.heard).toMatchObject([{ name: 'x', dueAtMs, message: { n: 1 } }]);
    expect(node.reads).toHaveLength(reads);
    expect(await stored()).toEqual([]);
  });

  test('set again replaces, cancelled is silent', async () => {
    await node.set('a', 'x', 10);
    await node.set('a', 'x', 30, 1, { n: 2 });
    await node.set('a', 'y', 10);
    await node.cancel('a', 'y');
    await world.time.advance(29 * S);
    expect(node.heard).toEqual([]);
    await world.time.advance(2 * S);
    expect(node.heard).toMatchObject([{ name: 'x', message: { n: 2 } }]);
  });

  test('set again by its own turn: the answer removes exactly what was delivered', async () => {
    let again = 0;
    node.answer = () => {
      if (++again < 4) void node.set('a', 'tick', 10);
      return ok({});
    };
    await node.set('a', 'tick', 10);
    await world.time.advance(60 * S);
    expect(node.heard.map(one => Math.floor(one.atS))).toEqual([10, 20, 30, 40]);
    expect(await stored()).toEqual([]);
  });

  test('an actor that does not exist any more ends it', async () => {
    node.answer = () => refuse(ERROR.notFound, 'no such account');
    await node.set('a', 'x', 5);
    await world.time.advance(60 * S);
    expect([node.heard.length, await stored()]).toEqual([1, []]);
  });
});

describe('an answer that does not come', () => {
  test('six deliveries with growing pauses, then rest, then the next window brings it again; it is never lost', async () => {
    node.answer = () => refuse(ERROR.unavailable, 'away');
    await node.set('a', 'x', 5);
    await world.time.advance(50 * S);
    expect(node.heard).toHaveLength(TIMER_LIMITS.attempts);
    const pauses = node.heard.slice(1).map((one, i) => one.atS - node.heard[i]!.atS);
    pauses.forEach((pause, i) => {
      expect(pause).toBeGreaterThan(0.7 * 2 ** i);
      expect(pause).toBeLessThan(1.3 * 2 ** i + 0.6);
    });
    expect(node.counts.get('rested')).toBe(1);
    node.answer = () => ok({});
    await world.time.advance(TIMER_LIMITS.loadMs + S);
    expect(node.heard).toHaveLength(TIMER_LIMITS.attempts + 1);
    expect(await stored()).toEqual([]);
  });

  test('a bug in the turn is tried again, a silence too', async () => {
    const answers = [refuse(ERROR.internal, 'internal error'), refuse(ERROR.timeout, 'no answer'), ok({})];
    node.answer = () => answers.shift() as Result<unknown>;
    await node.set('a', 'x', 5);
    await world.time.advance(30 * S);
    expect([node.heard.length, await stored()]).toEqual([3, []]);
  });

  test('cancelled while it is tried again: it stops', async () => {
    node.answer = () => refuse(ERROR.unavailable, 'away');
    await node.set('a', 'x', 5);
    await world.time.advance(6 * S);
    await node.cancel('a', 'x');
    const before = node.heard.length;
    await world.time.advance(120 * S);
    expect(node.heard).toHaveLength(before);
  });
});

describe('after an outage', () => {
  test('missed ticks are one', async () => {
    await node.set('a', 'tick', 10);
    node.give(1);
    await world.time.advance(3_600 * S);
    const next = new Node(world);
    next.answer = () => {
      void next.set('a', 'tick', 10);
      return ok({});
    };
    next.take(1);
    await world.time.advance(5 * S);
    expect(next.names()).toEqual(['tick']);
  });

  test('overdue timers come in portions, the oldest first, all of them', async () => {
    for (let i = 0; i < 900; i++) await node.set(`a${i}`, `t${i}`, 10 + i / 100);
    node.give(1);
    await world.time.advance(600 * S);
    const next = new Node(world, { limits: { loadTimers: 500 } });
    next.take(1);
    await world.time.advance(1);
    expect(next.heard).toHaveLength(TIMER_LIMITS.catchUp);
    await world.time.advance(TIMER_LIMITS.catchUpMs - 2);
    expect(next.heard).toHaveLength(TIMER_LIMITS.catchUp);
    await world.time.advance(5 * S);
    expect(next.names()).toEqual(Array.from({ length: 900 }, (_, i) => `t${i}`));
    expect(await stored()).toEqual([]);
  });

  test('a store that is away is asked again, and nothing is lost', async () => {
    await node.set('a', 'x', 90);
    let failures = 3;
    node.duringRead = async () => {
      if (failures-- > 0) throw new Error('away');
    };
    await world.time.advance(120 * S);
    expect(node.names()).toEqual(['x']);
  });
});

describe('reading', () => {
  test('one read for all shards each half window; shards opened together are read together', async () => {
    await world.time.advance(10);
    expect(node.reads).toEqual([{ shards: 3, until: TIMER_LIMITS.windowMs }]);
    node.take(...Array.from({ length: 300 }, (_, i) => 10 + i));
    await world.time.advance(S);
    expect(node.reads.map(read => read.shards)).toEqual([3, 300]);
    await world.time.advance(10 * TIMER_LIMITS.loadMs - S);
    expect(node.reads.slice(2).map(read => read.shards)).toEqual(Array.from({ length: 10 }, () => 303));
  });

  test('what was set, replaced or cancelled while a read was under way is not undone by it', async () => {
    await world.time.advance(10);
    await node.set('a', 'replaced', 45);
    await node.set('a', 'cancelled', 46);
    node.give(1);
    node.duringRead = async () => {
      node.duringRead = null;
      await node.set('a', 'replaced', 55);
      await node.cancel('a', 'cancelled');
      await node.set('a', 'new', 20);
    };
    node.take(1);
    await world.time.advance(90 * S);
    expect(node.heard.map(one => `${one.name} ${Math.floor(one.atS)}`)).toEqual(['new 20', 'replaced 55']);
  });

  test('the town clock decides: in a replay that runs ten times as fast a timer comes ten times as soon', async () => {
    const { time } = world;
    const startMs = time.nowMs();
    const fast: Clock = {
      nowMs: () => startMs + Math.floor(time.monotonicMs() * 10),
      monotonicMs: () => time.monotonicMs(),
    };
    const replay = new Node(world, { clock: fast });
    replay.take(5);
    await replay.set('a', 'x', 3_600, 5);
    await time.advance(359 * S);
    expect(replay.heard).toEqual([]);
    await time.advance(2 * S);
    expect(replay.names()).toEqual(['x']);
  });
});

describe('who owns the shard delivers', () => {
  test('killed before its time: the next owner delivers it', async () => {
    await node.set('a', 'x', 900);
    node.timers.stop();
    await world.time.advance(300 * S);
    const next = new Node(world);
    next.take(1);
    await world.time.advance(700 * S);
    expect([node.names(), next.heard.map(one => Math.floor(one.atS))]).toEqual([[], [900]]);
  });

  test('killed between delivery and removal: the next owner delivers it again, with the same key', async () => {
    const dueAtMs = await node.set('a', 'x', 5);
    node.answer = () => null;
    await world.time.advance(6 * S);
    node.timers.stop();
    const next = new Node(world);
    next.take(1);
    await world.time.advance(2 * S);
    expect([...node.heard, ...next.heard].map(one => [one.name, one.dueAtMs])).toEqual([
      ['x', dueAtMs],
      ['x', dueAtMs],
    ]);
    expect(await stored()).toEqual([]);
  });

  test('one that lost its shard without noticing removes nothing, and says so', async () => {
    await node.set('a', 'x', 5);
    const next = new Node(world);
    world.epochs.set(1, 9);
    await world.time.advance(6 * S);
    expect([node.names(), node.lost, (await stored()).length]).toEqual([['x'], [1], 1]);
    next.take(1);
    await world.time.advance(2 * S);
    expect([next.names(), await stored()]).toEqual([['x'], []]);
  });

  test('handed over: the old owner is silent at once, also about what is tried again', async () => {
    node.answer = () => refuse(ERROR.unavailable, 'away');
    await node.set('a', 'x', 5);
    await node.set('b', 'y', 20);
    await world.time.advance(6 * S);
    const before = node.heard.length;
    node.give(1);
    const next = new Node(world);
    next.take(1);
    await world.time.advance(60 * S);
    expect(node.heard).toHaveLength(before);
    expect(next.names().sort()).toEqual(['x', 'y']);
  });

  test('suspended: nothing comes; resumed: it comes, once', async () => {
    await node.set('a', 'x', 5);
    node.serving = false;
    await world.time.advance(60 * S);
    expect(node.heard).toEqual([]);
    node.serving = true;
    await world.time.advance(2 * S);
    expect(node.names()).toEqual(['x']);
  });
});
