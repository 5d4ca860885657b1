/** Samples wait within bounds, go in batches, and are forgotten wherever they are. */
import { describe, expect, it } from 'vitest';
import { LocationFailure, type PositionSample } from '../../nodes/locationPort.ts';
import type { Scheduler } from '../../nodes/ports.ts';
import { LastTimes } from './lastTimes.ts';
import { BACKOFF_MS_MIN, LINGER_MS, SAMPLE_MS } from './limits.ts';
import { SampleQueue, type Written } from './sampleQueue.ts';
import { locationWorld } from './testTown.ts';
import { TokenBucket } from './tokenBucket.ts';

/** Time that passes when it is told to. */
class HandClock implements Scheduler {
  now = 0;
  #due: { at: number; run: () => void }[] = [];
  immediate(run: () => void): void {
    this.after(0, run);
  }
  after(delayMs: number, run: () => void): () => void {
    const entry = { at: this.now + delayMs, run };
    this.#due.push(entry);
    return () => {
      this.#due = this.#due.filter(one => one !== entry);
    };
  }
  monotonicMs = (): number => this.now;
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      // whatever was promised comes first
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const next = this.#due.filter(one => one.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.now = Math.max(this.now, next.at);
      this.#due = this.#due.filter(one => one !== next);
      next.run();
    }
    this.now = end;
  }
}

const ALL: Written = { again: [], lost: [] };

function queueTown(change: { batchMax?: number; waitingMax?: number } = {}) {
  const world = locationWorld();
  const clock = new HandClock();
  const batches: (readonly PositionSample[])[] = [];
  const town = {
    clock,
    batches,
    write: async (_: readonly PositionSample[]): Promise<Written> => ALL,
    counted: (result: string) => world.counted.get(`heyblue_location_samples_total ${result}`) ?? 0,
    said: world.said,
    queue: null as unknown as SampleQueue,
  };
  town.queue = new SampleQueue({
    batchMax: 3,
    ...change,
    write: batch => {
      batches.push(batch);
      return town.write(batch);
    },
    scheduler: clock,
    log: world.log,
    metrics: world.metrics,
  });
  return town;
}

const sample = (userId: string, takenAtMs = 0): PositionSample => ({
  userId,
  takenAtMs,
  latE7: 407_812_345,
  lngE7: -739_665_432,
  accuracyDm: 85,
});
const whose = (batch: readonly PositionSample[] | undefined) => batch?.map(one => one.userId);

describe('the queue of samples', () => {
  it('waits a little for others, not when a batch is full', async () => {
    const { queue, clock, batches } = queueTown();
    queue.offer(sample('a'));
    await clock.pass(LINGER_MS - 1);
    expect(batches).toHaveLength(0);
    await clock.pass(1);
    expect(batches.map(whose)).toEqual([['a']]);
    for (const one of ['b', 'c', 'd', 'e']) queue.offer(sample(one));
    await clock.pass(0);
    expect(batches.map(whose)).toEqual([['a'], ['b', 'c', 'd']]);
    await clock.pass(LINGER_MS);
    expect(whose(batches[2])).toEqual(['e']);
  });

  it('holds one sample of a person, the newest, and so many people', async () => {
    const town = queueTown({ waitingMax: 2 });
    const { queue, clock, batches, counted } = town;
    queue.offer(sample('a'));
    queue.offer(sample('a', SAMPLE_MS));
    queue.offer(sample('b'));
    queue.offer(sample('c'));
    await clock.pass(LINGER_MS);
    expect(batches).toEqual([[sample('a', SAMPLE_MS), sample('b')]]);
    expect([counted('kept'), counted('replaced'), counted('full')]).toEqual([2, 1, 1]);
  });

  it('a service that is away is asked ever more slowly, and nothing is lost but what is newer', async () => {
    const town = queueTown();
    const { queue, clock, batches, counted } = town;
    town.write = async () => {
      throw new LocationFailure('sample', 'unavailable', 'gone');
    };
    for (const one of ['a', 'b', 'c']) queue.offer(sample(one));
    await clock.pass(BACKOFF_MS_MIN * 7);
    // at 0, 1, 3 and 7 pauses
    expect(batches).toHaveLength(4);
    queue.offer(sample('a', SAMPLE_MS));
    town.write = async () => ALL;
    await clock.pass(60_000);
    expect(counted('kept')).toBe(3);
    expect(counted('replaced')).toBe(1);
    expect(town.said()).not.toContain('4078');
  });

  it('a batch that we should not have sent is not sent again', async () => {
    const town = queueTown();
    town.write = async () => {
      throw new LocationFailure('sample', 'invalid', 'ValidationException');
    };
    for (const one of ['a', 'b', 'c']) town.queue.offer(sample(one));
    await town.clock.pass(60_000);
    expect(town.batches).toHaveLength(1);
    expect(town.counted('failed')).toBe(3);
  });

  it('forgets who waits, and who is under way even when the batch fails', async () => {
    const town = queueTown();
    const { queue, clock, batches, counted } = town;
    const first = Promise.withResolvers<Written>();
    town.write = () => first.promise;
    for (const one of ['a', 'b', 'c']) queue.offer(sample(one));
    queue.offer(sample('d'));
    await clock.pass(0);
    let gone = false;
    const forgotten = Promise.all([queue.forget('b'), queue.forget('d')]).then(() => {
      gone = true;
    });
    await clock.pass(0);
    expect(gone).toBe(false);
    town.write = async () => ALL;
    first.reject(new LocationFailure('sample', 'unavailable', 'gone'));
    await clock.pass(60_000);
    await forgotten;
    expect(batches.slice(1).flatMap(batch => whose(batch) ?? [])).toEqual(['a', 'c']);
    expect(counted('forgotten')).toBe(2);
  });

  it('closing gives up what does not go in time, and says how much', async () => {
    const town = queueTown();
    town.write = () => new Promise(() => {});
    for (const one of ['a', 'b', 'c', 'd', 'e']) town.queue.offer(sample(one));
    const closed = town.queue.close(1_000);
    await town.clock.pass(1_000);
    await closed;
    town.queue.offer(sample('f'));
    expect(town.counted('kept')).toBe(0);
    expect(town.batches).toHaveLength(2);
    expect(town.counted('failed')).toBe(1);
  });
});

describe('one sample a minute', () => {
  it('is remembered for as long as it matters and no longer', () => {
    const times = new LastTimes(60);
    const taken = (id: string, at: number) => times.take(id, at);
    expect([taken('a', 0), taken('b', 59), taken('a', 59), taken('c', 60), taken('b', 118)]).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
    expect([taken('a', 60), taken('b', 119), taken('d', 120), taken('c', 119), taken('a', 119)]).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    times.forget('a');
    expect(taken('a', 119)).toBe(true);
  });
});

describe('the quota', () => {
  it.each([1, 2, 5, 50, 500])(
    'no second holds more than %i requests, and nearly all of them are used',
    async perS => {
      const clock = new HandClock();
      const bucket = new TokenBucket(perS, clock, clock);
      const went: number[] = [];
      const wanted = perS * 5;
      for (let i = 0; i < wanted; i++) void bucket.take().then(() => went.push(clock.now));
      await clock.pass(12_000);
      expect(went).toHaveLength(wanted);
      for (const from of went) {
        const within = went.filter(at => at >= from && at < from + 1_000).length;
        expect(within).toBeLessThanOrEqual(perS);
      }
    },
  );

  it('rests when it is told to, and turns away whom it cannot hold', async () => {
    const clock = new HandClock();
    const bucket = new TokenBucket(100, clock, clock, 2);
    bucket.rest(500);
    const went: (number | string)[] = [];
    for (const name of ['a', 'b', 'c'])
      void bucket.take().then(got => went.push(got ? `${name} ${clock.now > 500}` : `${name} not`));
    await clock.pass(499);
    expect(went).toEqual(['c not']);
    await clock.pass(200);
    expect(went).toEqual(['c not', 'a true', 'b true']);
  });
});
