import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { METRICS } from '../../infra/telemetry/metric-table.ts';
import { MemoryAudit } from '../../nodes/memory/memoryAudit.ts';
import { MemoryHub } from '../../nodes/memory/memoryBus.ts';
import { MemoryRevocations } from '../../nodes/memory/memoryRevocations.ts';
import type { AuditEntry, AuditLog, ClusterView } from '../../nodes/ports.ts';
import { SUBPROTOCOL } from '../../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame } from '../../protocol/codec.ts';
import { CLOSE, ERROR, ok, refuse } from '../../protocol/errors.ts';
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import { encodeCommand, encodeEvent } from '../../protocol/messages.ts';
import { shardOf } from '../../protocol/shard.ts';
import { createGateway, type Gateway, type Ports } from '../index.ts';
import { RATES } from '../limits.ts';
import type { GatewayOptions } from '../options.ts';
import { counting, FakeDirectory, FakeDoor, optionsFor, signingKey, silent } from '../testing/town.ts';
import { OPERATOR_ACTIONS } from './actions.ts';
import { RATE_CLASSES } from './rateWords.ts';

/** Operators at the admin port of real gateways, two of them on one bus, with the phones of a person on either. */

const EPOCH = '01900000-0000-7000-8000-00000000e90c';
/** What a change is for, where a test says nothing else. */
const WHY = 'ticket 7';
const NOBODY = '01900000-0000-7000-8000-0000000000ff';

/** An audit log that may be away, and that tells when it is written. */
class Audit implements AuditLog {
  readonly log = new MemoryAudit(Date.now);
  down = false;
  onAppend: () => void = () => {};
  async append(entry: AuditEntry): Promise<void> {
    this.onAppend();
    if (this.down) throw new Error('no connection');
    await this.log.append(entry);
  }
  newest(limit: number, userId?: string | null) {
    return this.log.newest(limit, userId);
  }
}

class Phone {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  code: number | null = null;
  /** Answers to PINGs. */
  awake = true;

  constructor(port: number, token: string, deviceId: string) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, SUBPROTOCOL);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () =>
      this.say({ type: 'hello', version: 1, token, deviceId, app: 'heyblue/9.1 (test)', resume: null });
    this.socket.onmessage = ({ data }) => {
      const frame = decodeServerFrame(new Uint8Array(data as ArrayBuffer));
      this.frames.push(frame);
      if (frame.type === 'ping' && this.awake) this.say({ type: 'pong', n: frame.n });
    };
    this.socket.onclose = ({ code }) => {
      this.code = code;
    };
  }
  say(frame: ClientFrame | Uint8Array): void {
    this.socket.send((frame instanceof Uint8Array ? frame : encodeClientFrame(frame)) as never);
  }
  has(type: ServerFrame['type']) {
    return expect.poll(() => this.frames.some(frame => frame.type === type), { timeout: 10_000 }).toBe(true);
  }
}

const keys = [signingKey()];
const hub = () => new MemoryHub({ immediate: run => void setImmediate(run) }, silent);

/** So many gateways of one town. */
class Town {
  readonly audit = new Audit();
  readonly directory = new FakeDirectory();
  readonly doors: FakeDoor[] = [];
  readonly metrics: ReturnType<typeof counting>[] = [];
  readonly gateways: Gateway[] = [];
  readonly ports: Ports[] = [];
  readonly hub = hub();
  readonly revocations = new MemoryRevocations(Date.now);
  /** Nodes that the cluster believes in. */
  nodes = ['n1', 'n2'];
  readonly phones: Phone[] = [];

  async open(count: number, rest: Partial<GatewayOptions> = {}): Promise<void> {
    for (let n = 1; n <= count; n++) {
      const door = new FakeDoor();
      const metrics = counting();
      const gateway = createGateway(
        optionsFor(door, this.directory, {
          gatewayId: `g${n}`,
          auditLog: this.audit,
          revocationStore: this.revocations,
          signingKeys: keys,
          metrics,
          ...(count > 1 && { bus: this.hub.connect() }),
          cluster: () => this.view(`n${n}`),
          ...rest,
        }),
      );
      this.doors.push(door);
      this.metrics.push(metrics);
      this.gateways.push(gateway);
      this.ports.push(await gateway.start());
    }
  }

  private view(node: string): ClusterView {
    const nodes = this.nodes.slice(0, Math.max(1, this.doors.length)).map(one => ({
      node: one,
      incarnation: 'i',
      version: '1',
      weight: 1,
      state: 'up' as const,
      seenMs: 0,
      shards: 256,
    }));
    const owners = Array.from({ length: 512 }, (_, shard) => this.nodes[shard % 2]!);
    const epochs = owners.map(() => 1);
    const rest = { incarnation: 'i', serving: true, leaseLeftMs: null, mapRevision: 1, handoffs: [] };
    return { node, ...rest, nodes, owners, epochs };
  }

  async rest(path: string, body: object) {
    const answer = await fetch(`http://127.0.0.1:${this.ports[0]!.restPort}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    });
    return { status: answer.status, ...((await answer.json()) as { userId: string; accessToken: string }) };
  }

  person(kind = 'merchant', handle = 'shop') {
    return this.rest('/v1/signup', { kind, handle, password: 'correct horse', deviceId: 'till-1' });
  }

  async operator(): Promise<string> {
    const made = await this.ask('POST', '/admin/operators', null, {
      handle: 'Olga',
      password: 'correct horse',
    });
    expect(made.status).toBe(201);
    const signedIn = await this.rest('/v1/signin', {
      handle: 'olga',
      password: 'correct horse',
      deviceId: 'console-1',
    });
    expect(signedIn.status).toBe(200);
    return signedIn.accessToken;
  }

  /** Asks the admin port of a gateway. */
  async ask(
    method: string,
    path: string,
    token: string | null,
    body?: object | string,
    { at = 0, headers = {} }: { at?: number; headers?: Record<string, string> } = {},
  ) {
    const answer = await fetch(`http://127.0.0.1:${this.ports[at]!.adminPort}${path}`, {
      method,
      headers: {
        ...(token && { authorization: `Bearer ${token}` }),
        ...(method !== 'GET' && { 'heyblue-why': WHY }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const json = text.startsWith('{') ? JSON.parse(text) : null;
    return { status: answer.status, text, json, headers: answer.headers };
  }

  async phone(token: string, deviceId = 'till-1', at = 0): Promise<Phone> {
    const phone = new Phone(this.ports[at]!.realtimePort, token, deviceId);
    this.phones.push(phone);
    await phone.has('welcome');
    return phone;
  }

  async close(): Promise<void> {
    for (const { socket } of this.phones) socket.close();
    for (const gateway of this.gateways) await gateway.stop(0);
  }
}

let town: Town;
beforeEach(() => {
  town = new Town();
});
afterEach(async () => {
  await town.close();
});

const inspection = (userId: string) => ({
  userId,
  kind: 'merchant',
  epoch: EPOCH,
  offset: 41,
  ring: { events: 3, bytes: 300 },
  presence: { state: 'online', sinceMs: 1, shown: 'online', version: 7, seenMs: 2 },
  balanceVersion: 12,
  sessions: [
    {
      deviceId: 'till-1',
      gateway: 'g2',
      sessionId: NOBODY,
      connSeq: 1,
      foreground: true,
      attachedMs: 1,
      heardMs: 1,
      acked: 40,
      unackedMs: 100,
    },
  ],
  devicesAway: [{ deviceId: 'till-2', sinceMs: 5, acked: 39, unackedMs: 200 }],
});

const knows = (door: FakeDoor): void => {
  door.answers.inspect = ({ to }) => ok(inspection(to.id));
  door.answers.disconnect = () => ok({ closed: 1 });
};

const actions = async () => (await town.audit.newest(100)).map(one => one.action).reverse();

describe('who may', () => {
  const routes = (id: string): [string, string, object?][] => [
    ['GET', `/admin/users/${id}`],
    ['POST', `/admin/users/${id}/disconnect`, { code: 4_003 }],
    ['POST', `/admin/users/${id}/revoke`],
    ['POST', `/admin/tokens/${id}/revoke`],
    ['POST', `/admin/users/${id}/trace`, { minutes: 1 }],
    ['GET', `/admin/users/${id}/trace`],
    ['DELETE', `/admin/users/${id}/trace`],
    ['GET', `/admin/users/${id}/audit`],
    ['GET', '/admin/sockets'],
    ['GET', '/admin/rates'],
    ['PUT', '/admin/rates/command', { perS: 1, burst: 1 }],
  ];

  test('nobody without a token, nor with one of another kind of account; nothing is done and nothing written', async () => {
    await town.open(1);
    knows(town.doors[0]!);
    const person = await town.person();
    for (const [method, path, body] of routes(person.userId)) {
      const none = await town.ask(method, path, null, body);
      expect([none.status, none.headers.get('www-authenticate')], path).toEqual([
        401,
        'Bearer realm="heyblue"',
      ]);
      expect((await town.ask(method, path, `${person.accessToken}x`, body)).status, path).toBe(401);
      const wrong = await town.ask(method, path, person.accessToken, body);
      expect([wrong.status, wrong.json.error.code], path).toEqual([403, ERROR.forbidden]);
    }
    expect(await town.audit.newest(10)).toEqual([]);
    expect(town.doors[0]!.asked).toEqual([]);
    expect((await town.revocations.since(null)).revocations).toEqual([]);
  });

  test('an operator, until the token is revoked', async () => {
    await town.open(1);
    knows(town.doors[0]!);
    const token = await town.operator();
    const { userId } = await town.person();
    for (const [method, path, body] of routes(userId)) {
      expect((await town.ask(method, path, token, body)).status, `${method} ${path}`).toBe(200);
    }
    const operator = await town.directory.credentialByHandle('olga');
    expect(operator?.kind).toBe('operator');
    expect((await town.ask('POST', `/admin/users/${operator!.userId}/revoke`, token)).status).toBe(200);
    for (const [method, path, body] of routes(userId)) {
      expect((await town.ask(method, path, token, body)).status, path).toBe(401);
    }
  });

  test('no page of a browser, not even with the token', async () => {
    await town.open(1);
    const token = await town.operator();
    const page = { headers: { origin: 'https://evil.example' } };
    const made = await town.ask(
      'POST',
      '/admin/operators',
      null,
      { handle: 'eve', password: 'x'.repeat(9) },
      page,
    );
    expect(made.status).toBe(403);
    const ended = await town.ask('POST', `/admin/users/${NOBODY}/revoke`, token, undefined, page);
    expect(ended.status).toBe(403);
    expect(await actions()).toEqual(['operator.create']);
  });

  test('operators are made on the machine only, once for a handle, with a password that is one', async () => {
    await town.open(1);
    await town.operator();
    const make = (body: object | string) => town.ask('POST', '/admin/operators', null, body);
    expect((await make({ handle: 'olga', password: 'correct horse' })).status).toBe(409);
    expect((await make({ handle: 'otto', password: 'short' })).status).toBe(422);
    expect((await make({ handle: 'otto', password: 'correct horse', kind: 'officer' })).status).toBe(422);
    expect((await make('{')).status).toBe(400);
    expect((await make('')).status).toBe(400);
    expect((await make(JSON.stringify({ handle: 'x'.repeat(10_000) }))).status).toBe(413);
    expect((await town.person('operator', 'eve')).status).toBe(403);
    expect([...town.directory.people.values()].map(one => one.handle)).toEqual(['olga']);
  });
});

describe('the audit log', () => {
  test('has a line for each access, who and whom and what, before it takes effect', async () => {
    await town.open(1);
    const door = town.doors[0]!;
    knows(door);
    const token = await town.operator();
    const { userId } = await town.person();
    const operatorId = (await town.directory.credentialByHandle('olga'))!.userId;
    const asked: number[] = [];
    town.audit.onAppend = () => asked.push(door.asked.length);
    await town.ask('GET', `/admin/users/${userId}`, token);
    await town.ask('POST', `/admin/users/${userId}/disconnect`, token, { code: 4_003, deviceId: 'till-1' });
    expect(asked, 'written before the actor is asked').toEqual([0, 1]);
    await town.ask('POST', `/admin/tokens/${NOBODY}/revoke`, token);
    await town.ask('POST', `/admin/users/${userId}/trace`, token, { minutes: 5 });
    const lines = (await town.audit.newest(10)).map(({ number: _, atMs: __, ...line }) => line).reverse();
    expect(lines).toEqual([
      {
        operatorId: null,
        action: 'operator.create',
        userId: null,
        detail: { why: WHY, handle: 'olga', before: null, after: { kind: 'operator' } },
      },
      { operatorId, action: 'user.look', userId, detail: {} },
      {
        operatorId,
        action: 'user.disconnect',
        userId,
        detail: { why: WHY, code: 4_003, deviceId: 'till-1', before: null, after: { connected: false } },
      },
      {
        operatorId,
        action: 'token.revoke',
        userId: null,
        detail: { why: WHY, tokenId: NOBODY, before: null, after: { revoked: true } },
      },
      {
        operatorId,
        action: 'trace.start',
        userId,
        detail: { why: WHY, minutes: 5, before: null, after: { followed: true } },
      },
    ]);
    const shown = await town.ask('GET', `/admin/users/${userId}/audit`, token);
    expect(shown.json.entries.map((one: AuditEntry) => one.action)).toEqual([
      'audit.read',
      'trace.start',
      'user.disconnect',
      'user.look',
    ]);
  });

  test('away: nothing is looked at and nothing is done', async () => {
    await town.open(1);
    const door = town.doors[0]!;
    knows(door);
    const token = await town.operator();
    const { userId } = await town.person();
    const people = town.directory.people.size;
    town.audit.down = true;
    const tried = [
      await town.ask('GET', `/admin/users/${userId}`, token),
      await town.ask('POST', `/admin/users/${userId}/disconnect`, token, { code: 4_003 }),
      await town.ask('POST', `/admin/users/${userId}/revoke`, token),
      await town.ask('POST', `/admin/tokens/${NOBODY}/revoke`, token),
      await town.ask('POST', `/admin/users/${userId}/trace`, token, { minutes: 5 }),
      await town.ask('GET', `/admin/users/${userId}/trace`, token),
      await town.ask('DELETE', `/admin/users/${userId}/trace`, token),
      await town.ask('POST', '/admin/operators', null, { handle: 'otto', password: 'correct horse' }),
    ];
    for (const one of tried) expect([one.status, one.headers.get('retry-after')]).toEqual([503, '1']);
    expect(door.asked).toEqual([]);
    expect((await town.revocations.since(null)).revocations).toEqual([]);
    expect(town.directory.people.size).toBe(people);
    expect(town.metrics[0]!.counts.get('rt_operator_actions_total user.look unwritten')).toBe(1);
  });

  test('absent: the routes are not there', async () => {
    await town.open(1, { auditLog: undefined as never });
    expect((await town.ask('POST', '/admin/operators', null, { handle: 'a', password: 'b' })).status).toBe(
      404,
    );
    expect((await town.ask('POST', `/admin/users/${NOBODY}/revoke`, null)).status).toBe(404);
  });
});

describe('what a socket may say', () => {
  test('is changed on every gateway while phones talk, within bounds; each look and change leaves a line', async () => {
    await town.open(2);
    const { accessToken } = await town.person();
    const phone = await town.phone(accessToken, 'till-1', 1);
    // a round trip that the gateway asks for would be answered out of the same two
    phone.awake = false;
    const token = await town.operator();
    const rates = async () => (await town.ask('GET', '/admin/rates', token)).json;
    const before = await rates();
    expect(before.gateways).toEqual({ asked: 2, answered: 2 });
    expect(before.rows.map((row: { rates: unknown }) => row.rates)).toEqual([RATES.session, RATES.session]);

    const set = await town.ask('PUT', '/admin/rates/other', token, { perS: 0.01, burst: 2 });
    expect(set.status).toBe(200);
    expect((await rates()).rows.map((row: { rates: object }) => row.rates)).toEqual(
      [0, 1].map(() => ({ ...RATES.session, other: { perS: 0.01, burst: 2 } })),
    );
    for (let n = 0; n < 5; n++) phone.say({ type: 'ping', n });
    await expect.poll(() => phone.code).toBe(CLOSE.rateLimited);
    expect(phone.frames.filter(frame => frame.type === 'pong')).toHaveLength(2);

    for (const body of [
      { perS: 0, burst: 1 },
      { perS: 1, burst: 0 },
      { perS: 1, burst: 1.5 },
      { perS: 1e9, burst: 1 },
      { perS: 1 },
      { perS: 1, burst: 1, more: 1 },
    ])
      expect((await town.ask('PUT', '/admin/rates/other', token, body)).status).toBe(422);
    const nowhere = await town.ask('PUT', '/admin/rates/everything', token, { perS: 1, burst: 1 });
    expect(nowhere.status).toBe(404);
    expect(await actions()).toEqual(['operator.create', 'rate.list', 'rate.set', 'rate.list']);
    const [, line] = await town.audit.newest(2);
    expect(line).toMatchObject({
      action: 'rate.set',
      detail: { why: WHY, class: 'other', before: RATES.session.other, after: { perS: 0.01, burst: 2 } },
    });
  });

  test('is changed for a reason that stands in the line; none, or one that is none, changes nothing', async () => {
    await town.open(2);
    const token = await town.operator();
    const set = (perS: number, why: string) =>
      town.ask('PUT', '/admin/rates/other', token, { perS, burst: 2 }, { headers: { 'heyblue-why': why } });
    for (const none of ['', 'x'.repeat(201), 'a\tb'].map(why => Buffer.from(why).toString('latin1')))
      expect((await set(1, none)).status).toBe(422);
    expect(await actions()).toEqual(['operator.create']);
    expect((await set(1, Buffer.from('Übung 431').toString('latin1'))).status).toBe(200);
    expect((await set(3, 'it was too slow')).status).toBe(200);
    expect((await town.audit.newest(2)).map(({ detail }) => detail)).toEqual([
      { why: 'it was too slow', class: 'other', before: { perS: 1, burst: 2 }, after: { perS: 3, burst: 2 } },
      { why: 'Übung 431', class: 'other', before: RATES.session.other, after: { perS: 1, burst: 2 } },
    ]);
  });

  test('stays as it is when it cannot be read how it stands', async () => {
    await town.open(1);
    const token = await town.operator();
    town.directory.hold = async () => {
      throw new Error('no connection');
    };
    expect((await town.ask('POST', `/admin/holds/${NOBODY}/release`, token)).status).toBe(503);
    expect(await actions()).toEqual(['operator.create']);
  });

  test('stays as it is when the line cannot be written', async () => {
    await town.open(1);
    const token = await town.operator();
    town.audit.down = true;
    expect((await town.ask('PUT', '/admin/rates/auth', token, { perS: 1, burst: 9 })).status).toBe(503);
    town.audit.down = false;
    const { rows } = (await town.ask('GET', '/admin/rates', token)).json;
    expect(rows[0].rates).toEqual(RATES.session);
  });
});

test('every action of operators is a word of the metrics, and no other is', () => {
  expect(METRICS.rt_operator_actions_total.labels.action).toEqual([...OPERATOR_ACTIONS]);
  expect([...RATE_CLASSES].sort()).toEqual(Object.keys(RATES.session).sort());
});

describe('the table of sockets', () => {
  test('counts those of every gateway, by app and by how they ended, and nobody in particular; it leaves a line', async () => {
    await town.open(2);
    const { accessToken, userId } = await town.person();
    await town.phone(accessToken, 'till-1', 1);
    const token = await town.operator();
    const table = async () => (await town.ask('GET', '/admin/sockets', token)).json;
    const { gateways, rows } = await table();
    expect(gateways).toEqual({ asked: 2, answered: 2 });
    expect(
      rows.map((row: { gateway: string; node: string; open: number }) => [row.gateway, row.node, row.open]),
    ).toEqual([
      ['g1', 'n1', 0],
      ['g2', 'n2', 1],
    ]);
    const idle = { hello: 0, attaching: 0, background: 0, thinned: 0, stopped: 0, bufferedBytes: 0 };
    const apps = [{ app: 'heyblue/9.1 (test)', sockets: 1 }];
    expect(rows[1]).toEqual({ gateway: 'g2', node: 'n2', version: '1', open: 1, ...idle, apps, closes: [] });
    town.phones[0]!.socket.close(1_000);
    await expect
      .poll(async () => (await table()).rows[1].closes)
      .toEqual([{ code: 1_000, by: 'peer', devices: 1 }]);
    expect(JSON.stringify(await table())).not.toContain(userId);
    expect(await actions()).toContain('socket.list');
  });

  test('a gateway that is silent is missed', async () => {
    await town.open(1);
    town.nodes = ['n1', 'n2'];
    const { json } = await town.ask('GET', '/admin/sockets', await town.operator());
    expect(json.gateways).toMatchObject({ answered: 1 });
    expect(json.rows).toHaveLength(1);
  });
});

describe('one person', () => {
  test('whose socket hangs at another gateway is seen whole: the actor, the socket, the way to it, the last close', async () => {
    await town.open(2);
    for (const door of town.doors) knows(door);
    const token = await town.operator();
    const { userId, accessToken } = await town.person();
    const before = await town.phone(accessToken, 'till-1', 0);
    before.socket.close(4_777);
    await expect.poll(() => before.code).toBe(4_777);
    await town.phone(accessToken, 'till-1', 1);
    const look = async () => (await town.ask('GET', `/admin/users/${userId}`, token)).json;
    // the server hears of the close a moment after the phone
    await expect.poll(async () => (await look()).devices[0].lastClose?.code, { timeout: 10_000 }).toBe(4_777);
    const seen = await look();
    expect(seen).toMatchObject({
      userId,
      node: town.nodes[shardOf('user', userId) % 2],
      actor: {
        kind: 'merchant',
        epoch: EPOCH,
        offset: 41,
        ring: { events: 3, bytes: 300 },
        presence: { state: 'online', version: 7 },
      },
      problem: null,
      traceLeftMs: 0,
      gateways: { asked: 2, answered: 2 },
    });
    expect(seen.actor).not.toHaveProperty('balanceVersion');
    const [device, away] = seen.devices;
    expect(device).toMatchObject({
      deviceId: 'till-1',
      attached: { gateway: 'g2', acked: 40, unackedMs: 100 },
      away: null,
      lastClose: { code: 4_777, by: 'peer', gateway: 'g1' },
    });
    expect(device.sockets).toHaveLength(1);
    expect(device.sockets[0]).toMatchObject({
      gateway: 'g2',
      app: 'heyblue/9.1 (test)',
      welcomed: true,
      foreground: true,
      bufferedBytes: 0,
      rung: 'keeps up',
      eventsBehind: 0,
      roundTripMs: expect.any(Number),
    });
    expect(away).toMatchObject({ deviceId: 'till-2', attached: null, away: { acked: 39 }, sockets: [] });
  });

  test('whose phone does not answer is seen all the same, without a round trip', async () => {
    await town.open(2);
    knows(town.doors[0]!);
    const token = await town.operator();
    const { userId, accessToken } = await town.person();
    (await town.phone(accessToken, 'till-1', 1)).awake = false;
    // half a second lies between g2, which gives up, and g1, which waits for it: a machine may stand still so long
    const seen = async () => {
      const { json } = await town.ask('GET', `/admin/users/${userId}`, token);
      return [json.gateways, json.devices[0].sockets[0]];
    };
    await expect.poll(seen).toMatchObject([
      { asked: 2, answered: 2 },
      { gateway: 'g2', roundTripMs: null },
    ]);
  });

  test('whose actor does not answer still has sockets; one that never was is not found', async () => {
    await town.open(1);
    const door = town.doors[0]!;
    const token = await town.operator();
    const { userId, accessToken } = await town.person();
    await town.phone(accessToken);
    door.answers.inspect = () => refuse(ERROR.unavailable, 'between two nodes', 500);
    const { status, json } = await town.ask('GET', `/admin/users/${userId}`, token);
    expect([status, json.actor, json.problem.code]).toEqual([200, null, 503]);
    expect(json.devices[0].sockets).toHaveLength(1);
    door.answers.inspect = () => refuse(ERROR.notFound, 'there is no such user');
    expect((await town.ask('GET', `/admin/users/${NOBODY}`, token)).status).toBe(404);
    expect((await town.ask('GET', '/admin/users/ana', token)).status).toBe(404);
  });

  test('a gateway that is silent is missed, not waited for', async () => {
    await town.open(2);
    knows(town.doors[0]!);
    const token = await town.operator();
    const { userId } = await town.person();
    await town.gateways[1]!.stop(0);
    const { json } = await town.ask('GET', `/admin/users/${userId}`, token);
    expect(json.gateways).toEqual({ asked: 2, answered: 1 });
  });

  test('is disconnected through the actor, with a code of ours and one device if one is named', async () => {
    await town.open(1);
    const door = town.doors[0]!;
    knows(door);
    const token = await town.operator();
    const path = `/admin/users/${NOBODY}/disconnect`;
    const done = await town.ask('POST', path, token, { code: CLOSE.revoked, deviceId: 'till-1' });
    expect([done.status, done.json]).toEqual([200, { closed: 1 }]);
    expect(door.asked.at(-1)).toMatchObject({
      to: { kind: 'user', id: NOBODY },
      message: { type: 'disconnect', code: CLOSE.revoked, deviceId: 'till-1' },
    });
    for (const wrong of [
      {},
      { code: 'x' },
      { code: 99 },
      { code: 4_003, deviceId: '' },
      { code: 4_003, all: true },
    ])
      expect((await town.ask('POST', path, token, wrong)).status, JSON.stringify(wrong)).toBe(422);
    door.answers.disconnect = () => refuse(ERROR.invalid, '4999 is no close code of ours');
    expect((await town.ask('POST', path, token, { code: 4_999 })).status).toBe(422);
  });

  test('whose tokens are revoked loses the sockets on every gateway', async () => {
    await town.open(2);
    const token = await town.operator();
    const { userId, accessToken } = await town.person();
    const [here, there] = [await town.phone(accessToken), await town.phone(accessToken, 'till-1', 1)];
    expect((await town.ask('POST', `/admin/users/${userId}/revoke`, token)).json).toEqual({ stored: true });
    await expect
      .poll(() => [here.code, there.code], { timeout: 5_000 })
      .toEqual([CLOSE.revoked, CLOSE.revoked]);
  });
});

test('a revocation that is not stored is 503, holds all the same, and is stored when it is asked for again', async () => {
  await town.open(2);
  const token = await town.operator();
  const { userId, accessToken } = await town.person();
  const there = await town.phone(accessToken, 'till-1', 1);
  const away = vi.spyOn(town.revocations, 'add').mockRejectedValue(new Error('no connection'));
  onTestFinished(() => away.mockRestore());
  const ask = () => town.ask('POST', `/admin/users/${userId}/revoke`, token);
  const refused = await ask();
  expect(refused).toMatchObject({ status: 503, json: { error: { code: 503, retryable: true } } });
  expect(refused.json.error.message).toContain('repeat it');
  await expect.poll(() => there.code, { timeout: 10_000 }).toBe(CLOSE.revoked);
  expect((await ask()).status).toBe(503);
  away.mockRestore();
  expect(await ask()).toMatchObject({ status: 200, json: { stored: true } });
});

describe('a trace', () => {
  const PLACE = { latE7: 407_127_760, lngE7: -740_059_740, accuracyDm: 50, headingDeg: null, speedDms: null };

  test('shows what the sockets of a person say and hear at any gateway, and nothing of what is in it', async () => {
    await town.open(2);
    const token = await town.operator();
    const person = await town.rest('/v1/signup', {
      kind: 'civilian',
      handle: 'secret-handle',
      password: 'correct horse',
      deviceId: 'till-1',
    });
    const { userId, accessToken } = person;
    const started = await town.ask('POST', `/admin/users/${userId}/trace`, token, { minutes: 60 });
    expect(started.json).toEqual({ leftMs: 3_600_000, gateways: { asked: 2, answered: 2, watching: 2 } });
    const phone = await town.phone(accessToken, 'till-1', 1);
    phone.say({ type: 'location', seq: 1, ...PLACE, takenAtMs: null });
    const key = crypto.randomUUID();
    phone.say(encodeCommand('instant.set', 7, { on: true }, key));
    town.doors[1]!.answers.command = () => ok({ on: true });
    await phone.has('reply');
    const [{ message }] = town.doors[1]!.asked.filter(one => one.message.type === 'attach') as never as [
      { message: { session: { gateway: string; id: string } } },
    ];
    town.gateways[1]!.sink.push(
      [message.session],
      encodeEvent('sharing.ended', 42, crypto.randomUUID(), { reason: 'timeout' }),
      'durable',
    );
    await phone.has('event');
    phone.say({ type: 'ack', offset: 42 });
    phone.say({
      type: 'batch',
      frames: [
        { type: 'ping', n: 5 },
        { type: 'clientState', foreground: false },
      ],
    });
    await phone.has('pong');
    phone.socket.close(1_000);
    const read = async () => (await town.ask('GET', `/admin/users/${userId}/trace`, token)).json;
    await expect
      .poll(async () => (await read()).entries.map((one: { type: string }) => one.type), { timeout: 10_000 })
      .toContain('close');
    const trace = await read();
    const short = trace.entries.map((one: Record<string, unknown>) =>
      [one.dir, one.type, one.name, one.cid, one.offset, one.code]
        .filter(part => part !== undefined)
        .join(' '),
    );
    expect(short.filter((one: string) => !/ ping$| pong$/.test(one))).toEqual([
      'in attach',
      'out welcome fresh 0',
      'in location',
      'in command instant.set 7',
      'out reply instant.set 7 0',
      'out event sharing.ended 42',
      'in ack 42',
      'in batch',
      'in clientState',
      'in close 1000',
    ]);
    for (const one of trace.entries) {
      expect(one).toMatchObject({ gateway: 'g2', sessionId: message.session.id, atMs: expect.any(Number) });
    }
    const reported = trace.entries.find((one: { type: string }) => one.type === 'location');
    expect(reported.bytes).toBeGreaterThan(10);
    expect(trace.leftMs).toBeGreaterThan(3_500_000);
    const text = JSON.stringify(trace);
    for (const secret of ['40712', '74005', accessToken, 'secret', key, 'timeout', 'till-1'])
      expect(text).not.toContain(secret);
  });

  test('of a socket that was open before begins at once, and ends when it is ended, at every gateway', async () => {
    await town.open(2);
    const token = await town.operator();
    const { userId, accessToken } = await town.person();
    const phone = await town.phone(accessToken, 'till-1', 1);
    await town.ask('POST', `/admin/users/${userId}/trace`, token, { minutes: 1 });
    phone.say({ type: 'ping', n: 1 });
    await phone.has('pong');
    const path = `/admin/users/${userId}/trace`;
    expect((await town.ask('GET', path, token)).json.entries.length).toBeGreaterThan(1);
    expect((await town.ask('DELETE', path, token)).json).toEqual({ gateways: { asked: 2, answered: 2 } });
    expect((await town.ask('GET', path, token)).json).toMatchObject({ entries: [], leftMs: 0, dropped: 0 });
    expect((await town.ask('GET', `/admin/users/${userId}`, token)).json.traceLeftMs).toBe(0);
  });

  test('lasts 1 to 60 minutes', async () => {
    await town.open(1);
    const token = await town.operator();
    for (const minutes of [0, 61, 1.5, '5', null])
      expect((await town.ask('POST', `/admin/users/${NOBODY}/trace`, token, { minutes })).status).toBe(422);
    expect(await actions()).toEqual(['operator.create']);
  });

  test('of more people than a node follows is refused', async () => {
    await town.open(1);
    const token = await town.operator();
    const start = (n: number) => {
      const id = `01900000-0000-7000-8000-0000000001${String(n).padStart(2, '0')}`;
      return town.ask('POST', `/admin/users/${id}/trace`, token, { minutes: 1 });
    };
    for (let n = 0; n < 16; n++) expect((await start(n)).status).toBe(200);
    expect((await start(16)).status).toBe(409);
    expect((await start(3)).status, 'one that is followed already').toBe(200);
  });
});

test('a wrong address is answered with the list of what there is', async () => {
  await town.open(1);
  const { status, text } = await town.ask('GET', '/help', null);
  expect(status).toBe(404);
  for (const line of [
    '/readyz',
    '/metrics',
    '/admin/cluster',
    '/admin/drain',
    '/admin/operators',
    '/admin/users/{id}/trace',
  ])
    expect(text).toContain(line);
});

test('rubbish on the bus is refused and counted, and answers nobody', async () => {
  await town.open(2);
  const token = await town.operator();
  knows(town.doors[0]!);
  const { userId } = await town.person();
  const bus = town.hub.connect();
  const id = crypto.randomUUID();
  const heard: string[] = [];
  bus.subscribe('hb.o.heyblue.evil', bytes => heard.push(new TextDecoder().decode(bytes)));
  const questions = [
    '',
    'x',
    '[]',
    'null',
    `{"v":2,"id":"${id}","from":"evil","ask":"look","userId":"${userId}"}`,
    `{"v":1,"id":"${id}","from":"evil","ask":"look","userId":"${userId}","more":1}`,
    `{"v":1,"id":"${id}","from":"*","ask":"look","userId":"${userId}"}`,
    `{"v":1,"id":"${id}","from":"a.b","ask":"look","userId":"${userId}"}`,
    `{"v":1,"id":"${id}","from":"evil","ask":"watch","userId":"${userId}","leftMs":99999999}`,
    `{"v":1,"id":"${id}","from":"evil","ask":"look","userId":"${'x'.repeat(600)}"}`,
  ];
  for (const text of questions) bus.publish('hb.o.heyblue', new TextEncoder().encode(text));
  for (const text of ['x', '{}', `{"v":1,"id":"${id}","from":"g1","answer":{}}`])
    bus.publish('hb.o.heyblue.g1', new TextEncoder().encode(text));
  const refused = (n: number, what: string) =>
    town.metrics[n]!.counts.get(`rt_operator_words_refused_total ${what}`);
  await expect.poll(() => refused(1, 'question')).toBe(questions.length);
  expect([refused(0, 'question'), refused(0, 'answer')]).toEqual([questions.length, 3]);
  expect((await town.ask('GET', `/admin/users/${userId}`, token)).json.gateways).toEqual({
    asked: 2,
    answered: 2,
  });
  expect(heard).toEqual([]);
});

test('any gateway knows from which network a phone calls, wherever its socket hangs', async () => {
  await town.open(2);
  const { userId, accessToken } = await town.person();
  const [here, there] = town.gateways as [Gateway, Gateway];
  expect(await here.ipv4Of(userId)).toBeNull();
  await town.phone(accessToken, 'till-1', 1);
  expect([await here.ipv4Of(userId), await there.ipv4Of(userId)]).toEqual(['127.0.0.1', '127.0.0.1']);
  expect(await here.ipv4Of(NOBODY)).toBeNull();
});

describe('encounters that are held', () => {
  const ENCOUNTER = '01900000-0000-7000-8000-00000000e001';
  const hold = {
    encounterId: ENCOUNTER,
    officer: { id: '01900000-0000-7000-8000-00000000a001', handle: 'Lee' },
    civilian: { id: '01900000-0000-7000-8000-00000000a002', handle: 'sam' },
    method: 'proximity',
    atMs: 5,
    officerPoints: 20,
    civilianPoints: 20,
    rule: { id: 'encounter.points', version: 1 },
    metBy: { id: 'proximity.notify', version: 2 },
    trust: 5,
    verdict: 'held',
    positions: { officer: 'fits', civilian: null },
  } as const;

  test('are listed with their reasons, released and rejected by their pair, and each leaves a line', async () => {
    await town.open(1);
    const token = await town.operator();
    town.directory.held.push(hold);
    const asked: unknown[] = [];
    town.doors[0]!.answers.review = ({ to, message }) => {
      asked.push([to, message]);
      return ok({ encounterId: ENCOUNTER, verdict: (message as { verdict?: string }).verdict });
    };
    const listed = await town.ask('GET', '/admin/holds', token);
    expect(listed.status).toBe(200);
    const { trust: _, ...shown } = hold;
    expect(listed.json).toEqual({ holds: [{ ...shown, reasons: ['simulated', 'teleport'] }] });
    for (const [path, verdict] of [
      ['release', 'released'],
      ['reject', 'rejected'],
    ]) {
      const done = await town.ask('POST', `/admin/holds/${ENCOUNTER}/${path}`, token);
      expect([done.status, done.json]).toEqual([200, { encounterId: ENCOUNTER, verdict }]);
    }
    const pair = { kind: 'pair', id: `${hold.officer.id}|${hold.civilian.id}` };
    expect(asked).toEqual(
      ['released', 'rejected'].map(verdict => [pair, { type: 'review', encounterId: ENCOUNTER, verdict }]),
    );
    const lines = (await town.audit.newest(10)).map(({ action, detail }) => [action, detail]);
    expect(lines.slice(0, 3)).toEqual([
      [
        'hold.reject',
        { why: WHY, encounterId: ENCOUNTER, before: { verdict: 'held' }, after: { verdict: 'rejected' } },
      ],
      [
        'hold.release',
        { why: WHY, encounterId: ENCOUNTER, before: { verdict: 'held' }, after: { verdict: 'released' } },
      ],
      ['hold.list', {}],
    ]);
  });

  test("are nobody else's: no token, no encounter, no such route", async () => {
    await town.open(1);
    const token = await town.operator();
    expect((await town.ask('GET', '/admin/holds', null)).status).toBe(401);
    expect((await town.ask('POST', `/admin/holds/${ENCOUNTER}/release`, token)).status).toBe(404);
    expect((await town.ask('POST', '/admin/holds/none/release', token)).status).toBe(404);
  });
});
