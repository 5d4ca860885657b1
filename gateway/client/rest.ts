/**
 * The REST doors for applications, by `fetch`. Nothing rejects: a refusal is a value with the server's code, and a
 * network that does not answer is a 503 that may be retried.
 *
 * ```ts
 * const rest = restClient('http://localhost:8080');
 * const ana = await rest.signUp({ kind: 'civilian', handle: 'ana', password, deviceId });
 * if (ana.ok) console.log(await rest.balance(ana.value.accessToken));
 * ```
 */
import type { AccountKind } from '../../protocol/catalogue.ts';
import type { CodeBook } from '../../protocol/codeBook.ts';
import { ERROR, type ErrorCode, ok, type Result, refuse } from '../../protocol/errors.ts';
import { type GivingRest, givingRest } from './giving.ts';
import { type MarketRest, marketRest } from './market.ts';
import { freshUuid, messageOf } from './platform.ts';

export interface SignInRequest {
  readonly handle: string;
  readonly password: string;
  readonly deviceId: string;
}
export interface SignUpRequest extends SignInRequest {
  readonly kind: Exclude<AccountKind, 'operator'>;
  readonly zip?: string;
  /** Badge number, required of officers. */
  readonly badge?: string;
}
export interface Granted {
  readonly userId: string;
  readonly accessToken: string;
  readonly expiresInS: number;
}
export interface Me {
  readonly userId: string;
  readonly kind: AccountKind;
  readonly handle: string;
  readonly zip: string | null;
  readonly createdAtMs: number;
}
export interface DeviceSeen {
  readonly deviceId: string;
  /** Name and version of the app. */
  readonly app: string | null;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  /** The device that asks. */
  readonly current: boolean;
}
export interface Points {
  readonly balance: number;
  readonly version: number;
}
export interface Transaction {
  readonly id: string;
  readonly reason: string;
  readonly delta: number;
  readonly balance: number;
  readonly rule: string;
  readonly atMs: number;
}
export interface Encounter {
  readonly id: string;
  readonly method: string;
  readonly otherHandle: string;
  readonly points: number;
  readonly atMs: number;
}
export interface Page<T> {
  readonly items: readonly T[];
  /** Give it as `before` for the next page; null on the last. */
  readonly next: string | null;
}
export interface PageRequest {
  readonly limit?: number;
  readonly before?: string;
}
export interface QrImage {
  readonly token: string;
  readonly expiresS: number;
  readonly format: 'svg' | 'png' | 'text';
  readonly image: string;
}

export interface RestClient extends GivingRest, MarketRest {
  /** `key` makes a repeat harmless; default a fresh one for each call. */
  signUp(request: SignUpRequest, key?: string): Promise<Result<Granted>>;
  signIn(request: SignInRequest): Promise<Result<Granted>>;
  /** A fresh token for one that is still valid. */
  token(accessToken: string): Promise<Result<Granted>>;
  /** Moves the account to this device. */
  moveDevice(request: SignInRequest): Promise<Result<Granted>>;
  me(accessToken: string): Promise<Result<Me>>;
  /** Devices that the account was seen on, newest first. */
  devices(accessToken: string): Promise<Result<{ readonly items: readonly DeviceSeen[] }>>;
  balance(accessToken: string): Promise<Result<Points>>;
  transactions(accessToken: string, page?: PageRequest): Promise<Result<Page<Transaction>>>;
  encounters(accessToken: string, page?: PageRequest): Promise<Result<Page<Encounter>>>;
  officer(
    accessToken: string,
    userId: string,
  ): Promise<Result<{ readonly handle: string; readonly encounterCount: number }>>;
  qr(accessToken: string, format?: QrImage['format']): Promise<Result<QrImage>>;
  /** With it the phone makes its codes itself (`mintFrom`), also without network. A secret of this device. */
  codeBook(accessToken: string): Promise<Result<CodeBook>>;
}

export interface Ask {
  readonly token?: string;
  readonly body?: object;
  readonly key?: string;
  readonly query?: Record<string, string | number | undefined>;
}

const TIMEOUT_MS = 15_000;

/** @param baseUrl `http://host:8080`, or those of several nodes: one that is not there is passed over */
export const restClient = (
  baseUrl: string | readonly string[],
  fetcher: typeof fetch = (input, init) => fetch(input, init),
): RestClient => {
  const bases = typeof baseUrl === 'string' ? [baseUrl] : baseUrl;
  if (bases.length === 0) throw new TypeError('a client needs an address');
  let nth = 0;
  /** Every request may be made again: what would count twice carries a key. */
  const fetched = async (path: string, init: RequestInit): Promise<[Response, unknown]> => {
    for (let tried = 1; ; tried++) {
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
      try {
        const url = bases[nth]!.replace(/\/+$/, '') + path;
        const answer = await fetcher(url, { ...init, signal: stop.signal });
        return [answer, await answer.json()];
      } catch (error) {
        nth = (nth + 1) % bases.length;
        if (tried >= bases.length) throw error;
      } finally {
        clearTimeout(timer);
      }
    }
  };

  const ask = async <T>(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    { token, body, key, query }: Ask,
  ): Promise<Result<T>> => {
    const asked = Object.entries(query ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
    const headers: Record<string, string> = {};
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (key !== undefined) headers['idempotency-key'] = key;
    try {
      const payload = body === undefined ? {} : { body: JSON.stringify(body) };
      const target = asked.length === 0 ? path : `${path}?${asked.join('&')}`;
      const [answer, read] = await fetched(target, { method, headers, ...payload });
      const value = read as T & { error?: { code: number; message: string; retryable: boolean } };
      if (answer.ok) return ok(value);
      const { code, message, retryable } = value.error ?? {
        code: ERROR.internal,
        message: `HTTP ${answer.status}`,
        retryable: false,
      };
      const retryAfterMs = Number(answer.headers.get('retry-after') ?? 0) * 1_000;
      return { ...refuse(code as ErrorCode, message, retryAfterMs), retryable };
    } catch (error) {
      return refuse(ERROR.unavailable, messageOf(error), 1_000);
    }
  };

  return {
    signUp: (body, key = freshUuid()) => ask('POST', '/v1/signup', { body, key }),
    signIn: body => ask('POST', '/v1/signin', { body }),
    token: token => ask('POST', '/v1/token', { token }),
    moveDevice: body => ask('POST', '/v1/device', { body }),
    me: token => ask('GET', '/v1/me', { token }),
    devices: token => ask('GET', '/v1/me/devices', { token }),
    balance: token => ask('GET', '/v1/balance', { token }),
    transactions: (token, page) => ask('GET', '/v1/transactions', { token, query: { ...page } }),
    encounters: (token, page) => ask('GET', '/v1/encounters', { token, query: { ...page } }),
    officer: (token, userId) => ask('GET', `/v1/officers/${encodeURIComponent(userId)}`, { token }),
    codeBook: token => ask('GET', '/v1/qr/book', { token }),
    qr: (token, format) => ask('GET', '/v1/qr', { token, query: { format } }),
    ...marketRest(ask),
    ...givingRest(ask),
  };
};
