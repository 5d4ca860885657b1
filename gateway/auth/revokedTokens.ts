/**
 * The list of revoked tokens, in the shape in which a door asks: is this one on it? Whatever was revoked of a user, and in
 * whatever order it became known, three values hold it: the latest revocation with the device that it spared, and the
 * latest one that did not spare that device.
 */
import type { Revocation } from '../../nodes/ports.ts';

/** What a token says of itself. */
export interface TokenClaims {
  readonly userId: string;
  readonly deviceId: string;
  readonly tokenId: string;
  readonly issuedAtMs: number;
}

interface Cutoff {
  latestMs: number;
  /** Its device is judged by `otherMs`; null: none was spared. */
  spared: string | null;
  otherMs: number;
  expiresAtMs: number;
}

const NEVER = Number.NEGATIVE_INFINITY;

export class RevokedTokens {
  readonly #users = new Map<string, Cutoff>();
  /** Tokens by id, and when they have expired. */
  readonly #tokens = new Map<string, number>();

  get size(): number {
    return this.#users.size + this.#tokens.size;
  }

  covers({ userId, deviceId, tokenId, issuedAtMs }: TokenClaims): boolean {
    return this.#tokens.has(tokenId) || issuedAtMs <= this.issuedUntilMs(userId, deviceId);
  }

  /** Tokens of this user on this device that were issued until then are revoked. */
  issuedUntilMs(userId: string, deviceId: string): number {
    const cutoff = this.#users.get(userId);
    if (cutoff === undefined) return NEVER;
    return cutoff.spared === deviceId ? cutoff.otherMs : cutoff.latestMs;
  }

  /** False when it was known. */
  add({ userId, tokenId, sparedDevice, issuedUntilMs, expiresAtMs }: Revocation): boolean {
    if (tokenId !== null) {
      const known = this.#tokens.has(tokenId);
      this.#tokens.set(tokenId, Math.max(expiresAtMs, this.#tokens.get(tokenId) ?? 0));
      return !known;
    }
    if (userId === null) return false;
    let cutoff = this.#users.get(userId);
    if (cutoff === undefined) {
      cutoff = { latestMs: NEVER, spared: sparedDevice, otherMs: NEVER, expiresAtMs };
      this.#users.set(userId, cutoff);
    }
    cutoff.expiresAtMs = Math.max(cutoff.expiresAtMs, expiresAtMs);
    const { latestMs, spared, otherMs } = cutoff;
    if (sparedDevice === spared) cutoff.latestMs = Math.max(latestMs, issuedUntilMs);
    else if (issuedUntilMs > latestMs) {
      cutoff.otherMs = latestMs;
      cutoff.spared = sparedDevice;
      cutoff.latestMs = issuedUntilMs;
    } else cutoff.otherMs = Math.max(otherMs, issuedUntilMs);
    return cutoff.latestMs !== latestMs || cutoff.otherMs !== otherMs || cutoff.spared !== spared;
  }

  /** Forgets what speaks of no living token. */
  prune(nowMs: number): void {
    for (const [id, expiresAtMs] of this.#tokens) if (expiresAtMs <= nowMs) this.#tokens.delete(id);
    for (const [id, { expiresAtMs }] of this.#users) if (expiresAtMs <= nowMs) this.#users.delete(id);
  }
}
