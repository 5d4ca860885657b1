import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket as Tcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as secure } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame } from '../protocol/codec.ts';
import { createTokens } from './auth/tokens.ts';
import { createGateway } from './index.ts';
import type { GatewayOptions } from './options.ts';
import { certificate } from './testing/certificates.ts';
import { counting, FakeDirectory, FakeDoor, HandClock, optionsFor, signingKey } from './testing/town.ts';

/**
 * People who want to harm, over bare TCP against the whole gateway: connections by the thousand that say nothing, requests
 * that never end, headers that lie. They come from addresses of their own in 127.0.0.0/8; honest phones from another.
 */

const USER = '01900000-0000-7000-8000-000000000001';
const HONEST = '127.0.0.1';
const EVIL = '127.66.6.6';

const town = async (rest: Partial<GatewayOptions> = {}) => {
  const metrics = counting();
  const signingKeys = [signingKey()];
  const tokens = createTokens(signingKeys, 900);
  const options = optionsFor(new FakeDoor(), new FakeDirectory(), { metrics, signingKeys, ...rest });
  const gateway = createGateway(options);
  const { realtimePort: port } = await gateway.start();
  onTestFinished(() => gateway.stop(0));
  const token = () => tokens.mint({ userId: USER, kind: 'civilian', handle: 'ana', deviceId: 'phone-1' });
  return { port, metrics, token };
};

interface Line {
  readonly tcp: Tcp;
  heard: string;
  /** Resolves with what was heard when it is over. */
  readonly gone: Promise<string>;
  until(what: string): Promise<void>;
}

const line = (port: number, from: string, say = ''): Line => {
  const tcp = connect({ port, host: '127.0.0.1', localAddress: from });
  onTestFinished(() => void tcp.destroy());
  let wake = (): void => {};
  const one: Line = {
    tcp,
    heard: '',
    gone: new Promise(resolve => tcp.on('close', () => resolve(one.heard))),
    until: async what => {
      while (!one.heard.includes(what)) {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
    },
  };
  tcp.on('error', () => {});
  tcp.on('data', data => {
    one.heard += data.toString('latin1');
    wake();
  });
  if (say !== '') tcp.write(say);
  return one;
};

const request = (headers: readonly string[] = [], protocols = SUBPROTOCOL): string =>
  [
    'GET /v1/ws HTTP/1.1',
    'Host: x',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Protocol: ${protocols}`,
    ...headers,
    '',
    '',
  ].join('\r\n');

/** The status of the answer to one handshake. */
const knock = async (port: number, from: string, headers: readonly string[] = []): Promise<string> => {
  const one = line(port, from, request(headers));
  await one.until('\r\n\r\n');
  return /^HTTP\/1.1 (\d+)/.exec(one.heard)![1]!;
};

/** A whole conversation of an honest phone. */
const welcomed = async (port: number, token: string): Promise<string> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, SUBPROTOCOL);
  socket.binaryType = 'arraybuffer';
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error('refused'));
  });
  const hello = { type: 'hello', version: 1, token, deviceId: 'phone-1', app: 't', resume: null } as const;
  socket.send(encodeClientFrame(hello) as Uint8Array<ArrayBuffer>);
  const first = await new Promise<ArrayBuffer>(resolve => {
    socket.onmessage = ({ data }) => resolve(data as ArrayBuffer);
  });
  socket.close();
  return decodeServerFrame(new Uint8Array(first)).type;
};

test('connections by the thousand that say nothing: 64 of an address stand, an honest phone does not notice', async () => {
  const { port, metrics, token } = await town();
  const evil = Array.from({ length: 1_000 }, () => line(port, EVIL));
  await Promise.race(evil.map(one => one.gone));
  expect(await welcomed(port, await token())).toBe('welcome');
  const left = () => evil.filter(one => !one.tcp.destroyed).length;
  await expect.poll(left, { timeout: 20_000 }).toBe(64);
  expect(metrics.counts.get('rt_accept_rejected_total half_open')).toBe(1_000 - 64);
  // those that go make room
  for (const one of evil) one.tcp.destroy();
  await expect
    .poll(() => metrics.counts.get('rt_accept_rejected_total silent'), { timeout: 20_000 })
    .toBe(64);
  expect(await knock(port, EVIL)).toBe('101');
});

test('a request that never ends is cut, however slowly it comes and whatever it says', {
  timeout: 60_000,
}, async () => {
  const { port } = await town();
  const silent = line(port, '127.66.0.1');
  const half = line(port, '127.66.0.2', 'GET /v1/ws HTTP/1.1\r\nHost: x\r\n');
  const drip = line(port, '127.66.0.3', 'GET /v1/ws HTTP/1.1\r\nHost: x\r\n');
  const dripping = setInterval(() => drip.tcp.write('X-a: b\r\n'), 500);
  onTestFinished(() => clearInterval(dripping));
  const heard = await Promise.all([silent.gone, half.gone, drip.gone]);
  for (const text of heard) expect(text).not.toContain('101');
});

test('with TLS, too, a handshake that never comes is cut', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const pair = certificate('one');
  writeFileSync(tls.cert, pair.cert);
  writeFileSync(tls.key, pair.key);
  const { port, metrics } = await town({ tls });
  const evil = Array.from({ length: 100 }, () => line(port, EVIL));
  await expect
    .poll(() => metrics.counts.get('rt_accept_rejected_total half_open'), { timeout: 20_000 })
    .toBe(36);
  const half = line(port, '127.66.0.2', '\x16\x03\x01');
  const whole = secure({ port, host: '127.0.0.1', rejectUnauthorized: false });
  onTestFinished(() => void whole.destroy());
  whole.on('error', () => {});
  await Promise.all([half.gone, ...evil.map(one => one.gone), new Promise(done => whole.on('close', done))]);
});

test('headers without end are answered 431 and cut', async () => {
  const { port } = await town();
  const heard = await line(port, EVIL, request([`X-a: ${'a'.repeat(20_000)}`])).gone;
  expect(heard).toContain('431');
});

test('two requests in one packet are one connection: they free no place of another', async () => {
  const { port, metrics } = await town();
  const waiting = Array.from({ length: 63 }, () => line(port, EVIL));
  await expect.poll(() => waiting.every(one => !one.tcp.connecting), { timeout: 20_000 }).toBe(true);
  const get = 'GET /else HTTP/1.1\r\nHost: x\r\n\r\n';
  await line(port, EVIL, get.repeat(40)).gone;
  const more = Array.from({ length: 5 }, () => line(port, EVIL));
  await expect
    .poll(() => metrics.counts.get('rt_accept_rejected_total half_open'), { timeout: 20_000 })
    .toBe(4);
  for (const one of [...waiting, ...more]) one.tcp.destroy();
});

test('a flood of handshakes from one address gets 429 and a time; another address comes in', async () => {
  const { port, token } = await town({ connectionsPerAddress: 5 });
  const first = await Promise.all(Array.from({ length: 5 }, () => knock(port, EVIL)));
  expect(first).toEqual(Array.from({ length: 5 }, () => '101'));
  const refused = line(port, EVIL, request());
  const answer = await refused.gone;
  expect(answer).toMatch(/^HTTP\/1.1 429 .*retry-after: \d+\r\n/is);
  expect(answer).toContain('"retryable":true');
  expect(await welcomed(port, await token())).toBe('welcome');
});

test('over the bucket of the gateway: 503 and a time, before the upgrade', async () => {
  const { port } = await town({ handshakesPerS: 1, clock: new HandClock() });
  expect(await knock(port, HONEST)).toBe('101');
  const answer = await line(port, EVIL, request()).gone;
  expect(answer).toMatch(/^HTTP\/1.1 503 .*retry-after: 1\r\n/is);
});

test('without trusted proxies a forged X-Forwarded-For changes nothing', async () => {
  const { port } = await town({ connectionsPerAddress: 2 });
  const forged = (n: number) => [`X-Forwarded-For: 9.9.9.${n}`, `Forwarded: for=9.9.9.${n}`];
  const statuses: string[] = [];
  for (let n = 0; n < 3; n++) statuses.push(await knock(port, EVIL, forged(n)));
  expect(statuses).toEqual(['101', '101', '429']);
});

test('behind one proxy only its own entry counts, on whatever line it stands', async () => {
  const { port } = await town({ connectionsPerAddress: 2, trustedProxyHops: 1 });
  const lines = [
    (n: number) => [`X-Forwarded-For: 9.9.9.${n}, 1.1.1.1`],
    (n: number) => [`X-Forwarded-For: 9.9.9.${n}`, 'X-Forwarded-For: 1.1.1.1'],
    (n: number) => [`X-Forwarded-For: 8.8.8.${n}, 7.7.7.7`, 'x-forwarded-for: 6.6.6.6 , 1.1.1.1:80'],
  ];
  const statuses: string[] = [];
  for (const [n, header] of lines.entries()) statuses.push(await knock(port, HONEST, header(n)));
  expect(statuses).toEqual(['101', '101', '429']);
  expect(await knock(port, HONEST, ['X-Forwarded-For: 2.2.2.2'])).toBe('101');
});

const bearing = (token: string): string =>
  `${SUBPROTOCOL}, bearer.${Buffer.from(token).toString('base64url')}`;

test('a token in the handshake: a bad one gets 401 and no socket, a good one a socket that names the app only', async () => {
  const { port, token } = await town();
  const bad = await line(port, EVIL, request([], bearing('a.b.c'))).gone;
  expect(bad).toMatch(/^HTTP\/1.1 401 .*www-authenticate: Bearer/is);
  const good = line(port, HONEST, request([], bearing(await token())));
  await good.until('\r\n\r\n');
  expect(good.heard).toMatch(/^HTTP\/1.1 101 /);
  expect(good.heard).toContain(`${SUBPROTOCOL}\r\n`);
  expect(good.heard).not.toContain('bearer');
});

test('a token in the address is no token, and the address is no other than the path', async () => {
  const { port, token } = await town();
  const one = line(port, HONEST, request().replace('/v1/ws', `/v1/ws?token=${await token()}`));
  await one.until('\r\n\r\n');
  expect(one.heard).toMatch(/^HTTP\/1.1 101 /);
  // it was not looked at: HELLO without a token is refused
  const hello = encodeClientFrame({
    type: 'hello',
    version: 1,
    token: '',
    deviceId: 'phone-1',
    app: 't',
    resume: null,
  });
  one.tcp.write(Buffer.concat([Buffer.from([0x82, 0x80 | hello.length, 0, 0, 0, 0]), hello]));
  expect((await one.gone).slice(-40)).toContain('\x0f\xa2');
});

test('a flood of pings ends with 4103', async () => {
  const { port, token } = await town();
  const one = line(port, HONEST, request([], bearing(await token())));
  await one.until('\r\n\r\n');
  const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
  one.tcp.write(Buffer.concat(Array.from({ length: 200 }, () => ping)));
  expect(await one.gone).toContain('\x10\x07');
});

test('bad or missing origins', async () => {
  const { port } = await town();
  for (const origin of [
    'https://evil.example',
    'null',
    'http://heyblue.example',
    'https://heyblue.example.evil',
  ]) {
    expect(await knock(port, EVIL, [`Origin: ${origin}`])).toBe('403');
  }
  expect(await knock(port, HONEST, ['Origin: https://heyblue.example'])).toBe('101');
  expect(await knock(port, HONEST)).toBe('101');
});
