/**
 * Access tokens that are no good any more. Tokens are verified without asking anybody, so every door keeps the list of the
 * revoked ones in memory; it is as long as one token life. A revocation takes three ways, each of which is enough:
 *
 *   here       the sockets of this gateway are closed at once
 *   the bus    every other gateway hears of it within milliseconds
 *   the store  the truth; each gateway reads what is new twice a second, and everything when it starts
 *
 * While the store is away a revocation is kept and stored as soon as it is back, by the gateway that made it or, should
 * that one die before, by any that heard of it: each looks whether what it heard has come to stand in the store. While the
 * bus is away the reading does. A door opens only after it has read the list once. Whoever revokes is told when it is not
 * stored yet: only then could it be forgotten, by gateways that start when all that knew of it are dead.
 */
import { randomUUID } from 'node:crypto';
import type { Bus, Log, Metrics, Revocation, RevocationStore } from '../nodes/ports.ts';
import { ERROR, refuse } from '../protocol/errors.ts';
import { isUuid } from '../protocol/ids.ts';
import { RevokedTokens, type TokenClaims } from './auth/revokedTokens.ts';
import { LIMITS } from './limits.ts';

export interface RevocationsOptions {
  readonly store: RevocationStore;
  /** Null for a gateway that is alone. */
  readonly bus: Bus | null;
  /** Where the gateways of one town tell each other. */
  readonly subject: string;
  /** Milliseconds that a token may live. */
  readonly tokenLifeMs: number;
  readonly wallMs: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** What became of a revocation: it holds here and where the bus reaches; `stored` makes it hold everywhere, for good. */
export interface Revoked {
  readonly stored: boolean;
}

/** What is told when it is not stored. */
export const NOT_STORED = refuse(
  ERROR.unavailable,
  'revoked on every node that is alive, but not stored yet: repeat it until it is, for nodes that start later',
  1_000,
);

/** One that is not known to stand in the store. */
interface Unstored {
  readonly one: Revocation;
  /** It is ours to store; else somebody else's, as long as it may still be alive. */
  ours: boolean;
  /** Times the store was read since without finding it. */
  missed: number;
  stored: boolean;
}

/** After so many reads without it, whoever made it is not there to store it. */
const MISSED_MAX = 3;
const DEVICE_CHARS_MAX = 128;

const VERSION = 1;

/** Where the gateways of a cluster tell each other. */
export const revocationSubject = (cluster: string): string => `hb.r.${cluster}`;

export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #revoked = new RevokedTokens();
  readonly #listeners: (() => void)[] = [];
  /** By their ids. */
  readonly #unstored = new Map<string, Unstored>();
  #cursor: string | null = null;
  #prunedMs = 0;
  #failing = false;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #silence: (() => void) | null = null;
  #telling = false;

  constructor(options: RevocationsOptions) {
    this.#options = options;
  }

  /** Reads the list. Rejects when the store does not answer: nobody may come in before. */
  async start(): Promise<void> {
    const { bus, subject } = this.#options;
    this.#silence = bus?.subscribe(subject, bytes => this.#heard(bytes)) ?? null;
    await this.#read();
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#silence?.();
  }

  /** Whether this token was revoked. */
  covers(token: TokenClaims): boolean {
    return this.#revoked.covers(token);
  }

  /** A token of this user is good only if it is issued after this; Unix milliseconds. */
  issuedUntilMs(userId: string, deviceId: string): number {
    return this.#revoked.issuedUntilMs(userId, deviceId);
  }

  /** Called after the list grew. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Ends every token of the user that was issued until now, except those of one device. */
  user(userId: string, sparedDevice: string | null = null): Promise<Revoked> {
    return this.#revoke({ userId, tokenId: null, sparedDevice });
  }

  /** Ends one token. */
  token(tokenId: string, userId: string | null = null): Promise<Revoked> {
    return this.#revoke({ userId, tokenId, sparedDevice: null });
  }

  /**
   * Asks again for what ended this token, of all tokens of its user when `everywhere`: stores it, if it is not. Null when
   * nothing of that kind waits: what is stored is not revoked again, nor what came after it.
   */
  async again(token: TokenClaims, everywhere: boolean): Promise<Revoked | null> {
    const waiting = [...this.#unstored.values()].filter(({ one }) => ended(one, token, everywhere));
    if (waiting.length === 0) return null;
    for (const entry of waiting) entry.ours = true;
    await this.#tryToStore();
    return { stored: waiting.every(entry => entry.stored) };
  }

  /** Whether this token was revoked, and a repeat of it has something to do. */
  isUnstored(token: TokenClaims): boolean {
    for (const { one } of this.#unstored.values()) if (ended(one, token, false)) return true;
    return false;
  }

  /** Stores what waits and reads what is new; for the timer and for tests. */
  async look(): Promise<void> {
    try {
      await this.#store();
      await this.#read();
      if (this.#failing) this.#options.log.info({}, 'revocations are read again');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        this.#options.log.warn({ err: error }, 'revocations cannot be read; the bus must do');
      this.#failing = true;
    }
  }

  async #revoke(what: Pick<Revocation, 'userId' | 'tokenId' | 'sparedDevice'>): Promise<Revoked> {
    const { bus, subject, tokenLifeMs, wallMs, metrics } = this.#options;
    const nowMs = wallMs();
    const one: Revocation = {
      id: randomUUID(),
      ...what,
      issuedUntilMs: nowMs,
      // clocks of nodes may differ a little
      expiresAtMs: nowMs + tokenLifeMs + LIMITS.revocationSpareMs,
    };
    const entry = this.#keep(one, true);
    this.#apply([one]);
    bus?.publish(subject, encode([one]));
    metrics.count('rt_revocations_total', { kind: what.tokenId === null ? 'user' : 'token' });
    await this.#tryToStore();
    return { stored: entry.stored };
  }

  #keep(one: Revocation, ours: boolean): Unstored {
    const entry: Unstored = { one, ours, missed: 0, stored: false };
    this.#unstored.set(one.id, entry);
    const [oldest] = this.#unstored.keys();
    if (this.#unstored.size > LIMITS.revocationsUnstored) this.#unstored.delete(oldest!);
    return entry;
  }

  async #tryToStore(): Promise<void> {
    try {
      await this.#store();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a revocation waits for the store');
    }
  }

  async #store(): Promise<void> {
    const nowMs = this.#options.wallMs();
    for (const [id, { one }] of this.#unstored) if (one.expiresAtMs <= nowMs) this.#unstored.delete(id);
    const waiting = [...this.#unstored.values()].filter(({ ours, missed }) => ours || missed >= MISSED_MAX);
    if (waiting.length === 0) return;
    await this.#options.store.add(waiting.map(({ one }) => one));
    for (const { one } of waiting) this.#stands(one.id);
  }

  /** It stands in the store. */
  #stands(id: string): void {
    const entry = this.#unstored.get(id);
    if (entry !== undefined) entry.stored = true;
    this.#unstored.delete(id);
  }

  async #read(): Promise<void> {
    const { store, wallMs } = this.#options;
    const { revocations, cursor } = await store.since(this.#cursor);
    this.#cursor = cursor;
    for (const { id } of revocations) this.#stands(id);
    for (const entry of this.#unstored.values()) entry.missed++;
    this.#apply(revocations);
    const nowMs = wallMs();
    this.#revoked.prune(nowMs);
    if (nowMs - this.#prunedMs < LIMITS.revocationPruneMs) return;
    this.#prunedMs = nowMs;
    await store.prune();
  }

  #again(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.look().then(() => this.#again()), LIMITS.revocationPollMs);
    this.#timer.unref();
  }

  #heard(bytes: Uint8Array): void {
    const revocations = decode(bytes);
    if (revocations === null)
      return this.#options.log.warn({}, 'a revocation from another node cannot be read');
    for (const one of revocations) if (!this.#unstored.has(one.id)) this.#keep(one, false);
    this.#apply(revocations);
  }

  /** Those who listen are told once for all that come in one turn. */
  #apply(revocations: readonly Revocation[]): void {
    const nowMs = this.#options.wallMs();
    let grew = false;
    for (const one of revocations) {
      if (one.expiresAtMs > nowMs) grew = this.#revoked.add(one) || grew;
    }
    if (!grew || this.#telling) return;
    this.#telling = true;
    setImmediate(() => {
      this.#telling = false;
      if (!this.#stopped) for (const listener of this.#listeners) listener();
    });
  }
}

const encode = (revocations: readonly Revocation[]): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ v: VERSION, revocations }));

/** Whether this is why the token is no good; `everywhere`: only what ended all of the user counts. */
const ended = (one: Revocation, token: TokenClaims, everywhere: boolean): boolean => {
  if (one.tokenId !== null) return !everywhere && one.tokenId === token.tokenId;
  const spared = one.sparedDevice === token.deviceId;
  return one.userId === token.userId && !spared && token.issuedAtMs <= one.issuedUntilMs;
};

const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
const isIdOrNull = (value: unknown): boolean =>
  value === null || (typeof value === 'string' && isUuid(value));

const isRevocation = (value: unknown): value is Revocation => {
  if (typeof value !== 'object' || value === null) return false;
  const { id, userId, tokenId, sparedDevice, issuedUntilMs, expiresAtMs } = value as Record<string, unknown>;
  return (
    typeof id === 'string' &&
    isUuid(id) &&
    isIdOrNull(userId) &&
    isIdOrNull(tokenId) &&
    (userId !== null || tokenId !== null) &&
    (sparedDevice === null ||
      (typeof sparedDevice === 'string' && sparedDevice.length <= DEVICE_CHARS_MAX)) &&
    isTime(issuedUntilMs) &&
    isTime(expiresAtMs)
  );
};

/** Null when another node said something that is none. */
const decode = (bytes: Uint8Array): readonly Revocation[] | null => {
  try {
    const said = JSON.parse(new TextDecoder().decode(bytes)) as { v?: unknown; revocations?: unknown };
    if (said.v !== VERSION || !Array.isArray(said.revocations)) return null;
    return said.revocations.every(isRevocation) ? said.revocations : null;
  } catch {
    return null;
  }
};
