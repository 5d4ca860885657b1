/**
 * Everything that a user actor holds. Plain values, replaced and never changed, so that a turn that throws undid itself;
 * but for the outbox, which has a cell of its own (`cell.ts`), because nearly every turn of a busy person adds to it.
 */
import type { AccountKind, CommandName, Mode } from '../../protocol/catalogue.ts';
import type { Refusal, Result } from '../../protocol/errors.ts';
import type { Cell } from '../cell.ts';
import type { Watch } from '../fraud/watch.ts';
import type { AreaStay } from '../geo/areaRoute.ts';
import type { Stay } from '../geo/places/fence.ts';
import type { Track } from '../geo/publish.ts';
import type { Insisting } from '../insist.ts';
import type { Fix, GiftName, HubRef, OfficerRef, OfflineScan, PersonRef } from '../messages/user.ts';
import type { EncounterView, Movement } from '../queries.ts';
import type { Award } from '../scoring.ts';
import type { ReplyTo, SessionRef } from '../turn.ts';
import type { WaitingBy } from '../waiting.ts';
import type { Aging } from './aging.ts';
import type { Answers } from './answers.ts';
import type { Doubt } from './doubt.ts';
import type { Earning } from './earning.ts';
import type { Waiting } from './keyed.ts';
import type { Near } from './near.ts';
import type { Outbox } from './outbox.ts';
import type { Presence, PresenceView } from './presence.ts';
import type { Promoting } from './promotion.ts';
import type { Counter, Handling, Reserving, Spending } from './redemption.ts';
import type { Ripening } from './ripening.ts';

export interface Me {
  readonly id: string;
  readonly kind: AccountKind;
  readonly handle: string;
  readonly number: number;
  readonly deviceId: string;
  /** Null while it is read from the store, after a move to another device. */
  readonly deviceNumber: number | null;
}

/** A device of the account: attached by a socket, or away and remembered by its last one. */
export interface Session {
  readonly ref: SessionRef;
  readonly deviceId: string;
  /** As its gateway numbered the connection. */
  readonly connSeq: number;
  /** Connections of this device with a lower number are older; see `isLate` in `sessions.ts`. */
  readonly newest: number;
  readonly foreground: boolean;
  /** Cumulative: events up to here reached the app on this device. */
  readonly acked: number;
  /** Town milliseconds: attached since, or away since. */
  readonly sinceMs: number;
  /** Town milliseconds when it was last heard, to within `heardStepMs`. */
  readonly heardMs: number;
  /** Town milliseconds from which on it counts as a sign of a person (presence.ts). */
  readonly activeFromMs: number;
}

export interface Hey {
  readonly heyId: string;
  readonly other: PersonRef;
  readonly fix: Fix;
  readonly cell: string;
  readonly expiresAtMs: number;
  /** What speaks against the other; 0 for nothing. */
  readonly trust: number;
  /** What is known of the presence of the other; null for nothing yet, which means online. */
  readonly peer: PresenceView | null;
  /** The phone was told of it. One that could not be shown waits all the same, so that its end says nothing. */
  readonly isShown: boolean;
}

/** A hey that this civilian said and that an officer has not answered. */
export interface Greeted {
  readonly heyId: string;
  readonly officerId: string;
  readonly expiresAtMs: number;
  readonly peer: PresenceView | null;
}

/** Commands of phones and tills at the market. */
export type MarketName = CommandName & `${'redeem' | 'till'}.${string}`;

export interface Part {
  readonly userId: string;
  readonly points: number;
}

/** Points for others; see `gifts.ts`. */
export interface Gift {
  readonly reason: 'donation' | 'giveaway' | 'fee';
  /** Whom, and how much; of a fee nobody until it was looked up. */
  readonly to: readonly Part[];
  /** Null for what is no fine and no fee. */
  readonly feeId: string | null;
  /** What would happen is said, and nothing happens. */
  readonly dry: boolean;
  /** Of the entry; empty until it is known. */
  readonly id: string;
  /** What was given for this reason in the last 24 h, by entry. */
  readonly given: readonly { readonly id: string; readonly points: number }[];
  /** What the rules say of each part, as far as they have. */
  readonly awards: readonly (Award | undefined)[];
  /** Who of them got something for this reason within the cooldown; null while, or if, nobody asks. */
  readonly lately: readonly { readonly id: string; readonly to: string }[] | null;
  /** What comes on top for those who receive it, taken of the budget of the rule. */
  readonly taken: number;
}

/** A command that waits for others: who asked, and what it needs when the answer comes. */
export interface CommandUnderWay {
  readonly name:
    | 'hey.say'
    | 'hey.accept'
    | 'qr.scan'
    | 'qr.upload'
    | 'give'
    | 'reversal'
    | GiftName
    | MarketName;
  readonly key: string;
  readonly requestHash: string;
  readonly replyTo: readonly ReplyTo[];
  readonly heyId: string | null;
  readonly expiresAtMs: number;
  readonly tokenId: string | null;
  readonly presenterDevice: number;
  readonly otherId: string;
  readonly scannedAtMs: number;
  /** Points that leave the account with it. */
  readonly points: number;
  /** Null for what is no gift. */
  readonly gift: Gift | null;
  /** What a pair was asked, so that it can be asked again; null before. */
  readonly settling: { readonly pair: string; readonly observe: object } | null;
  /** The pair was asked and did not answer: the encounter may be durable. */
  readonly doubtful: boolean;
  /** What it gets when the store knows nothing of it either; null while it is not refused. */
  readonly refusal: Refusal | null;
  /** Of `redeem.*` and `till.*` only. */
  readonly reserving: Reserving | null;
  readonly handling: Handling | null;
}

/** A command of a phone or a till, or the same by REST. */
export interface Order {
  readonly body: object;
  /** Null for one that changes nothing. */
  readonly key: string | null;
  readonly requestHash: string | null;
  /** Absent by REST. */
  readonly session?: SessionRef;
  /** What only asks. */
  readonly dry?: true;
}

export interface CommandDone {
  readonly key: string;
  readonly requestHash: string;
  readonly result: Result<unknown>;
}

/** Of the two at a scan, by their positions or by the officer's word; null: nothing says it. */
export type Said = 'together' | 'apart' | null;

export interface Scan {
  readonly tokenId: string;
  readonly scannerId: string;
  readonly key: string;
  readonly atMs: number;
  readonly said: Said;
  /** False while the officer is asked. */
  readonly agreed: boolean;
}

/** A scan made without network that waits at its presenter. */
export interface PendingScan extends OfflineScan {
  /** Of the encounter that it will be. */
  readonly encounterId: string;
  readonly dueAtMs: number;
  /** Of the event that tells the presenter's phone; 0 while it is not told by this lineage of events. */
  readonly offset: number;
  /** The pair was asked. */
  readonly settling: boolean;
  /** Who waits for the end of it: the timer that was delivered. */
  readonly replyTo: readonly ReplyTo[];
}

export interface Area {
  readonly area: string;
  readonly version: number;
  readonly officers: readonly OfficerRef[];
  /** Hubs that are open there. */
  readonly hubs: readonly HubRef[];
}

/** A community hub; where it stands is no secret, and is looked up among the places. */
export interface Hub {
  readonly placeId: string;
  readonly name: string;
  /** Id of the area in which it stands; null from nodes that knew of none. */
  readonly area: string | null;
}

/** A position after it was snapped: there is no other. */
export interface CoarseFix {
  /** Of the grid of regions. */
  readonly cell: number;
  readonly takenAtMs: number;
}

export interface UserState {
  readonly me: Me;
  readonly encounterCount: number;
  readonly encounters: readonly EncounterView[];
  readonly sessions: readonly Session[];
  /** Devices that are not attached, the longest away first; their cursors are kept. */
  readonly devicesAway: readonly Session[];
  readonly presence: Presence;
  readonly outbox: Cell<Outbox>;
  /** What others may know of the place (modes.ts). One that ran out counts no more: ask {@link modeNow}. */
  readonly mode: Mode;
  /** Town milliseconds at which the mode ends by itself; 0 = it does not. */
  readonly modeUntilMs: number;
  /** Where the officer checked in, in mode `hub` only. */
  readonly hub: Hub | null;
  /** The cell where the person is, in mode `coarse` only. Memory only. */
  readonly coarse: CoarseFix | null;
  readonly instant: boolean;
  /** Where the person is, while shared. Memory only. */
  readonly track: Track | null;
  /** Regions that have heard of the person since sharing began; to be told when it ends. Memory only. */
  readonly walked: readonly string[];
  /** What speaks against the person's phone. */
  readonly watch: Watch;
  /** What of it is durable. */
  readonly doubt: Doubt;
  /** Places that the person is at, while shared. Memory only. */
  readonly stays: readonly Stay[];
  /** Last sequence number of a position on the newest connection; -1 before the first. */
  readonly locationSeq: number;
  /** Period of reports that the newest connection was told, seconds; 0 for none. */
  readonly periodS: number;
  /** The areas that know the person, while shared. */
  readonly around: AreaStay | null;
  /** Of whom a civilian was notified. */
  readonly near: Near;
  /** Officers whom these areas name; civilians only. */
  readonly areas: readonly Area[];
  readonly heys: readonly Hey[];
  readonly greeted: readonly Greeted[];
  readonly scans: readonly Scan[];
  readonly underWay: WaitingBy<CommandUnderWay>;
  readonly done: Answers;
  /** Commands that wait until the store was asked for an older answer (keyed.ts). */
  readonly waiting: readonly Waiting[];
  /** Movements that were told although an earlier one was not yet, by version. */
  readonly ahead: readonly Movement[];
  /** Newest offset that a phone has named and that the store was read for, as this actor did not know it. */
  readonly claimed: number;
  /** Who must still hear of points that came from here. */
  readonly crediting: Insisting;
  readonly pending: readonly PendingScan[];
  /** Points that are set aside for redemptions. */
  readonly spending: Spending;
  /** Of a merchant: tills, and what waits there. */
  readonly counter: Counter;
  /** Gifts that were under way while the ledger was asked what was given lately; memory only. */
  readonly gave: readonly {
    readonly id: string;
    readonly reason: Gift['reason'];
    readonly points: number;
    readonly to: readonly string[];
  }[];
  /** What was let earn and is not in the ledger yet, by its id; memory only. */
  readonly earning: WaitingBy<Earning>;
  /** Meetings of which it is asked what comes on top; memory only. */
  readonly promoting: WaitingBy<Promoting>;
  /** When points of the account are gone; nothing of it where they live for ever. */
  readonly aging: Aging;
  /** What was earned lately; null where it may be spent at once. */
  readonly ripening: Ripening | null;
}

/** The role in meetings; other account kinds do not meet. */
export function roleOf(kind: AccountKind): 'officer' | 'civilian' | null {
  return kind === 'officer' || kind === 'civilian' ? kind : null;
}

/**
 * Switches that a person has set stay set over a kill and over sleep, because a phone that resumes is told nothing of them:
 * a timer without a time worth the name is the durable memory. Here: instant match is on. Those of modes: `modes.ts`.
 */
export const INSTANT_SWITCH = 'instant';
/** Begin of the names of timers of scans that wait; the id of the encounter follows. */
export const SCAN_TIMER = 'scan/';
/** The same of redemptions; the id of the redemption follows. */
export const REDEEM_TIMER = 'redeem/';

/** A mode that ran out counts no more, also before its timer was delivered. */
export const modeNow = ({ mode, modeUntilMs }: UserState, nowMs: number): Mode =>
  modeUntilMs === 0 || nowMs < modeUntilMs ? mode : 'qr';

/** Whether the person is met by position. */
export const isSharing = (state: UserState, nowMs: number): boolean => modeNow(state, nowMs) === 'precise';
