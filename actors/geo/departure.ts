/** An officer who goes from one region into another, with everything that his dwells have collected. */
import type { FixMessage, OfficerTransfer, SlotTransfer } from '../messages/region.ts';
import type { Matcher } from './matcher.ts';
import { Officer } from './officer.ts';
import { stageOf } from './pairs.ts';
import { CIVILIAN, NIL, OFFICER } from './record.ts';

/** What he takes along. */
export interface Departure {
  readonly slots: readonly SlotTransfer[];
  readonly officer: OfficerTransfer;
}

const NONE: readonly never[] = [];
const NOBODY: Departure = {
  slots: NONE,
  officer: { matchedMs: NONE, crowded: false, turningMs: null, told: NONE },
};

/** What he takes along; his slots here are closed without an end. */
export function departure({ members, pairs, tellings }: Matcher, userId: string, atMs: number): Departure {
  const { slots } = pairs;
  const index = members.indexOf(userId);
  if (index === NIL || members.roleOf(index) !== OFFICER) return NOBODY;
  const taken: SlotTransfer[] = [];
  for (let slot = members.firstSlot(index); slot !== NIL; ) {
    const following = slots.next(slot, OFFICER);
    const civilian = slots.member(slot, CIVILIAN);
    // (1) is judged by who knows when each was heard last
    if (!pairs.endSilent(slot, members.takenAtMs(index), members.takenAtMs(civilian), atMs)) {
      taken.push(pairs.transfer(slot, atMs));
      slots.close(slot, members.whole);
    }
    slot = following;
  }
  const known = tellings.officers.get(index);
  const turning = members.turningMs(index);
  const officer: OfficerTransfer = {
    matchedMs: known?.matchedMs ?? NONE,
    crowded: members.isCrowded(index),
    turningMs: turning === null ? null : atMs - (((atMs | 0) - turning) | 0),
    told: known?.told ?? NONE,
  };
  // slots are opened at the head of the list
  return { slots: taken.reverse(), officer };
}

/**
 * Puts down what an officer, who is member `index` here, brings along. A civilian not known here is out of reach of every
 * place in this region, so that slot has ended.
 */
export function arrive(
  { members, pairs, tellings }: Matcher,
  index: number,
  fix: FixMessage,
  { officer, slots = NONE }: Partial<Departure>,
): void {
  if (officer) {
    members.setCrowded(index, officer.crowded);
    members.setTurning(index, officer.turningMs === null ? null : officer.turningMs | 0);
    if (officer.matchedMs.length + officer.told.length > 0)
      tellings.know(index, new Officer(officer.matchedMs, officer.told));
  }
  for (const one of slots) {
    const civilian = members.indexOf(one.civilianId);
    if (civilian === NIL) pairs.endElsewhere(fix.userId, one.civilianId, fix.takenAtMs);
    else if (pairs.slotOf(index, civilian) === NIL) pairs.resume(index, civilian, one, stageOf(one.stage));
  }
}
