/**
 * A region as plain values and back, when its shard moves: who is here, and how long who has stood beside whom. Lists are made anew, so the order in which neighbours are found may be another; what is found
 * is the same.
 */
import type { Result } from '../protocol/errors.ts';
import { divisionOf, packDivision } from './divisionPacking.ts';
import { Footprints } from './fraud/footprints.ts';
import type { FraudRules } from './fraud/rules.ts';
import { TRUST_MAX } from './fraud/trust.ts';
import type { Ground } from './geo/layout.ts';
import {
  CAP_MATCHES_MAX,
  MEMBERS_MAX,
  NEAR_REMEMBERED_MAX,
  SILENT_SWEEP_MS,
  SLOT_SWEEP_MS,
} from './geo/limits.ts';
import {
  Matcher,
  type MatchWatch,
  type PackedMatcher,
  type PackedOfficer,
  type PackedSlot,
} from './geo/matcher.ts';
import { FLAGS_MAX, PACKED_NUMBERS, type PackedMember, roleOfFlags } from './geo/memberPacking.ts';
import { CIVILIAN, OFFICER } from './geo/members.ts';
import type { ProximityRules } from './geo/rules.ts';
import { FIXES_MAX, TOLD } from './geo/slots.ts';
import type { RegionMessage } from './messages/region.ts';
import * as read from './packed.ts';
import type { RegionState } from './region.ts';
import { isSettled, type Pieces, settleSoon } from './regionDivision.ts';
import type { Turn } from './turn.ts';

/** 6: the division of the cell. Older ones start empty. */
const VERSION = 6;
/** Slots of one region at most; its shard travels in pieces, this bounds what a damaged one costs. */
const SLOTS_MAX = 4_000_000;
/** Milliseconds of Unix time, and whole numbers of 32 bits. */
const TIME_MAX = 2 ** 48;
const I32 = 2 ** 31;

export function packRegion({ matcher, division }: RegionState): unknown {
  const { members, slots, officers: known } = matcher.pack();
  return { v: VERSION, members, slots, known, division: packDivision(division) };
}

export function unpackRegion(
  ground: Ground,
  packed: unknown,
  rules: ProximityRules,
  fraud: FraudRules,
  watch: MatchWatch | null,
  turn: Turn,
): Result<RegionState> {
  const result = read.reading(() =>
    stateOf(ground, read.versioned(packed, VERSION), rules, fraud, watch, turn),
  );
  if (!result.ok) return result;
  turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies RegionMessage);
  if (!isSettled(result.value.division)) settleSoon(turn);
  if (result.value.slotsSwept)
    turn.timer('slots', SLOT_SWEEP_MS, { type: 'sweepSlots' } satisfies RegionMessage);
  return result;
}

/** What another region packed in pieces; null for what cannot be read. */
export function readPieces(pieces: Pieces): PackedMatcher | null {
  const result = read.reading(() => matcherOf({ ...pieces, known: pieces.officers }));
  return result.ok ? result.value : null;
}

function matcherOf(packed: read.Fields): PackedMatcher {
  const members = read.list(packed.members, MEMBERS_MAX, memberOf);
  const slots = read.list(packed.slots, SLOTS_MAX, item => slotOf(item, members));
  const officers = read.list(packed.known, MEMBERS_MAX, item => knownOf(item, members));
  // twice the same person or pair would break the lists that they hang in
  read.oneOf(`${new Set(members.map(([id]) => id)).size}`, [`${members.length}`]);
  read.oneOf(`${new Set(slots.map(([a, b]) => `${a} ${b}`)).size}`, [`${slots.length}`]);
  return { members, slots, officers };
}

function stateOf(
  ground: Ground,
  packed: read.Fields,
  rules: ProximityRules,
  fraud: FraudRules,
  watch: MatchWatch | null,
  turn: Turn,
): RegionState {
  const plain = matcherOf(packed);
  const matcher = new Matcher(ground.cell, rules, watch);
  matcher.restore(plain);
  return {
    matcher,
    rules,
    division: divisionOf(packed.division, ground, turn.nowMs),
    fixes: 0,
    footprints: new Footprints(fraud),
    slotsSwept: plain.slots.length > 0,
    asked: new Set(),
  };
}

function memberOf(item: unknown): PackedMember {
  const [id, handle, flags, accuracyDm, trust, turning, latE7, lngE7, ...numbers] = read.list(
    item,
    8 + PACKED_NUMBERS,
    value => value,
  );
  return [
    // an empty id marks a place that is not in use
    read.text(id) || read.text(null),
    read.text(handle),
    read.whole(flags, 0, FLAGS_MAX),
    read.whole(accuracyDm),
    read.whole(trust, 0, TRUST_MAX),
    read.whole(turning, -I32, I32 - 1),
    read.whole(latE7, -900_000_000, 900_000_000),
    read.whole(lngE7, -1_800_000_000, 1_800_000_000),
    ...Array.from({ length: PACKED_NUMBERS }, (_, i) => read.number(numbers[i])),
  ];
}

const placeOf = (value: unknown, role: number, members: readonly PackedMember[]): number => {
  const at = read.whole(value, 0, members.length - 1);
  read.whole(roleOfFlags(members[at]![2]), role, role);
  return at;
};

function slotOf(item: unknown, members: readonly PackedMember[]): PackedSlot {
  const [officer, civilian, lastMs, dwellMs, officerFixes, civilianFixes, stage, outside, offeredMs] =
    read.list(item, 9, value => value);
  return [
    placeOf(officer, OFFICER, members),
    placeOf(civilian, CIVILIAN, members),
    read.whole(lastMs, -TIME_MAX, TIME_MAX),
    read.whole(dwellMs),
    read.whole(officerFixes, 0, FIXES_MAX),
    read.whole(civilianFixes, 0, FIXES_MAX),
    read.whole(stage, 0, TOLD),
    read.whole(outside, 0, 3),
    ...(offeredMs === undefined ? ([] as const) : ([read.whole(offeredMs, -TIME_MAX, TIME_MAX)] as const)),
  ];
}

function knownOf(item: unknown, members: readonly PackedMember[]): PackedOfficer {
  const [officer, matchedMs, told] = read.list(item, 3, value => value);
  return [
    placeOf(officer, OFFICER, members),
    read.list(matchedMs, CAP_MATCHES_MAX, read.number),
    read.list(told, NEAR_REMEMBERED_MAX, one => {
      const [civilianId, atMs] = read.list(one, 2, value => value);
      return [read.text(civilianId), read.number(atMs)];
    }),
  ];
}
