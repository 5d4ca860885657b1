import { expect, test } from 'vitest';
import { CLOSE, ok } from '../protocol/errors.ts';
import { encodeCommand } from '../protocol/messages.ts';
import { LIMITS } from './limits.ts';
import { LoopDelay } from './loopDelay.ts';
import { Stage } from './testing/stage.ts';
import { counting, HandClock } from './testing/town.ts';
import { Wire } from './testing/wire.ts';

/** What the gateway tells about its sockets, as an operator reads it. */

const KEY = '01900000-0000-7000-8000-0000000000aa';
const idOf = (n: number): string => `01900000-0000-7000-8000-00000000000${n}`;

test('sockets are told by how far they have come, when somebody asks', async () => {
  const stage = new Stage({ secure: true });
  const told = () => {
    stage.sessions.beforeExposure();
    return ['hello', 'attaching', 'open'].map(state =>
      stage.metrics.gauges.get(`rt_connections ${state} wss`),
    );
  };
  const silent = new Wire(stage.sessions);
  const verifying = await stage.knocking(idOf(1));
  expect(told()).toEqual([2, 0, 0]);
  stage.door.holding.add('attach');
  await stage.phone(idOf(2));
  while (verifying.data!.phase === 'verifying') await new Promise(resolve => setImmediate(resolve));
  expect(told()).toEqual([1, 2, 0]);
  stage.door.answer('attach');
  expect(told()).toEqual([1, 1, 1]);
  silent.leave();
  stage.sessions.closeSome();
  expect(told()).toEqual([0, 0, 0]);
  expect([...stage.metrics.gauges.keys()].filter(name => name.endsWith(' ws'))).toEqual([]);
});

test('plain sockets are plain', () => {
  const stage = new Stage();
  stage.sessions.beforeExposure();
  expect(stage.metrics.gauges.get('rt_connections open ws')).toBe(0);
});

test('an end is told by its code and by who ended it; what a peer makes up is no label', async () => {
  const stage = new Stage();
  for (const code of [1000, 1006, 1006, CLOSE.moved, 4998, 3000, 0]) {
    (await stage.phone()).leave(code);
  }
  (await stage.phone()).data!.close(CLOSE.revoked, 'x');
  const ends = [...stage.metrics.counts].filter(([name]) => name.startsWith('rt_close_total'));
  expect(Object.fromEntries(ends.map(([name, n]) => [name.slice('rt_close_total '.length), n]))).toEqual({
    '1000 client': 1,
    '1006 client': 2,
    '4200 client': 1,
    'other client': 3,
    '4003 server': 1,
  });
});

test('every frame that is said is told by its type', async () => {
  const stage = new Stage();
  stage.door.answers.command = () => ok({});
  const phone = await stage.phone();
  phone.say({ type: 'ping', n: 1 });
  phone.say(encodeCommand('location.stop', 1, {}, KEY));
  phone.say({ type: 'command', cid: 2, op: 999, body: [], idem: null });
  stage.sessions.measure();
  stage.pass(LIMITS.ageMs * 2);
  stage.sessions.beforeExposure();
  const said = new Map<string, number>();
  for (const type of phone.types()) said.set(type, (said.get(type) ?? 0) + 1);
  expect([...said.keys()].toSorted()).toEqual(['error', 'goaway', 'ping', 'pong', 'reply', 'welcome']);
  for (const [type, n] of said) expect(stage.metrics.counts.get(`rt_frames_total out ${type}`), type).toBe(n);
});

test('a warning about a token is told as well', async () => {
  const stage = new Stage();
  const phone = await stage.phone();
  phone.data!.deadlineMs = stage.clock.monotonicMs();
  stage.sessions.sweep();
  expect(phone.types().at(-1)).toBe('tokenExpiring');
  expect(stage.metrics.counts.get('rt_frames_total out tokenExpiring')).toBe(1);
});

test('the lateness of the event loop is that of a timer, and never less than none', () => {
  const clock = new HandClock();
  const metrics = counting();
  const delay = new LoopDelay(clock, metrics, 100);
  delay.tick();
  for (const ms of [100, 350, 60]) {
    clock.advance(ms);
    delay.tick();
  }
  expect(metrics.observed.get('rt_loop_delay_seconds')).toEqual([0, 0, 0.25, 0]);
});
