import { createServer } from 'node:net';
import { decodeJwt } from 'jose';
import { afterEach, expect, test } from 'vitest';
import type { DeviceBook } from '../nodes/devicePort.ts';
import { MemoryAudit } from '../nodes/memory/memoryAudit.ts';
import { MemoryRevocations } from '../nodes/memory/memoryRevocations.ts';
import type { ClusterView } from '../nodes/ports.ts';
import { COMMANDS, SUBPROTOCOL } from '../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame } from '../protocol/codec.ts';
import { CLOSE, ERROR, ok } from '../protocol/errors.ts';
import type { ClientFrame, ServerFrame } from '../protocol/frames.ts';
import { encodeCommand, encodeEvent, encodeVolatile } from '../protocol/messages.ts';
import { shardOf } from '../protocol/shard.ts';
import { createGateway, type Gateway, HostUnknown, PortInUse, type Ports } from './index.ts';
import type { GatewayOptions } from './options.ts';
import { FakeDirectory, FakeDoor, optionsFor, signingKey } from './testing/town.ts';

/** The whole gateway on real ports: uWebSockets.js, Fastify, Node's own WebSocket and fetch as the other side. */

const ID = '01900000-0000-7000-8000-0000000000aa';
let running: Gateway[] = [];
afterEach(async () => {
  for (const gateway of running) await gateway.stop(0);
  running = [];
});

async function town(rest: Partial<GatewayOptions> = {}) {
  const door = new FakeDoor();
  const directory = new FakeDirectory();
  const gateway = createGateway(optionsFor(door, directory, rest));
  running.push(gateway);
  const ports = await gateway.start();
  return { door, directory, gateway, ports };
}

async function signUp(ports: Ports, kind = 'civilian', handle = 'ana', deviceId = 'phone-1') {
  const badge = kind === 'officer' ? { badge: 'B1' } : {};
  const body = JSON.stringify({ kind, handle, password: 'correct horse', deviceId, ...badge });
  const url = `http://127.0.0.1:${ports.restPort}/v1/signup`;
  const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  expect(answer.status).toBe(201);
  return (await answer.json()) as { userId: string; accessToken: string; expiresInS: number };
}

/** A phone made of Node's WebSocket: what it heard, in order. */
class Phone {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  readonly gone: Promise<{ code: number; reason: string }>;
  private wake: () => void = () => {};

  constructor(port: number, protocol: string | string[] = SUBPROTOCOL, headers?: Record<string, string>) {
    const options = headers ? { protocols: protocol, headers } : protocol;
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, options as string);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = ({ data }) => {
      this.frames.push(decodeServerFrame(new Uint8Array(data as ArrayBuffer)));
      this.wake();
    };
    this.gone = new Promise(resolve => {
      this.socket.onclose = ({ code, reason }) => resolve({ code, reason });
    });
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.onopen = () => resolve();
      this.socket.onerror = () => reject(new Error('refused'));
    });
  }

  send(frame: ClientFrame | Uint8Array): void {
    const bytes = frame instanceof Uint8Array ? frame : encodeClientFrame(frame);
    this.socket.send(bytes as Uint8Array<ArrayBuffer>);
  }

  hello(token: string, deviceId = 'phone-1', version = 1): void {
    this.send({ type: 'hello', version, token, deviceId, app: 'test', resume: null });
  }

  async next<T extends ServerFrame['type']>(type: T): Promise<ServerFrame & { type: T }> {
    for (;;) {
      const index = this.frames.findIndex(frame => frame.type === type);
      if (index >= 0) return this.frames.splice(index, 1)[0] as ServerFrame & { type: T };
      await new Promise<void>(resolve => {
        this.wake = resolve;
      });
    }
  }
}

async function welcomed(ports: Ports, kind = 'civilian') {
  const person = await signUp(ports, kind);
  const phone = new Phone(ports.realtimePort);
  await phone.opened();
  phone.hello(person.accessToken);
  return { person, phone, welcome: await phone.next('welcome') };
}

const location = {
  seq: 1,
  latE7: 0,
  lngE7: 0,
  accuracyDm: 50,
  headingDeg: null,
  speedDms: null,
  takenAtMs: null,
};

test('a phone signs up, says HELLO, is welcomed, and its commands reach its actor', async () => {
  const { door, ports } = await town();
  door.answers.command = () => ok({ untilS: 1_795_000_000 });
  const { person, phone, welcome } = await welcomed(ports, 'officer');
  expect(phone.socket.protocol).toBe(SUBPROTOCOL);
  expect(welcome).toMatchObject({
    version: 1,
    offset: 0,
    resumed: false,
    config: { pingS: 25, maxBytes: 8192 },
  });
  expect(welcome.config.tokenTtlS).toBeGreaterThan(895);

  phone.send(encodeCommand('location.share', 7, {}, ID));
  expect(await phone.next('reply')).toEqual({ type: 'reply', cid: 7, result: [1_795_000_000] });
  const { to, message } = door.asked.find(one => one.message.type === 'command')!;
  expect(to).toEqual({ kind: 'user', id: person.userId });
  expect(message).toMatchObject({ name: 'location.share', body: {}, key: ID });
  expect(message.requestHash).toMatch(/^[0-9a-f]{64}$/);

  phone.send({ type: 'ping', n: 4 });
  expect(await phone.next('pong')).toEqual({ type: 'pong', n: 4 });
  phone.send({ type: 'location', ...location });
  phone.send({ type: 'ack', offset: 3 });
  phone.send({ type: 'clientState', foreground: false });
  phone.send({ type: 'ping', n: 5 });
  await phone.next('pong');
  expect(door.told.map(one => one.message.type)).toEqual(['location', 'ack', 'clientState']);
  expect(door.heard('location')[0]!.message.location).toMatchObject(location);
});

test('pushes reach the phone, closes close it, and its actor hears one detach', async () => {
  const { door, gateway, ports } = await town();
  const { phone } = await welcomed(ports);
  const { session, connSeq } = door.asked.find(one => one.message.type === 'attach')!.message;
  const refs = [session!, { gateway: 'g1', id: ID }];
  gateway.sink.push(refs, encodeEvent('sharing.ended', 1, ID, { reason: 'timeout' }), 'durable');
  gateway.sink.push(refs, encodeVolatile('report.next', 'me', 1, { periodS: 15 }), 'volatile');
  expect((await phone.next('event')).offset).toBe(1);
  expect((await phone.next('volatile')).body).toEqual([15]);
  gateway.sink.close(refs, CLOSE.replaced, 'same device');
  expect(await phone.gone).toEqual({ code: CLOSE.replaced, reason: 'same device' });
  expect(door.heard('detach').map(one => one.message)).toEqual([
    { type: 'detach', session, connSeq, bye: false },
  ]);
});

test.each([
  ['a text frame', (p: Phone) => p.socket.send('hey'), CLOSE.textFrame],
  ['garbage', (p: Phone) => p.send(new Uint8Array([0xc1, 2, 3])), CLOSE.malformed],
  ['a message of more than 8 KB', (p: Phone) => p.send(new Uint8Array(9_000)), CLOSE.tooBig],
  ['a message that the transport refuses', (p: Phone) => p.send(new Uint8Array(20_000)), 1006],
  ['nesting', (p: Phone) => p.send(new Uint8Array(4_000).fill(0x91)), CLOSE.malformed],
  ['a second HELLO', (p: Phone) => p.hello('x'), CLOSE.malformed],
])('%s ends the conversation with one code', async (_what, act, code) => {
  const { ports } = await town();
  const { phone } = await welcomed(ports);
  act(phone);
  expect((await phone.gone).code).toBe(code);
  const again = new Phone(ports.realtimePort);
  await again.opened();
});

test('no subprotocol is 400, a strange origin 403, a plain GET 426, another path 404', async () => {
  const { ports } = await town();
  const url = `http://127.0.0.1:${ports.realtimePort}`;
  expect((await fetch(`${url}/v1/ws`)).status).toBe(426);
  expect((await fetch(`${url}/else`)).status).toBe(404);
  await expect(new Phone(ports.realtimePort, 'chat').opened()).rejects.toThrow();
  await expect(
    new Phone(ports.realtimePort, SUBPROTOCOL, { origin: 'https://evil.example' }).opened(),
  ).rejects.toThrow();
  await new Phone(ports.realtimePort, SUBPROTOCOL, { origin: 'https://heyblue.example' }).opened();
  await new Phone(ports.realtimePort, ['x', SUBPROTOCOL]).opened();
});

test('wrong version, bad token, another device: closed with the code that says so', async () => {
  const { ports } = await town();
  const person = await signUp(ports);
  const tries: [() => [string, string?, number?], number][] = [
    [() => [person.accessToken, 'phone-1', 2], CLOSE.unsupportedVersion],
    [() => ['nonsense'], CLOSE.badToken],
    [() => [person.accessToken, 'phone-2'], CLOSE.badToken],
  ];
  for (const [args, code] of tries) {
    const phone = new Phone(ports.realtimePort);
    await phone.opened();
    phone.hello(...args());
    expect((await phone.gone).code).toBe(code);
  }
});

test('moving to a new device ends the socket and the token of the old one', async () => {
  const { door, ports } = await town();
  const { person, phone } = await welcomed(ports);
  const rest = `http://127.0.0.1:${ports.restPort}`;
  const body = JSON.stringify({ handle: 'ana', password: 'correct horse', deviceId: 'phone-2' });
  const post = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
  expect((await fetch(`${rest}/v1/signin`, post)).status).toBe(409);
  expect((await fetch(`${rest}/v1/device`, post)).status).toBe(200);
  expect((await phone.gone).code).toBe(CLOSE.revoked);
  expect((await fetch(`${rest}/v1/device`, post)).status).toBe(200);
  const told = door.asked.filter(one => one.message.type === 'deviceMoved');
  expect(told.map(one => one.to.id)).toEqual([person.userId]);
  const old = new Phone(ports.realtimePort);
  await old.opened();
  old.hello(person.accessToken);
  expect((await old.gone).code).toBe(CLOSE.revoked);
  const headers = { authorization: `Bearer ${person.accessToken}` };
  expect((await fetch(`${rest}/v1/me`, { headers })).status).toBe(401);
});

test('an unknown operation and a wrong body are errors; the connection stays', async () => {
  const { ports } = await town();
  const { phone } = await welcomed(ports);
  phone.send({ type: 'command', cid: 1, op: 999, body: [], idem: null });
  expect(await phone.next('error')).toMatchObject({ cid: 1, code: ERROR.notFound, retryable: false });
  phone.send({ type: 'command', cid: 2, op: COMMANDS['hey.say'].code, body: ['not an id'], idem: ID });
  expect((await phone.next('error')).cid).toBe(2);
  phone.send({ type: 'ping', n: 1 });
  await phone.next('pong');
});

test.each([
  ['restPort', 'HEYBLUE_REST_PORT'],
  ['realtimePort', 'HEYBLUE_REALTIME_PORT'],
  ['adminPort', 'HEYBLUE_ADMIN_PORT'],
] as const)('a %s in use is one sentence that names the setting', async (option, setting) => {
  const squatter = createServer();
  await new Promise<void>(resolve => squatter.listen(0, '127.0.0.1', resolve));
  const { port } = squatter.address() as { port: number };
  const gateway = createGateway(optionsFor(new FakeDoor(), new FakeDirectory(), { [option]: port }));
  const error = await gateway.start().catch(error => error);
  expect(error).toBeInstanceOf(PortInUse);
  expect(error.message).toContain(setting);
  expect(error.message.split('\n')).toHaveLength(1);
  await new Promise(resolve => squatter.close(resolve));
});

test('a host that is not of this machine is one sentence that names the setting', async () => {
  const gateway = createGateway(optionsFor(new FakeDoor(), new FakeDirectory(), { host: '192.0.2.1' }));
  const error = await gateway.start().catch(error => error);
  expect(error).toBeInstanceOf(HostUnknown);
  expect(error.message).toMatch(/^192\.0\.2\.1 is not .* HEYBLUE_HOST\.$/);
});

test('two gateways do not share a realtime port', async () => {
  const { ports } = await town();
  const gateway = createGateway(
    optionsFor(new FakeDoor(), new FakeDirectory(), { realtimePort: ports.realtimePort }),
  );
  await expect(gateway.start()).rejects.toThrow(PortInUse);
});

test('health and metrics; a stop says GOAWAY, closes with 1012 and leaves no port open', async () => {
  let why: string[] = ['the database does not answer'];
  const { gateway, ports } = await town({
    notReady: () => why,
    exposeMetrics: async () => ({ text: 'rt_connections 0\n', contentType: 'text/plain' }),
  });
  const admin = `http://127.0.0.1:${ports.adminPort}`;
  expect((await fetch(`${admin}/livez`)).status).toBe(200);
  expect((await fetch(`${admin}/startupz`)).status).toBe(200);
  expect((await fetch(`${admin}/readyz`)).status).toBe(503);
  why = [];
  expect((await fetch(`${admin}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${admin}/metrics`)).text()).toBe('rt_connections 0\n');
  expect((await fetch(`${admin}/debug/gc`, { method: 'POST' })).status).toBe(404);

  const { phone } = await welcomed(ports);
  const stopped = gateway.stop(1_000);
  expect((await fetch(`${admin}/readyz`)).status).toBe(503);
  expect((await phone.next('goaway')).delayMaxMs).toBe(5_000);
  expect((await phone.gone).code).toBe(CLOSE.restart);
  await stopped;
  running = [];
  await expect(fetch(`${admin}/livez`)).rejects.toThrow();
});

test('the cluster and a drain stand on the admin port, and not for pages', async () => {
  let drains = 0;
  const auditLog = new MemoryAudit(Date.now);
  const nodes = [{ node: 'n1', state: 'up' }];
  const view = { node: 'n1', nodes, handoffs: [] } as unknown as ClusterView;
  const { gateway, ports } = await town({
    auditLog,
    cluster: () => view,
    drain: async () =>
      drains++ === 0
        ? { ok: true, tookMs: 5, shardsLeft: 0, socketsLeft: 0 }
        : { ok: false, sentence: 'nobody is there to take over' },
  });
  const admin = `http://127.0.0.1:${ports.adminPort}`;
  expect(await (await fetch(`${admin}/admin/cluster`)).json()).toEqual(view);
  const headers = { origin: 'https://evil.example' };
  expect((await fetch(`${admin}/admin/drain`, { method: 'POST', headers })).status).toBe(403);
  expect((await fetch(`${admin}/admin/drain`)).status).toBe(404);
  expect(drains).toBe(0);
  const why = { 'heyblue-why': 'its machine is to be replaced' };
  const drain = (headers: Record<string, string> = why): Promise<Response> =>
    fetch(`${admin}/admin/drain`, { method: 'POST', headers });
  // not for a reason that is none, and not in the name of somebody who is no operator
  expect((await drain({ 'heyblue-why': 'x'.repeat(201) })).status).toBe(422);
  expect((await drain({ ...why, authorization: 'Bearer rubbish' })).status).toBe(401);
  expect(drains).toBe(0);
  const first = await drain();
  expect([first.status, await first.json()]).toEqual([
    200,
    { ok: true, tookMs: 5, shardsLeft: 0, socketsLeft: 0 },
  ]);
  expect((await drain({})).status).toBe(409);
  const [again, line] = await auditLog.newest(2);
  expect(again).toMatchObject({ operatorId: null, action: 'node.drain', detail: { why: 'not said' } });
  expect(line).toMatchObject({
    operatorId: null,
    action: 'node.drain',
    detail: { why: why['heyblue-why'], node: 'n1', before: { state: 'up' }, after: { state: 'draining' } },
  });
  gateway.leave();
  const ready = await fetch(`${admin}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, 'draining\n']);
});

test('the admin port revokes what a user or a token may; a page in a browser does not', async () => {
  const { ports } = await town();
  const { person, phone } = await welcomed(ports);
  const admin = `http://127.0.0.1:${ports.adminPort}/admin`;
  const post = (url: string, body: object, headers: Record<string, string> = {}) =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    });
  const account = { handle: 'olga', password: 'correct horse' };
  await post(`${admin}/operators`, account, { 'heyblue-why': 'the first one' });
  const rest = `http://127.0.0.1:${ports.restPort}`;
  const signedIn = await post(`${rest}/v1/signin`, { ...account, deviceId: 'console-1' });
  const { accessToken } = (await signedIn.json()) as { accessToken: string };
  const revoke = async (what: string, headers = {}) => {
    const authorization = `Bearer ${accessToken}`;
    const asked = { authorization, 'heyblue-why': 'the phone was stolen', ...headers };
    return (await post(`${admin}/${what}/revoke`, {}, asked)).status;
  };
  expect(await revoke(`users/${person.userId}`, { origin: 'https://evil.example' })).toBe(403);
  expect(await revoke('users/everybody')).toBe(404);
  const { jti } = decodeJwt(person.accessToken);
  expect(await revoke(`tokens/${jti}`)).toBe(200);
  expect((await phone.gone).code).toBe(CLOSE.revoked);
  expect(await revoke(`users/${person.userId}`)).toBe(200);
});

test('a node that leaves lets nobody in, sends its phones elsewhere and says how many stayed', async () => {
  const { gateway, ports } = await town({ elsewhere: () => ['ws://127.0.0.1:1/v1/ws'] });
  const { phone } = await welcomed(ports);
  gateway.leave();
  const late = new Phone(ports.realtimePort);
  await expect(late.opened()).rejects.toThrow();
  expect(await gateway.sendAway(50, 1)).toBe(1);
  expect((await phone.next('goaway')).url).toBe('ws://127.0.0.1:1/v1/ws');
  const away = gateway.sendAway(10_000, 1);
  phone.socket.close();
  expect(await away).toBe(0);
});

test('while the node is cut off, commands are refused at once instead of waiting for their deadline', async () => {
  let serving = true;
  const { door, ports } = await town({ serving: () => serving });
  const { phone, person } = await welcomed(ports);
  const asked = door.asked.length;
  serving = false;
  phone.send(encodeCommand('location.share', 7, {}, ID));
  expect(await phone.next('error')).toMatchObject({ cid: 7, code: ERROR.unavailable, retryable: true });
  const headers = { authorization: `Bearer ${person.accessToken}` };
  expect((await fetch(`http://127.0.0.1:${ports.restPort}/v1/balance`, { headers })).status).toBe(503);
  expect(door.asked).toHaveLength(asked);
});

test('only a change of the epoch makes a shard worth asking about', async () => {
  const { door, gateway, ports } = await town();
  const { person } = await welcomed(ports);
  door.answers.probe = () => ok({});
  const shard = shardOf('user', person.userId);
  const probes = () => door.asked.filter(one => one.message.type === 'probe').length;
  gateway.ownersChanged([shard], () => null);
  expect(probes()).toBe(0);
  gateway.ownersChanged([shard], () => 5);
  gateway.ownersChanged([shard], () => 5);
  expect(probes()).toBe(1);
  gateway.ownersChanged([shard], () => 6);
  gateway.reachableAgain();
  expect(probes()).toBe(3);
});

test('a command with a key may follow its actor to another node, a question may not', async () => {
  const { door, ports } = await town();
  door.answers.command = () => ok({ untilS: 1 });
  const { phone } = await welcomed(ports, 'officer');
  phone.send(encodeCommand('location.share', 1, {}, ID));
  phone.send(encodeCommand('state.get', 2, {}, null));
  await phone.next('reply');
  phone.send({ type: 'ping', n: 1 });
  await phone.next('pong');
  const commands = door.asked.filter(one => one.message.type === 'command');
  expect(commands.map(one => one.options?.keyed ?? false)).toEqual([true, false]);
});

test('where there are other nodes, a move through their doors ends token and socket here within a second', async () => {
  const signingKeys = [signingKey()];
  const revocationStore = new MemoryRevocations(Date.now);
  const { directory, ports } = await town({ signingKeys, revocationStore });
  const { person, phone } = await welcomed(ports);
  const other = createGateway(optionsFor(new FakeDoor(), directory, { signingKeys, revocationStore }));
  running.push(other);
  const there = await other.start();
  const me = (restPort: number) =>
    fetch(`http://127.0.0.1:${restPort}/v1/me`, {
      headers: { authorization: `Bearer ${person.accessToken}` },
    }).then(answer => answer.status);
  expect([await me(ports.restPort), await me(there.restPort)]).toEqual([200, 200]);
  const body = JSON.stringify({ handle: 'ana', password: 'correct horse', deviceId: 'phone-2' });
  const headers = { 'content-type': 'application/json' };
  const url = `http://127.0.0.1:${there.restPort}/v1/device`;
  expect((await fetch(url, { method: 'POST', body, headers })).status).toBe(200);
  expect((await phone.gone).code).toBe(CLOSE.revoked);
  expect([await me(ports.restPort), await me(there.restPort)]).toEqual([401, 401]);
});

test('a device is seen when it is welcomed and when it goes, with the version of its app; a stranger never', async () => {
  const seen: string[] = [];
  const devices: DeviceBook = {
    saw: (userId, deviceId, app) => seen.push(`${userId} ${deviceId} ${app}`),
    devices: async () => [],
    written: async () => {},
  };
  const { ports } = await town({ devices });
  const stranger = new Phone(ports.realtimePort);
  await stranger.opened();
  stranger.hello('nothing');
  await stranger.gone;
  expect(seen).toEqual([]);
  const { person, phone } = await welcomed(ports);
  const mine = `${person.userId} phone-1 test`;
  expect(seen).toEqual([mine]);
  phone.socket.close();
  await expect.poll(() => seen).toEqual([mine, mine]);
});
