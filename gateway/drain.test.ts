import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CLUSTER_LIMITS } from '../nodes/limits.ts';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { CLOSE, ok } from '../protocol/errors.ts';
import { AttachQueue } from './attachQueue.ts';
import { lifeMs } from './away.ts';
import { drainPerS } from './drain.ts';
import { LIMITS } from './limits.ts';
import { refOf, Stage } from './testing/stage.ts';
import { EPOCH } from './testing/town.ts';
import { Wire } from './testing/wire.ts';

/** Sending phones elsewhere: a few at a time when a gateway stops, one by one for their age. */

const user = (n: number): string => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const goaway = (wire: Wire) => wire.frames.find(frame => frame.type === 'goaway');
const PER_TICK = (LIMITS.attachPerS * LIMITS.drainShare * LIMITS.drainTickMs) / 1_000;

/** Time goes on while a gateway drains. */
const drainFor = (stage: Stage, ms: number): void => {
  for (let passed = 0; passed < ms; passed += 25) {
    stage.clock.advance(25);
    stage.sessions.drainOn();
  }
};

const crowd = async (stage: Stage, phones: number): Promise<Wire[]> => {
  const wires = await Promise.all(Array.from({ length: phones }, (_, n) => stage.phone(user(n))));
  expect(wires.every(wire => wire.data!.phase === 'open')).toBe(true);
  return wires;
};

test('phones are told a few each 250 ms, so that the others hear of fewer than they can welcome', async () => {
  let looked = 0;
  const elsewhere = () => {
    looked++;
    return ['ws://b', 'ws://c'];
  };
  const stage = new Stage({ rates: null, elsewhere });
  const wires = await crowd(stage, PER_TICK * 4 + 3);
  const told = () => wires.filter(goaway).length;
  stage.sessions.beginDrain(30_000, 2);
  for (let tick = 1; told() < wires.length; tick++) {
    const before = told();
    stage.sessions.drainOn();
    expect(told() - before).toBe(Math.min(PER_TICK * 2, wires.length - before));
    drainFor(stage, LIMITS.drainTickMs - 25);
    expect(told()).toBe(Math.min(PER_TICK * 2 * tick, wires.length));
    stage.clock.advance(25);
  }
  // the view of a cluster is not made for each of them
  expect(looked).toBe(3);
  const urls = wires.map(wire => goaway(wire)!.url);
  expect(urls.filter(url => url === 'ws://b').length).toBe(Math.ceil(wires.length / 2));
  expect(goaway(wires[0]!)).toMatchObject({
    reason: 'restart',
    deadlineMs: LIMITS.goawayMs,
    delayMinMs: 0,
    delayMaxMs: LIMITS.goawaySpreadMs,
  });
  expect(stage.metrics.gauges.get('rt_drain_remaining')).toBe(wires.length);
});

test('never more a second than the others can take, and in time where that can be', () => {
  fc.assert(
    fc.property(
      fc.nat(200_000),
      fc.integer({ min: 0, max: 63 }),
      fc.nat(60_000),
      fc.integer({ min: 1, max: 100_000 }),
      (phones, others, tellMs, eachPerS) => {
        const share = LIMITS.drainShare;
        const perS = drainPerS(phones, others, tellMs, eachPerS, share);
        const able = Math.max(1, others) * eachPerS;
        expect(perS).toBeLessThanOrEqual(able / 2);
        const easy = (phones * 1_000) / (able * share) <= tellMs;
        if (easy) expect(perS).toBe(able * share);
        if ((phones * 1_000) / (able / 2) <= tellMs)
          expect((perS * tellMs) / 1_000).toBeGreaterThanOrEqual(phones * 0.999);
      },
    ),
  );
});

test.each([
  [200, 200],
  [1_000_000, LIMITS.attachPerS],
])(
  'others that take %i handshakes a second hear of no more than half of %i, however short the time is',
  async (handshakesPerS, perS) => {
    const tick = LIMITS.drainTickMs / 1_000;
    const stage = new Stage({ rates: null, handshakesPerS });
    const wires = await crowd(stage, perS * 0.5 * tick * 3);
    const told = () => wires.filter(goaway).length;
    stage.sessions.beginDrain(60_000, 1);
    stage.sessions.drainOn();
    expect(told()).toBe(perS * LIMITS.drainShare * tick);
    stage.sessions.beginDrain(0, 1);
    const before = told();
    stage.sessions.drainOn();
    expect(told() - before).toBe(perS * 0.5 * tick);
    expect(wires[0]!.frames[0]).toMatchObject({ type: 'welcome', config: { reconnectJitterMs: 500 } });
  },
);

test('whoever is left at the end comes back no faster than can be welcomed, and is closed in portions', async () => {
  const stage = new Stage({ rates: null, handshakesPerS: 10, elsewhere: () => ['ws://b'] });
  const [wire] = await crowd(stage, 1);
  const left = Array.from({ length: 4_999 }, () => new Wire(stage.sessions));
  Object.assign(stage.sessions, { leave: () => {} }); // which would close those that have not said HELLO
  stage.sessions.sayGoodbye(375);
  expect(goaway(wire!)).toMatchObject({ deadlineMs: 375, delayMaxMs: LIMITS.reconnectJitterMs });
  const closed = () => left.filter(one => one.code === CLOSE.restart).length;
  expect(stage.sessions.closeSome()).toBe(5_000 - 625);
  expect(closed()).toBe(625);
  let turns = 1;
  for (; stage.sessions.closeSome() > 0; turns++) expect(turns).toBeLessThan(20);
  expect([closed(), wire!.code]).toEqual([4_999, CLOSE.restart]);
});

test('while shards are handed over fewer are told, and still all in time', async () => {
  const stage = new Stage({ rates: null });
  const beside = (LIMITS.attachPerS * LIMITS.drainShareBeside * LIMITS.drainTickMs) / 1_000;
  const wires = await crowd(stage, beside * 2 + PER_TICK * 2);
  const told = () => wires.filter(goaway).length;
  let handingOver = true;
  stage.sessions.beginDrain(30_000, 1, () => handingOver);
  stage.sessions.drainOn();
  expect(told()).toBe(beside);
  drainFor(stage, LIMITS.drainTickMs);
  expect(told()).toBe(beside * 2);
  handingOver = false;
  drainFor(stage, LIMITS.drainTickMs);
  expect(told()).toBe(beside * 2 + PER_TICK);

  const short = new Stage({ rates: null });
  const many = await crowd(short, PER_TICK * 2);
  short.sessions.beginDrain(LIMITS.goawayMs + 2 * LIMITS.drainTickMs, 1, () => true);
  for (let tick = 0; tick < 3; tick++) drainFor(short, LIMITS.drainTickMs);
  expect(many.filter(goaway)).toHaveLength(many.length);
});

test('a phone is not closed before its deadline; those that stay are closed with 1012, as they were told', async () => {
  const stage = new Stage({ rates: null });
  const wires = await crowd(stage, PER_TICK * 2);
  stage.sessions.beginDrain(30_000, 1);
  stage.sessions.drainOn();
  wires[0]!.leave();
  drainFor(stage, LIMITS.goawayMs - 25);
  expect(wires.slice(1).map(wire => wire.code)).toEqual(wires.slice(1).map(() => null));
  expect(stage.sessions.size).toBe(wires.length - 1);
  drainFor(stage, 25);
  expect(stage.sessions.size).toBe(PER_TICK);
  drainFor(stage, LIMITS.drainTickMs);
  expect(wires.slice(1).map(wire => wire.code)).toEqual(wires.slice(1).map(() => CLOSE.restart));
  expect(stage.metrics.gauges.get('rt_drain_remaining')).toBe(0);
});

test('there are 20 s to tell everybody, and time for the last', () => {
  expect(CLUSTER_LIMITS.drainSocketsMs).toBeGreaterThanOrEqual(20_000 + LIMITS.goawayMs);
});

test('the last are told a deadline that is not behind the end', async () => {
  const stage = new Stage({ rates: null });
  const wires = await crowd(stage, 1);
  stage.sessions.beginDrain(200, 1);
  stage.sessions.drainOn();
  expect(goaway(wires[0]!)).toMatchObject({ deadlineMs: 200, delayMaxMs: 200 });
});

test('a gateway that drains attaches nobody: not who knocks, nor who was about to say HELLO, nor who is being verified', async () => {
  const stage = new Stage({ rates: null });
  stage.door.holding.add('attach');
  const attaching = await stage.phone(user(2));
  const silent = new Wire(stage.sessions);
  const verifying = await stage.knocking(user(3));
  expect(verifying.data!.phase).toBe('verifying');
  stage.sessions.beginDrain(30_000, 1);
  expect([silent.code, verifying.code]).toEqual([CLOSE.restart, null]);
  while (verifying.code === null) await new Promise(resolve => setImmediate(resolve));
  expect(verifying.code).toBe(CLOSE.restart);
  expect(stage.door.asked.map(one => one.to.id)).toEqual([user(2)]);
  expect(stage.sessions.admit({ protocols: SUBPROTOCOL, origin: '', address: 'x' })).toMatchObject({
    status: 503,
  });
  // who was asked for before is welcomed, and has its turn
  stage.sessions.drainOn();
  expect(attaching.frames).toEqual([]);
  stage.door.answer('attach', ok({ epoch: EPOCH, offset: 0, resumed: false, frames: [] }));
  drainFor(stage, LIMITS.drainTickMs);
  expect(attaching.types()).toEqual(['welcome', 'goaway']);
});

test('nor those who stand in line to be attached', async () => {
  const stage = new Stage({ rates: null });
  Object.assign(stage.sessions, { attaches: new AttachQueue(1, 10) });
  stage.door.holding.add('attach');
  const [first, second] = [await stage.phone(user(1)), await stage.phone(user(2))];
  stage.sessions.beginDrain(30_000, 1);
  expect([first.code, second.code]).toEqual([null, CLOSE.restart]);
  stage.door.answer('attach');
  expect([first.types(), stage.door.asked]).toEqual([['welcome'], []]);
});

test('a session is told to go at its age, and closed with 4201 if it stays', async () => {
  const stage = new Stage({ rates: null, elsewhere: () => ['ws://b'] });
  const [wire, follows] = await crowd(stage, 2);
  const ages = [wire!, follows!].map(one => lifeMs(refOf(one).id));
  stage.pass(Math.min(...ages) - LIMITS.sweepMs);
  expect([goaway(wire!), goaway(follows!)]).toEqual([undefined, undefined]);
  const early = ages[0]! < ages[1]! ? wire! : follows!;
  stage.pass(2 * LIMITS.sweepMs);
  expect(goaway(early)).toEqual({
    type: 'goaway',
    reason: 'rebalance',
    deadlineMs: LIMITS.goawayMs,
    delayMinMs: 0,
    delayMaxMs: LIMITS.goawaySpreadMs,
    url: 'ws://b',
  });
  expect(early.code).toBeNull();
  stage.pass(LIMITS.goawayMs);
  expect(early.code).toBe(CLOSE.rebalance);
  expect(stage.metrics.counts.get('rt_goaway_total rebalance')).toBe(1);
});

test('ages are spread over 60 minutes and 20 % both ways, the same for the same session', () => {
  const ages = Array.from({ length: 10_000 }, (_, n) => lifeMs(user(n)));
  expect(lifeMs(user(7))).toBe(ages[7]);
  const [from, to] = [LIMITS.ageMs * (1 - LIMITS.ageSpread), LIMITS.ageMs * (1 + LIMITS.ageSpread)];
  const parts = Array.from({ length: 10 }, () => 0);
  for (const age of ages) {
    expect(age).toBeGreaterThanOrEqual(from);
    expect(age).toBeLessThanOrEqual(to);
    parts[Math.min(9, Math.floor(((age - from) / (to - from)) * 10))]!++;
  }
  for (const part of parts) expect(part).toBeGreaterThan(500);
});
