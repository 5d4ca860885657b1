/**
 * People who want to harm a gateway, from addresses of their own in 127.0.0.0/8. Each attack says when it is over and what
 * it met; none of them waits for its victim to be polite.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { encodeClientFrame, SUBPROTOCOL } from '../../../protocol/index.ts';
import type { PhoneIdentity } from '../../swarm/phone.ts';
import { clientFrame, RawSocket } from '../../swarm/socket.ts';

const PING = 9;

/** A request that is half said. */
const HALF = 'GET /v1/ws HTTP/1.1\r\nHost: town\r\nUpgrade: websocket\r\n';

/** TCP connections that are not finished with their request; `end` lets go of them. */
export const halfOpen = async (
  url: string,
  count: number,
  addresses: readonly string[],
): Promise<{ standing(): number; end(): void }> => {
  const { port } = new URL(url);
  const open = new Set<Socket>();
  for (let i = 0; i < count; i++) {
    const tcp = connect({
      port: Number(port),
      host: '127.0.0.1',
      localAddress: addresses[i % addresses.length]!,
    });
    open.add(tcp);
    tcp.on('connect', () => tcp.write(HALF));
    tcp.on('error', () => {});
    tcp.on('close', () => open.delete(tcp));
    if (i % 100 === 99) await pause(20);
  }
  return {
    standing: () => open.size,
    end: () => {
      for (const tcp of open) tcp.destroy();
    },
  };
};

/** Requests that go on for ever, a header line at a time; how long the longest one stood, milliseconds. */
export const slowHeaders = async (
  url: string,
  count: number,
  address: string,
  everyMs: number,
): Promise<number> => {
  const { port } = new URL(url);
  const startedMs = performance.now();
  const stood = Array.from(
    { length: count },
    () =>
      new Promise<number>(resolve => {
        const tcp = connect({ port: Number(port), host: '127.0.0.1', localAddress: address });
        const drip = setInterval(() => tcp.write(`X-Slow: ${Math.random()}\r\n`), everyMs);
        tcp.on('connect', () => tcp.write(HALF));
        tcp.on('error', () => {});
        tcp.on('close', () => {
          clearInterval(drip);
          resolve(performance.now() - startedMs);
        });
      }),
  );
  return Math.max(...(await Promise.all(stood)));
};

/** What became of a socket that said all this, one after the other; `welcomed` asks for more than HELLO. */
export interface Met {
  readonly code: number;
  readonly reason: string;
  readonly frames: number;
}

/** Says HELLO (unless `identity` is null) and then what `say` does; resolves when the server has ended it, or after `msMax`. */
export const says = (
  url: string,
  identity: PhoneIdentity | null,
  say: (socket: RawSocket) => void,
  { address = '127.0.0.1', msMax = 8_000 }: { address?: string; msMax?: number } = {},
): Promise<Met> =>
  new Promise(resolve => {
    let frames = 0;
    let begun = false;
    let over = false;
    const timer = setTimeout(() => done(0, 'still there'), msMax);
    const begin = (): void => {
      if (begun) return;
      begun = true;
      say(socket);
    };
    const done = (code: number, reason: string): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.destroy();
      resolve({ code, reason, frames });
    };
    const socket: RawSocket = new RawSocket({
      url,
      subprotocol: SUBPROTOCOL,
      localAddress: address,
      onOpen: () => {
        if (identity === null) return begin();
        const { token, deviceId } = identity;
        const hello = { type: 'hello', version: 1, token, deviceId, app: 'evil', resume: null } as const;
        return socket.send(encodeClientFrame(hello));
      },
      onMessage: () => {
        frames++;
        begin();
      },
      onClose: done,
    });
  });

/** Pings of the transport, as many as fit. */
export const pings = (socket: RawSocket, count: number): void => {
  const ping = clientFrame(PING, new Uint8Array(4));
  for (let i = 0; i < count; i++) socket.sendFrame(ping);
};

/** Arrays in arrays in arrays. */
export const nested = (depth: number): Uint8Array => new Uint8Array(depth).fill(0x91);

/** A BATCH in a BATCH: `[9, [[9, [[4, 1]]]]]`. */
export const BATCH_IN_BATCH = Uint8Array.of(0x92, 9, 0x91, 0x92, 9, 0x91, 0x92, 4, 1);
