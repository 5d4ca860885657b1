/** What an actor may ask the store to read. Answers come back as `queried` messages (or hydrate a starting actor). */
import type { AccountKind, Method } from '../protocol/catalogue.ts';
import type { Result } from '../protocol/errors.ts';
import type { Leg, OfferRecord, RuleRef } from './durable.ts';
import type { FeeKind } from './fees.ts';
import type { PairHistory } from './fraud/history.ts';
import type { Opinion } from './fraud/opinion.ts';
import type { Award, ScoreQuery, ScoresQuery } from './scoring.ts';
import type { ActorKind } from './turn.ts';
import type { Lot } from './user/lots.ts';

/** The store's, and what the node answers from the business rules. */
export type Query = StoreQuery | ScoreQuery | ScoresQuery;

export type StoreQuery =
  /** With `freshMs` what was earned within so many milliseconds of the database clock is read, too. */
  | { readonly type: 'user'; readonly id: string; readonly freshMs?: number }
  | { readonly type: 'userByNumber'; readonly number: number }
  /** What is remembered of a command of this user within 24 h; null when there is nothing under this key. */
  | { readonly type: 'command'; readonly user: string; readonly key: string }
  /**
   * Ids of the encounters of these two between two moments of the database clock, both excluded. A scan that was settled
   * later than it was made stands where it was made.
   */
  | {
      readonly type: 'pairMet';
      readonly officer: string;
      readonly civilian: string;
      readonly afterMs: number;
      readonly beforeMs: number;
    }
  /** What the store knows of two people who meet now, for the gates of `fraud/history.ts`. */
  | {
      readonly type: 'pairHistory';
      readonly officer: string;
      readonly civilian: string;
      /** How far back, milliseconds of the database clock; and how many of each are counted at most. */
      readonly withinMs: number;
      readonly pairMax: number;
      readonly officerMax: number;
      readonly civilianMax: number;
    }
  /** An encounter that is or was held; null when there is none of this id. */
  | { readonly type: 'hold'; readonly id: string }
  /** Movements of an account beyond a version, oldest first. */
  | { readonly type: 'movements'; readonly user: string; readonly after: number; readonly limit: number }
  /** An offer with its stock; null when there is none of this id. */
  | { readonly type: 'offer'; readonly id: string }
  /** A redemption, whatever became of it; null when there is none of this id. */
  | { readonly type: 'redemption'; readonly id: string }
  /** Redemptions of a merchant that had this code and were paid within the last hour, newest first. */
  | { readonly type: 'soldByCode'; readonly merchant: string; readonly code: string }
  /** Payments and refunds at a merchant, the newest ones, oldest first. */
  | { readonly type: 'lastSales'; readonly merchant: string; readonly limit: number }
  /** Redemptions that are reserved at a merchant, or by a user; also when their time is over. Oldest first. */
  | { readonly type: 'openRedemptions'; readonly merchant: string }
  | { readonly type: 'myRedemptions'; readonly user: string }
  /** Entries of the ledger with all their sides, those that there are. */
  | { readonly type: 'entries'; readonly ids: readonly string[] }
  /** Points of an account at a moment of the database clock; null when there is no such account. */
  | { readonly type: 'balanceAt'; readonly account: string; readonly atMs: number }
  /** Who is on the other side of a gift, and what was given away: {@link GivingView}. */
  | {
      readonly type: 'giving';
      readonly from: string;
      readonly to: readonly string[];
      /** Why points were given that are counted. */
      readonly reason: string;
    }
  /** A fine or a fee as this person has it to pay; null when there is none of this id for him. */
  | { readonly type: 'fee'; readonly id: string; readonly payer: string }
  /** What the mint gave an account for encounters and promotions in 24 h of the database clock. */
  | { readonly type: 'earned'; readonly account: string }
  /** What is left of what came to an account, by steps of so many milliseconds: {@link UnspentView}; null: no such account. */
  | { readonly type: 'unspent'; readonly account: string; readonly stepMs: number }
  /** What `from` gave for a reason within a time of the database clock, by entry and by who got it; to these only. */
  | {
      readonly type: 'lastGiven';
      readonly from: string;
      readonly to: readonly string[];
      readonly reason: string;
      readonly withinMs: number;
    }
  /** Durable timers of an actor, which are the memory of those that have no table of their own. */
  | { readonly type: 'timers'; readonly kind: ActorKind; readonly id: string }
  /** What actors of these shards committed within the last so many milliseconds of the database clock, newest first. */
  | {
      readonly type: 'settledLately';
      readonly shards: readonly number[];
      readonly withinMs: number;
      readonly limit: number;
    };

/** What an entry moved, the mint's side too. */
export interface EntryView {
  readonly id: string;
  readonly reason: string;
  readonly legs: readonly Leg[];
}

/** One settled meeting as a person sees it. */
export interface EncounterView {
  readonly id: string;
  readonly method: Method;
  readonly otherHandle: string;
  readonly points: number;
  readonly atMs: number;
}

/** The answer of a command with an idempotency key, as it was given. */
export interface RememberedAnswer {
  readonly key: string;
  readonly requestHash: string;
  readonly result: Result<unknown>;
}

/** The stored movement of a command with an idempotency key; enough to give the first reply again. */
export interface RememberedMovement {
  readonly key: string;
  readonly requestHash: string;
  /** Why points moved; `encounter` or the reason of a transfer. */
  readonly reason: string;
  /** Of the encounter, or of the transfer. */
  readonly encounterId: string;
  readonly points: number;
  readonly balance: number;
}

export type RememberedCommand = RememberedAnswer | RememberedMovement;

/** A durable timer that is set; see `turn.durableTimer`. */
export interface TimerView {
  readonly name: string;
  readonly dueAtMs: number;
  readonly message: unknown;
}

/** One movement of an account, as the phones of its owner are told of it. */
export interface Movement {
  readonly transferId: string;
  /** Of the account, after it. */
  readonly version: number;
  readonly delta: number;
  readonly balance: number;
  /** Why points moved; `encounter` or the reason of a transfer. */
  readonly reason: string;
  /** Null for a movement that is no encounter. */
  readonly method: Method | null;
  /** Of the other side of an encounter; else empty. */
  readonly otherHandle: string;
  readonly atMs: number;
}

export interface StoredEvent {
  readonly id: string;
  readonly n: number;
  readonly after: number;
  readonly frame: Uint8Array;
}

/** What is left of a user's events: enough to go on where another life of the actor ended. */
export interface StreamRecord {
  /** Names what the events are stored in: another database, or another history of it, has another name. */
  readonly town: string;
  /** Number of the newest stored event, 0 before the first; then its version of the balance and its lineage. */
  readonly others: number;
  readonly after: number;
  readonly lineage: number;
  /** The last 128 of the last five minutes, newest first, by the store's clock; so are the ages. */
  readonly movements: readonly (Movement & { readonly ageMs: number })[];
  readonly events: readonly (StoredEvent & { readonly ageMs: number })[];
  /** Offsets of events that are kept for longer, by what they are about. */
  readonly told: Readonly<Record<string, number>>;
}

/** Points that were earned, or (negative) taken back by an operator. */
export interface FreshCredit {
  /** Database clock, Unix milliseconds. */
  readonly atMs: number;
  readonly points: number;
}

/** Everything a user actor starts from; one round trip. */
export interface UserRecord {
  readonly id: string;
  readonly kind: AccountKind;
  readonly handle: string;
  /** Small stable number (below 2^48) that QR handles carry. */
  readonly number: number;
  readonly deviceId: string;
  /** Number of the linked device (below 2^16), rises with each move to a new one. */
  readonly deviceNumber: number;
  readonly balance: number;
  readonly balanceVersion: number;
  /** Part of the balance that is set aside. */
  readonly reserved: number;
  readonly encounterCount: number;
  /** The newest 16, newest first. */
  readonly encounters: readonly EncounterView[];
  /** The last 64 of the last 24 h. */
  readonly commands: readonly RememberedCommand[];
  /** When these are 64: of all that are stored of 24 h, the version 7 UUID with the latest time; null when there is none. */
  readonly latestKey: string | null;
  /** Every durable timer of the actor, soonest first. */
  readonly timers: readonly TimerView[];
  readonly stream: StreamRecord;
  /** Absent when it was not asked for. */
  readonly fresh?: readonly FreshCredit[];
}

/**
 * A movement of points with everybody whom it concerns, the mint left out; or an encounter that is held or was rejected,
 * whose sides have no movement (version 0).
 */
export interface SettledLately {
  readonly id: string;
  readonly reason: 'held' | 'rejected' | (string & {});
  /** Null for a movement that is no encounter. */
  readonly method: Method | null;
  readonly atMs: number;
  readonly sides: readonly {
    readonly account: string;
    readonly handle: string;
    readonly delta: number;
    readonly balance: number;
    readonly version: number;
  }[];
  /** Of a refund: what came back, and of which redemption. */
  readonly refunded?: Pick<SaleView, 'redemption' | 'quantity' | 'points'>;
}

/** Somebody who may get points. */
export interface Party {
  readonly id: string;
  readonly kind: AccountKind;
  /** The catalogue of charities and families says so, of this very kind. */
  readonly verified: boolean;
  readonly closed: boolean;
}

export interface GivingView {
  /** Those of the asked who exist. */
  readonly parties: readonly Party[];
  /** What `from` has given for this reason in 24 h (database clock), by its entries. */
  readonly given: readonly { readonly id: string; readonly points: number }[];
}

/** All of it as of one moment. */
export interface UnspentView {
  readonly balance: number;
  readonly reserved: number;
  readonly version: number;
  /** Oldest first; together they are what is not set aside. */
  readonly lots: readonly Lot[];
}

export interface FeeView {
  readonly id: string;
  readonly kind: FeeKind;
  readonly municipality: string;
  readonly title: string;
  readonly points: number;
  /** By this payer; a fine by anybody. */
  readonly paid: boolean;
  readonly withdrawn: boolean;
  /** Database clock, Unix milliseconds. */
  readonly atMs: number;
}

/** An encounter that is held for review, or was. */
export interface HoldView {
  readonly encounterId: string;
  readonly officer: { readonly id: string; readonly handle: string };
  readonly civilian: { readonly id: string; readonly handle: string };
  readonly method: Method;
  /** Database clock of the meeting, Unix milliseconds. */
  readonly atMs: number;
  readonly officerPoints: number;
  readonly civilianPoints: number;
  readonly rule: RuleRef;
  /** By proximity: the rule of meeting, in its version, by which the two stood together. */
  readonly metBy: Pick<RuleRef, 'id' | 'version'> | null;
  /** Bits of `fraud/trust.ts`. */
  readonly trust: number;
  readonly verdict: 'held' | 'released' | 'rejected';
  /** What the location service said of each side's position; null while, or if, nobody could ask it. */
  readonly positions: { readonly officer: Opinion | null; readonly civilian: Opinion | null };
}

/** An offer as its actor starts from it. */
export interface OfferView {
  readonly offer: OfferRecord;
  /** Units that are there, and those of them that are set aside. */
  readonly onHand: number;
  readonly reserved: number;
  /** Of an offer with a limit: how many each user has reserved and bought, and not given back. */
  readonly perUser: Readonly<Record<string, number>>;
}

/** Points and stock that a user set aside at a merchant, and what became of them. */
export interface RedemptionView {
  /** Also of the points that are pending. */
  readonly id: string;
  readonly user: string;
  readonly merchant: string;
  readonly offer: string;
  readonly offerTitle: string;
  readonly quantity: number;
  readonly points: number;
  readonly code: string;
  readonly state: 'reserved' | 'confirmed' | 'cancelled' | 'expired';
  /** Database clock, Unix milliseconds. */
  readonly atMs: number;
  readonly expiresAtMs: number;
  /** What was sold, and what of it was given back. */
  readonly sold: { readonly quantity: number; readonly points: number };
  readonly refunded: { readonly quantity: number; readonly points: number };
  /** Of the payment; null unless it is confirmed. */
  readonly transferId: string | null;
  readonly rule: RuleRef;
}

/** A redemption was paid, or something of it was given back. */
export interface SaleView {
  readonly redemption: RedemptionView;
  readonly state: 'confirmed' | 'refunded';
  /** Of the entry in the ledger. */
  readonly transferId: string;
  readonly quantity: number;
  readonly points: number;
}

export interface QueryAnswers {
  readonly offer: OfferView | null;
  readonly redemption: RedemptionView | null;
  readonly soldByCode: readonly RedemptionView[];
  readonly lastSales: readonly SaleView[];
  readonly openRedemptions: readonly RedemptionView[];
  readonly myRedemptions: readonly RedemptionView[];
  readonly score: Award;
  readonly scores: readonly Award[];
  readonly earned: readonly { readonly id: string; readonly reason: string; readonly points: number }[];
  readonly lastGiven: readonly { readonly id: string; readonly to: string }[];
  readonly timers: readonly TimerView[];
  readonly pairHistory: PairHistory;
  readonly hold: HoldView | null;
  readonly user: UserRecord | null;
  readonly command: RememberedCommand | null;
  readonly userByNumber: string | null;
  readonly pairMet: readonly string[];
  readonly movements: readonly Movement[];
  readonly settledLately: readonly SettledLately[];
  readonly giving: GivingView;
  readonly unspent: UnspentView | null;
  readonly fee: FeeView | null;
  readonly entries: readonly EntryView[];
}
