/**
 * The one file that touches uWebSockets.js. Its rules, each of which has bitten someone: methods throw on a socket
 * that has closed; `close` runs inside `end`; the bytes of a message are taken back when the handler returns; `send`
 * answers 2 when it dropped the message, and drops close frames the same way; a request is dead after the first
 * `await`, so what is needed of it is copied first, and an answer that comes later is corked; a bad `idleTimeout` ends the
 * process; a listening port can be shared with another process unless it is taken exclusively.
 *
 * TLS: an app takes its certificate when it is made. A renewed one is a new app that takes the port over in one turn of the
 * event loop; the apps before it keep their sockets, and a connection that nobody had accepted yet is reset, so its phone
 * tries again. (One app that accepts for others would reset nobody, but in this version that writes outside of its memory.)
 * An app that was replaced is kept to the end: the library frees none before the process, closed or not (measured: 35 KB each,
 * a few a year).
 *
 * What it does by itself (tested in `halfOpen.test.ts`): a connection that has not sent a whole request after 10 s is cut,
 * slow header lines do not prolong that; more than 4 KB of headers are answered with 431 and cut.
 */
import {
  App,
  type HttpRequest,
  type HttpResponse,
  SSLApp,
  type TemplatedApp,
  type us_listen_socket,
  us_listen_socket_close,
  type us_socket,
  us_socket_local_port,
  type WebSocket,
} from 'uWebSockets.js';
import type { Log } from '../nodes/ports.ts';
import { SUBPROTOCOL } from '../protocol/catalogue.ts';
import { CLOSE } from '../protocol/errors.ts';
import type { Identity } from './auth/tokens.ts';
import { LIMITS } from './limits.ts';
import { peerAddress } from './peer.ts';
import { PortInUse } from './portInUse.ts';
import { type TlsFiles, TlsUnusable } from './tls.ts';
import {
  CLOSED,
  type Listener,
  type Socket,
  type Transport,
  type Turned,
  type Welcome,
} from './transport.ts';

/** uSockets' option of that name; exported by the pack, missing in its types. */
const LISTEN_EXCLUSIVE_PORT = 1;

/**
 * Its TLS cannot be told a lowest version, and speaks 1.2 as well. This is a suite of 1.2 that needs a key shared
 * beforehand, which nobody has; those of 1.3 are not touched by the setting.
 */
const NO_SUITE_BEFORE_1_3 = 'ECDHE-PSK-CHACHA20-POLY1305';

interface Data<D> {
  socket: UwsSocket<D>;
}
type Native<D> = WebSocket<Data<D>> & Data<D>;

class UwsSocket<D> implements Socket<D> {
  data: D | null = null;
  readonly address: string;
  readonly trace: string;
  readonly bearer: Identity | null;
  /** Null once the socket has closed: the native object throws from then on. */
  native: Native<D> | null = null;

  constructor(address: string, trace: string, bearer: Identity | null) {
    this.address = address;
    this.trace = trace;
    this.bearer = bearer;
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
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  426: '426 Upgrade Required',
  429: '429 Too Many Requests',
  503: '503 Service Unavailable',
} as const;

type Answer = Omit<Turned, 'status'> & { readonly status: keyof typeof STATUS };

const answer = (res: HttpResponse, { status, message, retryAfterS }: Answer): void => {
  res.writeStatus(STATUS[status]).writeHeader('content-type', 'application/json; charset=utf-8');
  if (retryAfterS !== undefined) res.writeHeader('retry-after', String(retryAfterS));
  if (status === 426) res.writeHeader('upgrade', 'websocket').writeHeader('sec-websocket-version', '13');
  if (status === 401) res.writeHeader('www-authenticate', 'Bearer realm="heyblue"');
  const error = { code: status, message, retryable: status === 429 || status === 503 };
  res.end(JSON.stringify({ error }), true);
};

/**
 * Answers in the next turn. A second request that came in the same packet finds the first one unanswered, and the library
 * cuts the connection: so one connection is one request here, and is counted once.
 */
const answerLater = (res: HttpResponse, answered: Answer): void => {
  let gone = false;
  res.onAborted(() => {
    gone = true;
  });
  setImmediate(() => {
    if (!gone) res.cork(() => answer(res, answered));
  });
};

const latin = new TextDecoder('latin1');

const textOf = (address: ArrayBuffer): string => latin.decode(address);

/** The library looks at the key alone; RFC 6455, 4.2.1 asks for these as well. */
const asksForWebSocket = (req: HttpRequest): boolean =>
  req.getHeader('sec-websocket-version') === '13' &&
  req.getHeader('upgrade').toLowerCase() === 'websocket' &&
  /\bupgrade\b/i.test(req.getHeader('connection'));

/** Every X-Forwarded-For, in order: a proxy may add a line of its own instead of lengthening the one that was there. */
const forwardedFor = (req: HttpRequest): string => {
  const seen: string[] = [];
  req.forEach((name, value) => {
    if (name === 'x-forwarded-for') seen.push(value);
  });
  return seen.join(',');
};

export interface UwsOptions {
  readonly path: string;
  /** Names the port in the sentence of {@link PortInUse}. */
  readonly setting: string;
  /** Seconds of silence after which a peer is given up. Default {@link LIMITS}. */
  readonly idleTimeoutS?: number;
  /** Proxies in front whose X-Forwarded-For is believed. */
  readonly trustedProxyHops: number;
  /** Speaks TLS 1.3 with what these files hold; absent: plain, behind a proxy that speaks it. */
  readonly tls?: TlsFiles;
  readonly log: Log;
}

/** Serves one path to `listener`. Throws {@link TlsUnusable} when the files of `tls` cannot be used. */
export const uwsTransport = <D>(options: UwsOptions, listener: Listener<D>): Transport => {
  const { setting, tls } = options;
  const apps: TemplatedApp[] = [];
  let listening: us_listen_socket | null = null;
  /** Where it shall listen; null before and after. */
  let at: { readonly host: string; readonly port: number } | null = null;

  const make = (): TemplatedApp => {
    const app = tls === undefined ? App() : secureApp(tls);
    serve(app, options, listener);
    return app;
  };
  const unlisten = (): void => {
    if (listening !== null) us_listen_socket_close(listening);
    listening = null;
  };
  const stopListening = (): void => {
    at = null;
    unlisten();
  };
  const listenWith = (app: TemplatedApp, host: string, port: number): boolean => {
    // The native listen takes (host, port, options, callback); its types do not know that form. It answers at once.
    const listen = app.listen as unknown as (
      host: string,
      port: number,
      options: number,
      done: (token: us_listen_socket | false) => void,
    ) => void;
    listen.call(app, host, port, LISTEN_EXCLUSIVE_PORT, token => {
      listening = token || null;
    });
    return listening !== null;
  };
  apps.push(make());

  const renew = (): void => {
    const fresh = make();
    const before = apps.at(-1)!;
    if (at !== null) {
      unlisten();
      if (!listenWith(fresh, at.host, at.port)) {
        fresh.close();
        const again = listenWith(before, at.host, at.port);
        throw new TlsUnusable(
          `The port could not be taken over; the old certificate ${again ? 'stays' : 'is lost, too'}.`,
        );
      }
    }
    apps.push(fresh);
  };

  return {
    listen: async (host, port) => {
      const app = apps.at(-1)!;
      const portOf = (): number => us_socket_local_port(listening as unknown as us_socket);
      if (!listenWith(app, host, port)) throw new PortInUse(host, port, setting);
      at = { host, port: portOf() };
      // A port that was chosen by the system can be taken over only if it was asked for by its number.
      if (tls !== undefined && port === 0) {
        unlisten();
        if (!listenWith(app, host, at.port)) throw new PortInUse(host, at.port, setting);
      }
      return at.port;
    },
    stopListening,
    ...(tls && { renew }),
    close: () => {
      stopListening();
      for (const app of apps) app.close();
    },
  };
};

const secureApp = (tls: TlsFiles): TemplatedApp => {
  try {
    return SSLApp({
      cert_file_name: tls.cert,
      key_file_name: tls.key,
      ssl_ciphers: NO_SUITE_BEFORE_1_3,
    });
  } catch {
    throw new TlsUnusable(`The files of TLS_CERT and TLS_KEY cannot be used: ${tls.cert}, ${tls.key}.`);
  }
};

/** Gives an app its routes. */
const serve = <D>(app: TemplatedApp, options: UwsOptions, listener: Listener<D>): void => {
  const { path, trustedProxyHops, log } = options;
  const notWebSocket = `this is a WebSocket; ask for the subprotocol ${SUBPROTOCOL}`;

  /** A throw in a handler is our bug: it costs this socket, never the process. */
  const guarded = (socket: UwsSocket<D>, run: () => void): void => {
    try {
      run();
    } catch (error) {
      log.error({ err: error }, 'a socket handler threw');
      socket.close(CLOSE.internal, 'internal error');
    }
  };
  const bug = (error: unknown): Turned => {
    log.error({ err: error }, 'a socket handler threw');
    return { status: 503, message: 'not now' };
  };

  const coming = (res: HttpResponse): void => {
    const peer = textOf(res.getRemoteAddressAsText());
    if (listener.connected?.(peer) === false) {
      res.close();
      return;
    }
    // Called when it goes without a request; one that sends a request takes this away.
    res.onAborted(() => listener.silent?.(peer));
  };
  // Every connection that comes (+1) or goes (-1), not a filter of anything.
  const follow = app.filter.bind(app);
  if (listener.connected !== undefined) follow((res, count) => void (count > 0 && coming(res)));

  app.ws<Data<D>>(path, {
    maxPayloadLength: LIMITS.transportBytes,
    idleTimeout: options.idleTimeoutS ?? LIMITS.idleTimeoutS,
    maxBackpressure: LIMITS.hardBufferBytes,
    compression: 0,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => {
      const peer = textOf(res.getRemoteAddressAsText());
      listener.spoke?.(peer);
      if (!asksForWebSocket(req)) return answerLater(res, { status: 426, message: notWebSocket });
      const address = peerAddress(peer, trustedProxyHops === 0 ? '' : forwardedFor(req), trustedProxyHops);
      const protocols = req.getHeader('sec-websocket-protocol');
      const origin = req.getHeader('origin');
      const host = req.getHeader('host');
      const key = req.getHeader('sec-websocket-key');
      const extensions = req.getHeader('sec-websocket-extensions');
      const trace = req.getHeader('traceparent');
      const decide = (answered: Turned | Welcome | null): void => {
        if (answered !== null && 'status' in answered) return answerLater(res, answered);
        const socket = new UwsSocket<D>(address, trace, answered?.bearer ?? null);
        res.upgrade({ socket }, key, SUBPROTOCOL, extensions, context);
        return;
      };
      let bearer: Promise<Turned | Welcome> | null;
      try {
        const knock = { protocols, origin, host, address };
        const turned = listener.admit(knock);
        if (turned !== null) return decide(turned);
        bearer = listener.bearer?.(knock) ?? null;
      } catch (error) {
        return decide(bug(error));
      }
      if (bearer === null) return decide(null);
      let gone = false;
      res.onAborted(() => {
        gone = true;
      });
      const later = (answered: Turned | Welcome): void => {
        if (gone) return;
        if ('status' in answered) res.cork(() => answer(res, answered));
        else res.cork(() => decide(answered));
      };
      bearer.then(later, error => later(bug(error)));
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
    ping: ws => {
      const { socket } = ws as Native<D>;
      guarded(socket, () => listener.pinged?.(socket));
    },
    pong: ws => {
      const { socket } = ws as Native<D>;
      guarded(socket, () => listener.pinged?.(socket));
    },
    drain: ws => {
      const { socket } = ws as Native<D>;
      guarded(socket, () => listener.drained(socket));
    },
    close: (ws, code) => {
      const { socket } = ws as Native<D>;
      socket.native = null;
      guarded(socket, () => listener.closed(socket, code));
    },
  });
  const other = (status: 404 | 426, message: string) => (res: HttpResponse) => {
    listener.spoke?.(textOf(res.getRemoteAddressAsText()));
    answerLater(res, { status, message });
  };
  app.get(path, other(426, notWebSocket));
  app.any('/*', other(404, `there is nothing here; the socket is at ${path}`));
};
