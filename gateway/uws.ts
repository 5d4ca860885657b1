/**
 * The one file that touches uWebSockets.js. Its rules, each of which has bitten someone: methods throw on a socket
 * that has closed; `close` runs inside `end`; the bytes of a message are taken back when the handler returns; `send`
 * answers 2 when it dropped the message, and drops close frames the same way; a request is dead after the first
 * `await`, so an upgrade is decided without one; a bad `idleTimeout` ends the process; a listening port can be shared
 * with another process unless it is taken exclusively.
 */
import {
  App,
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
  type us_socket,
  us_socket_local_port,
  type WebSocket,
} from 'uWebSockets.js';
import type { Log } from '../nodes/ports.ts';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { CLOSE } from '../protocol/errors.ts';
import { LIMITS } from './limits.ts';
import { peerAddress } from './peer.ts';
import { PortInUse } from './portInUse.ts';
import { CLOSED, type Listener, type Socket, type Transport, type Turned } from './transport.ts';

/** uSockets' option of that name; exported by the pack, missing in its types. */
const LISTEN_EXCLUSIVE_PORT = 1;

interface Data<D> {
  socket: UwsSocket<D>;
}
type Native<D> = WebSocket<Data<D>> & Data<D>;

class UwsSocket<D> implements Socket<D> {
  data: D | null = null;
  readonly address: string;
  readonly trace: string;
  /** Null once the socket has closed: the native object throws from then on. */
  native: Native<D> | null = null;

  constructor(address: string, trace: string) {
    this.address = address;
    this.trace = trace;
  }

  send(bytes: Uint8Array): number {
    return this.native === null ? CLOSED : this.native.send(bytes, true, false);
  }

  bufferedBytes(): number {
    return this.native === null ? 0 : this.native.getBufferedAmount();
  }

  cork(write: () => void): void {
    if (this.native !== null) this.native.cork(write);
  }

  close(code: number, reason: string): void {
    if (this.native !== null) this.native.end(code, reason);
  }
}

const STATUS = {
  400: '400 Bad Request',
  403: '403 Forbidden',
  404: '404 Not Found',
  426: '426 Upgrade Required',
  429: '429 Too Many Requests',
  503: '503 Service Unavailable',
} as const;

const answer = (
  res: HttpResponse,
  status: keyof typeof STATUS,
  message: string,
  retryAfterS?: number,
): void => {
  res.writeStatus(STATUS[status]).writeHeader('content-type', 'application/json; charset=utf-8');
  if (retryAfterS !== undefined) res.writeHeader('retry-after', String(retryAfterS));
  if (status === 426) res.writeHeader('upgrade', 'websocket');
  const error = { code: status, message, retryable: status === 429 || status === 503 };
  res.end(JSON.stringify({ error }), true);
};

const latin = new TextDecoder('latin1');

export interface UwsOptions {
  readonly path: string;
  /** Names the port in the sentence of {@link PortInUse}. */
  readonly setting: string;
  /** Proxies in front whose X-Forwarded-For is believed. */
  readonly trustedProxyHops: number;
  readonly log: Log;
}

/** Serves one path to `listener`. */
export const uwsTransport = <D>(options: UwsOptions, listener: Listener<D>): Transport => {
  const { path, setting, trustedProxyHops, log } = options;
  const app = App();
  let listening: us_listen_socket | null = null;

  /** A throw in a handler is our bug: it costs this socket, never the process. */
  const guarded = (socket: UwsSocket<D>, run: () => void): void => {
    try {
      run();
    } catch (error) {
      log.error({ err: error }, 'a socket handler threw');
      socket.close(CLOSE.internal, 'internal error');
    }
  };

  app.ws<Data<D>>(path, {
    maxPayloadLength: LIMITS.transportBytes,
    idleTimeout: LIMITS.idleTimeoutS,
    maxBackpressure: LIMITS.hardBufferBytes,
    compression: 0,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => {
      const peer = latin.decode(res.getRemoteAddressAsText());
      const address = peerAddress(peer, req.getHeader('x-forwarded-for'), trustedProxyHops);
      const protocols = req.getHeader('sec-websocket-protocol');
      let turned: Turned | null;
      try {
        turned = listener.admit({ protocols, origin: req.getHeader('origin'), address });
      } catch (error) {
        log.error({ err: error }, 'a socket handler threw');
        turned = { status: 503, message: 'not now' };
      }
      if (turned !== null) return answer(res, turned.status, turned.message, turned.retryAfterS);
      const key = req.getHeader('sec-websocket-key');
      const extensions = req.getHeader('sec-websocket-extensions');
      const socket = new UwsSocket<D>(address, req.getHeader('traceparent'));
      res.upgrade({ socket }, key, SUBPROTOCOL, extensions, context);
      return;
    },
    open: ws => {
      const { socket } = ws as Native<D>;
      socket.native = ws as Native<D>;
      guarded(socket, () => listener.opened(socket));
    },
    message: (ws, message, binary) => {
      const { socket } = ws as Native<D>;
      // Written out: a closure for each position would cost more than the position.
      try {
        listener.message(socket, new Uint8Array(message), binary);
      } catch (error) {
        log.error({ err: error }, 'a socket handler threw');
        socket.close(CLOSE.internal, 'internal error');
      }
    },
    drain: ws => {
      const { socket } = ws as Native<D>;
      guarded(socket, () => listener.drained(socket));
    },
    close: ws => {
      const { socket } = ws as Native<D>;
      socket.native = null;
      guarded(socket, () => listener.closed(socket));
    },
  });
  app.get(path, res => answer(res, 426, `this is a WebSocket; ask for the subprotocol ${SUBPROTOCOL}`));
  app.any('/*', res => answer(res, 404, `there is nothing here; the socket is at ${path}`));

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        // The native listen takes (host, port, options, callback); its types do not know that form.
        const listen = app.listen as unknown as (
          host: string,
          port: number,
          options: number,
          done: (token: us_listen_socket | false) => void,
        ) => void;
        listen.call(app, host, port, LISTEN_EXCLUSIVE_PORT, token => {
          if (!token) return reject(new PortInUse(host, port, setting));
          listening = token;
          return resolve(us_socket_local_port(token as us_socket));
        });
      }),
    stopListening: () => {
      if (listening !== null) us_listen_socket_close(listening);
      listening = null;
    },
    close: () => {
      if (listening !== null) us_listen_socket_close(listening);
      listening = null;
      app.close();
    },
  };
};
