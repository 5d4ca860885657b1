import { expect, test } from 'vitest';
import { MemoryHub } from '../../nodes/memory/memoryBus.ts';
import { ok } from '../../protocol/errors.ts';
import { encodeCommand } from '../../protocol/messages.ts';
import { BusLag } from '../busLag.ts';
import { Stage, USER } from '../testing/stage.ts';
import { counting, HandClock, silent } from '../testing/town.ts';
import type { Wire } from '../testing/wire.ts';
import { LastCloses } from './closes.ts';
import { OPERATOR } from './limits.ts';
import { Watches } from './watches.ts';

/** What operators may ask for ends by itself and is bounded, whatever phones and people do. */

const OTHER = '01900000-0000-7000-8000-000000000002';
const userOf = (n: number): string => `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;
const MINUTE = 60_000;

test('a trace keeps the newest thousand frames of a person and counts the others', async () => {
  const stage = new Stage({ rates: null });
  expect(stage.sessions.watches.begin(USER, MINUTE)).toBe(true);
  const wire = await stage.phone();
  for (let n = 1; n <= OPERATOR.traceEntries; n++) wire.say({ type: 'ping', n });
  const watch = stage.sessions.watches.read(USER)!;
  expect(watch.entries).toHaveLength(OPERATOR.traceEntries);
  // attach, WELCOME, and a PING and a PONG for each
  expect(watch.dropped).toBe(2 + OPERATOR.traceEntries);
  expect(watch.entries.slice(-2).map(one => [one.dir, one.type])).toEqual([
    ['in', 'ping'],
    ['out', 'pong'],
  ]);
});

test('nobody else is followed, and a socket of nobody followed carries nothing', async () => {
  const stage = new Stage();
  const [mine, other] = [await stage.phone(), await stage.phone(OTHER)];
  expect(mine.data!.watch).toBeNull();
  stage.sessions.watches.begin(USER, MINUTE);
  expect([mine.data!.watch === null, other.data!.watch]).toEqual([false, null]);
  other.say(encodeCommand('state.get', 1, {}, null));
  expect(stage.sessions.watches.read(USER)!.entries).toEqual([]);
  expect(stage.sessions.watches.read(OTHER)).toBeNull();
});

test('a trace is over when its time is, may be read for a while, and is forgotten', async () => {
  const stage = new Stage();
  const wire = await stage.phone();
  const { watches } = stage.sessions;
  watches.begin(USER, MINUTE);
  wire.say({ type: 'ping', n: 1 });
  stage.pass(MINUTE);
  expect(wire.data!.watch, 'the sockets are let go').toBeNull();
  wire.say({ type: 'ping', n: 2 });
  expect(watches.read(USER)!.entries.map(one => one.type)).toEqual(['ping', 'pong']);
  const next = await stage.phone();
  expect(next.data!.watch, 'nor those that come').toBeNull();
  stage.clock.advance(OPERATOR.traceKeptMs);
  watches.sweep();
  stage.clock.advance(1);
  watches.sweep();
  expect(watches.read(USER)).toBeNull();
});

test('followed again, time is added; one that is over makes room for another', () => {
  const clock = new HandClock();
  const followed = new Map<string, boolean>();
  const watches = new Watches({
    monotonicMs: clock.monotonicMs,
    wallMs: clock.nowMs,
    follow: (userId, watch) => followed.set(userId, watch !== null),
  });
  for (let n = 0; n < OPERATOR.tracedUsers; n++) expect(watches.begin(userOf(n), MINUTE + n)).toBe(true);
  expect(watches.begin(userOf(99), MINUTE)).toBe(false);
  expect(watches.begin(userOf(0), 2 * MINUTE), 'again').toBe(true);
  clock.advance(MINUTE + 1);
  expect(watches.of(userOf(0))).not.toBeNull();
  expect(watches.of(userOf(1))).toBeNull();
  expect(watches.begin(userOf(99), MINUTE)).toBe(true);
  expect([watches.read(userOf(1)), followed.get(userOf(1)), followed.get(userOf(99))]).toEqual([
    null,
    false,
    true,
  ]);
});

test('last closes are remembered for so many devices, the newest of each', () => {
  const closes = new LastCloses();
  const close = (userId: string, deviceId: string, code: number) =>
    closes.add(userId, { deviceId, code, by: 'peer', atMs: code });
  close(USER, 'a', 1_000);
  close(USER, 'a', 1_006);
  close(USER, 'b', 4_003);
  expect(closes.of(USER).map(one => [one.deviceId, one.code])).toEqual([
    ['a', 1_006],
    ['b', 4_003],
  ]);
  for (let n = 0; n < 2 * OPERATOR.closes; n++) close(OTHER, `d${n}`, 1_001);
  expect(closes.size).toBe(OPERATOR.closes);
  expect(closes.of(USER)).toEqual([]);
});

test('each second a few phones in the foreground are pinged, in turn; a PONG that answers nothing is nothing', async () => {
  const stage = new Stage();
  const wires: Wire[] = [];
  for (let n = 0; n < 2 * OPERATOR.pinged + 1; n++) wires.push(await stage.phone(userOf(n)));
  wires[0]!.say({ type: 'clientState', foreground: false });
  const pings = () => wires.map(wire => wire.types().filter(type => type === 'ping').length);
  stage.sessions.measure();
  expect(pings().reduce((a, b) => a + b)).toBe(OPERATOR.pinged);
  stage.clock.advance(40);
  const pinged = wires.filter(wire => wire.types().includes('ping'));
  const numberIn = (wire: Wire): number =>
    (wire.frames.find(frame => frame.type === 'ping') as { n: number }).n;
  pinged[0]!.say({ type: 'pong', n: numberIn(pinged[0]!) + 77 });
  expect(stage.metrics.observed.get('rt_ping_rtt_seconds')).toBeUndefined();
  pinged[0]!.say({ type: 'pong', n: numberIn(pinged[0]!) });
  expect(stage.metrics.observed.get('rt_ping_rtt_seconds')).toEqual([0.04]);
  pinged[1]!.leave();
  stage.clock.advance(OPERATOR.pingMs);
  stage.sessions.measure();
  expect(pings(), 'each once, but the one in the background').toEqual([0, 1, 1, 1, 1, 1, 1, 1, 1]);
  expect(stage.sessions.roundTrips.size, 'what was not answered is given up').toBe(OPERATOR.pinged);
});

test('sizes are measured of some, replays of all, and names of apps are kept once', async () => {
  const stage = new Stage({ rates: null });
  stage.door.answers.attach = () => ok({ epoch: userOf(8), offset: 1, resumed: true, frames: [] });
  const wire = await stage.phone();
  const other = await stage.phone(OTHER);
  expect(stage.metrics.observed.get('rt_replayed_events')).toEqual([0, 0]);
  for (let n = 0; n < 640; n++) wire.say({ type: 'ping', n });
  // 642 messages, with both HELLOs
  expect(stage.metrics.observed.get('rt_frame_bytes in')).toHaveLength(11);
  expect([wire.data!.app, other.data!.app]).toEqual(['test', 'test']);
});

test('the way over the bus is measured with one clock; rubbish and late numbers are left out', async () => {
  const hub = new MemoryHub({ immediate: run => void setImmediate(run) }, silent);
  const [bus, other] = [hub.connect(), hub.connect()];
  const clock = new HandClock();
  const metrics = counting();
  const lag = new BusLag({ bus, subject: 'hb.o.t.g1.lag', clock, metrics });
  lag.say();
  clock.advance(3);
  other.publish('hb.o.t.g1.lag', new Uint8Array([9]));
  await new Promise(resolve => setImmediate(resolve));
  await new Promise(resolve => setImmediate(resolve));
  expect(metrics.observed.get('rt_bus_lag_seconds')).toEqual([0.003]);
  other.publish('hb.o.t.g1.lag', new Uint8Array([0, 0, 0, 1]));
  await new Promise(resolve => setImmediate(resolve));
  expect(metrics.observed.get('rt_bus_lag_seconds')).toHaveLength(1);
  lag.stop();
});
