import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SUBPROTOCOL } from '../../protocol/catalogue.ts';
import { decodeServerFrame, encodeClientFrame } from '../../protocol/codec.ts';
import { createGateway, type Gateway } from '../index.ts';
import { LIMITS } from '../limits.ts';
import { FakeDirectory, FakeDoor, optionsFor } from '../testing/town.ts';
import { CASES, HANDSHAKES } from './cases.ts';
import { ACCEPT, clientFrame, RawClient, upgradeRequest } from './rawClient.ts';
import { type Echo, startOurs, startWs } from './servers.ts';
import { deviates, page, readPage, rows } from './table.ts';

describe.each([
  ['ours', startOurs],
  ['ws', startWs],
] as const)('%s', (name, start) => {
  let server: Echo;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.stop());

  test.each(HANDSHAKES)('handshake: $what', async one => {
    const client = await RawClient.dial(server.port);
    await client.trickle(one.pieces);
    expect(await client.answer()).toBe(one[name]);
  });

  test.each(CASES)('$section: $what', async one => {
    const client = await RawClient.open(server.port);
    await one.play(client);
    expect(await client.outcome()).toBe(one[name]);
  });

  test('the answer to an upgrade proves that the key was read, names our protocol and no extension', async () => {
    const client = await RawClient.dial(server.port);
    client.write(upgradeRequest({ 'Sec-WebSocket-Extensions': 'permessage-deflate' }));
    await client.until(() => client.head !== null);
    const head = client.head!.toLowerCase();
    expect(client.head).toContain(`Sec-WebSocket-Accept: ${ACCEPT}`);
    expect(head).toContain(`sec-websocket-protocol: ${SUBPROTOCOL}`);
    expect(head).not.toContain('sec-websocket-extensions');
    client.destroy();
  });
});

describe('the page', () => {
  test('lists what the cases say, and every deviation says what it means', () => {
    expect(readPage()).toBe(page(readPage()));
    expect(rows.filter(row => deviates(row) && row.why === undefined).map(row => row.what)).toEqual([]);
    expect(rows.filter(row => !deviates(row) && row.why !== undefined).map(row => row.what)).toEqual([]);
  });
});

describe('the gateway on top of it', () => {
  let gateway: Gateway;
  let port: number;
  let token: string;
  beforeAll(async () => {
    const options = optionsFor(new FakeDoor(), new FakeDirectory(), { rates: null });
    gateway = createGateway(options);
    const ports = await gateway.start();
    port = ports.realtimePort;
    const answer = await fetch(`http://127.0.0.1:${ports.restPort}/v1/signup`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        kind: 'civilian',
        handle: 'raw',
        password: 'correct horse',
        deviceId: 'phone-1',
      }),
    });
    token = ((await answer.json()) as { accessToken: string }).accessToken;
  });
  afterAll(() => gateway.stop(0));

  const hello = (): Uint8Array =>
    encodeClientFrame({ type: 'hello', version: 1, token, deviceId: 'phone-1', app: 'raw/1', resume: null });
  /** The gateway asks for a round trip each second or two. */
  const opened = async (): Promise<RawClient> => {
    const client = await RawClient.open(port);
    client.isIgnored = payload => decodeServerFrame(payload).type === 'ping';
    return client;
  };
  const welcomed = async (): Promise<RawClient> => {
    const client = await opened();
    client.write(clientFrame({ opcode: 2, payload: hello() }));
    await client.until(() => client.diary.length > 0);
    expect(client.diary[0]).toMatch(/^message \d+$/);
    client.diary.length = 0;
    return client;
  };
  const padded = (size: number): Uint8Array => {
    // PING with a text behind it, which receivers ignore: a valid frame of any size
    const payload = new Uint8Array(size).fill(0x20);
    payload.set([0x92, 0x04, 0x01]);
    return payload;
  };

  test('HELLO in fragments, one byte at a time, with pings in between, is welcomed', async () => {
    const client = await opened();
    const bytes = hello();
    const frames = [
      clientFrame({ opcode: 2, payload: bytes.subarray(0, 7), final: false }),
      clientFrame({ opcode: 9, payload: Buffer.from('x') }),
      clientFrame({ opcode: 0, payload: bytes.subarray(7, 8), final: false }),
      clientFrame({ opcode: 0, payload: bytes.subarray(8) }),
    ];
    await client.trickle(Buffer.concat(frames));
    await client.until(() => client.diary.length >= 2);
    expect(await client.outcome()).toMatch(/^pong 1, message \d+, open$/);
  });

  test.each([
    ['a text message', { opcode: 1, payload: Buffer.from('hello') }, 'close 1003'],
    [
      `${LIMITS.inboundBytes + 1} bytes`,
      { opcode: 2, payload: padded(LIMITS.inboundBytes + 1) },
      'close 1009',
    ],
    [`${LIMITS.transportBytes} bytes`, { opcode: 2, payload: padded(LIMITS.transportBytes) }, 'close 1009'],
    [`${LIMITS.transportBytes + 1} bytes`, { opcode: 2, payload: padded(LIMITS.transportBytes + 1) }, 'cut'],
    ['an empty message', { opcode: 2 }, 'close 4000'],
  ])('%s', async (_, frame, became) => {
    const client = await welcomed();
    client.write(clientFrame(frame));
    expect(await client.outcome()).toBe(became);
  });

  test('two messages in one, which the transport lets through, are not read as a frame', async () => {
    const client = await welcomed();
    const one = encodeClientFrame({ type: 'ping', n: 1 });
    client.write(clientFrame({ opcode: 2, payload: one, final: false }));
    client.write(clientFrame({ opcode: 2, payload: one }));
    expect(await client.outcome()).toBe('close 4000');
  });

  test('another subprotocol is refused before the upgrade', async () => {
    const client = await RawClient.dial(port);
    client.write(upgradeRequest({ 'Sec-WebSocket-Protocol': 'chat' }));
    expect(await client.answer()).toBe('HTTP 400');
  });
});
