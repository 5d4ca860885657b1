/** What demo and tests ask over REST: sign up as people do, and read what people read. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { AccountKind } from '../../protocol/catalogue.ts';
import type { CodeBook } from '../../protocol/codeBook.ts';
import type { PhoneIdentity } from './phone.ts';

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

interface Granted {
  readonly userId: string;
  readonly accessToken: string;
}

/** Somebody who signed up. */
export interface Person extends PhoneIdentity {
  readonly kind: Exclude<AccountKind, 'operator'>;
  readonly handle: string;
  readonly password: string;
}

export interface BalanceAnswer {
  readonly balance: number;
  readonly version: number;
}

export interface EncounterAnswer {
  readonly items: readonly { readonly id: string; readonly method: string; readonly points: number }[];
  readonly next: string | null;
}

const RETRY_MS = 200;
const SIGN_UP_ATTEMPTS_MAX = 100;

/** REST of one town. */
export class RestClient {
  readonly #base: string;

  constructor(base: string) {
    this.#base = base;
  }

  async call<T>(
    method: string,
    path: string,
    options: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const headers: Record<string, string> = { ...options.headers };
    if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
    if (options.body !== undefined) headers['content-type'] ??= 'application/json';
    const body = typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    const response = await fetch(`${this.#base}${path}`, { method, headers, body });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === '' ? null : JSON.parse(text)) as T,
      headers: response.headers,
    };
  }

  /** Reads something that must be there. */
  async read<T>(path: string, token?: string): Promise<T> {
    const { status, body } = await this.call<T>('GET', path, token === undefined ? {} : { token });
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** With it a phone shows codes and signs scans without network. */
  codeBook(token: string): Promise<CodeBook> {
    return this.read<CodeBook>('/v1/qr/book', token);
  }

  #signUp(person: object, key: string): Promise<Answer<Granted>> {
    return this.call<Granted>('POST', '/v1/signup', { body: person, headers: { 'idempotency-key': key } });
  }

  /** Signs up; an officer needs a badge of the roster. */
  async signUp(kind: Person['kind'], handle: string, badge?: string): Promise<Person> {
    const password = randomBytes(12).toString('base64url');
    const deviceId = `phone-${handle}`;
    const person = { kind, handle, password, deviceId, ...(badge === undefined ? {} : { badge }) };
    const { status, body } = await this.#signUp(person, crypto.randomUUID());
    if (status !== 201) throw new Error(`sign-up of ${handle}: ${status} ${JSON.stringify(body)}`);
    return { kind, handle, password, deviceId, userId: body.userId, token: body.accessToken };
  }

  /** Signs up, or in when this was done before; null when the badge or the handle belongs to somebody else. */
  async signUpOrIn(
    kind: Person['kind'],
    handle: string,
    password: string,
    badge: string,
  ): Promise<Person | null> {
    const deviceId = `phone-${handle}`;
    const person = { kind, handle, password, deviceId };
    const up = await this.#signUp({ ...person, badge }, crypto.randomUUID());
    if (up.status === 201) return { ...person, userId: up.body.userId, token: up.body.accessToken };
    if (up.status >= 500 || up.status === 429) throw new Error(`sign-up of ${handle}: ${up.status}`);
    const signIn = { handle, password, deviceId };
    const { status, body } = await this.call<Granted>('POST', '/v1/signin', { body: signIn });
    return status === 200 ? { ...person, userId: body.userId, token: body.accessToken } : null;
  }

  /** Signs somebody up through every outage: the same request with the same key until the answer is certain. */
  async signUpSurely(kind: Person['kind'], handle: string): Promise<string> {
    const person = {
      kind,
      handle,
      password: randomBytes(12).toString('base64url'),
      deviceId: `phone-${handle}`,
    };
    const key = crypto.randomUUID();
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#signUp(person, key).catch(() => null);
      if (answer?.status === 201) return answer.body.userId;
      const passing = answer === null || answer.status === 429 || answer.status >= 500;
      if (!passing || attempt >= SIGN_UP_ATTEMPTS_MAX) {
        throw new Error(`sign-up of ${handle}: ${answer?.status} ${JSON.stringify(answer?.body)}`);
      }
      await pause(RETRY_MS);
    }
  }

  balance(token: string): Promise<BalanceAnswer> {
    return this.read('/v1/balance', token);
  }

  encounters(token: string): Promise<EncounterAnswer> {
    return this.read('/v1/encounters?limit=100', token);
  }

  /** Ids of all encounters of a person, page by page. */
  async everyEncounter(token: string): Promise<Set<string>> {
    const ids = new Set<string>();
    let before: string | null = null;
    do {
      const path: string = `/v1/encounters?limit=100${before === null ? '' : `&before=${before}`}`;
      const page: EncounterAnswer = await this.read(path, token);
      for (const { id } of page.items) ids.add(id);
      before = page.next;
    } while (before !== null);
    return ids;
  }
}

/** Badge numbers that the first start of a town wrote into its folder. */
export const badgesOf = (dataDir: string): string[] =>
  readFileSync(join(dataDir, 'roster.txt'), 'utf8')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
