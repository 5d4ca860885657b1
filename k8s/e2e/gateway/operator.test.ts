/**
 * An operator at one node looks at a person whose socket hangs at another: real processes, NATS and PostgreSQL between
 * them. And the page of metrics of a real node against the table that documents it.
 */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { CLOSE } from '../../../protocol/errors.ts';
import { type Cluster, startCluster } from '../../swarm/clusterTown.ts';
import { Phone } from '../../swarm/phone.ts';
import { type Person, RestClient } from '../../swarm/rest.ts';
import { until } from '../testTown.ts';

let cluster: Cluster;
let person: Person;
let phone: Phone;
let token: string;
let closed: number | null = null;

const admin = async (
  node: number,
  method: string,
  path: string,
  body?: object,
  as: string | null = token,
) => {
  const answer = await fetch(`${cluster.nodes[node]!.urls.admin}${path}`, {
    method,
    headers: { 'heyblue-why': 'a test', ...(as !== null && { authorization: `Bearer ${as}` }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: await answer.json().catch(() => null) };
};

beforeAll(async () => {
  cluster = await startCluster({ nodes: 2, wires: false, natsServerBin: inject('natsServerBin') });
  await cluster.steady();
  const [one, two] = cluster.nodes.map(node => new RestClient(node.urls.rest));
  person = await one!.signUp('civilian', 'watched');
  phone = new Phone({
    url: cluster.nodes[1]!.urls.realtime,
    identity: person,
    onClose: code => {
      closed = code;
    },
  });
  await phone.connect(false);
  const account = { handle: 'olga', password: 'correct horse' };
  expect((await admin(0, 'POST', '/admin/operators', account, null)).status).toBe(201);
  // the other node knows the account as well
  const signedIn = await fetch(`${cluster.nodes[1]!.urls.rest}/v1/signin`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...account, deviceId: 'console-1' }),
  });
  token = ((await signedIn.json()) as { accessToken: string }).accessToken;
  void two;
}, 120_000);
afterAll(async () => {
  phone?.drop();
  await cluster?.stop();
});

it('asked at node 1: the actor, the socket at node 2, and the frames that go over it', async () => {
  const path = `/admin/users/${person.userId}`;
  expect((await admin(0, 'GET', path, undefined, person.token)).status).toBe(403);
  // each is asked once, and given half a second: a machine may stand still so long
  const { status, json } = await until('an answer of both, and a round trip', async () => {
    const seen = await admin(0, 'GET', path);
    return seen.json.gateways?.answered === 2 && seen.json.devices?.[0]?.sockets?.[0]?.roundTripMs != null
      ? seen
      : null;
  });
  expect(status).toBe(200);
  expect(json).toMatchObject({
    node: expect.stringMatching(/^n[12]$/),
    actor: { kind: 'civilian', epoch: expect.any(String), presence: { state: 'online' } },
    gateways: { asked: 2, answered: 2 },
  });
  const [device] = json.devices;
  expect(device.sockets[0]).toMatchObject({
    bufferedBytes: 0,
    roundTripMs: expect.any(Number),
    welcomed: true,
  });
  expect(device.attached.sessionId).toBe(device.sockets[0].sessionId);
  expect(device.attached.gateway).toBe(device.sockets[0].gateway);

  const started = await until('an answer of both', async () => {
    const { json } = await admin(0, 'POST', `${path}/trace`, { minutes: 1 });
    return json.gateways.answered === 2 ? json : null;
  });
  expect(started.gateways).toEqual({ asked: 2, answered: 2, watching: 2 });
  expect(await phone.command('state.get', {})).toMatchObject({ ok: true });
  const trace = await until('the reply in the trace', async () => {
    const read = (await admin(0, 'GET', `${path}/trace`)).json;
    return read.entries.some((one: { type: string; name?: string }) => one.type === 'reply') ? read : null;
  });
  expect(trace.entries.map((one: { type: string; name?: string }) => `${one.type} ${one.name}`)).toContain(
    'command state.get',
  );
  expect((await admin(1, 'DELETE', `${path}/trace`)).status).toBe(200);
  expect((await admin(0, 'GET', `${path}/trace`)).json.entries).toEqual([]);
});

it('disconnected at node 1, the socket at node 2 closes; every access stands in the log of the database', async () => {
  const path = `/admin/users/${person.userId}`;
  const done = await until('a gateway that has the socket', async () => {
    const { json } = await admin(0, 'POST', `${path}/disconnect`, { code: 4_100 });
    return json.closed > 0 ? json : null;
  });
  expect(done).toEqual({ closed: 1 });
  await until('the close', () => closed);
  expect(closed).toBe(4_100);
  const seen = await until('the last close', async () => {
    const { json } = await admin(0, 'GET', path);
    return json.devices[0]?.lastClose;
  });
  expect(seen).toMatchObject({ code: 4_100, by: 'server' });
  const client = new pg.Client({ connectionString: cluster.town.databaseUrl });
  await client.connect();
  const { rows } = await client.query(
    'select distinct action from ops.operator_audit where user_id = $1 order by action',
    [person.userId],
  );
  await client.end();
  expect(rows.map(row => row.action)).toEqual([
    'trace.end',
    'trace.read',
    'trace.start',
    'user.disconnect',
    'user.look',
  ]);
});

it('revoked at node 1, the socket at node 2 closes with 4003 within a second of the answer', async () => {
  let tookMs: number;
  let attempts = 0;
  // on a machine that others use: only what takes longer each time does
  do {
    const other = await new RestClient(cluster.nodes[1]!.urls.rest).signUp('civilian', `revoked-${attempts}`);
    const ended = Promise.withResolvers<{ code: number; atMs: number }>();
    const socket = new Phone({
      url: cluster.nodes[1]!.urls.realtime,
      identity: other,
      onClose: code => ended.resolve({ code, atMs: performance.now() }),
    });
    await socket.connect(false);
    expect((await admin(0, 'POST', `/admin/users/${other.userId}/revoke`)).status).toBe(200);
    const answeredMs = performance.now();
    const { code, atMs } = await ended.promise;
    expect(code).toBe(CLOSE.revoked);
    tookMs = atMs - answeredMs;
  } while (tookMs >= 1_000 && ++attempts < 5);
  expect(tookMs).toBeLessThan(1_000);
});

it('every metric that a node serves is documented, and every one that is documented is served', async () => {
  const file = new URL('../../../gateway/METRICS.md', import.meta.url);
  const documented = [...readFileSync(file, 'utf8').matchAll(/^\| `((?:rt|heyblue)_\w+)/gm)].map(
    ([, name]) => name,
  );
  const page = (await cluster.nodes[0]!.metrics())!;
  const served = [...page.matchAll(/^# TYPE ((?:rt|heyblue)_\w+) /gm)].map(([, name]) => name);
  expect(served.length).toBeGreaterThan(50);
  expect(documented.toSorted()).toEqual(served.toSorted());
  expect(page).toContain('heyblue_metric_misuse_total 0');
});

it('with the labels that are documented, and no other values than those', async () => {
  const file = new URL('../../../gateway/METRICS.md', import.meta.url);
  const rows = readFileSync(file, 'utf8').matchAll(/^\| `((?:rt|heyblue)_\w+)` .*\| ([^|]*) \|$/gm);
  const documented = new Map(
    [...rows].map(([, name, labels]) => [
      name,
      new Map(
        labels!
          .split('; ')
          .filter(Boolean)
          .map(one => {
            const [label, ...values] = [...one.matchAll(/`([^`]*)`/g)].map(([, word]) => word!);
            return [label!, values];
          }),
      ),
    ]),
  );
  const page = (await cluster.nodes[0]!.metrics())!;
  const wrong = new Set<string>();
  for (const [, name, labels] of page.matchAll(/^((?:rt|heyblue)_\w+)\{(.*)\} /gm)) {
    const of = documented.get(name!) ?? documented.get(name!.replace(/_(bucket|sum|count)$/, ''));
    for (const [, label, value] of labels!.matchAll(/(\w+)="([^"]*)"/g)) {
      if (label === 'le') continue;
      const values = of?.get(label!);
      const known = values?.length === 0 || values?.concat('other').includes(value!) === true;
      if (!known) wrong.add(`${name} ${label}=${value}`);
    }
  }
  expect(documented.size).toBeGreaterThan(50);
  expect([...wrong]).toEqual([]);
});
