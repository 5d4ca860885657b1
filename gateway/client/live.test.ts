import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Static } from 'typebox';
import { afterEach, expect, expectTypeOf, test } from 'vitest';
import { quietPort } from '../../infra/embedded/ports.ts';
import { CLOSE, ERROR, ok } from '../../protocol/errors.ts';
import { encodeEvent } from '../../protocol/messages.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import type { GatewayOptions } from '../options.ts';
import type * as Schemas from '../rest/schemas.ts';
import { EPOCH, FakeDirectory, FakeDoor, optionsFor, signingKey, silent } from '../testing/town.ts';
import {
  type DeviceSeen,
  type Encounter,
  type Granted,
  HeyBlueClient,
  type Me,
  type Message,
  type Page,
  type Points,
  type QrImage,
  restClient,
  type State,
  type Transaction,
} from './index.ts';

/** The client against a gateway on real ports, with Node's WebSocket and fetch: what an app would do. */

const ID = '01900000-0000-7000-8000-0000000000aa';
const event = (offset: number) => encodeEvent('sharing.ended', offset, ID, { reason: 'timeout' });
const snapshot = encodeEvent('snapshot', 0, ID, {
  ...{ userId: ID, kind: 'civilian', handle: 'ana', sharing: false, sharingUntilS: 0, instant: false },
  ...{ balance: 0, balanceVersion: 0, encounterCount: 0, encounters: [], mode: 'qr', hub: null },
  ...{ reserved: 0, redemptions: [] },
});
/** What a phone hears that says where it stopped nowhere. */
const fresh = () => ok({ epoch: EPOCH, offset: 0, resumed: false, frames: [snapshot] });

const open: { stop(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

const key = signingKey();
/** Errors are never expected here: show them. */
const loud = { ...silent, error: console.error };
async function town(door = new FakeDoor(), rest: Partial<GatewayOptions> = {}) {
  door.answers.attach = fresh;
  const gateway: Gateway = createGateway(
    optionsFor(door, new FakeDirectory(), { signingKeys: [key], log: loud, ...rest }),
  );
  const ports = await gateway.start();
  open.push({ stop: () => gateway.stop(0) });
  return { gateway, ports, door };
}

async function app(ports: Ports) {
  const rest = restClient(`http://127.0.0.1:${ports.restPort}`);
  const ana = await rest.signUp({
    kind: 'civilian',
    handle: 'ana',
    password: 'correct horse',
    deviceId: 'phone-1',
  });
  if (!ana.ok) throw new Error(ana.message);
  const client = new HeyBlueClient({
    url: `ws://127.0.0.1:${ports.realtimePort}/v1/ws`,
    getToken: () => ana.value.accessToken,
    deviceId: 'phone-1',
    random: () => 0,
  });
  open.push({ stop: () => client.close() });
  const messages: Message[] = [];
  client.on('event', message => messages.push(message));
  const reached = (state: State): Promise<void> =>
    new Promise(done => {
      if (client.state === state) return done();
      const off = client.on('state', change => {
        if (change.state !== state) return;
        off();
        done();
      });
    });
  return { rest, token: ana.value.accessToken, client, messages, reached };
}

test('REST by fetch: what is right is a value, what is wrong is one too', async () => {
  const { ports, door } = await town();
  const { rest, token } = await app(ports);
  expect(await rest.balance(token)).toEqual(ok({ balance: 70, version: 3 }));
  expect(await rest.me(token)).toMatchObject({ ok: true, value: { handle: 'ana', kind: 'civilian' } });
  const first = await rest.encounters(token, { limit: 2 });
  if (!first.ok) throw new Error(first.message);
  const second = await rest.encounters(token, { limit: 100, before: first.value.next! });
  expect(second).toMatchObject({ value: { items: [{}, {}, {}], next: null } });
  expect(await rest.transactions(token)).toMatchObject({ ok: true });
  expect(await rest.qr(token, 'png')).toMatchObject({ value: { format: 'png' } });
  expect(await rest.officer(token, ID)).toMatchObject({ ok: false, code: ERROR.notFound });
  expect(await rest.token(token)).toMatchObject({ ok: true });
  const passing = restClient(['http://127.0.0.1:9', `http://127.0.0.1:${ports.restPort}`]);
  expect(await passing.encounters(token, { limit: 2 })).toMatchObject({ value: { items: [{}, {}] } });
  const ana = { handle: 'ana', password: 'correct horse', deviceId: 'phone-2' };
  expect(await rest.signIn(ana)).toMatchObject({ ok: false, code: ERROR.conflict });
  expect(await rest.moveDevice(ana)).toMatchObject({ ok: true });
  expect(await rest.signIn(ana)).toMatchObject({ ok: true });
  door.answers.balance = () => ok({ balance: 1, version: 1 });
  expect(await restClient('http://127.0.0.1:9').balance(token)).toMatchObject({
    code: ERROR.unavailable,
    retryable: true,
  });
});

test('an app connects, speaks, hears, and after a loss gets what it missed exactly once', async () => {
  const { ports, door, gateway } = await town();
  const { client, messages, reached } = await app(ports);
  client.connect();
  await reached('connected');
  door.answers.command = () => ok({ heyId: ID, expiresS: 5 });
  expect(await client.command('hey.say', { officerId: ID })).toEqual(ok({ heyId: ID, expiresS: 5 }));
  client.location({ lat: 40.7, lng: -74, accuracyM: 5 });
  expect(await client.command('state.get', {})).toEqual(ok({}));
  expect(door.heard('location')[0]!.message.location).toMatchObject({
    latE7: 407_000_000,
    lngE7: -740_000_000,
  });

  const attached = () => door.asked.filter(one => one.message.type === 'attach');
  gateway.sink.push([attached()[0]!.message.session!], event(1), 'durable');
  await client.command('state.get', {});
  door.answers.attach = () =>
    ok({ epoch: EPOCH, offset: 3, resumed: true, frames: [event(1), event(2), event(3)] });
  const back = reached('suspended').then(() => reached('connected'));
  gateway.sink.close([attached()[0]!.message.session!], CLOSE.slowConsumer, 'too slow');
  await back;
  await client.command('state.get', {});
  expect(attached()[1]!.message.resume).toMatchObject({ epoch: EPOCH, offset: 1 });
  expect(messages.map(one => 'offset' in one && one.offset)).toEqual([0, 1, 2, 3]);
});

test('a command that was on its way when the node went down is answered by the next one, once', async () => {
  // A port of our own choice: one that the system chose may not be bound again while its old sockets linger.
  const realtimePort = await quietPort();
  const first = await town(new FakeDoor(), { realtimePort });
  const { client, reached } = await app(first.ports);
  client.connect();
  await reached('connected');
  first.door.holding.add('command');
  const done = client.command('hey.say', { officerId: ID }, { timeoutMs: 20_000 });
  const suspended = reached('suspended');
  await first.gateway.stop(0);
  await suspended;
  const next = new FakeDoor();
  next.answers.command = () => ok({ heyId: ID, expiresS: 6 });
  await town(next, { realtimePort });
  expect(await done).toEqual(ok({ heyId: ID, expiresS: 6 }));
  const asked = [...first.door.asked, ...next.asked].filter(one => one.message.type === 'command');
  expect(asked.length).toBeGreaterThanOrEqual(1);
  expect(new Set(asked.map(one => one.message.key)).size).toBe(1);
});

test('the account moves to another phone: this one stops and says why', async () => {
  const { ports } = await town();
  const { client, rest, reached } = await app(ports);
  client.connect();
  await reached('connected');
  await rest.moveDevice({ handle: 'ana', password: 'correct horse', deviceId: 'phone-2' });
  await reached('closed');
  expect(await client.command('state.get', {})).toMatchObject({ ok: false, code: ERROR.unavailable });
});

test('it runs in browsers: nothing that it imports is of Node', () => {
  const seen = new Set<string>();
  const outside = new Set<string>();
  const walk = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = readFileSync(file, 'utf8');
    const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    expect(code, file).not.toMatch(/\b(Buffer|process|require)\b[.(]/);
    for (const [, typed, name] of source.matchAll(/(?:import|export)( type)?[^;]*? from '([^']+)'/g)) {
      if (typed !== undefined) continue;
      if (name!.startsWith('.')) walk(resolve(dirname(file), name!));
      else outside.add(name!);
    }
  };
  walk(fileURLToPath(new URL('./index.ts', import.meta.url)));
  expect([...outside]).toEqual([]);
  for (const file of seen) expect(file).toMatch(/\/(gateway\/client|protocol)\//);
});

test('what the client says of REST is what the doors promise', () => {
  expectTypeOf<Static<typeof Schemas.Token>>().toExtend<Granted>();
  expectTypeOf<Static<typeof Schemas.Me>>().toExtend<Me>();
  expectTypeOf<Static<typeof Schemas.Devices>>().toExtend<{ items: DeviceSeen[] }>();
  expectTypeOf<Static<typeof Schemas.Balance>>().toExtend<Points>();
  expectTypeOf<Static<typeof Schemas.Encounters>>().toExtend<Page<Encounter>>();
  expectTypeOf<Static<typeof Schemas.Transactions>>().toExtend<Page<Transaction>>();
  expectTypeOf<Static<typeof Schemas.Qr>>().toExtend<QrImage>();
});
