/**
 * The users domain as it can be asked: what the streams told of people, a moment late. The actors and the ledger know
 * sooner; nobody decides anything by these answers.
 */

export interface OfficerMet {
  readonly officerId: string;
  readonly handle: string;
  readonly encounters: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface Movement {
  readonly id: string;
  /** Of the event, `points.donated` for example. */
  readonly type: string;
  readonly reason: string;
  readonly delta: number;
  /** Of the account after it; null where the account has no single balance. */
  readonly balance: number | null;
  readonly rule: string;
  readonly atMs: number;
}

export interface Donation {
  readonly id: string;
  readonly donorId: string;
  readonly donorKind: string | null;
  readonly points: number;
  readonly atMs: number;
}

export interface GoodsSold {
  readonly offerId: string;
  /** Without what was given back. */
  readonly sales: number;
  readonly quantity: number;
  readonly points: number;
  readonly lastAtMs: number;
}

export interface Participation {
  /** `2026-11-21`, UTC. */
  readonly day: string;
  /** Empty: neither the place nor the civilian's own is known. */
  readonly zip: string;
  readonly civilians: number;
  readonly officers: number;
  readonly encounters: number;
}

/** Newest first, unless it says otherwise; `before` is the id of the last one that is known. Rejects while it is away. */
export interface UsersDomain {
  officersMet(civilian: string, limit: number): Promise<readonly OfficerMet[]>;
  transactions(userId: string, limit: number, before: string | null): Promise<readonly Movement[]>;
  donationsTo(beneficiary: string, limit: number, before: string | null): Promise<readonly Donation[]>;
  /** What sold most, first. */
  goodsSold(merchant: string, limit: number): Promise<readonly GoodsSold[]>;
  /** By day and zip code; `toDay` is within. */
  participation(fromDay: string, toDay: string, limit: number): Promise<readonly Participation[]>;
}
