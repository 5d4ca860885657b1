/** Each rule of a soak, shown to hold on a healthy recording and to break when what it is about is planted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Histogram } from '../swarm/histogram.ts';
import { Random } from '../swarm/random.ts';
import { growthOf } from './growth.ts';
import { slowConsumersIn } from './recorder.ts';
import {
  type AtRest,
  type FloorSample,
  type NodeSample,
  type OpsSample,
  Recording,
  type StoreSample,
} from './recording.ts';
import { type Evidence, judgeSoak, leftBehind } from './rules.ts';

const MIB = 2 ** 20;
const random = new Random(11);

const floor = (tS: number, heapUsed: number, rss = 200 * MIB): FloorSample => ({
  kind: 'floor',
  tS,
  node: 'n1',
  pid: 1,
  upS: tS,
  heapUsed,
  rss,
  actors: 100,
});

const node = (tS: number, change: Partial<NodeSample> = {}): NodeSample => ({
  kind: 'node',
  tS,
  node: 'n1',
  pid: 1,
  upS: tS,
  rss: 200 * MIB,
  heapUsed: 60 * MIB,
  external: 0,
  arrayBuffers: 0,
  oldUsed: 50 * MIB,
  oldAfterMajor: 50 * MIB,
  loopP50Ms: 1,
  loopP99Ms: 8,
  loopMaxMs: 40,
  utilization: 0.2,
  cpuS: tS * 0.2,
  gcMajorMs: tS * 2,
  gcMinorMs: tS * 3,
  gcOtherMs: 0,
  fds: 100,
  timeouts: 20,
  sockets: 100,
  actors: 100,
  otherActors: 5,
  timers: 50,
  subscriptions: 10,
  outbox: 0,
  routeBytes: 0,
  mailboxFull: 0,
  slowClosed: 0,
  bufferedMax: 1_024,
  natsDisconnects: 0,
  poolTakes: tS * 40,
  poolWaitMs: tS,
  ...change,
});

const known = new Map<number, ReturnType<Histogram['data']>>();
const latencies = (ms: number): ReturnType<Histogram['data']> => {
  const before = known.get(ms);
  if (before !== undefined) return before;
  const histogram = new Histogram();
  for (let i = 0; i < 100; i++) histogram.record(ms + random.between(0, 5));
  const data = histogram.data();
  known.set(ms, data);
  return data;
};

const ops = (tS: number, ms = 10, failed = 0): OpsSample => ({
  kind: 'ops',
  tS,
  worker: 0,
  ok: 200,
  failed,
  unknown: 0,
  meet: latencies(ms),
  push: latencies(ms),
  ask: latencies(ms),
  connected: 100,
  phones: 100,
  positions: 2_000,
  churned: 3,
  gaps: [[1, 0.4]],
});

const store = (tS: number, natsSlow = 0): StoreSample => ({
  kind: 'store',
  tS,
  connections: 20,
  locksWaiting: 0,
  databaseBytes: 0,
  deadRows: 0,
  diskBytes: 0,
  jetStreamBytes: 0,
  natsSlow,
});

const rest = (change: Partial<AtRest> = {}): AtRest => ({
  node: 'n1',
  pid: 1,
  sockets: 0,
  actors: 0,
  otherActors: 2,
  fds: 60,
  subscriptions: 10,
  timeouts: 20,
  timers: 5,
  outbox: 0,
  heapUsed: 40 * MIB,
  rss: 150 * MIB,
  open: { 'to :5432': 20 },
  ...change,
});

const floored = (floors: readonly FloorSample[]): Recording => {
  const recording = new Recording();
  for (const one of floors) recording.add(one);
  return recording;
};

/** Half an hour of a healthy node: noise, and a saw-tooth that collections end. */
const healthy = (
  of: {
    floor?: (tS: number) => number;
    ms?: (tS: number) => number;
    failed?: number;
    node?: Partial<NodeSample>;
  } = {},
): Recording => {
  const recording = new Recording();
  for (let tS = 15; tS <= 1_800; tS += 15) {
    recording.add(node(tS, of.node));
    recording.add(ops(tS, of.ms?.(tS) ?? 10, of.failed));
    recording.add(store(tS));
    if (tS % 30 === 0) recording.add(floor(tS, of.floor?.(tS) ?? 50 * MIB + random.between(0, 2 * MIB)));
  }
  return recording;
};

const evidence = (change: Partial<Evidence> = {}): Evidence => ({
  recording: healthy(),
  start: [rest()],
  end: [rest()],
  problems: [],
  troubles: [],
  crashes: [],
  logs: ['{"level":30,"msg":"serves"}'],
  timed: true,
  saturated: false,
  ...change,
});

const broken = (change: Partial<Evidence>): string[] =>
  judgeSoak(evidence(change))
    .findings.filter(one => one.ok === false)
    .map(one => one.rule.split(':')[0]!);

test('a healthy half hour passes, every rule judged', () => {
  const { verdict, findings } = judgeSoak(evidence());
  expect(findings.filter(one => one.ok !== true)).toEqual([]);
  expect(verdict).toBe('pass');
});

describe('a leak', () => {
  test('of 20 MiB an hour in noise of 2 MiB is found', () => {
    const recording = healthy({
      floor: tS => 50 * MIB + (tS * 20 * MIB) / 3_600 + random.between(0, 2 * MIB),
    });
    expect(broken({ recording })).toEqual(['no leak']);
  });

  test('that would not matter within a day is not called one', () => {
    const recording = healthy({
      floor: tS => 50 * MIB + (tS * 2 * MIB) / 3_600 + random.between(0, 0.1 * MIB),
    });
    expect(broken({ recording })).toEqual([]);
  });

  test('is looked for in each life on its own: two lives of different size are no growth', () => {
    const floors = [...Array(80).keys()].map(i => ({
      ...floor(i * 30, (i < 40 ? 30 : 80) * MIB + random.between(0, MIB)),
      pid: i < 40 ? 1 : 2,
      upS: (i % 40) * 30,
    }));
    expect(growthOf(floored(floors), [rest()]).filter(one => one.leak)).toEqual([]);
    expect(new Set(growthOf(floored(floors), [rest()]).map(one => one.pid))).toEqual(new Set([1, 2]));
    expect(growthOf(floored(floors.filter(one => one.upS < 850)), [rest()])).toEqual([]);
  });

  /** A node that holds 40 MiB at rest and 0.1 MiB for each of its people. */
  const peopled = (actorsAt: (tS: number) => number, moreAt: (tS: number) => number): Recording => {
    const recording = healthy({ floor: () => 0 });
    for (const [i, one] of recording.floors.entries()) {
      const actors = actorsAt(one.tS);
      const heapUsed = (40 + 0.1 * actors + moreAt(one.tS)) * MIB;
      recording.floors[i] = { ...one, actors, heapUsed, rss: heapUsed + 100 * MIB };
    }
    return recording;
  };

  test('is none when a node gets more people, and is one though people leave', () => {
    const more = peopled(
      tS => 100 + tS / 18,
      () => 0,
    );
    expect(broken({ recording: more })).toEqual([]);
    const fewer = peopled(
      tS => 200 - tS / 18,
      tS => tS / 180,
    );
    expect(broken({ recording: fewer })).toEqual(['no leak']);
  });

  test('is not looked for in a life of which a snapshot or a profile was taken: they leave megabytes of their own', () => {
    const recording = healthy({ floor: tS => 50 * MIB + (tS * 20 * MIB) / 3_600 });
    recording.add({ kind: 'instrumented', tS: 0, node: 'n1', pid: 1, by: 'heap snapshot' });
    expect(growthOf(recording, [rest()])).toEqual([]);
    const end = [rest({ heapUsed: 46 * MIB })];
    expect(broken({ recording, end })).toEqual([]);
    expect(broken({ recording, end: [rest({ heapUsed: 46 * MIB, timers: 40 })] })).toEqual(['back to start']);
    expect(broken({ recording, end: [rest({ heapUsed: 46 * MIB, pid: 2 })] })).toEqual(['back to start']);
  });

  test('is not looked for while a life settles, nor in a life that is too short', () => {
    expect(
      growthOf(floored([...Array(9).keys()].map(i => floor(i * 30, (50 + 40 * i) * MIB))), [rest()]),
    ).toEqual([]);
  });
});

test('p99 that rises by half is ageing', () => {
  const recording = healthy({ ms: tS => (tS < 900 ? 40 : 60) });
  expect(broken({ recording })).toEqual(['no ageing']);
});

test('what is slow while something is broken is not ageing, nor a late push', () => {
  const recording = healthy({ ms: tS => (tS > 1_500 ? 900 : 10) });
  recording.add({ kind: 'fault', fault: 'kill', node: 'n2', fromS: 1_495, toS: 1_800, hit: 'killed' });
  const { findings } = judgeSoak(evidence({ recording }));
  expect(findings.filter(one => one.ok === false)).toEqual([]);
});

test('collections of more than 2 % of the time break their rule', () => {
  const recording = new Recording();
  for (let tS = 15; tS <= 1_800; tS += 15) {
    recording.add(node(tS, { gcMajorMs: tS * 25 }));
    recording.add(ops(tS));
  }
  expect(broken({ recording })).toContain('collections');
});

describe('at rest', () => {
  const planted: [string, Partial<AtRest>][] = [
    ['a socket', { sockets: 1 }],
    ['a person in memory', { actors: 1 }],
    ['pairs in memory', { otherActors: 40 }],
    ['an unpublished row', { outbox: 3 }],
    ['files', { fds: 64, open: { 'to :5432': 24 } }],
    ['a subscription', { subscriptions: 11 }],
    ['timeouts of the process', { timeouts: 30 }],
    ['timers of actors', { timers: 40 }],
    ['heap', { heapUsed: 46 * MIB }],
  ];
  test.each(planted)('%s that stays breaks the rule', (_, change) => {
    expect(leftBehind([rest()], [rest(change)])).toHaveLength(1);
    expect(broken({ end: [rest(change)] })).toEqual(['back to start']);
  });

  test('files that stay are told by kind', () => {
    expect(leftBehind([rest()], [rest({ fds: 64, open: { 'to :5432': 24 } })])).toEqual([
      'n1: fds 64, before 60 (to :5432 24 (20))',
    ]);
  });

  test('noise does not', () => {
    expect(leftBehind([rest()], [rest({ fds: 61, heapUsed: 41 * MIB, timers: 8, timeouts: 21 })])).toEqual(
      [],
    );
  });
});

test('a rejection that nobody handled, a crash, a forbidden word and a lost point each fail', () => {
  expect(broken({ troubles: ['unhandledRejection: Error'] })).toEqual([
    'no rejection that nobody handles, no warning of the runtime, no end that nobody asked for',
  ]);
  expect(broken({ crashes: ['node n2 ended with code 1'] })).toHaveLength(1);
  expect(broken({ logs: ['ok', 'AssertionError: assert(x)'] })).toEqual([
    'logs say nothing of asserts, invariants, FATAL',
  ]);
  expect(broken({ problems: ['lost: encounter 1'] })).toHaveLength(1);
});

test('a loop that is late in two of a hundred looks, or once by more than 250 ms, breaks its rule', () => {
  const late = healthy();
  for (let i = 0; i < late.nodes.length; i += 40) late.nodes[i] = { ...late.nodes[i]!, loopP99Ms: 80 };
  expect(broken({ recording: late })).toEqual(['event loop']);
  const once = healthy();
  once.nodes[100] = { ...once.nodes[100]!, loopMaxMs: 300 };
  expect(broken({ recording: once })).toEqual(['event loop']);
});

describe('who is too slow', () => {
  const AT = 60;
  /** From one moment on, a counter is higher: until the end, as counters are. */
  const risen = (change: Partial<NodeSample>): Recording => {
    const recording = healthy();
    for (let i = AT; i < recording.nodes.length; i++)
      recording.nodes[i] = { ...recording.nodes[i]!, ...change };
    return recording;
  };
  const cut = (): Recording => {
    const recording = healthy();
    for (let i = AT; i < recording.stores.length; i++)
      recording.stores[i] = store(recording.stores[i]!.tS, 1);
    return recording;
  };
  const planted: [string, () => Recording][] = [
    ['a phone that was closed with 4102', () => risen({ slowClosed: 1 })],
    ['a connection to NATS that was lost', () => risen({ natsDisconnects: 1 })],
    ['a consumer that NATS calls slow', cut],
  ];
  test.each(planted)('%s breaks the rule, unless something was broken then', (_, plant) => {
    const recording = plant();
    expect(broken({ recording })).toEqual(['nobody too slow']);
    const { tS } = recording.nodes[AT]!;
    recording.add({ kind: 'fault', fault: 'storm', node: '', fromS: tS - 1, toS: tS + 1, hit: 'all' });
    expect(broken({ recording })).toEqual([]);
  });

  test('a counter that begins anew in another life has not fallen', () => {
    const recording = healthy({ node: { slowClosed: 5 } });
    for (let i = AT; i < recording.nodes.length; i++)
      recording.nodes[i] = { ...recording.nodes[i]!, pid: 2, slowClosed: i === AT ? 0 : 1 };
    expect(broken({ recording })).toEqual(['nobody too slow']);
  });
});

test('a node that takes more than a pod, or a socket that holds back more than it may, breaks the bound even in a fault', () => {
  for (const change of [{ rss: 1_100 * MIB }, { bufferedMax: Number.POSITIVE_INFINITY }]) {
    const recording = healthy();
    recording.nodes[60] = { ...recording.nodes[60]!, ...change };
    recording.add({ kind: 'fault', fault: 'storm', node: '', fromS: 0, toS: 1_800, hit: 'all' });
    expect(broken({ recording })).toEqual(['bounded']);
  }
});

test('phones that are back only after ten seconds break their rule, but not those that a fault hit', () => {
  const recording = healthy();
  for (let i = 60; i < 64; i++) recording.ops[i] = { ...recording.ops[i]!, gaps: [[1, 10]] };
  expect(broken({ recording })).toEqual(['back']);
  const { tS } = recording.ops[60]!;
  // it was over when they came back, and they had lost their connection in it
  recording.add({ kind: 'fault', fault: 'kill', node: 'n1', fromS: tS - 15, toS: tS + 40, hit: 'n1' });
  expect(broken({ recording })).toEqual([]);
});

test('a log of NATS tells how often a consumer was too slow', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'heyblue-nats-log-')), 'nats.log');
  expect(slowConsumersIn(file)).toBe(0);
  const line = '[7] [WRN] 127.0.0.1:5 - cid:9 - Slow Consumer Detected: WriteDeadline of 10s exceeded';
  writeFileSync(file, `${line}\n[7] [INF] Server is ready\n${line}\n`);
  expect(slowConsumersIn(file)).toBe(2);
  rmSync(dirname(file), { recursive: true });
});

test('one refused command in two hundred breaks the rule of success', () => {
  expect(broken({ recording: healthy({ failed: 1 }) })).toEqual(['success']);
});

test('a busy generator makes late figures invalid, but what is lost stays lost', () => {
  const slow = healthy({ ms: () => 400 });
  expect(judgeSoak(evidence({ recording: slow })).verdict).toBe('fail');
  expect(judgeSoak(evidence({ recording: slow, saturated: true })).verdict).toBe('invalid');
  expect(judgeSoak(evidence({ saturated: true })).verdict).toBe('invalid');
  expect(judgeSoak(evidence({ saturated: true, problems: ['lost'] })).verdict).toBe('fail');
});

test('a run that is not timed says nothing of times, and passes', () => {
  const { verdict, findings } = judgeSoak(
    evidence({ timed: false, saturated: true, recording: healthy({ ms: () => 900 }) }),
  );
  expect(verdict).toBe('pass');
  expect(findings.filter(one => one.ok === null).map(one => one.rule.split(':')[0])).toEqual([
    'no ageing',
    'collections',
    'event loop',
    'push',
    'back',
  ]);
});
