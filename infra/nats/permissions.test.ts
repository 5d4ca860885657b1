/** What a node may do on NATS and what it may not: at a real server, with the user that the embedded one gives to nodes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from 'nats';
import { expect, onTestFinished, test } from 'vitest';
import { operatorSubject } from '../../gateway/operator/inquiry.ts';
import { revocationSubject } from '../../gateway/revocations.ts';
import { gatewaySubject, nodeSubject } from '../../nodes/routing/envelope.ts';
import { rulesSubject } from '../../nodes/rules/follower.ts';
import { NatsUnauthorized, openNats } from './index.ts';
import { KEEPER_USER, NODE_USER, nodePermissions } from './permissions.ts';
import { bytes, memoryLog, PATIENCE, runServer } from './testServer.ts';

const PASSWORD = 'a-password-of-this-test';
const CLUSTER = 'north';
const ME = nodeSubject('n1.0123456789abcdef');

/** A server that knows a node of one cluster and its keeper. */
const server = async (): Promise<{
  readonly as: (user: string, password?: string) => string;
  readonly url: string;
}> => {
  const store = mkdtempSync(join(tmpdir(), 'heyblue-roles-'));
  onTestFinished(() => rmSync(store, { recursive: true, force: true }));
  const { url } = await runServer({
    jetstream: { store_dir: store },
    authorization: {
      users: [
        { user: KEEPER_USER, password: PASSWORD },
        { user: NODE_USER, password: PASSWORD, permissions: nodePermissions(CLUSTER) },
      ],
    },
  });
  return { url, as: (user, password = PASSWORD) => url.replace('//', `//${user}:${password}@`) };
};

/** Sentences of the server about what this connection was refused. */
const refusalsOf = (client: NatsConnection): string[] => {
  const all: string[] = [];
  void (async () => {
    for await (const status of client.status()) if (status.type === 'error') all.push(status.error.message);
  })();
  return all;
};

const FORBIDDEN_TO_SAY = [
  'orders.paid',
  'hb.rules.south',
  'hb.o.south',
  'hb.r.south',
  '$KV.south.shard.1',
  '$SYS.REQ.SERVER.PING',
  '$JS.API.STREAM.CREATE.KV_south',
  `$JS.API.STREAM.DELETE.KV_${CLUSTER}`,
  `$JS.API.STREAM.PURGE.KV_${CLUSTER}`,
  `$JS.API.STREAM.UPDATE.KV_${CLUSTER}`,
  '$JS.API.STREAM.LIST',
  '_INBOX.of.somebody',
];
const FORBIDDEN_TO_HEAR = ['>', 'hb.>', '$SYS.>', '$KV.north.>', 'orders.*'];

test('a node does its work, and is refused everything else; nobody comes in without a password', async () => {
  const { url, as } = await server();
  for (const wrong of [url, as(NODE_USER, 'guessed'), as('admin')])
    await expect(
      openNats({ url: wrong, bucket: CLUSTER, patienceMs: 50 }, memoryLog()),
    ).rejects.toBeInstanceOf(NatsUnauthorized);

  // what a node does: makes the bucket, writes, reads, lists, watches, removes, hears and talks
  const log = memoryLog();
  const nats = await openNats({ url: as(NODE_USER), bucket: CLUSTER }, log);
  onTestFinished(() => nats.close());
  const seen: string[] = [];
  const heard: string[] = [];
  const { kv, bus } = nats;
  onTestFinished(kv.watch(({ key }) => void seen.push(key)));
  onTestFinished(bus.subscribe(ME, () => void heard.push(ME)));
  const revision = await kv.put('node.me', bytes('x'), 0);
  await expect.poll(() => seen, PATIENCE).toContain('node.me');
  expect((await kv.list()).map(({ key }) => key)).toEqual(['node.me']);
  expect(await kv.get('node.me')).toMatchObject({ revision });
  await kv.remove('node.me', revision);
  const TALK = [
    ME,
    gatewaySubject('0123456789abcdef'),
    rulesSubject(CLUSTER),
    revocationSubject(CLUSTER),
    operatorSubject(CLUSTER),
    `${operatorSubject(CLUSTER)}.0123456789abcdef`,
    `${operatorSubject(CLUSTER)}.0123456789abcdef.lag`,
  ];
  for (const subject of TALK.slice(1)) onTestFinished(bus.subscribe(subject, () => void heard.push(subject)));
  for (const subject of TALK) expect(bus.publish(subject, bytes('x'))).toBe(true);
  const unheard = Promise.withResolvers<void>();
  bus.publish(nodeSubject('gone.0123456789abcdef'), bytes('x'), () => unheard.resolve());
  await unheard.promise;
  await expect.poll(() => heard.toSorted(), PATIENCE).toEqual(TALK.toSorted());
  expect(log.lines.filter(line => /complains|refuses/.test(line))).toEqual([]);

  // what it does not do
  const client = await connect({ servers: new URL(url).host, user: NODE_USER, pass: PASSWORD });
  onTestFinished(() => client.close());
  const refusals = refusalsOf(client);
  for (const subject of FORBIDDEN_TO_SAY) client.publish(subject, bytes('{}'));
  for (const subject of FORBIDDEN_TO_HEAR) client.subscribe(subject, { callback: () => {} });
  await client.flush();
  for (const subject of [...FORBIDDEN_TO_SAY, ...FORBIDDEN_TO_HEAR])
    await expect
      .poll(() => refusals.some(one => one.includes(`"${subject}"`)), { ...PATIENCE, message: subject })
      .toBe(true);
  // the bucket is there, as it was
  const keeper = await connect({ servers: new URL(url).host, user: KEEPER_USER, pass: PASSWORD });
  onTestFinished(() => keeper.close());
  const { config } = await (await jetstreamManager(keeper)).streams.info(`KV_${CLUSTER}`);
  expect(config.max_age).toBe(0);
});
