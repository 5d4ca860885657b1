/**
 * What the suite speaks to: our transport, and the `ws` package with the same limits beside it. Both echo binary messages,
 * close text with 1003, and do what a message tells them: `say N` sends N bytes, `close N` closes.
 */
import { WebSocketServer } from 'ws';
import { SUBPROTOCOL } from '../../protocol/catalogue.ts';
import { CLOSE } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';
import { silent } from '../testing/town.ts';
import type { Listener } from '../transport.ts';
import { uwsTransport } from '../uws.ts';

export interface Echo {
  readonly port: number;
  stop(): void;
}

interface Peer {
  send(bytes: Uint8Array): void;
  close(code: number): void;
}

const heard = (peer: Peer, bytes: Uint8Array, binary: boolean): void => {
  if (!binary) return peer.close(CLOSE.textFrame);
  const [word, number] = bytes.length < 16 ? Buffer.from(bytes).toString('latin1').split(' ') : [];
  if (word === 'say') peer.send(new Uint8Array(Number(number)));
  else if (word === 'close') peer.close(Number(number));
  else peer.send(Uint8Array.from(bytes));
};

/** gateway/uws.ts. */
export const startOurs = async (): Promise<Echo> => {
  const listener: Listener<unknown> = {
    admit: () => null,
    opened: () => {},
    message: (socket, bytes, binary) =>
      heard({ send: out => void socket.send(out), close: code => socket.close(code, '') }, bytes, binary),
    drained: () => {},
    closed: () => {},
  };
  const options = { path: '/v1/ws', setting: 'HEYBLUE_REALTIME_PORT', trustedProxyHops: 0, log: silent };
  const transport = uwsTransport<unknown>(options, listener);
  const port = await transport.listen('127.0.0.1', 0);
  return { port, stop: () => transport.close() };
};

/** The `ws` package, for comparison. */
export const startWs = async (): Promise<Echo> => {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    path: '/v1/ws',
    maxPayload: LIMITS.transportBytes,
    perMessageDeflate: false,
    handleProtocols: () => SUBPROTOCOL,
  });
  server.on('connection', socket => {
    socket.on('error', () => {});
    socket.on('message', (message, binary) =>
      heard(
        { send: out => socket.send(out), close: code => socket.close(code) },
        new Uint8Array(message as Buffer),
        binary,
      ),
    );
  });
  await new Promise(resolve => server.once('listening', resolve));
  return {
    port: (server.address() as { port: number }).port,
    stop: () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
};
