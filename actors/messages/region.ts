/**
 * Everything that is said to a region actor (id: {@link regionId} of a 2,048 m cell). User actors do not write these
 * by hand: `publishFix` and `publishLeave` of `actors/geo/publish.ts` send them.
 *
 * What a region says:
 * - to a pair: `observe` with method `proximity` after a completed dwell of two people with instant match on.
 * - to phones: nothing, ever. What civilians are told is `actors/area.ts`.
 *
 * Regions send no distance class. How often a phone reports follows from what its owner knows anyway (see
 * `reportPeriodS` in `actors/geo/period.ts`): a period that grew shorter as an officer came closer would be a range
 * finder for whoever sends invented positions.
 */
import type { Fixes } from '../geo/fixes.ts';
import type { SystemMessage } from '../turn.ts';

export type Role = 'officer' | 'civilian';

/** One accepted position of a person. Never leaves the nodes towards a phone, a log or a store. */
export interface FixMessage {
  readonly type: 'fix';
  readonly userId: string;
  /** Number of the person's account, unique for life: regions look people up by it. Absent: by the id, which costs more. */
  readonly account?: number;
  readonly role: Role;
  readonly handle: string;
  /** Instant match is switched on. */
  readonly instant: boolean;
  readonly seq: number;
  readonly latE7: number;
  readonly lngE7: number;
  /** Horizontal accuracy (68 %), decimetres. */
  readonly accuracyDm: number;
  /** When the fix was taken, Unix milliseconds. All rules of matching use this time, never that of arrival. */
  readonly takenAtMs: number;
  /** Metres per second between the person's two latest fixes; -1 when this is the first. */
  readonly speedMps: number;
  /** The parts of that speed to the east and to the north, where the fix was taken; missing is none. */
  readonly eastMps?: number;
  readonly northMps?: number;
  /** Where an officer's fix before was, which is where he is known; absent at the first. */
  readonly fromLatE7?: number;
  readonly fromLngE7?: number;
  /** Only in a fix that is said again because the person has just lost the last socket (presence: grace). */
  readonly absent?: true;
  /** What speaks against the person (`fraud/trust.ts`); absent: nothing. A meeting is matched as usual, and held. */
  readonly trust?: number;
  /** The version of the cell's layout by which the region was found (`geo/layout.ts`); absent: 0. */
  readonly layout?: number;
  /** Said to a region that ceased to be one, beside what is said in its place: counts only until it learns of it. */
  readonly dual?: true;
}

/** What an officer takes along when he crosses into another region: one entry for each civilian near him. */
export interface SlotTransfer {
  readonly civilianId: string;
  readonly lastMs: number;
  readonly dwellMs: number;
  readonly officerFixes: number;
  readonly civilianFixes: number;
  readonly stage: SlotStage;
  /** Sides whose last fix was outside: 1 the officer, 2 the civilian. */
  readonly outside?: number;
  /** When the pair was asked first to settle it, once it was; with `ready` it is to be asked again. */
  readonly offeredMs?: number;
}

/** What else is remembered of an officer and goes with him. Times are those of fixes, Unix milliseconds. */
export interface OfficerTransfer {
  /** Of his latest automatic matches. */
  readonly matchedMs: readonly number[];
  readonly crowded: boolean;
  /** Since when it has been otherwise than `crowded` says. */
  readonly turningMs: number | null;
  /** Who was told that he is around, and when. */
  readonly told: readonly (readonly [civilianId: string, atMs: number])[];
}

/** `counting`: the dwell runs. `ready`: it is complete, one of the two lacks instant match. `told`: the pair knows. */
export type SlotStage = 'counting' | 'ready' | 'told';

/**
 * A civilian went out of reach of this region with a fix taken `atMs`; or, without it, the person stopped sharing and is to be
 * forgotten whole.
 */
export interface LeaveMessage {
  readonly type: 'leave';
  readonly userId: string;
  readonly atMs?: number;
  /** The region into which an officer has crossed from here, by this layout; told behind what was passed on to it. */
  readonly to?: { readonly id: string; readonly layout?: number };
  /** Of the fix that was out of reach, where it was. */
  readonly latE7?: number;
  readonly lngE7?: number;
  readonly layout?: number;
  readonly dual?: true;
}

export interface DepartMessage {
  readonly type: 'depart';
  /** Its `layout` is that of region `to`. */
  readonly fix: FixMessage;
  readonly to: string;
  /** Where the officer was before, which is where he is known. */
  readonly latE7: number;
  readonly lngE7: number;
  readonly layout?: number;
}

export interface AdoptMessage {
  readonly type: 'adopt';
  readonly fix: FixMessage;
  readonly slots: readonly SlotTransfer[];
  readonly officer?: OfficerTransfer;
}

export interface UnsettledMessage {
  readonly type: 'unsettled';
  readonly officerId: string;
  readonly civilianId: string;
  /** What became of it is not known; otherwise it was refused for good. */
  readonly again: boolean;
  /** As in {@link SlotTransfer}; absent only from a node of the version before. */
  readonly offeredMs?: number;
  readonly layout?: number;
}

export interface RegionLoad {
  readonly members: number;
  /** Fixes taken since the region is in memory. */
  readonly fixes: number;
}

export type RegionMessage =
  | FixMessage
  /** Fixes that waited one behind the other, for one turn. Made where they wait; it is never sent. */
  | { readonly type: 'fixes'; readonly fixes: Fixes }
  /** The person stopped sharing, or a civilian went out of reach of this region with a fix taken `atMs`. */
  | LeaveMessage
  /** To the region an officer leaves, instead of the fix that took him out: passes him on to region `to`. */
  | DepartMessage
  /** From the region an officer left. */
  | AdoptMessage
  /** From a region whose meeting could not be settled after it had handed the two over. */
  | UnsettledMessage
  /** The layout of the region's cell, ahead of the first message that goes by it: its node may not have heard of it yet. */
  | { readonly type: 'laid'; readonly layout: unknown }
  /** From a region in another's place: what did you know? The layout by which it asks. */
  | { readonly type: 'yield'; readonly to: string; readonly layout: unknown }
  /** What a region knew that ceased to be one, in pieces; `last` ends it. */
  | {
      readonly type: 'inherit';
      readonly from: string;
      readonly layout: unknown;
      readonly members: readonly unknown[];
      readonly slots: readonly unknown[];
      readonly officers: readonly unknown[];
      readonly last: boolean;
    }
  /** Ask, of whoever watches for hot regions: how much is there? Answered with {@link RegionLoad}. */
  | { readonly type: 'load' }
  /** Timers of the region itself. */
  | { readonly type: 'settle' }
  | { readonly type: 'sweepSilent' }
  | { readonly type: 'sweepSlots' }
  | SystemMessage;
