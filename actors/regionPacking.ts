/**
 * A region as plain values and back, when its shard moves: who is here, how long who has stood beside whom, and what the
 * civilians were told. Lists are made anew, so the order in which neighbours are found may be another; what is found
 * is the same.
 */
import type { Result } from '../protocol/errors.ts';
import { Footprints } from './fraud/footprints.ts';
import type { FraudRules } from './fraud/rules.ts';
import { TRUST_MAX } from './fraud/trust.ts';
import { AREA_OFFICERS_MAX, AREA_SWEEP_MS, MICRO_CELLS, SILENT_SWEEP_MS } from './geo/limits.ts';
import { Matcher, type PackedSlot } from './geo/matcher.ts';
import { CIVILIAN, OFFICER, PACKED_NUMBERS, type PackedMember } from './geo/members.ts';
import type { ProximityRules } from './geo/rules.ts';
import { TOLD } from './geo/slots.ts';
import type { RegionMessage } from './messages/region.ts';
import * as read from './packed.ts';
import { offeredOf, type RegionState } from './region.ts';
import type { Turn } from './turn.ts';

/** 2: members may be absent. */
const VERSION = 2;
const READABLE = [1, 2];
/** Members and slots of one region at most; its shard travels in pieces, this bounds what a damaged one costs. */
const MANY = 1_000_000;
const FLAGS = 7;

export function packRegion({
  matcher,
  officers,
  trusts,
  generation,
  version,
  sweepFrom,
}: RegionState): unknown {
  const { members, slots } = matcher.pack();
  const informed = members.map(
    ([userId]) => matcher.members.seen(matcher.members.indexOf(userId)) === generation,
  );
  return {
    v: VERSION,
    members,
    slots,
    informed,
    officers: [...officers.values()],
    trusts: [...trusts],
    version,
    sweeping: sweepFrom > 0,
  };
}

export function unpackRegion(
  cell: number,
  packed: unknown,
  rules: ProximityRules,
  fraud: FraudRules,
  turn: Turn,
): Result<RegionState> {
  const result = read.reading(() => stateOf(cell, read.versioned(packed, ...READABLE), rules, fraud));
  if (!result.ok) return result;
  turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies RegionMessage);
  if (result.value.sweepFrom > 0)
    turn.timer('areas', AREA_SWEEP_MS, { type: 'sweepAreas' } satisfies RegionMessage);
  return result;
}

function stateOf(cell: number, packed: read.Fields, rules: ProximityRules, fraud: FraudRules): RegionState {
  const members = read.list(packed.members, MANY, memberOf);
  const informed = read.list(packed.informed, MANY, read.flag);
  const slots = read.list(packed.slots, MANY, item => slotOf(item, members));
  const officers = read.list(packed.officers, MANY, item => {
    const { id, handle } = read.fields(item);
    return { id: read.text(id), handle: read.text(handle) };
  });
  // twice the same person or pair would break the lists that they hang in
  read.oneOf(`${new Set(members.map(([id]) => id)).size}`, [`${members.length}`]);
  read.oneOf(`${new Set(slots.map(([a, b]) => `${a} ${b}`)).size}`, [`${slots.length}`]);
  const matcher = new Matcher(cell, rules);
  matcher.restore(members, slots);
  const generation = 1;
  members.forEach(([id], i) => {
    if (informed[i] === true) matcher.members.setSeen(matcher.members.indexOf(id), generation);
  });
  const byId = new Map(officers.map(officer => [officer.id, officer]));
  const told = [...byId.values()].slice(0, AREA_OFFICERS_MAX);
  return {
    matcher,
    footprints: new Footprints(fraud),
    // a node of the version before knew of none
    trusts: new Map(packed.trusts === undefined ? [] : read.list(packed.trusts, MANY, trustOf)),
    officers: byId,
    told,
    generation,
    offered: offeredOf({ told, matcher }),
    offering: 1,
    version: read.number(packed.version),
    sweepFrom: read.flag(packed.sweeping) ? matcher.members.highest : 0,
  };
}

function trustOf(item: unknown): [string, number] {
  const [id, trust] = read.list(item, 2, value => value);
  return [read.text(id), read.whole(trust, 1, TRUST_MAX)];
}

function memberOf(item: unknown): PackedMember {
  const [id, handle, role, flags, cell, ...numbers] = read.list(item, 5 + PACKED_NUMBERS, value => value);
  return [
    // an empty id marks a place that is not in use
    read.text(id) || read.text(null),
    read.text(handle),
    read.whole(role, OFFICER, CIVILIAN),
    read.whole(flags, 0, FLAGS),
    read.whole(cell, 0, MICRO_CELLS ** 2 - 1),
    ...Array.from({ length: PACKED_NUMBERS }, (_, i) => read.number(numbers[i])),
  ];
}

function slotOf(item: unknown, members: readonly PackedMember[]): PackedSlot {
  const [officer, civilian, lastMs, dwellMs, officerFixes, civilianFixes, stage] = read.list(
    item,
    7,
    value => value,
  );
  const place = (value: unknown, role: number): number => {
    const at = read.whole(value, 0, members.length - 1);
    read.whole(members[at]![2], role, role);
    return at;
  };
  return [
    place(officer, OFFICER),
    place(civilian, CIVILIAN),
    read.number(lastMs),
    read.number(dwellMs),
    read.whole(officerFixes, 0, 0x7fff_ffff),
    read.whole(civilianFixes, 0, 0x7fff_ffff),
    read.whole(stage, 0, TOLD),
  ];
}
