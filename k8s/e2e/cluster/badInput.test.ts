/**
 * What must not bring real nodes down, nor let them write what is not theirs: garbage and replayed messages on every
 * subject, rubbish in the bucket, a bucket that is deleted or rolled back under load, two processes with one node id, a
 * node that believes it is alone, and a NATS that is not there, not ours, or too old. Each is a counted refusal or one
 * sentence.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectToNats } from '../../swarm/moves.ts';
import { until } from '../testTown.ts';
import { type Arena, openArena } from './arena.ts';

const BUCKET = 'heyblue';
let arena: Arena;
let nats: NatsConnection;

beforeAll(async () => {
  arena = await openArena();
  nats = await connectToNats(arena.cluster.town.natsUrl!);
}, 120_000);
afterEach(() => arena?.mend(), 60_000);
afterAll(async () => {
  await nats?.close();
  await arena?.stop();
}, 60_000);

const meetingsGoOn = async (more = 20): Promise<void> => {
  const before = arena.acknowledged();
  await until(`${more} more meetings`, () => arena.acknowledged() >= before + more, 30_000);
};

/** As which each node lives: another one after it lost its lease. */
const incarnations = () =>
  until('an answer of every node', async () => {
    const all = await Promise.all(arena.cluster.nodes.map(async node => (await node.view())?.incarnation));
    return all.every(one => one !== undefined) ? all : null;
  });

/** What goes over the wires between nodes for a while: subjects and payloads, without the store's own. */
const overhear = async (ms: number) => {
  const heard: { subject: string; data: Uint8Array }[] = [];
  const subscription = nats.subscribe('>', {
    callback: (_, message) => {
      const { subject, data } = message;
      if (/^(_INBOX|\$)/.test(subject) || heard.length >= 20_000) return;
      heard.push({ subject, data: Uint8Array.from(data) });
    },
  });
  await nats.flush();
  await arena.run(ms);
  subscription.unsubscribe();
  return heard;
};

describe('on the subjects of nodes and gateways', () => {
  it('garbage is refused and counted', { timeout: 60_000 }, async () => {
    const before = await incarnations();
    const heard = await overhear(2_000);
    const subjects = [...new Set(heard.map(one => one.subject))];
    expect(subjects.length).toBeGreaterThanOrEqual(3);
    const { random } = arena;
    const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256));
    for (const subject of subjects) {
      for (const length of [0, 1, 2, 17, 300, 70_000, 900_000]) nats.publish(subject, noise(length));
      // deep, wide and lying msgpack
      nats.publish(subject, new Uint8Array(100_000).fill(0x91));
      nats.publish(subject, Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff));
      nats.publish(subject, Uint8Array.of(0xc6, 0x7f, 0xff, 0xff, 0xff, 1));
      nats.publish(subject, new TextEncoder().encode('{"v":1,"kind":"tell","__proto__":{"x":1}}'));
    }
    await nats.flush();
    await meetingsGoOn();
    await arena.verdict();
    // shards may still be on their way to the node that came last
    expect(await incarnations()).toEqual(before);
  });

  it('real messages, said again later and elsewhere, change nothing', { timeout: 60_000 }, async () => {
    const heard = await overhear(2_000);
    const subjects = [...new Set(heard.map(one => one.subject))];
    expect(heard.length).toBeGreaterThan(50);
    const refused = await arena.counter('heyblue_envelopes_refused_total');
    for (const { subject, data } of heard.slice(0, 2_000)) {
      nats.publish(subject, data);
      nats.publish(arena.random.pick(subjects), data);
      nats.publish(subject, data.subarray(0, arena.random.below(data.length + 1)));
    }
    await nats.flush();
    await meetingsGoOn();
    await arena.verdict();
    expect(await arena.counter('heyblue_envelopes_refused_total')).toBeGreaterThan(refused + 50);
  });
});

describe('the bucket', () => {
  const manager = () => jetstreamManager(nats);
  const open = () => new Kvm(nats).open(BUCKET);
  /** Every record as it is now. */
  const records = async (): Promise<Map<string, Uint8Array>> => {
    const kv = await open();
    const all = new Map<string, Uint8Array>();
    for await (const key of await kv.keys()) {
      const entry = await kv.get(key);
      if (entry !== null) all.set(key, Uint8Array.from(entry.value));
    }
    return all;
  };

  it('with rubbish in it is cleaned up', { timeout: 90_000 }, async () => {
    const kv = await open();
    const { random } = arena;
    const rubbish = [
      new Uint8Array(),
      new TextEncoder().encode('not a record'),
      new TextEncoder().encode(
        '{"v":2,"owner":"n1","incarnation":"__proto__","epoch":1e999,"state":"owned"}',
      ),
      new TextEncoder().encode(
        '{"v":2,"owner":"nobody","incarnation":"aaaaaaaaaaaaaaaa","epoch":9007199254740991,"state":"owned","to":null,"fromEpoch":null,"nonce":"bbbbbbbbbbbbbbbb"}',
      ),
      Uint8Array.from({ length: 900 }, () => random.below(256)),
    ];
    for (let i = 0; i < 60; i++) await kv.put(`shard.${random.below(512)}`, random.pick(rubbish));
    for (const key of ['node.n1', 'node.n2', 'node.ghost', 'shard.512', 'shard.-1', 'shard.x', 'else'])
      await kv.put(key, random.pick(rubbish));
    await meetingsGoOn();
    await arena.verdict();
  });

  it('deleted under load is made anew', { timeout: 90_000 }, async () => {
    await (await manager()).streams.delete(`KV_${BUCKET}`);
    await meetingsGoOn();
    await arena.verdict();
    // What a node serves does not wait for its record: that is written again when the node finds it missing.
    await until('every shard to be recorded again', async () => {
      const recorded = await (await open()).keys('shard.*');
      let shards = 0;
      for await (const _ of recorded) shards++;
      return shards === 512;
    });
  });

  it('rolled back to an old copy decides nothing: epochs go on rising', { timeout: 120_000 }, async () => {
    const old = await records();
    const { config } = await (await manager()).streams.info(`KV_${BUCKET}`);
    const node = arena.any();
    await node.kill();
    await arena.cluster.steady(arena.others(node));
    await node.start();
    await arena.cluster.steady();
    const before = await arena.epochs();
    const streams = (await manager()).streams;
    await streams.delete(config.name);
    // Nodes make it anew as soon as they miss it: whoever is first.
    await streams.add(config).catch(() => {});
    const kv = await open();
    for (const [key, value] of old) await kv.put(key, value).catch(() => {});
    await meetingsGoOn();
    await arena.verdict();
    const after = await arena.epochs();
    expect(after.every((epoch, shard) => epoch >= before[shard]!)).toBe(true);
  });
});

describe('nodes that should not be', () => {
  it('two processes with one node id: one of them waits or says so, and nothing is written twice', {
    timeout: 120_000,
  }, async () => {
    const twin = await arena.cluster.addNode('n1');
    const started = twin.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    const outcome = await Promise.race([started, arena.run(9_000).then(() => 'waits')]);
    // The first one renews: the second may never evict it, whatever it waits.
    expect(outcome).toBe('waits');
    await meetingsGoOn();
    await twin.kill();
    await started;
    await arena.verdict();
  });

  it('a node that believes it is alone on the same database takes nothing for long', {
    timeout: 90_000,
  }, async () => {
    const loner = await arena.cluster.addNode('loner', () => ({ NATS_URL: '' }));
    const said = await loner.start().then(
      () => 'started',
      (error: Error) => error.message,
    );
    // It fenced everybody, and everybody took back what is theirs.
    expect(said).toBe('started');
    await meetingsGoOn();
    if (loner.isRunning) await loner.kill();
    const crash = arena.cluster.crashes.findIndex(one => one.startsWith('node loner'));
    if (crash >= 0) (arena.cluster.crashes as string[]).splice(crash, 1);
    await arena.verdict();
  });
});

describe('a NATS that cannot be used is one sentence', () => {
  const refusedWith = async (url: string): Promise<string> => {
    const node = await arena.cluster.addNode(`lost-${arena.cluster.nodes.length}`, () => ({ NATS_URL: url }));
    const said = await node.start().then(
      () => 'it started',
      (error: Error) => error.message,
    );
    if (node.isRunning) await node.kill();
    expect(said).not.toMatch(/\n\s+at /);
    return said;
  };
  /** A server that introduces itself and says no more. */
  const pretending = (info: object): Promise<Server> =>
    new Promise(resolve => {
      const server = createServer(socket => {
        socket.on('error', () => {});
        socket.write(
          `INFO ${JSON.stringify({ server_id: 'x', max_payload: 1_048_576, proto: 1, ...info })}\r\n`,
        );
        socket.on('data', data => {
          if (String(data).includes('PING')) socket.write('PONG\r\n');
        });
      });
      server.listen(0, '127.0.0.1', () => resolve(server));
    });
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;

  it('nobody there', { timeout: 60_000 }, async () => {
    const server = await pretending({});
    const port = portOf(server);
    await new Promise(resolve => server.close(resolve));
    expect(await refusedWith(`nats://127.0.0.1:${port}`)).toMatch(/NATS .*127\.0\.0\.1/);
  });

  it('wrong credentials', { timeout: 60_000 }, async () => {
    const url = new URL(arena.cluster.town.natsUrl!);
    url.password = 'hunter2';
    const said = await refusedWith(url.href);
    expect(said).toMatch(/NATS/);
    expect(said).not.toContain('hunter2');
  });

  it('an old server', { timeout: 60_000 }, async () => {
    const server = await pretending({ version: '2.9.10', headers: true, jetstream: true });
    expect(await refusedWith(`nats://127.0.0.1:${portOf(server)}`)).toMatch(/2\.9\.10.*2\.10\.23/s);
    server.close();
  });

  it('and the cluster did not notice', { timeout: 60_000 }, async () => {
    await arena.verdict();
  });
});

/** The last one: its copies may turn up late. */
it('real messages with a bit changed move no points and stop nobody', { timeout: 60_000 }, async () => {
  const heard = await overhear(2_000);
  const { random } = arena;
  const damaged = (): Promise<number> => arena.counter('heyblue_envelopes_refused_total', 'why="damaged"');
  const before = await damaged();
  for (const { subject, data } of heard.slice(0, 2_000)) {
    if (data.length === 0) continue;
    const changed = Uint8Array.from(data);
    const at = random.below(changed.length);
    changed[at] = changed[at]! ^ (1 << random.below(8));
    nats.publish(subject, changed);
  }
  await nats.flush();
  await meetingsGoOn();
  await arena.verdict();
  expect(await damaged()).toBeGreaterThan(before + 50);
});
