/**
 * An hour of town in some seconds, and then the search: people share precisely, walk, meet, are refused and send rubbish in
 * a real node, at a place whose digits are rare; nothing that was written meanwhile holds where anybody was, save the
 * sampled history that is made for it. What is planted afterwards into each of those places is found there.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import {
  CreateStreamCommand,
  DeleteStreamCommand,
  KinesisClient,
  PutRecordCommand,
} from '@aws-sdk/client-kinesis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { awsClientConfig } from '../../infra/outbox/awsClient.ts';
import { Collector } from '../../infra/telemetry/collector.ts';
import { type CodeBook, mintFrom, proveScan } from '../../protocol/codeBook.ts';
import { encodeClientFrame, FIX_FLAG } from '../../protocol/index.ts';
import { type Found, Needles, type Sent } from '../attack/needles.ts';
import { files, items, type Piece, records, rows } from '../attack/written.ts';
import { offset, positionAt } from '../swarm/crowd.ts';
import { startTestTown, type TestPhone, type TestTown, until } from './testTown.ts';

/** Town seconds in a second. */
const RATE = 240;
const HOUR_MS = 3_600_000;
/** Of our clock, between two reports of each phone: 12 s of the town's. */
const STEP_MS = 50;
const TRIES = 20;
/** In the delta of the Mackenzie, where few numbers begin so. */
const PLACE = { lat: 68.7134561, lng: -133.5401237 };
const WALK_M = 14;

let collector: Collector;
let town: TestTown;
const sent: Sent[] = [];
const phones: TestPhone[] = [];
const pieces: Piece[] = [];
/** When the hour began, by the town's clock; and what that clock shows beyond ours. */
let townMs = 0;
let aheadMs = 0;
const outcomes: Record<string, number> = {};

const now = (): number => aheadMs + performance.now() * RATE;
const count = (what: string): void => {
  outcomes[what] = (outcomes[what] ?? 0) + 1;
};
const keep = (where: string, written: unknown): void => {
  pieces.push({ where, written: typeof written === 'string' ? written : JSON.stringify(written) });
};

const person = async (kind: 'officer' | 'civilian', northM: number, eastM: number): Promise<TestPhone> => {
  const phone = await town.phone(kind);
  phone.point = offset(PLACE, northM, eastM);
  phones.push(phone);
  const welcome = await phone.connect();
  // of many welcomes the one that came soonest: a millisecond under way is a quarter of a second here
  aheadMs = Math.max(aheadMs, welcome.nowMs - performance.now() * RATE);
  if (townMs === 0) townMs = welcome.nowMs;
  return phone;
};

const report = (phone: TestPhone): void => {
  const position = positionAt(phone.point, Math.floor(now()));
  sent.push({ latE7: position.latE7, lngE7: position.lngE7 });
  phone.phone.position(position);
};

/** Says a command; whatever the answer is, it is looked through. */
const say = async (
  phone: TestPhone,
  name: Parameters<TestPhone['phone']['command']>[0],
  body: object,
): Promise<boolean> => {
  const result = await phone.phone.command(name, body as never, crypto.randomUUID());
  keep(`answer to ${name}`, result);
  count(`${name} ${result.ok ? 'ok' : result.code}`);
  return result.ok;
};

/** Everybody goes on; who is glued to somebody stays beside them. */
async function walk(steps: number, glued: ReadonlyMap<TestPhone, TestPhone>): Promise<void> {
  for (let step = 0; step < steps; step++) {
    for (const [i, phone] of phones.entries()) {
      const leader = glued.get(phone);
      const angle = i * 2.1 + step * 0.3;
      phone.point = leader
        ? offset(leader.point, 2 + Math.sin(angle), 1)
        : offset(phone.point, WALK_M * Math.cos(angle), WALK_M * Math.sin(angle));
      report(phone);
    }
    await pause(STEP_MS);
  }
}

const share = async (): Promise<void> => {
  for (const phone of phones) await say(phone, 'location.share', {});
};

async function rest(
  method: string,
  path: string,
  options: Parameters<TestTown['rest']['call']>[2],
): Promise<void> {
  const answer = await town.rest.call(method, path, options);
  keep(`${method} ${path.split('?')[0]}`, { ...answer, headers: Object.fromEntries(answer.headers) });
  count(`${method} ${path.split('?')[0]} ${answer.status}`);
}

/** Coordinates where none belong: nobody repeats them. */
async function rubbish(phone: TestPhone): Promise<void> {
  const { lat, lng } = phone.point;
  const words = `${lat},${lng}`;
  await say(phone, 'qr.scan', { token: `HB1:${words}` });
  await say(phone, 'qr.upload', {
    token: words,
    scannedAtS: Math.floor(now() / 1_000),
    proof: words.slice(0, 30),
  });
  const where = { latE7: Math.round(lat * 1e7), lngE7: Math.round(lng * 1e7) };
  const plain = { ...where, accuracyDm: 50, headingDeg: null, speedDms: null };
  const seq = phone.phone.seq;
  for (const wrong of [
    { ...plain, seq: 0, takenAtMs: null },
    { ...plain, seq: seq + 1, takenAtMs: Math.floor(now() + 600_000) },
    { ...plain, seq: seq + 2, takenAtMs: Math.floor(now() - 600_000) },
    { ...plain, lngE7: 2_000_000_000, seq: seq + 3, takenAtMs: null },
    { ...plain, seq: seq + 4, takenAtMs: null, flags: FIX_FLAG.simulated },
  ])
    phone.phone.raw(encodeClientFrame({ type: 'location', ...wrong } as never));
  phone.phone.raw(
    encodeClientFrame({
      type: 'command',
      cid: 900,
      op: 20,
      body: [words],
      idem: crypto.randomUUID(),
    } as never),
  );
  await until(
    'the end of who sends rubbish, or an answer',
    () => phone.closed !== null || phone.refusals.length > 0,
  );
  keep('close', phone.closed);
  count(`closed ${phone.closed?.code}`);
  if (phone.closed !== null) await phone.connect(true);
  const token = phone.person.token;
  await rest('GET', `/v1/me?lat=${lat}&lng=${lng}`, { token });
  await rest('GET', `/v1/encounters?before=${words}`, { token });
  await rest('GET', `/v1/${words}`, { token });
  await rest('POST', '/v1/signin', { body: { handle: words, password: words, deviceId: words } });
  await rest('POST', '/v1/signin', { body: `{"lat":${lat},"lng":${lng}` });
  await rest('GET', '/v1/me', { token, headers: { 'x-position': words, 'user-agent': `phone at ${words}` } });
}

async function admin(method: string, path: string, token: string | null, body?: object): Promise<unknown> {
  const answer = await fetch(`${town.node.urls.admin}${path}`, {
    method,
    headers: { 'heyblue-why': 'a test', ...(token !== null && { authorization: `Bearer ${token}` }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  keep(`admin ${method} ${path}`, text);
  count(`admin ${answer.status}`);
  return text.startsWith('{') ? JSON.parse(text) : null;
}

const dynamodb = () => ({ endpoint: inject('dynamodbEndpoint'), env: inject('awsEnv') });
const kinesis = () => ({ endpoint: inject('kinesisEndpoint'), env: inject('awsEnv') });

/** Everything that the town and the servers behind it have written by now. */
async function everything(): Promise<Piece[]> {
  return [
    ...files(town.dataDir),
    ...files(resolve('.data-test/logs')),
    ...(await rows(town.databaseUrl)),
    ...(await items(dynamodb())),
    ...(await records(kinesis())),
    { where: 'traces', written: JSON.stringify([collector.resource, collector.spans, [...collector.paths]]) },
    { where: 'metrics', written: await (await fetch(`${town.node.urls.admin}/metrics`)).text() },
    ...phones.map(({ events, volatiles, refusals, closed, person: { handle } }) => ({
      where: `frames to ${handle}`,
      written: JSON.stringify({ events, volatiles, refusals, closed }),
    })),
    ...pieces,
  ];
}

const search = (needles: Needles, written: readonly Piece[]): Found[] =>
  written.flatMap(one => needles.search(one.where, one.written));

beforeAll(async () => {
  collector = await new Collector().start();
  town = await startTestTown({
    HEYBLUE_CLOCK_RATE: String(RATE),
    HEYBLUE_LOG_LEVEL: 'debug',
    HEYBLUE_LOCATION_RATE: '1000',
    HEYBLUE_ACCESS_TOKEN_TTL_S: '86400',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  });
}, 60_000);
afterAll(async () => {
  await town?.stop();
  await collector?.stop();
});

describe('an hour of town', () => {
  let operator: string;

  it('is lived', async () => {
    const officers = [
      await person('officer', 0, 0),
      await person('officer', 150, 90),
      await person('officer', -300, 0),
    ];
    const civilians: TestPhone[] = [];
    for (let i = 0; i < 6; i++) civilians.push(await person('civilian', 60 * i, -40 * i));
    const [anna, boris, vera] = officers as [TestPhone, TestPhone, TestPhone];
    const [cleo, dan, eve, finn, gus, hal] = civilians as [
      TestPhone,
      TestPhone,
      TestPhone,
      TestPhone,
      TestPhone,
      TestPhone,
    ];
    const account = { handle: 'olga', password: 'correct horse' };
    await admin('POST', '/admin/operators', null, account);
    const signedIn = await town.rest.call<{ accessToken: string }>('POST', '/v1/signin', {
      body: { ...account, deviceId: 'console-1' },
    });
    operator = signedIn.body.accessToken;
    await admin('POST', `/admin/users/${cleo.person.userId}/trace`, operator, { minutes: 60 });

    await share();
    for (const phone of [anna, cleo]) await say(phone, 'instant.set', { on: true });
    // dan beside boris says hey, and finn and eve, who are not there; gus shows vera a code, and hal scans one of hers afar
    hal.point = offset(PLACE, 1_500, 0);
    finn.point = offset(PLACE, 700, 700);
    const glued = new Map([
      [cleo, anna],
      [dan, boris],
      [gus, vera],
    ]);
    await walk(40, glued);
    await dan.sees(boris).catch(() => count('dan does not see boris'));
    const heyOf = async (who: TestPhone): Promise<void> => {
      const [before, closed] = [boris.events.length, who.events.length];
      await say(boris, 'location.share', {});
      await walk(2, glued);
      if (!(await say(who, 'hey.say', { officerId: boris.person.userId }))) return;
      const hey = () => boris.events.slice(before).find(one => one.name === 'hey.received');
      // who is told of a moment too long does not answer
      const end = () => who.events.slice(closed).find(one => one.name === 'hey.closed');
      await until('the hey, or its end', () => hey() ?? end());
      const body = hey()?.body as { heyId: string } | undefined;
      if (body) await say(boris, 'hey.accept', { heyId: body.heyId });
      else count('hey not shown');
    };
    for (const who of [dan, finn, eve]) await heyOf(who);
    // a fix and a code live for fractions of a second here: a machine that stands still so long tries again
    for (let i = 0; i < TRIES && !outcomes['hey.say ok']; i++) await heyOf(dan);
    for (let i = 0; i < TRIES && !outcomes['qr.scan ok']; i++) {
      const hers = await gus.phone.command('qr.show', {});
      if (hers.ok) await say(vera, 'qr.scan', { token: hers.value.token });
    }
    const photo = await vera.phone.command('qr.show', {});
    if (photo.ok) await say(hal, 'qr.scan', { token: photo.value.token });
    await rubbish(eve);
    await share();
    await walk(60, glued);
    const book: CodeBook = await town.rest.codeBook(vera.person.token);
    const his: CodeBook = await town.rest.codeBook(finn.person.token);
    const scannedAtS = Math.floor(now() / 1_000);
    const minted = mintFrom(his, { nowMs: scannedAtS * 1_000, nonce: 7 });
    if (!minted.ok) throw new Error(minted.message);
    const { token } = minted.value;
    await say(vera, 'qr.upload', { token, scannedAtS, proof: proveScan(book, token, scannedAtS) });
    await say(boris, 'location.stop', {});
    // a phone that says that its place is simulated, beside an officer
    await share();
    eve.point = offset(vera.point, 1, 1);
    await walk(60, glued);
    await rubbish(finn);
    await admin('GET', `/admin/users/${cleo.person.userId}/trace`, operator);
    while (now() < townMs + HOUR_MS) {
      await share();
      await walk(20, glued);
    }
    await admin('GET', `/admin/users/${anna.person.userId}`, operator);
    await admin('GET', `/admin/users/${anna.person.userId}/audit`, operator);
    await admin('GET', '/admin/holds', operator);
    for (const path of ['/livez', '/readyz', '/metrics']) await admin('GET', path, null);
    for (const { person: of } of phones) {
      for (const path of ['/v1/me', '/v1/balance', '/v1/encounters', '/v1/me/devices'])
        await rest('GET', path, { token: of.token });
    }
    console.log(`${Math.round((now() - townMs) / 60_000)} min, ${sent.length} positions`, outcomes);
    const met = (phone: TestPhone) =>
      phone.events.filter(one => /^encounter\.(completed|held)/.test(one.name)).length;
    expect(met(anna), 'who walked together with instant match').toBeGreaterThan(0);
    expect(met(vera), 'who scanned a code').toBeGreaterThan(0);
    expect(outcomes['hey.say ok'] ?? 0, 'heys').toBeGreaterThan(0);
    expect(outcomes['qr.scan ok'] ?? 0, 'scans').toBeGreaterThan(0);
    expect(Object.keys(outcomes).join(), 'refusals').toMatch(/qr\.scan 4.*closed|closed.*qr\.scan 4/);
  }, 60_000);

  it('leaves no coordinate behind', async () => {
    const needles = new Needles(sent);
    const written = await everything();
    for (const what of [
      'file node.log',
      'table ledger.',
      'DynamoDB balances',
      'stream transactions',
      'traces',
      'metrics',
    ])
      expect(written.find(one => one.where.startsWith(what))?.written.length ?? 0, what).toBeGreaterThan(100);
    expect(search(needles, written).slice(0, 5)).toEqual([]);
  }, 60_000);

  it('and what is planted is found', async () => {
    const needles = new Needles(sent);
    const one = sent.at(-1)!;
    const config = (endpoint: string) => {
      const {
        AWS_REGION: region = '',
        AWS_ACCESS_KEY_ID = '',
        AWS_SECRET_ACCESS_KEY = '',
      } = inject('awsEnv');
      const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
      return awsClientConfig({ endpoint, region, credentials });
    };
    const [lat, lng] = [one.latE7 / 1e7, one.lngE7 / 1e7];
    appendFileSync(join(town.dataDir, 'node.log'), `{"level":30,"msg":"walked","at":[${lat},${lng}]}\n`);
    const client = new pg.Client({ connectionString: town.databaseUrl });
    await client.connect();
    const bytes = Buffer.alloc(12);
    bytes.writeInt32BE(one.latE7, 1);
    bytes.writeInt32BE(one.lngE7, 6);
    await client.query('create table planted (body jsonb, raw bytea)');
    await client.query('insert into planted values ($1, $2)', [
      { deep: [{ lat: lat.toFixed(4), lng: lng.toFixed(4) }] },
      bytes,
    ]);
    await client.end();
    const tables = new DynamoDBClient(config(dynamodb().endpoint));
    const TableName = `planted-${crypto.randomUUID().slice(0, 8)}`;
    await tables.send(
      new CreateTableCommand({
        TableName,
        KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
        BillingMode: 'PAY_PER_REQUEST',
      }),
    );
    await until('the planted item', () =>
      tables
        .send(new PutItemCommand({ TableName, Item: { pk: { S: 'a' }, at: { N: String(one.latE7) } } }))
        .catch(() => null),
    );
    const streams = new KinesisClient(config(kinesis().endpoint));
    const StreamName = TableName;
    await streams.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
    const Data = Buffer.from(JSON.stringify({ body: Buffer.from(`${lat} ${lng}`).toString('base64') }));
    await until('the planted record', () =>
      streams.send(new PutRecordCommand({ StreamName, PartitionKey: 'a', Data })).catch(() => null),
    );
    pieces.push({ where: 'frames planted', written: JSON.stringify({ near: lat }) });
    const found = new Set(search(needles, await everything()).map(hit => hit.where.split(',')[0]));
    await tables.send(new DeleteTableCommand({ TableName }));
    await streams.send(new DeleteStreamCommand({ StreamName }));
    tables.destroy();
    streams.destroy();
    expect([...found].sort()).toEqual(
      expect.arrayContaining([
        `DynamoDB ${TableName}`,
        'file node.log',
        'frames planted',
        `stream ${StreamName} > base64`,
        'table public.planted',
      ]),
    );
    expect(readFileSync(join(town.dataDir, 'node.log'), 'utf8')).toContain(String(lat));
  }, 60_000);
});
