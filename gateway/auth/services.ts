/**
 * Accounts of machines: whoever keeps one says what happened elsewhere, for others (`rest/scoring.ts`). They stand in a file
 * that operators write (`infra/serviceAccounts.ts`), and get short tokens for their secret (client credentials, RFC 6749 4.4).
 *
 * A secret is drawn, 256 bits, and never chosen by anybody: so a plain digest of it is enough, and checking one costs nothing
 * that could be used against us.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export interface ServiceAccount {
  /** UUID: the client id. */
  readonly id: string;
  /** For logs, and for people. */
  readonly name: string;
  /** SHA-256 of the secret, 64 hexadecimal digits. */
  readonly secretSha256: string;
}

const digestOf = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export class Services {
  readonly #accounts: ReadonlyMap<string, ServiceAccount>;

  constructor(accounts: readonly ServiceAccount[]) {
    this.#accounts = new Map(accounts.map(one => [one.id.toLowerCase(), one]));
  }

  /** Null for an unknown client and for a wrong secret alike. */
  recognise(clientId: string, secret: string): ServiceAccount | null {
    const account = this.#accounts.get(clientId.toLowerCase());
    const stored = Buffer.from(account?.secretSha256 ?? '', 'hex');
    const given = digestOf(secret);
    const isRight = timingSafeEqual(
      given,
      stored.length === given.length ? stored : Buffer.alloc(given.length),
    );
    return account && isRight ? account : null;
  }

  /** Whether there is still such an account: one that was taken out of the file has no use of a token it got before. */
  has(id: string): boolean {
    return this.#accounts.has(id);
  }
}
