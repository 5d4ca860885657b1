/**
 * The port for those who run the node, on the loopback only: alive, ready, started, metrics, the cluster, and a drain.
 * A page in somebody's browser may reach the loopback too, so what changes something is refused to pages.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Drained } from '../nodes/departure.ts';
import type { ClusterView } from '../nodes/ports.ts';
import { isUuid } from '../protocol/ids.ts';
import { PortInUse } from './portInUse.ts';

export interface AdminOptions {
  readonly port: number;
  /** Why this node does not serve; empty when it does. */
  readonly notReady: () => readonly string[];
  readonly started: () => boolean;
  readonly exposeMetrics?: () => Promise<{ text: string; contentType: string }>;
  readonly collectGarbage?: () => void;
  readonly cluster?: () => ClusterView;
  readonly drain?: () => Promise<Drained>;
  /** Ends tokens: every one of a user that was issued until now, or a single one. */
  readonly revoke?: (what: { userId: string } | { tokenId: string }) => Promise<{ readonly stored: boolean }>;
}

export interface Admin {
  readonly port: number;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

const say = (res: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
  res.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
};

const sayJson = (res: ServerResponse, status: number, value: object): void =>
  say(res, status, `${JSON.stringify(value)}\n`, 'application/json');

/** Browsers name the page that asks; curl, kubectl and our own commands are none. */
const fromPage = ({ method, headers }: IncomingMessage): boolean =>
  method !== 'GET' && (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined);

const REVOKE = /^POST \/admin\/(users|tokens)\/([^/]+)\/revoke$/;

/** 200 when it holds for good, 202 while it holds where it was heard and waits for the store. */
const revoke = async (
  options: AdminOptions,
  [, which, id = '']: string[],
  res: ServerResponse,
): Promise<void> => {
  if (options.revoke === undefined || !isUuid(id)) return say(res, 404, 'no such user or token\n');
  const { stored } = await options.revoke(
    which === 'users' ? { userId: id.toLowerCase() } : { tokenId: id.toLowerCase() },
  );
  return sayJson(res, stored ? 200 : 202, { stored });
};

const answer = async (options: AdminOptions, route: string, res: ServerResponse): Promise<void> => {
  const revoked = REVOKE.exec(route);
  if (revoked !== null) return revoke(options, revoked, res);
  switch (route) {
    case 'GET /livez':
      return say(res, 200, 'alive\n');
    case 'GET /startupz':
      return options.started() ? say(res, 200, 'started\n') : say(res, 503, 'starting\n');
    case 'GET /readyz': {
      const why = options.notReady();
      return why.length === 0 ? say(res, 200, 'ready\n') : say(res, 503, `${why.join('\n')}\n`);
    }
    case 'GET /metrics': {
      if (options.exposeMetrics === undefined) return say(res, 404, 'no metrics\n');
      const { text, contentType } = await options.exposeMetrics();
      return say(res, 200, text, contentType);
    }
    case 'POST /debug/gc':
      if (options.collectGarbage === undefined) return say(res, 404, 'not switched on\n');
      options.collectGarbage();
      return say(res, 200, `${JSON.stringify(process.memoryUsage())}\n`, 'application/json');
    case 'GET /admin/cluster':
      if (options.cluster === undefined) return say(res, 404, 'no cluster\n');
      return sayJson(res, 200, options.cluster());
    case 'POST /admin/drain': {
      if (options.drain === undefined) return say(res, 404, 'nothing to drain\n');
      const drained = await options.drain();
      return sayJson(res, drained.ok ? 200 : 409, drained);
    }
    default:
      return say(
        res,
        404,
        'GET /livez /readyz /startupz /metrics /admin/cluster, POST /admin/drain /admin/users/{id}/revoke /admin/tokens/{jti}/revoke\n',
      );
  }
};

export const startAdmin = async (options: AdminOptions): Promise<Admin> => {
  const server = createServer((req, res) => {
    if (fromPage(req)) return say(res, 403, 'not for web pages\n');
    const path = (req.url ?? '/').split('?')[0];
    answer(options, `${req.method} ${path}`, res).catch(() => {
      if (!res.headersSent) say(res, 500, 'failed\n');
    });
  });
  await listening(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE' || error.code === 'EACCES';
      reject(taken ? new PortInUse(HOST, port, 'HEYBLUE_ADMIN_PORT') : error);
    });
    server.listen(port, HOST, resolve);
  });
