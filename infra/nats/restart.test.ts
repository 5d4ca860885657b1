/** A nats-server that is killed and comes back under open clients. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../clock.ts';
import { openNats } from './index.ts';
import { bytes, memoryLog, PATIENCE, testServer, text } from './testServer.ts';

vi.setConfig({ testTimeout: 60_000 }); // each test starts servers, and the machine may be busy

async function begin() {
  const server = await testServer();
  onTestFinished(() => server.close());
  const log = memoryLog();
  const nats = await openNats({ url: server.url }, log);
  onTestFinished(() => nats.close());
  return { server, log, nats };
}

test('after a kill of the server: subscriptions and watch are back, records are there, nothing stale comes', async () => {
  const { server, nats, log } = await begin();
  const { bus, kv } = nats;
  const changes: boolean[] = [];
  bus.watchConnection(connected => changes.push(connected));
  const heard: string[] = [];
  bus.subscribe('hb.n.a.1', message => heard.push(text(message)));
  const seen = new Map<string, string>();
  onTestFinished(kv.watch(entry => seen.set(entry.key, text(entry.value))));
  let revision = await kv.put('node.a', bytes('before'), 0);
  await expect
    .poll(async () => {
      revision = await kv.put('node.a', bytes('before'), revision);
      return seen.get('node.a');
    }, PATIENCE)
    .toBe('before');

  await server.kill();
  await expect.poll(() => bus.connected, PATIENCE).toBe(false);
  for (let one = 0; one < 100; one++) expect(bus.publish('hb.n.a.1', bytes('stale'))).toBe(false);
  await expect
    .poll(() => kv.put('node.b', bytes('stale'), 0).catch(error => error.fault), PATIENCE)
    .toBe('unavailable');
  await server.start();
  await expect.poll(() => bus.connected, PATIENCE).toBe(true);
  expect(changes).toEqual([false, true]);
  expect(bus.publish('hb.n.a.1', bytes('fresh'))).toBe(true);
  await expect.poll(() => heard, PATIENCE).toEqual(['fresh']);

  // acknowledged means on disk: the record and its revision survived the kill
  await expect.poll(() => kv.get('node.a').catch(() => null), PATIENCE).toMatchObject({ revision });
  expect(await kv.lastRevision()).toBe(revision);
  expect((await kv.list()).map(entry => entry.key)).toEqual(['node.a']);
  await kv.put('node.a', bytes('after'), revision);
  await expect.poll(() => seen.get('node.a'), PATIENCE).toBe('after');
  expect(log.lines.filter(line => line.startsWith('error'))).toEqual([]);
});

test('a server that is restarted again and again under load: every call ends in a known way, nothing acknowledged is lost', async () => {
  const { server, nats } = await begin();
  const { kv } = nats;
  const faults = new Set<string>();
  let running = true;
  let kills = 0;
  const writer = async (key: string): Promise<void> => {
    let [acknowledged, next] = [0, 1];
    let revision = 0;
    while (running) {
      try {
        revision = await kv.put(key, bytes(String(next)), revision);
        acknowledged = next++;
      } catch (error) {
        faults.add((error as { fault?: string }).fault ?? String(error));
        const found = await kv.get(key).catch(() => undefined);
        if (found === undefined) continue;
        revision = found?.revision ?? 0;
        // what an unknown write left is ours too; what was acknowledged is never older than that
        const there = found ? Number(text(found.value)) : 0;
        expect(there, `${key} after ${kills} kills`).toBeGreaterThanOrEqual(acknowledged);
        next = there + 1;
      }
    }
  };
  const load = Promise.all(['a', 'b', 'c'].map(one => writer(`node.${one}`)));
  while (kills < 3) {
    await expect.poll(() => kv.lastRevision().catch(() => 0), PATIENCE).toBeGreaterThan(0);
    const before = await kv.lastRevision();
    await expect.poll(() => kv.lastRevision().catch(() => 0), PATIENCE).toBeGreaterThan(before + 50);
    await server.kill();
    kills++;
    await server.start();
  }
  await expect.poll(() => kv.lastRevision().catch(() => 0), PATIENCE).toBeGreaterThan(0);
  running = false;
  await load;
  for (const fault of faults) expect(['conflict', 'unknown', 'unavailable']).toContain(fault);
  expect(faults.size).toBeGreaterThan(0);
});

test('closing while the server is away does not take for ever, and nothing is sent afterwards', async () => {
  const { server, nats } = await begin();
  await server.kill();
  const clock = systemClock();
  const startedMs = clock.monotonicMs();
  await nats.close();
  expect(clock.monotonicMs() - startedMs).toBeLessThan(15_000);
  expect(nats.bus.connected).toBe(false);
  expect(nats.bus.publish('hb.n.a.1', bytes('x'))).toBe(false);
  await expect(nats.kv.get('node.a')).rejects.toMatchObject({ fault: 'unavailable' });
  await server.start();
  expect(nats.bus.connected).toBe(false);
});
