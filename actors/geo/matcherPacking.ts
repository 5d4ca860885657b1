/** A matcher as plain values and back, when its region goes to another node; members are named by their place in the list. */
import type { OfficerTransfer } from '../messages/region.ts';
import type { Matcher } from './matcher.ts';
import { type PackedMember, packMember, restoreMember } from './memberPacking.ts';
import { Officer } from './officer.ts';
import { stageOf } from './pairs.ts';
import { CIVILIAN, NIL, OFFICER } from './record.ts';

/** Officer and civilian are places in the list of members. */
export type PackedSlot = readonly [
  officer: number,
  civilian: number,
  lastMs: number,
  dwellMs: number,
  officerFixes: number,
  civilianFixes: number,
  stage: number,
  outside: number,
  /** Only of those that were offered. */
  offeredMs?: number,
];
/** `officer` is a place in the list of members. */
export type PackedOfficer = readonly [
  officer: number,
  matchedMs: readonly number[],
  told: OfficerTransfer['told'],
];

export interface PackedMatcher {
  readonly members: readonly PackedMember[];
  readonly slots: readonly PackedSlot[];
  readonly officers: readonly PackedOfficer[];
}

export function packMatcher({ members, pairs, tellings }: Matcher): PackedMatcher {
  const all = pairs.slots;
  const places = new Map<number, number>();
  const packed: PackedMember[] = [];
  for (let index = 0; index < members.highest; index++) {
    if (members.idOf(index) === '') continue;
    places.set(index, packed.push(packMember(members, index)) - 1);
  }
  const slots: PackedSlot[] = [];
  const officers: PackedOfficer[] = [];
  for (const [index, place] of places) {
    if (members.roleOf(index) !== OFFICER) continue;
    const known = tellings.officers.get(index);
    if (known) officers.push([place, known.matchedMs, known.told]);
    const own: PackedSlot[] = [];
    const takenMs = members.takenAtMs(index);
    for (let slot = members.firstSlot(index); slot !== NIL; slot = all.next(slot, OFFICER)) {
      const civilian = places.get(all.member(slot, CIVILIAN))!;
      const { lastMs, dwellMs, officerFixes, civilianFixes, stage, outside, offeredMs } = pairs.transfer(
        slot,
        takenMs,
      );
      const offered = offeredMs === undefined ? ([] as const) : ([offeredMs] as const);
      const fixes = [officerFixes, civilianFixes] as const;
      own.push([place, civilian, lastMs, dwellMs, ...fixes, stageOf(stage), outside!, ...offered]);
    }
    // slots are opened at the head of the list
    slots.push(...own.reverse());
  }
  return { members: packed, slots, officers };
}

export function restoreMatcher({ members, pairs, tellings }: Matcher, packed: PackedMatcher): void {
  const indexes = packed.members.map(member => restoreMember(members, member));
  for (const [officer, matchedMs, told] of packed.officers)
    tellings.know(indexes[officer]!, new Officer(matchedMs, told));
  for (const [
    officer,
    civilian,
    lastMs,
    dwellMs,
    officerFixes,
    civilianFixes,
    stage,
    outside,
    offeredMs,
  ] of packed.slots) {
    const brought = { lastMs, dwellMs, officerFixes, civilianFixes, outside, offeredMs };
    pairs.resume(indexes[officer]!, indexes[civilian]!, brought, stage);
  }
}
