/** Tokens and session ids as text that can be read: what they say is judged as for real ones, their signatures are not. */
import { scopeBits, scopesOf } from '../../../gateway/auth/scopes.ts';
import type { Identity, Tokens } from '../../../gateway/auth/tokens.ts';
import type { SessionIds } from '../../../gateway/sessionIds.ts';
import type { Dice } from '../../../nodes/simulation/dice.ts';
import type { AccountKind } from '../../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../../protocol/errors.ts';

export interface TokenText {
  readonly userId: string;
  readonly kind: AccountKind;
  readonly deviceId: string;
  readonly tokenId: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

const writeToken = (token: TokenText): string => JSON.stringify(token);
export const readToken = (text: string): TokenText => JSON.parse(text) as TokenText;

export class TextTokens implements Tokens {
  readonly ttlS: number;
  readonly jwks = { keys: [] };
  readonly #wallMs: () => number;
  readonly #issuedUntilMs: (userId: string, deviceId: string) => number;
  #made = 0;

  constructor(
    ttlS: number,
    wallMs: () => number,
    issuedUntilMs: (userId: string, deviceId: string) => number,
  ) {
    this.ttlS = ttlS;
    this.#wallMs = wallMs;
    this.#issuedUntilMs = issuedUntilMs;
  }

  async mint(who: {
    readonly userId: string;
    readonly kind: AccountKind;
    readonly deviceId: string;
  }): Promise<string> {
    return this.issue(who);
  }

  /** The same, now. A token says its second only, and is issued later than whatever was revoked. */
  issue({
    userId,
    kind,
    deviceId,
  }: {
    readonly userId: string;
    readonly kind: AccountKind;
    readonly deviceId: string;
  }): string {
    const revokedS = Math.floor(this.#issuedUntilMs(userId, deviceId) / 1_000);
    const issuedAtMs = Math.max(Math.floor(this.#wallMs() / 1_000), revokedS + 1) * 1_000;
    const tokenId = `${String(issuedAtMs).slice(-8)}-0000-4000-8000-${String(++this.#made).padStart(12, '0')}`;
    return writeToken({
      ...{ userId, kind, deviceId, tokenId, issuedAtMs },
      expiresAtMs: issuedAtMs + this.ttlS * 1_000,
    });
  }

  async verify(text: string): Promise<Result<Identity>> {
    const token = readToken(text);
    if (token.expiresAtMs + 5_000 < this.#wallMs()) return refuse(ERROR.tokenExpired, 'expired');
    return ok({ ...token, handle: token.userId, scopes: scopeBits(scopesOf(token.kind)) });
  }
}

/** Ids that name their owner by a number that only the town knows. */
const OWNERS = new Map<string, string>();

export const textSessionIds = (dice: Dice): SessionIds => ({
  mint: ({ userId, deviceId }) => {
    const id = dice.uuid(0);
    OWNERS.set(id, `${userId} ${deviceId}`);
    return id;
  },
  owns: (id, { userId, deviceId }) => OWNERS.get(id) === `${userId} ${deviceId}`,
});

/** Between two towns. */
export const forgetSessionIds = (): void => OWNERS.clear();
