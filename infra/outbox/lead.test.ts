/** One publisher per target for the whole cluster: nothing lost, order per key, taken over within a look, fenced. */
import { randomBytes } from 'node:crypto';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { DeleteStreamCommand } from '@aws-sdk/client-kinesis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { Metrics, Scheduler } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { isOutdated, type Stamp } from '../kinesis/stamp.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import { silent } from '../postgres/testTown.ts';
import { followShards, OUTBOX_SHARD, OUTBOX_TARGETS } from './lead.ts';
import { POKE_MS } from './limits.ts';
import { Publisher } from './publisher.ts';
import { PgOutboxSource } from './source.ts';
import type { OutboxRow, Target } from './target.ts';
import { AWS, awsAt, type OutboxTown, outboxTown, PATIENCE, type StreamEvent } from './testOutbox.ts';
import { OutboxThread } from './thread.ts';

const metrics: Metrics = { count() {}, observe() {}, gauge() {} };

let town: OutboxTown;
beforeAll(async () => {
  town = await outboxTown();
});
afterAll(() => town.close());
beforeEach(() => town.database.sql('delete from ops.outbox'));

/** A node's publisher with connections of its own; it stands by. */
interface Node {
  readonly publisher: Publisher;
  readonly fenced: number[];
  /** Ends it without a word, as a kill does. */
  kill(): Promise<void>;
}
const nodes: Node[] = [];
function node(from: 'transactions' | 'balances', target: Target): Node {
  const lines = town.lines(1);
  const fenced: number[] = [];
  const publisher = new Publisher({
    name: from,
    source: new PgOutboxSource(lines, from),
    target,
    scheduler: systemScheduler,
    log: silent,
    metrics,
    onFenced: old => fenced.push(old),
  });
  let killed = false;
  const one: Node = {
    publisher,
    fenced,
    async kill() {
      if (killed) return;
      killed = true;
      await publisher.stop(0);
      await lines.close();
    },
  };
  nodes.push(one);
  return one;
}
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(one => one.kill()));
});

/** A target that can be stopped before or after it sends: the process stands still there. */
class Pausing implements Target {
  readonly #inner: Target;
  readonly #at: 'before' | 'after';
  /** Resolves when somebody stands still here. */
  readonly reached: Promise<void>;
  goOn: () => void = () => {};
  #armed = true;
  #arrived: () => void = () => {};

  constructor(inner: Target, at: 'before' | 'after') {
    this.#inner = inner;
    this.#at = at;
    this.reached = new Promise(resolve => {
      this.#arrived = resolve;
    });
  }
  prepare(signal: AbortSignal): Promise<void> {
    return this.#inner.prepare(signal);
  }
  async publish(rows: readonly OutboxRow[]) {
    // its signal is not heard: a process that stands still hears nothing
    const deaf = new AbortController().signal;
    if (this.#at === 'before') await this.#pause();
    const published = await this.#inner.publish(rows, deaf);
    if (this.#at === 'after') await this.#pause();
    return published;
  }
  async #pause(): Promise<void> {
    if (!this.#armed) return;
    this.#armed = false;
    this.#arrived();
    await new Promise<void>(resolve => {
      this.goOn = resolve;
    });
  }
}

/** What a consumer takes who remembers one stamp per key and nothing else. */
function consumed(events: readonly StreamEvent[]): Map<string, number[]> {
  const seen = new Map<string, Stamp>();
  const taken = new Map<string, number[]>();
  for (const { subject, stamp, seq } of events) {
    const last = seen.get(subject);
    if (last && isOutdated(last, stamp)) continue;
    seen.set(subject, stamp);
    taken.set(subject, [...(taken.get(subject) ?? []), seq]);
  }
  return taken;
}

describe('transactions', () => {
  let stream: string;
  const targets: StreamTarget[] = [];
  const streamTarget = (): StreamTarget => {
    const target = new StreamTarget(stream, awsAt(inject('kinesisEndpoint')));
    targets.push(target);
    return target;
  };
  beforeEach(() => {
    stream = `l-${randomBytes(4).toString('hex')}`;
  });
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(one => one.kill()));
    for (const target of targets.splice(0)) target.close();
    await town.kinesis.send(new DeleteStreamCommand({ StreamName: stream })).catch(() => {});
  });
  const drained = () => expect.poll(() => town.waiting(2), PATIENCE).toBe(0);
  const allTaken = async (ids: readonly string[], rounds: number): Promise<void> => {
    const expected = Array.from({ length: rounds }, (_, i) => i + 1);
    const taken = consumed(await town.eventsIn(stream));
    for (const id of ids) expect(taken.get(id)).toEqual(expected);
  };

  it('who stands by publishes nothing, and ends without', async () => {
    const ids = await town.people(3);
    await town.earn(ids);
    const idle = node('transactions', streamTarget());
    idle.publisher.poke();
    await idle.publisher.stop(5_000);
    expect(await town.waiting(2)).toBe(3);
  });

  it('a publisher killed in the middle of a batch: the next one takes over, nothing lost, order per key', async () => {
    const ids = await town.people(6);
    await town.earn(ids, 4);
    const dying = new Pausing(streamTarget(), 'after');
    const a = node('transactions', dying);
    a.publisher.lead(await town.lead('transactions', 'a'));
    await dying.reached;
    await town.earn(ids);
    const b = node('transactions', streamTarget());
    await a.kill();
    b.publisher.lead(await town.lead('transactions', 'b'));
    await town.earn(ids);
    await drained();
    await allTaken(ids, 6);
    // what a had sent came again
    expect((await town.eventsIn(stream)).length).toBeGreaterThan(36);
  });

  it('a publisher that was paused sends late and removes nothing: it is refused and stands by', async () => {
    const ids = await town.people(4);
    await town.earn(ids, 3);
    const paused = new Pausing(streamTarget(), 'before');
    const a = node('transactions', paused);
    const old = await town.lead('transactions', 'a');
    a.publisher.lead(old);
    await paused.reached;
    const b = node('transactions', streamTarget());
    b.publisher.lead(await town.lead('transactions', 'b'));
    await drained();
    await town.earn(ids, 2);
    await drained();
    await b.kill();
    await town.earn(ids);
    paused.goOn();
    await expect.poll(() => a.fenced, PATIENCE).toEqual([old]);
    // nobody leads now: what was committed last waits, although a was never told
    a.publisher.poke();
    await a.publisher.stop(5_000);
    expect(await town.waiting(2)).toBe(4);
    const c = node('transactions', streamTarget());
    c.publisher.lead(await town.lead('transactions', 'c'));
    await drained();
    await allTaken(ids, 6);
    // its late repeats stand behind newer records, and only their stamps tell
    const events = await town.eventsIn(stream);
    const last = new Map<string, number>();
    let fell = 0;
    for (const { subject, seq } of events) {
      if (seq < (last.get(subject) ?? 0)) fell++;
      last.set(subject, seq);
    }
    expect(fell).toBeGreaterThan(0);
  });

  it('the removal itself is refused under an old epoch, whole rows and parts of rows', async () => {
    const ids = await town.people(3);
    await town.earn(ids);
    const lines = town.lines(1);
    const source = new PgOutboxSource(lines, 'transactions');
    const old = await town.lead('transactions');
    const newer = await town.lead('transactions');
    const rows = (await source.read(10)).map(row => row.id);
    expect(await source.remove(rows, old)).toBe(false);
    expect(await source.remove(rows.slice(0, 1), old)).toBe(false);
    expect(await town.waiting(2)).toBe(3);
    expect(await source.remove(rows.slice(0, 1), newer)).toBe(true);
    expect(await town.waiting(2)).toBe(2);
    expect((await source.read(10)).map(row => row.id)).toEqual(rows.slice(1));
    expect(await source.remove(rows.slice(1), newer)).toBe(true);
    expect(await town.database.sql('select id from ops.outbox where target = 2')).toEqual([]);
    await lines.close();
  });

  it('a record has the same number however often it is sent, and numbers rise along a key and with the epochs', async () => {
    const ids = await town.people(4);
    await town.earn(ids, 3);
    const half: Target = {
      prepare: signal => inner.prepare(signal),
      publish: async (rows, signal) => {
        await inner.publish(rows, signal);
        return {
          done: rows.filter((_, i) => i % 3 === 0).map(row => row.id),
          failure: 'the rest was not answered',
        };
      },
    };
    const inner = streamTarget();
    const a = node('transactions', half);
    a.publisher.lead(await town.lead('transactions', 'a'));
    await town.takeOver();
    await town.earn(ids);
    await drained();
    const events = await town.eventsIn(stream);
    const numbers = new Map<string, Set<number>>();
    for (const { id, stamp } of events) numbers.set(id, (numbers.get(id) ?? new Set()).add(stamp.seq));
    expect(events.length).toBeGreaterThan(numbers.size);
    for (const seqs of numbers.values()) expect(seqs.size).toBe(1);
    expect(new Set([...numbers.values()].flatMap(seqs => [...seqs])).size).toBe(numbers.size);
    const bySeq = events.map(one => one.stamp).sort((x, y) => x.seq - y.seq);
    for (let i = 1; i < bySeq.length; i++)
      expect(bySeq[i]!.epoch).toBeGreaterThanOrEqual(bySeq[i - 1]!.epoch);
    await allTaken(ids, 4);
  });
});

describe('balances', () => {
  it('what a paused publisher had read changes nothing when a newer balance is there', async () => {
    const table = `balances-${randomBytes(4).toString('hex')}`;
    const options = awsAt(inject('dynamodbEndpoint'));
    const [target, other] = [new BalanceTarget(options, table), new BalanceTarget(options, table)];
    const [ada = ''] = await town.people(1);
    await town.earn([ada]);
    const paused = new Pausing(target, 'before');
    const a = node('balances', paused);
    const old = await town.lead('balances', 'a');
    a.publisher.lead(old);
    await paused.reached;
    await town.earn([ada]);
    const b = node('balances', other);
    b.publisher.lead(await town.lead('balances', 'b'));
    await expect.poll(() => town.waiting(3), PATIENCE).toBe(0);
    paused.goOn();
    await expect.poll(() => a.fenced, PATIENCE).toEqual([old]);
    const { Item } = await town.dynamodb.send(
      new GetItemCommand({ TableName: table, Key: { pk: { S: ada } } }),
    );
    expect([Item?.balance?.N, Item?.version?.N]).toEqual(['2', '2']);
    target.close();
    other.close();
  });
});

describe('following the ownership of shards', () => {
  /** Time stands still until `pass` is called. */
  function stillTime(): Scheduler & { pass(): void } {
    let waits: (() => void)[] = [];
    return {
      immediate: run => run(),
      after: (_, run) => {
        waits.push(run);
        return () => {
          waits = waits.filter(one => one !== run);
        };
      },
      pass: () => {
        for (const run of waits.splice(0)) run();
      },
    };
  }
  const start = () => {
    const owned = new Map<number, number>();
    const lost: number[] = [];
    const said: [string, number | null][] = [];
    const time = stillTime();
    const outbox: Parameters<typeof followShards>[0] = {
      lead: (target, under) => said.push([target, under]),
      onFenced: null,
    };
    const coordinator = {
      epochOf: (shard: number) => owned.get(shard) ?? null,
      lost: (shard: number) => {
        lost.push(shard);
        owned.delete(shard);
      },
    };
    return { owned, lost, said, time, outbox, following: followShards(outbox, coordinator, time) };
  };

  it('each target has a shard, not all the same', () => {
    expect(OUTBOX_TARGETS).toEqual(['userEvents', 'transactions', 'balances', 'catalogs']);
    expect(new Set(Object.values(OUTBOX_SHARD)).size).toBe(4);
  });

  it('leads what it owns, as soon as it looks, and says each thing once', () => {
    const { owned, said, time, following } = start();
    expect(said).toEqual([]);
    owned.set(OUTBOX_SHARD.balances, 7);
    time.pass();
    time.pass();
    expect(said).toEqual([['balances', 7]]);
    owned.set(OUTBOX_SHARD.balances, 9);
    owned.set(OUTBOX_SHARD.transactions, 3);
    following.check();
    owned.delete(OUTBOX_SHARD.transactions);
    following.check();
    expect(said.slice(1)).toEqual([
      ['transactions', 3],
      ['balances', 9],
      ['transactions', null],
    ]);
    following.stop();
    owned.clear();
    time.pass();
    expect(said).toHaveLength(4);
  });

  it('who was refused does not lead again under that epoch, and lets the coordinator find out', () => {
    const { owned, lost, said, outbox, following } = start();
    owned.set(OUTBOX_SHARD.balances, 7);
    following.check();
    outbox.onFenced?.('balances', 7);
    expect(lost).toEqual([OUTBOX_SHARD.balances]);
    owned.set(OUTBOX_SHARD.balances, 7);
    following.check();
    expect(said).toEqual([
      ['balances', 7],
      ['balances', null],
    ]);
    owned.set(OUTBOX_SHARD.balances, 8);
    following.check();
    expect(said.at(-1)).toEqual(['balances', 8]);
    // a word that comes late is of no account
    outbox.onFenced?.('balances', 7);
    expect(lost).toHaveLength(1);
    expect(said).toHaveLength(3);
  });
});

it('the thread of the publishers is told to lead, to stand by, and says when it was refused', async () => {
  const ids = await town.people(2);
  const fenced: [string, number][] = [];
  const waits: number[] = [];
  const thread = new OutboxThread({
    url: town.database.appUrl,
    dynamodbEndpoint: inject('dynamodbEndpoint'),
    kinesisEndpoint: inject('kinesisEndpoint'),
    ...AWS,
    log: silent,
    metrics,
    scheduler: {
      ...systemScheduler,
      after: (ms, run) => {
        waits.push(ms);
        return systemScheduler.after(ms, run);
      },
    },
  });
  thread.onFenced = (target, old) => fenced.push([target, old]);
  await town.earn(ids);
  const first = await town.lead('transactions');
  thread.lead('transactions', first);
  await expect.poll(() => town.waiting(2), PATIENCE).toBe(0);
  expect(await town.waiting(3)).toBe(2);
  thread.lead('balances', await town.lead('balances'));
  await expect.poll(() => town.waiting(3), PATIENCE).toBe(0);
  await town.lead('transactions', 'another');
  await town.earn(ids);
  // many commits in a row are one word
  for (let n = 0; n < 3; n++) thread.poke();
  expect(waits).toEqual([POKE_MS]);
  await expect.poll(() => fenced, PATIENCE).toEqual([['transactions', first]]);
  expect(await town.waiting(2)).toBe(2);
  await thread.close(2_000);
});
