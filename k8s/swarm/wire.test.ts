import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { layWire, type Wire } from './wire.ts';

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A server that says everything back, behind a wire. */
const echoBehindWire = async (): Promise<Wire> => {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const wire = await layWire(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
  open.push(() => {
    void wire.close();
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return wire;
};

/** A client that keeps what it hears. */
const client = async (wire: Wire) => {
  const socket = connect(Number(new URL(wire.url).port), '127.0.0.1');
  open.push(() => socket.destroy());
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  let heard = '';
  let wanted: { text: string; done: () => void } | null = null;
  socket.on('data', chunk => {
    heard += chunk.toString();
    if (wanted !== null && heard.includes(wanted.text)) wanted.done();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    socket,
    closed,
    heard: () => heard,
    hears: (text: string) =>
      new Promise<void>(done => {
        if (heard.includes(text)) done();
        else wanted = { text, done };
      }),
  };
};

it('lets everything through, and a large message complete', async () => {
  const wire = await echoBehindWire();
  const one = await client(wire);
  const large = `${'x'.repeat(5_000_000)}!`;
  one.socket.write(large);
  await one.hears('!');
  expect(one.heard()).toBe(large);
});

it('a dropped wire keeps connections and gives nothing up: it comes late and in order', async () => {
  const wire = await echoBehindWire();
  const one = await client(wire);
  one.socket.write('before ');
  await one.hears('before ');
  wire.drop();
  const other = await client(wire);
  one.socket.write('first ');
  one.socket.write('second');
  other.socket.write('hello');
  // another wire to the same place has answered long after: nothing came through this one
  const beside = await client(await echoBehindWire());
  beside.socket.write('there');
  await beside.hears('there');
  expect(one.heard()).toBe('before ');
  await wire.heal();
  await Promise.all([one.hears('second'), other.hears('hello')]);
  expect(one.heard()).toBe('before first second');
  expect(wire.counts.heldBytes).toBeGreaterThan(0);
  expect(wire.counts.heldConnections).toBe(1);
});

it('drops one direction only', async () => {
  const wire = await echoBehindWire();
  const one = await client(wire);
  one.socket.write('up ');
  await one.hears('up ');
  wire.drop('toNode');
  one.socket.write('kept back');
  const beside = await client(await echoBehindWire());
  beside.socket.write('there');
  await beside.hears('there');
  expect(one.heard()).toBe('up ');
  await wire.heal();
  await one.hears('kept back');
});

it('a cut wire ends what is open and refuses what comes, until it is healed', async () => {
  const wire = await echoBehindWire();
  const one = await client(wire);
  one.socket.write('hello');
  await one.hears('hello');
  wire.cut();
  await one.closed;
  await expect(client(wire)).rejects.toThrow();
  await wire.heal();
  const again = await client(wire);
  again.socket.write('again');
  await again.hears('again');
  expect(wire.counts.closed).toBe(1);
});

it('a slow wire is slow and complete', async () => {
  const wire = await echoBehindWire();
  const one = await client(wire);
  wire.delay(50);
  one.socket.write('one');
  one.socket.write('two');
  await one.hears('onetwo');
  expect(wire.counts.delayedBytes).toBe(12);
});

it('a connection on which something chosen is said is kept back from there on, and others go on', async () => {
  const wire = await echoBehindWire();
  const [one, other] = [await client(wire), await client(wire)];
  wire.keepBack(chunk => chunk.includes('commit'));
  one.socket.write('read ');
  await one.hears('read ');
  one.socket.write('commit_this ');
  // it is on the wire before anything else is said there
  while (wire.counts.heldBytes === 0) await new Promise(resolve => setImmediate(resolve));
  one.socket.write('and this');
  other.socket.write('read as well');
  await other.hears('read as well');
  expect(one.heard()).toBe('read ');
  await wire.heal();
  await one.hears('and this');
  expect(one.heard()).toBe('read commit_this and this');
});

it('leads to another server when it is told to: those who come from now on are there', async () => {
  const wire = await echoBehindWire();
  const other = createServer(socket => socket.end('another'));
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve));
  open.push(() => other.close());
  const before = await client(wire);
  wire.lead(`tcp://127.0.0.1:${(other.address() as AddressInfo).port}`);
  const after = await client(wire);
  await after.hears('another');
  before.socket.write('still here');
  await before.hears('still here');
});
