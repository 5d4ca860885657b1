/**
 * The port for those who run the node, on the loopback only: alive, ready, started, metrics, the cluster, a drain, and what
 * operators do with people (operator/desk.ts). A page in somebody's browser may reach the loopback too, so what changes
 * something is refused to pages, and what concerns a person asks for a token.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getHeapSpaceStatistics } from 'node:v8';
import type { ClusterView } from '../nodes/ports.ts';
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Answer, Request } from './operator/entrance.ts';
import { OPERATOR } from './operator/limits.ts';
import { DESK_ROUTES, MACHINE_ROUTES } from './operator/routes.ts';
import { listenProblem } from './portInUse.ts';

export interface AdminOptions {
  readonly port: number;
  /** Why this node does not serve; empty when it does. */
  readonly notReady: () => readonly string[];
  readonly started: () => boolean;
  readonly exposeMetrics?: () => Promise<{ text: string; contentType: string }>;
  readonly collectGarbage?: () => void;
  readonly cluster?: () => ClusterView;
  readonly regions?: () => object;
  /** Answers all that operators ask for, and all that changes anything, each with its line in the audit log; null for any other route. */
  readonly operators?: (request: Request) => Promise<Answer | null>;
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

/** The JSON of a request; a refusal when it is none, too long or too slow. */
const bodyOf = async (req: IncomingMessage): Promise<Result<unknown>> => {
  const late = setTimeout(() => req.destroy(), OPERATOR.bodyMs);
  try {
    let text = '';
    // not destroyed when it is too long: it is still to be answered
    for await (const chunk of req.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      text += chunk;
      if (text.length > OPERATOR.bodyBytes) return refuse(ERROR.tooLarge, 'the body is too long');
    }
    return ok(JSON.parse(text));
  } catch {
    return refuse(ERROR.malformed, 'the body is no JSON');
  } finally {
    clearTimeout(late);
  }
};

/** The bytes of a request, or a refusal as soon as they are too many or too slow. */
const bytesOf = async (req: IncomingMessage, most: number, ms: number): Promise<Result<Uint8Array>> => {
  const late = setTimeout(() => req.destroy(), ms);
  const tooLong = refuse(ERROR.tooLarge, `the body is longer than ${most} bytes`);
  try {
    if (Number(req.headers['content-length'] ?? 0) > most) return tooLong;
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      length += (chunk as Uint8Array).length;
      if (length > most) return tooLong;
      chunks.push(chunk as Uint8Array);
    }
    return ok(Buffer.concat(chunks));
  } catch {
    return refuse(ERROR.malformed, 'the body ended early');
  } finally {
    clearTimeout(late);
  }
};

const HELP = [
  'GET    /livez /startupz /readyz          whether it is alive, has started, serves',
  'GET    /metrics                          for Prometheus',
  'GET    /admin/cluster                    nodes and owners as this node sees them',
  'GET    /admin/regions                    cells divided among regions, regions under load here',
  '',
  'Audited; heyblue-why: with what it is for:',
  ...MACHINE_ROUTES,
  '',
  'With Authorization: Bearer and the access token of an operator, each access audited; and heyblue-why: with what a change is for:',
  ...DESK_ROUTES,
  '',
].join('\n');

/** Whatever is about people or changes something; anything else is not here. */
const operated = async (
  options: AdminOptions,
  method: string,
  path: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> => {
  const { authorization, 'heyblue-why': why } = req.headers;
  const done = await options.operators?.({
    method,
    path,
    query: new URL(req.url ?? '/', 'http://here').searchParams,
    authorization,
    why: typeof why === 'string' ? Buffer.from(why, 'latin1').toString() : undefined,
    body: () => bodyOf(req),
    bytes: (most, ms) => bytesOf(req, most, ms),
  });
  if (!done) return say(res, 404, HELP);
  for (const [name, value] of Object.entries(done.headers ?? {})) res.setHeader(name, value);
  return sayJson(res, done.status, done.body);
};

const answer = async (
  options: AdminOptions,
  method: string,
  path: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> => {
  switch (`${method} ${path}`) {
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
      return sayJson(res, 200, { ...process.memoryUsage(), heapSpaces: heapSpaces() });
    case 'GET /admin/cluster':
      if (options.cluster === undefined) return say(res, 404, 'no cluster\n');
      return sayJson(res, 200, options.cluster());
    case 'GET /admin/regions':
      if (options.regions === undefined) return say(res, 404, 'no regions\n');
      return sayJson(res, 200, options.regions());
    default:
      return operated(options, method, path, req, res);
  }
};

export const startAdmin = async (options: AdminOptions): Promise<Admin> => {
  const server = createServer((req, res) => {
    if (fromPage(req)) return say(res, 403, 'not for web pages\n');
    const path = (req.url ?? '/').split('?')[0]!;
    answer(options, req.method ?? '', path, req, res).catch(() => {
      if (!res.headersSent) say(res, 500, 'failed\n');
    });
  });
  await listening(server, HOST, options.port, 'HEYBLUE_ADMIN_PORT');
  return opened(server);
};

/** What may be asked from outside of the machine. */
const PROBES = ['/livez', '/startupz', '/readyz', '/metrics'];

/**
 * Probes and metrics on an address that the kubelet and Prometheus reach, which the admin port has not: whoever finds this
 * one can drain nothing and ask after nobody.
 */
export const startProbes = async (options: AdminOptions & { readonly host: string }): Promise<Admin> => {
  const server = createServer((req, res) => {
    const path = (req.url ?? '/').split('?')[0]!;
    if (req.method !== 'GET' || !PROBES.includes(path)) return say(res, 404, `${PROBES.join(' ')}\n`);
    answer(options, 'GET', path, req, res).catch(() => {
      if (!res.headersSent) say(res, 500, 'failed\n');
    });
  });
  await listening(server, options.host, options.port, 'HEYBLUE_PROBE_PORT');
  return opened(server);
};

const opened = (server: Server): Admin => ({
  port: (server.address() as AddressInfo).port,
  close: () =>
    new Promise(resolve => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
});

const listening = (server: Server, host: string, port: number, setting: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(listenProblem(error, host, port, setting));
    });
    server.listen(port, host, resolve);
  });

/** Bytes in use of each of V8's spaces, by its name: which of them grew tells code from objects. */
const heapSpaces = (): Record<string, number> =>
  Object.fromEntries(
    getHeapSpaceStatistics().map(({ space_name, space_used_size }) => [space_name, space_used_size]),
  );
