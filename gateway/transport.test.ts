import { type AddressInfo, connect, createServer, type Socket as Tcp } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { encodeServerFrame } from '../protocol/codec.ts';
import { LIMITS } from './limits.ts';
import { PortInUse } from './portInUse.ts';
import type { Session } from './session.ts';
import { silent } from './testing/town.ts';
import { Wire } from './testing/wire.ts';
import { BUFFERED, CLOSED, DROPPED, type Listener, SENT, type Socket, type Transport } from './transport.ts';
import { uwsTransport } from './uws.ts';

/** What sessions rely on, promised by the pretended socket and by the real one alike. */

const PONG = encodeServerFrame({ type: 'pong', n: 1 });

/** Remembers what a transport told. */
class Ears implements Listener<Session> {
  readonly heard: string[] = [];
  socket: Socket<Session> | null = null;
  onMessage: (socket: Socket<Session>, bytes: Uint8Array, binary: boolean) => void = () => {};
  private wake: (() => void) | null = null;

  admit() {
    return null;
  }
  opened(socket: Socket<Session>) {
    this.socket = socket;
    this.note('opened');
  }
  message(socket: Socket<Session>, bytes: Uint8Array, binary: boolean) {
    this.onMessage(socket, bytes, binary);
    this.note(`message ${bytes.length} ${binary}`);
  }
  drained() {
    this.note('drained');
  }
  closed() {
    this.note('closed');
  }
  async until(what: string): Promise<void> {
    while (!this.heard.includes(what)) {
      await new Promise<void>(resolve => {
        this.wake = resolve;
      });
    }
  }
  private note(what: string) {
    this.heard.push(what);
    this.wake?.();
  }
}

let ears: Ears;
let transport: Transport | null = null;
beforeEach(() => {
  ears = new Ears();
});
afterEach(() => {
  transport?.close();
  transport = null;
});

const listen = async (): Promise<number> => {
  transport = uwsTransport<Session>(
    { path: '/v1/ws', setting: 'HEYBLUE_REALTIME_PORT', trustedProxyHops: 1, log: silent },
    ears,
  );
  return transport.listen('127.0.0.1', 0);
};
const dial = (port: number): WebSocket => {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, SUBPROTOCOL);
  ws.binaryType = 'arraybuffer';
  return ws;
};

const makers: [string, () => Promise<Socket<Session>>][] = [
  ['the pretended socket', async () => new Wire(ears)],
  [
    'uWebSockets.js',
    async () => {
      dial(await listen());
      await ears.until('opened');
      return ears.socket!;
    },
  ],
];

describe.each(makers)('%s', (_name, make) => {
  test('sends, knows what is buffered, and tells its close before close() returns', async () => {
    const socket = await make();
    expect(socket.data).toBeNull();
    expect(socket.address).not.toBe('');
    expect(socket.send(PONG)).toBe(SENT);
    expect(socket.bufferedBytes()).toBe(0);
    socket.close(4000, 'bye');
    expect(ears.heard.filter(one => one === 'closed')).toHaveLength(1);
  });

  test('after its close every call is harmless and says so', async () => {
    const socket = await make();
    socket.close(4000, 'bye');
    socket.close(4001, 'again');
    expect(socket.send(PONG)).toBe(CLOSED);
    expect(socket.bufferedBytes()).toBe(0);
    expect(() => socket.cork(() => socket.send(PONG))).not.toThrow();
    expect(ears.heard.filter(one => one === 'closed')).toHaveLength(1);
  });

  test('it may be closed while it is corked', async () => {
    const socket = await make();
    socket.cork(() => {
      socket.send(PONG);
      socket.close(4000, 'bye');
      expect(socket.send(PONG)).toBe(CLOSED);
    });
    expect(ears.heard.filter(one => one === 'closed')).toHaveLength(1);
  });
});

/** A peer that upgrades and then reads nothing. */
const deafPeer = (port: number): Promise<Tcp> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        `GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: 6.6.6.6, 10.1.2.3\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`,
      );
      socket.once('data', () => {
        socket.pause();
        resolve(socket);
      });
    });
    socket.on('error', () => {});
  });

test('a peer that does not read: sent, then buffered, then dropped; it never costs more than the hard limit', async () => {
  const peer = await deafPeer(await listen());
  await ears.until('opened');
  const socket = ears.socket!;
  expect(socket.address).toBe('10.1.2.3');
  const bytes = new Uint8Array(16_384);
  const seen: number[] = [];
  for (let i = 0; i < 4_000 && seen.at(-1) !== DROPPED; i++) {
    const status = socket.send(bytes);
    if (status !== seen.at(-1)) seen.push(status);
    expect(socket.bufferedBytes()).toBeLessThanOrEqual(LIMITS.hardBufferBytes + bytes.length + 16);
  }
  expect(seen).toEqual([SENT, BUFFERED, DROPPED]);
  peer.resume();
  await ears.until('drained');
  expect(socket.send(PONG)).not.toBe(CLOSED);
  peer.destroy();
  await ears.until('closed');
});

test('bytes of a message are only lent; a handler that throws costs its socket, not the process', async () => {
  const port = await listen();
  let lent: Uint8Array | null = null;
  ears.onMessage = (_socket, bytes) => {
    lent = bytes;
    if (bytes.length === 2) throw new Error('a bug');
  };
  const ws = dial(port);
  await new Promise(resolve => {
    ws.onopen = resolve;
  });
  const gone = new Promise<number>(resolve => {
    ws.onclose = ({ code }) => resolve(code);
  });
  ws.send(new Uint8Array([1]));
  await ears.until('message 1 true');
  await new Promise(resolve => setImmediate(resolve));
  expect(lent!.length).toBe(0);
  ws.send(new Uint8Array([1, 2]));
  expect(await gone).toBe(4100);
  dial(port);
});

test('a port in use by anything, also by another of our own, is told in one sentence', async () => {
  const port = await listen();
  const again = uwsTransport<Session>(
    { path: '/v1/ws', setting: 'HEYBLUE_REALTIME_PORT', trustedProxyHops: 0, log: silent },
    new Ears(),
  );
  await expect(again.listen('127.0.0.1', port)).rejects.toThrow(PortInUse);
  const squatter = createServer();
  await new Promise<void>(resolve => squatter.listen(0, '127.0.0.1', resolve));
  await expect(again.listen('127.0.0.1', (squatter.address() as AddressInfo).port)).rejects.toThrow(
    /^Port \d+ on 127\.0\.0\.1 is already in use.*HEYBLUE_REALTIME_PORT\.$/,
  );
  again.close();
  await new Promise(resolve => squatter.close(resolve));
});
