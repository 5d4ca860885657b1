import { connect, type Socket as Tcp } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { decodeServerFrame, encodeClientFrame } from '../protocol/codec.ts';
import type { ClientFrame } from '../protocol/frames.ts';
import { encodeEvent } from '../protocol/messages.ts';
import { createTokens } from './auth/tokens.ts';
import {
  assertHeartbeat,
  assertIdleTimeout,
  DEAD_WITHIN_S,
  heartbeatOf,
  PING_WITHIN_S,
} from './heartbeat.ts';
import { createGateway } from './index.ts';
import { assertLimits, LIMITS } from './limits.ts';
import type { GatewayOptions } from './options.ts';
import { clientFrame, upgradeRequest } from './rfc6455/rawClient.ts';
import { counting, FakeDirectory, FakeDoor, optionsFor, signingKey } from './testing/town.ts';

/**
 * Peers that died without a word, over bare TCP: nobody but the heartbeat of the transport can notice them. The gateway of
 * these tests has the shortest silence that the transport knows, so that they take seconds; a town has 40 s.
 */

/** What every transport was told, as the library was told it. */
const told = vi.hoisted(() => [] as { idleTimeout?: number; sendPingsAutomatically?: boolean }[]);
vi.mock('uWebSockets.js', async real => {
  const library = await real<typeof import('uWebSockets.js')>();
  const App: typeof library.App = (...options) => {
    const app = library.App(...options);
    const ws = app.ws.bind(app);
    app.ws = ((path, behavior) => {
      told.push(behavior);
      return ws(path, behavior);
    }) as typeof app.ws;
    return app;
  };
  return { ...library, App };
});

/** A busy machine may take its time; nobody waits longer than needed. */
const PATIENCE = { timeout: 40_000 };
const SHORT_S = 8;
const PING = 9;
const PONG = 10;
const BINARY = 2;

const town = async (rest: Partial<GatewayOptions> = {}) => {
  const metrics = counting();
  const signingKeys = [signingKey()];
  const tokens = createTokens(signingKeys, 900);
  const door = new FakeDoor();
  const gateway = createGateway(optionsFor(door, new FakeDirectory(), { metrics, signingKeys, ...rest }));
  const { realtimePort: port } = await gateway.start();
  onTestFinished(() => gateway.stop(0));
  return { door, gateway, metrics, tokens, port };
};
type Town = Awaited<ReturnType<typeof town>>;

/** A phone of bytes: it answers nothing by itself. */
class Peer {
  readonly userId: string;
  readonly tcp: Tcp;
  /** What came, by opcode: pings of the heartbeat, close frames. */
  readonly opcodes: number[] = [];
  readonly heard: string[] = [];
  over = false;
  /** What it does with a ping. */
  pinged: (payload: Buffer) => void = () => {};
  upgraded = false;
  private bytes = Buffer.alloc(0);

  constructor(userId: string, port: number) {
    this.userId = userId;
    this.tcp = connect({ port, host: '127.0.0.1' });
    this.tcp.on('error', () => {});
    this.tcp.on('close', () => {
      this.over = true;
    });
    this.tcp.on('data', piece => {
      this.bytes = Buffer.concat([this.bytes, piece]);
      this.read();
    });
    onTestFinished(() => void this.tcp.destroy());
  }

  say(frame: ClientFrame): void {
    this.tcp.write(clientFrame({ opcode: BINARY, payload: encodeClientFrame(frame) }));
  }

  count(opcode: number): number {
    return this.opcodes.filter(one => one === opcode).length;
  }

  private read(): void {
    if (!this.upgraded) {
      const end = this.bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.upgraded = true;
      this.bytes = this.bytes.subarray(end + 4);
    }
    for (;;) {
      const { bytes } = this;
      if (bytes.length < 2) return;
      const at = bytes[1] === 126 ? 4 : 2;
      if (bytes.length < at) return;
      const end = at + (at === 4 ? bytes.readUInt16BE(2) : bytes[1]!);
      if (bytes.length < end) return;
      const payload = Buffer.from(bytes.subarray(at, end));
      const opcode = bytes[0]! & 15;
      this.bytes = bytes.subarray(end);
      this.opcodes.push(opcode);
      if (opcode === BINARY) this.heard.push(decodeServerFrame(payload).type);
      if (opcode === PING) this.pinged(payload);
    }
  }
}

/** One that was welcomed. */
const peer = async ({ tokens, port }: Town, n: number): Promise<Peer> => {
  const userId = `01900000-0000-7000-8000-00000000000${n}`;
  const one = new Peer(userId, port);
  const token = await tokens.mint({ userId, kind: 'civilian', handle: `p${n}`, deviceId: 'phone-1' });
  one.tcp.write(upgradeRequest());
  await expect.poll(() => one.upgraded, PATIENCE).toBe(true);
  one.say({ type: 'hello', version: 1, token, deviceId: 'phone-1', app: 't', resume: null });
  await expect.poll(() => one.heard[0], PATIENCE).toBe('welcome');
  return one;
};

test('who answers pings stays, who speaks stays; the dead are cut and detached, whatever is said to them', {
  timeout: 90_000,
}, async () => {
  const here = await town({ idleTimeoutS: SHORT_S });
  const silent = await peer(here, 1);
  const deaf = await peer(here, 2);
  const spokenTo = await peer(here, 3);
  const answering = await peer(here, 4);
  const speaking = await peer(here, 5);

  deaf.tcp.pause();
  answering.pinged = payload => answering.tcp.write(clientFrame({ opcode: PONG, payload }));
  const { session } = here.door.asked.find(one => one.to.id === spokenTo.userId)!.message;
  let offset = 0;
  const talking = setInterval(() => {
    const event = encodeEvent('sharing.ended', ++offset, spokenTo.userId, { reason: 'timeout' });
    if (offset < LIMITS.eventsBehind) here.gateway.sink.push([session!], event, 'durable');
    speaking.say({ type: 'ack', offset });
  }, 1_000);
  onTestFinished(() => clearInterval(talking));

  const dead = [silent, deaf, spokenTo];
  const gone = () =>
    here.door
      .heard('detach')
      .map(one => one.to.id)
      .toSorted();
  await expect.poll(gone, PATIENCE).toEqual(dead.map(one => one.userId));
  deaf.tcp.resume();
  await expect.poll(() => dead.map(one => one.over), PATIENCE).toEqual([true, true, true]);
  // asked once whether they live, and then cut without a close frame: nobody would have read it
  expect([silent.count(PING), silent.count(8)]).toEqual([1, 0]);
  expect(spokenTo.count(PING)).toBe(1);
  expect(spokenTo.heard.filter(type => type === 'event').length).toBeGreaterThan(2);
  expect(here.metrics.counts.get('rt_close_total 1006 client')).toBe(3);
  // twice the time that kills: the living are still heard
  await expect.poll(() => answering.count(PING), PATIENCE).toBeGreaterThanOrEqual(3);
  for (const one of [answering, speaking]) {
    one.say({ type: 'ping', n: 7 });
    // not the last that was heard: the gateway asks for a round trip whenever it likes
    await expect.poll(() => one.heard.includes('pong'), PATIENCE).toBe(true);
    expect(one.over).toBe(false);
  }
  expect(gone()).toHaveLength(3);
});

/** Forty seconds of waiting prove it with the numbers of a town; by hand, as it is the transport's clock that runs. */
test.runIf(process.env.HEYBLUE_REAL_HEARTBEAT === '1')(
  'with the real numbers: a silent peer is pinged within 25 s and cut within 40 s, one that answers stays',
  { timeout: 120_000 },
  async () => {
    const here = await town();
    const silent = await peer(here, 1);
    const answering = await peer(here, 2);
    answering.pinged = payload => answering.tcp.write(clientFrame({ opcode: PONG, payload }));
    const beganMs = performance.now();
    const s = (): number => Math.round((performance.now() - beganMs) / 100) / 10;
    let pingedS = 0;
    silent.pinged = () => {
      pingedS = s();
    };
    await expect.poll(() => silent.over, { timeout: 60_000, interval: 50 }).toBe(true);
    const cutS = s();
    console.info(`pinged after ${pingedS} s, cut after ${cutS} s of silence`);
    expect([pingedS > 0 && pingedS <= PING_WITHIN_S, cutS <= DEAD_WITHIN_S]).toEqual([true, true]);
    expect([answering.over, here.door.heard('detach').map(one => one.to.id)]).toEqual([
      false,
      [silent.userId],
    ]);
  },
);

test('a town that says nothing about it pings within 25 s and gives up within 40 s', async () => {
  told.length = 0;
  await town();
  expect(told).toMatchObject([{ idleTimeout: LIMITS.idleTimeoutS, sendPingsAutomatically: true }]);
  const { pingAfterS, deadAfterS } = heartbeatOf(told[0]!.idleTimeout!);
  expect(pingAfterS).toBeLessThanOrEqual(PING_WITHIN_S);
  expect(deadAfterS).toBeLessThanOrEqual(DEAD_WITHIN_S);
  expect([PING_WITHIN_S, DEAD_WITHIN_S]).toEqual([25, 40]);
  expect(() => assertLimits()).not.toThrow();
});

test('what the transport makes of its number: a margin of 4, 8 or 16 s', () => {
  expect([8, 15, 16, 31, 32, 40, 960].map(s => heartbeatOf(s).pingAfterS)).toEqual([
    4, 11, 8, 23, 16, 24, 944,
  ]);
});

test.each([
  ['a ping that comes too late', 41, 25],
  ['a dead peer that lives on', 60, 25],
  ['a margin that is a bad second on the train', 24.5, 20],
  ['a client that is told to ping too seldom', 40, 26],
  ['no idle time-out', 0, 25],
  ['one that ends the process', 7, 5],
])('%s stops the node at its start', (_what, idleTimeoutS, pingS) => {
  expect(() => assertHeartbeat(idleTimeoutS, pingS)).toThrow();
});

test('a gateway is not made with a silence that the transport does not survive', () => {
  for (const idleTimeoutS of [0, 7, 961, 8.5]) {
    const options = optionsFor(new FakeDoor(), new FakeDirectory(), { idleTimeoutS });
    expect(() => createGateway(options)).toThrow();
    expect(() => assertIdleTimeout(idleTimeoutS)).toThrow();
  }
});
