/** Everything that is said to a user actor: by its gateway sessions, by regions, by other users and by pairs. */
import type { CommandName, Method } from '../../protocol/catalogue.ts';
import type { Location, Resume } from '../../protocol/frames.ts';
import type { RuleRef } from '../durable.ts';
import type { InsistMessage } from '../insist.ts';
import type { Movement } from '../queries.ts';
import type { SessionRef } from '../turn.ts';
import type { PresenceState, PresenceView, Shown } from '../user/presence.ts';
import type { Ending, Redemption } from '../user/redemption.ts';

/** Where a person is, as one actor tells another. Never leaves the node towards a phone, a log or a store. */
export interface Fix {
  readonly latE7: number;
  readonly lngE7: number;
  readonly accuracyDm: number;
  readonly takenAtMs: number;
  /** The middle of a hub, which is so many metres to its edge; absent: a fix of a phone. */
  readonly hubM?: number;
}

/** Commands that may also be given by REST. */
export type OrderName = 'redeem.reserve' | 'redeem.cancel' | 'till.confirm' | 'till.refuse' | 'till.refund';

export type UserMessage =
  /**
   * Ask: a socket said HELLO, with a token for this device. Answer: {@link Attached}; or 503 when a newer connection of
   * the device is attached, 409 when too many devices are. An older session of the device is closed with 4004.
   */
  | {
      readonly type: 'attach';
      readonly session: SessionRef;
      readonly deviceId: string;
      /** One number for each connection, microseconds of the gateway's wall clock: tells older ones from newer ones. */
      readonly connSeq: number;
      readonly resume: Resume | null;
      /** Absent: not known, the client says so if it is not. */
      readonly foreground?: boolean;
    }
  /** A socket is gone. `connSeq` as attached, or 0 from who does not know it; `bye`: on purpose, nobody comes back. */
  | {
      readonly type: 'detach';
      readonly session: SessionRef;
      readonly connSeq: number;
      readonly bye?: boolean;
    }
  /** Ask: answer is `Result<CommandResult<name>>`. `requestHash` is null exactly when the command does not mutate. */
  | {
      readonly type: 'command';
      readonly session: SessionRef;
      readonly name: CommandName;
      readonly body: object;
      readonly key: string | null;
      readonly requestHash: string | null;
    }
  /**
   * Ask: a command of the market that came by REST, so there is no session and no till; the key is derived there from who
   * asks, what for, and the key of the caller. Answer as to `command`.
   */
  | {
      readonly type: 'order';
      readonly name: OrderName;
      readonly body: object;
      readonly key: string;
      readonly requestHash: string;
      /** Of `redeem.reserve`: everything is checked and nothing is kept; the answer is a {@link RedeemPreview}. */
      readonly dry?: true;
    }
  /** Coalesced: while one waits, a newer one takes its place. Answered by a `report.next` frame, or an ERROR frame. */
  | { readonly type: 'location'; readonly session: SessionRef; readonly location: Location }
  | { readonly type: 'ack'; readonly session: SessionRef; readonly offset: number }
  | { readonly type: 'clientState'; readonly session: SessionRef; readonly foreground: boolean }
  /** Ask: answer {@link Balance}. */
  | { readonly type: 'balance' }
  /** Ask: answer `{ token, expiresS }`, a fresh HB1 text. */
  | { readonly type: 'qr' }
  /** Ask: answer `CodeBook`, what the phone needs to show codes without network; 410 to another than the linked device. */
  | { readonly type: 'qrBook'; readonly deviceId: string }
  /** From an area: which officers it tells to be in it (`area.ts`). */
  | {
      readonly type: 'area';
      readonly area: string;
      readonly version: number;
      readonly officers: readonly OfficerRef[];
      /** Hubs that are told to be open; absent from nodes that knew of none. */
      readonly hubs?: readonly HubRef[];
    }
  /** Timer: of the last position not even the coarse cell is kept. */
  | { readonly type: 'forgetCell' }
  /** From a region: somebody else walked the same positions, to the centimetre. */
  | { readonly type: 'suspected'; readonly reason: 'cloned' }
  /** Ask, civilian to officer: answer `{ presence }` of the officer, once his phone was told. */
  | {
      readonly type: 'heyOffered';
      readonly heyId: string;
      readonly civilian: PersonRef;
      readonly fix: Fix;
      /** Areas that know the civilian; the officer must share in one of them. */
      readonly areas: readonly string[];
      readonly expiresAtMs: number;
      /** What speaks against the civilian (`fraud/trust.ts`). */
      readonly trust?: number;
    }
  | {
      readonly type: 'heyClosed';
      readonly heyId: string;
      readonly reason: 'declined' | 'expired' | 'gone' | 'refused';
    }
  /** Ask, scanner to presenter: answer `Result<Presenter>`; at most once per (token, scanner). */
  | {
      readonly type: 'qrShown';
      readonly tokenId: string;
      readonly deviceNumber: number;
      readonly key: string;
      readonly scanner: PersonRef;
      /** Where the scanner is, if he shares it. */
      readonly fix: Fix | null;
    }
  /** Ask, scanner to presenter: a scan made without network. Answer `Result<CommandResult<'qr.upload'>>`. */
  | {
      readonly type: 'scanUploaded';
      readonly deviceNumber: number;
      readonly scan: OfflineScan;
      /** Where the scanner is now, if he shares it; absent from nodes that did not ask. */
      readonly fix?: Fix | null;
    }
  /** Ask, presenter to scanner: the scan came to nothing. Comes until it is answered. */
  | {
      readonly type: 'scanRefused';
      readonly encounterId: string;
      readonly reason: 'duplicate' | 'closed' | 'refused';
    }
  /** Ask, from a pair: an encounter of this user is durable. Comes until it is answered, so it may come twice. */
  | { readonly type: 'encounterSettled'; readonly settled: SettledView }
  /** Ask, from a pair: an encounter of this user waits for an operator. Comes until it is answered. */
  | { readonly type: 'encounterHeld'; readonly held: HeldView }
  /** Ask, from a pair: an encounter that was held stays without points. Comes until it is answered. */
  | { readonly type: 'encounterRejected'; readonly encounterId: string }
  /**
   * From a pair: may this user earn so many points by this encounter, today? Whoever asks may be asked by this user himself,
   * so the answer is told (`earned` of `messages/pair.ts`): {@link Earned}; 409 when no more encounters count in a day. What
   * is let through and comes to nothing is said with `unearn`.
   */
  | {
      readonly type: 'earn';
      readonly id: string;
      readonly points: number;
      readonly limits: EarnLimits;
      /** Goes back with the answer. */
      readonly pair: string;
      readonly tag: string;
    }
  | { readonly type: 'unearn'; readonly id: string }
  /**
   * Ask, inside the nodes: gives points of this user to another. Answer `Result<Given>` once they are durable; a repeat
   * of the key gets the first answer. 409 when the points are not there.
   */
  | {
      readonly type: 'give';
      readonly to: string;
      readonly points: number;
      readonly key: string;
      readonly requestHash: string;
    }
  | SpendMessage
  /**
   * Ask, from an operator's desk: what this entry brought the user goes back where it came from, as a new entry. Answer
   * `Result<Given>`, the same however often it is asked for. 404 no such entry; 409 when it brought nothing, the points are
   * not there any more, or it was a redemption.
   */
  | { readonly type: 'reverse'; readonly transferId: string }
  /** Ask, from who gave: points came to this user, durably. Comes until it is answered, so it may come twice. */
  | { readonly type: 'credited'; readonly credit: CreditView }
  /** Ask, from who redeems: points are set aside for this merchant. Comes until it is answered. */
  | { readonly type: 'redemptionOpened'; readonly redemption: Redemption }
  /** Ask, from who redeems: nobody waits for it any more. Comes until it is answered. */
  | {
      readonly type: 'redemptionClosed';
      readonly redemption: Redemption;
      readonly state: 'cancelled' | 'expired';
    }
  /**
   * Ask, from the merchant: what became of a redemption of this user, durably; with the movement of the account, if points
   * moved. Comes until it is answered.
   */
  | {
      readonly type: 'redemptionSettled';
      readonly redemption: Redemption;
      readonly ending: Ending;
      readonly movement: Movement | null;
    }
  /** Ask, from an offer to its merchant: little is left. Comes until it is answered; once for each crossing of the mark. */
  | {
      readonly type: 'stockLow';
      readonly crossingId: string;
      readonly offerId: string;
      readonly title: string;
      readonly left: number;
    }
  /** Its own timer: what it has set aside is read again. */
  | { readonly type: 'redemptionsRead' }
  /** A merchant's own timer: what was sold last is read again. */
  | { readonly type: 'salesRead' }
  /** Ask, from a gateway: is this session attached? If not it is closed with 4200, so that the phone connects again. */
  | { readonly type: 'probe'; readonly session: SessionRef; readonly connSeq: number }
  /** Ask, from a REST door until it is answered: the account was linked to another device. Answer `{}`. */
  | { readonly type: 'deviceMoved'; readonly deviceId: string }
  | InsistMessage
  /** Its own timer: a movement was told, and the one before it was not. */
  | { readonly type: 'gap' }
  /** Its own timer: a pair is asked again. */
  | { readonly type: 'settle'; readonly key: string }
  /** Its own timer: the area is told again that the hub is open. */
  | { readonly type: 'hubRenew' }
  /** Its own timer: presence is judged again. */
  | { readonly type: 'presence' }
  /** Ask, from the other side of an open hey: answer {@link PeerAnswer}. */
  | { readonly type: 'presenceAsked' }
  /** Its own timer: the other side of this hey is asked, if it is open still. */
  | { readonly type: 'peerAsk'; readonly heyId: string }
  /** From the other side of an open hey. */
  | { readonly type: 'peerPresence'; readonly heyId: string; readonly presence: PresenceView }
  /** Ask, from a node's admin side: answer {@link UserInspection}. */
  | { readonly type: 'inspect' }
  /** Ask, from a node's admin side: ends the sockets of one device, or all. Answer `{ closed }`, how many. */
  | { readonly type: 'disconnect'; readonly code: number; readonly deviceId?: string }
  /** From a civilian who does not share any more: the position of this hey is not to be used. */
  | { readonly type: 'heyWithdrawn'; readonly heyId: string }
  | { readonly type: 'heyTimeout'; readonly heyId: string };

export type GiftName = 'points.donate' | 'points.give' | 'fee.pay';

/**
 * Ask, from a door without a socket: the same as the command of this name, under the same rules. Answer `Result<Given>` once it is
 * durable; with `dry` `Result<GiftPreview>`, and nothing happens.
 */
export interface SpendMessage {
  readonly type: 'spend';
  readonly name: GiftName;
  readonly body: object;
  readonly key: string;
  readonly requestHash: string;
  readonly dry?: boolean;
}

/** What a gift would be. */
export interface GiftPreview {
  /** Negative: the change of the giver's balance. */
  readonly points: number;
  readonly balance: number;
  readonly to: readonly { readonly userId: string; readonly points: number }[];
  readonly rule: RuleRef;
}

/** Whether somebody is there; null while that is not known. */
export interface PeerAnswer {
  readonly presence: PresenceView | null;
}

/** A hub that is open: not who is there. */
export interface HubRef {
  readonly id: string;
  readonly name: string;
}

export interface OfficerRef {
  readonly id: string;
  readonly handle: string;
}

export interface PersonRef {
  readonly id: string;
  readonly kind: 'civilian' | 'officer';
  readonly handle: string;
}

/** Who showed a code, and what speaks against him. */
export interface Presenter extends PersonRef {
  readonly trust?: number;
  /** Nothing but the scan says that the two stand together. */
  readonly unvouched?: boolean;
  /** The coarse cell where the presenter is, at a hub or by what he shares; absent: nothing says it. */
  readonly cell?: string;
}

/** A code that was scanned while the scanner had no network. Plain values: it is stored as it is. */
export interface OfflineScan {
  readonly tokenId: string;
  readonly scanner: PersonRef;
  /** By the scanner's phone, checked against the code. */
  readonly scannedAtMs: number;
  /** What spoke against the scanner when it was uploaded (`fraud/trust.ts`); at the presenter against either. */
  readonly trust?: number;
  /** The coarse cell where the scanner was, or the presenter; absent: nothing says it. */
  readonly cell?: string;
  /** By the presenter's actor: nothing but the scan says that the two stood together ... */
  readonly unvouched?: boolean;
  /** ... and it waits for the officer's own word, and for nothing else. */
  readonly asks?: boolean;
}

/** What somebody may earn in 24 h; null: no such limit. */
export interface EarnLimits {
  /** How often, for one reason. */
  readonly times: number | null;
  /** Points for one reason. */
  readonly points: number | null;
  /** Points for whatever the mint gives them for. */
  readonly all: number | null;
}

/** What of it comes to the account: all, or what the day still holds. */
export interface Earned {
  readonly points: number;
}

/** One side's view of a settled encounter. */
export interface SettledView {
  readonly encounterId: string;
  readonly method: Method;
  readonly otherHandle: string;
  readonly points: number;
  readonly balance: number;
  readonly balanceVersion: number;
  readonly atMs: number;
}

/** One side's view of an encounter that is held. */
export interface HeldView {
  readonly encounterId: string;
  readonly method: Method;
  readonly otherHandle: string;
  readonly atMs: number;
}

/** Points that came from elsewhere than an encounter. */
export interface CreditView {
  readonly transferId: string;
  readonly points: number;
  readonly balance: number;
  readonly balanceVersion: number;
  /** Short code of why. */
  readonly reason: string;
}

/** The answer to `give`, and to every gift. */
export interface Given {
  readonly transferId: string;
  /** Negative: the change of the giver's balance. */
  readonly points: number;
  readonly balance: number;
}

export interface Attached {
  readonly epoch: string;
  readonly offset: number;
  readonly resumed: boolean;
  /** Why a phone that wanted to resume could not; absent when it did, or did not want to. */
  readonly lost?: 'epoch_mismatch' | 'too_old';
  /** Encoded frames to send right after WELCOME: the missed events, or a snapshot. */
  readonly frames: readonly Uint8Array[];
}

/** What an operator may see of a person: never a place, never what was said. Town milliseconds. */
export interface UserInspection {
  readonly userId: string;
  readonly kind: string;
  readonly epoch: string;
  readonly offset: number;
  readonly ring: { readonly events: number; readonly bytes: number };
  readonly presence: {
    readonly state: PresenceState;
    readonly sinceMs: number;
    readonly shown: Shown;
    readonly version: number;
    readonly seenMs: number;
  };
  readonly balanceVersion: number;
  readonly sessions: readonly {
    readonly deviceId: string;
    readonly gateway: string;
    readonly sessionId: string;
    readonly connSeq: number;
    readonly foreground: boolean;
    readonly attachedMs: number;
    readonly heardMs: number;
    readonly acked: number;
    /** Age of the oldest event that this device has not acknowledged; 0 when it has all. */
    readonly unackedMs: number;
  }[];
  readonly devicesAway: readonly {
    readonly deviceId: string;
    readonly sinceMs: number;
    readonly acked: number;
    readonly unackedMs: number;
  }[];
}

export interface Balance {
  readonly balance: number;
  readonly version: number;
  /** Points of the balance that were earned and may not be spent yet; absent where they may at once. */
  readonly inactive?: number;
  /** What is gone next unless it is spent, and when; absent where points do not expire, or not yet known. */
  readonly expiring?: { readonly points: number; readonly atMs: number };
}

/** What a redemption would do, were it asked for now. */
export interface RedeemPreview {
  /** That would be set aside. */
  readonly points: number;
  /** That could be spent then. */
  readonly balance: number;
  readonly title: string;
  readonly merchant: string;
  readonly rule: RuleRef;
}
