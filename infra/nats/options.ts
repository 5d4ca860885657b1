/**
 * How to reach NATS: settings in, options of the client out. Its defaults give a silent connection six minutes and a lost
 * server twenty seconds before the client closes for good; ours are in limits.ts.
 */
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, credsAuthenticator } from 'nats';
import { NatsMisconfigured } from './failures.ts';
import { NATS_LIMITS } from './limits.ts';

export interface NatsOptions {
  /** NATS_URL: one or several of the same cluster, separated by commas; `nats://` or `tls://`, may hold user and password. */
  readonly url: string;
  /** The file that the URL came from: user and password are read again at each connect, so they may be rotated. */
  readonly urlFile?: string;
  /** NATS_CREDS: a credentials file (JWT and seed); read again at each connect, so it may be rotated. */
  readonly creds?: string;
  /** NATS_CA, NATS_CERT, NATS_KEY: files for TLS. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** NATS_REPLICAS: copies of the bucket; 1 with a single server, 3 with a cluster. Default 1. */
  readonly replicas?: number;
  /** Name of the bucket. Default `heyblue`; several clusters on one NATS take several. */
  readonly bucket?: string;
  /** What the server's own tools show for our connections. */
  readonly name?: string;
  /** How long the first connect may take, in all; the servers may come up later than we do. */
  readonly patienceMs?: number;
}

/** Hosts and ports without credentials, for sentences and logs. */
export function serversOf(url: string): string {
  return addresses(url)
    .map(one => one.host || one.hostname)
    .join(', ');
}

function addresses(url: string): URL[] {
  return url.split(',').map(one => {
    const text = one.trim();
    if (!URL.canParse(text) || !/^(nats|tls):$/.test(new URL(text).protocol) || !new URL(text).hostname) {
      throw new NatsMisconfigured(
        'NATS_URL is not right: it takes addresses like nats://host:4222 or tls://host:4222, separated by commas.',
      );
    }
    return new URL(text);
  });
}

function read(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NatsMisconfigured(`${setting} names ${path}, which cannot be read (${code}).`);
  }
}

/** @throws NatsMisconfigured with one sentence */
export function clientOptions(options: NatsOptions, purpose: string): ConnectionOptions {
  const all = addresses(options.url);
  const login = all.find(one => one.username !== '');
  const secure = all.some(one => one.protocol === 'tls:');
  const files = {
    ...(options.ca && { ca: read(options.ca, 'NATS_CA') }),
    ...(options.cert && { cert: read(options.cert, 'NATS_CERT') }),
    ...(options.key && { key: read(options.key, 'NATS_KEY') }),
  };
  return {
    servers: all.map(one => one.host),
    name: `${options.name ?? 'heyblue'} ${purpose}`,
    pingInterval: NATS_LIMITS.pingMs,
    maxPingOut: NATS_LIMITS.pingsOut,
    timeout: NATS_LIMITS.dialMs,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: NATS_LIMITS.redialMs,
    reconnectJitter: NATS_LIMITS.redialJitterMs,
    reconnectJitterTLS: NATS_LIMITS.redialJitterMs,
    // the start has its own patience and tells one failure from the other
    waitOnFirstConnect: false,
    // credentials that are refused now may be right after a rotation
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    ...(secure || Object.keys(files).length > 0 ? { tls: files } : {}),
    ...(options.creds ? { authenticator: credentials(options.creds) } : {}),
    ...(!options.creds && login
      ? options.urlFile
        ? { authenticator: loginIn(options.urlFile, login) }
        : loginOf(login)
      : {}),
  };
}

function loginOf({ username, password }: URL): { user: string; pass: string } | { token: string } {
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  return pass === '' ? { token: user } : { user, pass };
}

/** User and password as the file says at each connect; the last ones that could be read when it is away for a moment. */
function loginIn(path: string, first: URL): ConnectionOptions['authenticator'] {
  let last = loginOf(first);
  return () => {
    try {
      const login = addresses(readFileSync(path, 'utf8').trim()).find(one => one.username !== '');
      if (login) last = loginOf(login);
    } catch {
      // gone or half-written: whoever writes it is not done
    }
    return 'token' in last ? { auth_token: last.token } : last;
  };
}

/** The file as it is at each connect; the last one that could be read when it is away for a moment. */
function credentials(path: string): ConnectionOptions['authenticator'] {
  let last = read(path, 'NATS_CREDS');
  const sign = (nonce?: string) => credsAuthenticator(new TextEncoder().encode(last))(nonce);
  try {
    sign('a nonce');
  } catch {
    throw new NatsMisconfigured(`NATS_CREDS names ${path}, which is not a NATS credentials file.`);
  }
  return nonce => {
    const before = last;
    try {
      last = readFileSync(path, 'utf8');
      return sign(nonce);
    } catch {
      last = before; // half-written: an authenticator that throws would close the client for good
      return sign(nonce);
    }
  };
}
