/**
 * A region as plain values and back, when its shard moves: who is here, how long who has stood beside whom, and what the
 * civilians were told. Lists are made anew, so the order in which neighbours are found may be another; what is found
 * is the same.
 */
import type { Result } from '../protocol/errors.ts';
import { Footprints } from './fraud/footprints.ts';
import type { FraudRules } from './fraud/rules.ts';
import { TRUST_MAX } from './fraud/trust.ts';
import {
  AREA_OFFICERS_MAX,
  AREA_SWEEP_MS,
  MEMBERS_MAX,
  NEAR_REMEMBERED_MAX,
  SILENT_SWEEP_MS,
  SLOT_SWEEP_MS,
} from './geo/limits.ts';
import { Matcher, type MatchWatch, type PackedOfficer, type PackedSlot } from './geo/matcher.ts';
import { FLAGS_MAX, PACKED_NUMBERS, type PackedMember, roleOfFlags } from './geo/memberPacking.ts';
import { CIVILIAN, OFFICER } from './geo/members.ts';
import type { ProximityRules } from './geo/rules.ts';
import { FIXES_MAX, TOLD } from './geo/slots.ts';
import type { RegionMessage } from './messages/region.ts';
import * as read from './packed.ts';
import { offeredOf, type RegionState } from './region.ts';
import type { Turn } from './turn.ts';

/** 4: members have the numbers of their accounts, and places and velocities as the fix said them. Older ones start empty. */
const VERSION = 4;
/** Slots of one region at most; its shard travels in pieces, this bounds what a damaged one costs. */
const SLOTS_MAX = 4_000_000;
const MATCHES_MAX = 1_000;
/** Milliseconds of Unix time, and whole numbers of 32 bits. */
const TIME_MAX = 2 ** 48;
const I32 = 2 ** 31;

export function packRegion({ matcher, officers, generation, version, sweepFrom }: RegionState): unknown {
  const { members, slots, officers: known } = matcher.pack();
  const informed = members.map(
    ([userId]) => matcher.members.seen(matcher.members.indexOf(userId)) === generation,
  );
  return {
    v: VERSION,
    members,
    slots,
    known,
    informed,
    officers: [...officers.values()],
    version,
    sweeping: sweepFrom > 0,
  };
}

export function unpackRegion(
  cell: number,
  packed: unknown,
  rules: ProximityRules,
  fraud: FraudRules,
  watch: MatchWatch | null,
  turn: Turn,
): Result<RegionState> {
  const result = read.reading(() => stateOf(cell, read.versioned(packed, VERSION), rules, fraud, watch));
  if (!result.ok) return result;
  turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies RegionMessage);
  if (result.value.slotsSwept)
    turn.timer('slots', SLOT_SWEEP_MS, { type: 'sweepSlots' } satisfies RegionMessage);
  if (result.value.sweepFrom > 0)
    turn.timer('areas', AREA_SWEEP_MS, { type: 'sweepAreas' } satisfies RegionMessage);
  return result;
}

function stateOf(
  cell: number,
  packed: read.Fields,
  rules: ProximityRules,
  fraud: FraudRules,
  watch: MatchWatch | null,
): RegionState {
  const members = read.list(packed.members, MEMBERS_MAX, memberOf);
  const informed = read.list(packed.informed, MEMBERS_MAX, read.flag);
  const slots = read.list(packed.slots, SLOTS_MAX, item => slotOf(item, members));
  const known = read.list(packed.known, MEMBERS_MAX, item => knownOf(item, members));
  const officers = read.list(packed.officers, MEMBERS_MAX, item => {
    const { id, handle } = read.fields(item);
    return { id: read.text(id), handle: read.text(handle) };
  });
  // twice the same person or pair would break the lists that they hang in
  read.oneOf(`${new Set(members.map(([id]) => id)).size}`, [`${members.length}`]);
  read.oneOf(`${new Set(slots.map(([a, b]) => `${a} ${b}`)).size}`, [`${slots.length}`]);
  const matcher = new Matcher(cell, rules, watch);
  matcher.restore({ members, slots, officers: known });
  const generation = 1;
  members.forEach(([id], i) => {
    if (informed[i] === true) matcher.members.setSeen(matcher.members.indexOf(id), generation);
  });
  const byId = new Map(officers.map(officer => [officer.id, officer]));
  const told = [...byId.values()].slice(0, AREA_OFFICERS_MAX);
  return {
    matcher,
    footprints: new Footprints(fraud),
    officers: byId,
    told,
    generation,
    offered: offeredOf({ told, matcher }),
    offering: 1,
    version: read.number(packed.version),
    sweepFrom: read.flag(packed.sweeping) ? matcher.members.highest : 0,
    slotsSwept: slots.length > 0,
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
  const [officer, civilian, lastMs, dwellMs, officerFixes, civilianFixes, stage, outside] = read.list(
    item,
    8,
    value => value,
  );
  return [
    placeOf(officer, OFFICER, members),
    placeOf(civilian, CIVILIAN, members),
    read.whole(lastMs, -TIME_MAX, TIME_MAX),
    read.whole(dwellMs),
    read.whole(officerFixes, 0, FIXES_MAX),
    read.whole(civilianFixes, 0, FIXES_MAX),
    read.whole(stage, 0, TOLD),
    read.whole(outside, 0, 3),
  ];
}

function knownOf(item: unknown, members: readonly PackedMember[]): PackedOfficer {
  const [officer, matchedMs, told] = read.list(item, 3, value => value);
  return [
    placeOf(officer, OFFICER, members),
    read.list(matchedMs, MATCHES_MAX, read.number),
    read.list(told, NEAR_REMEMBERED_MAX, one => {
      const [civilianId, atMs] = read.list(one, 2, value => value);
      return [read.text(civilianId), read.number(atMs)];
    }),
  ];
}
