/**
 * What a region knows, taken apart for those in whose place it was, and put together again. Pure: plain values in and out,
 * but for the matcher that is filled.
 */
import type { Departure, Matcher, Moved, PackedMatcher, PackedOfficer, PackedSlot } from './geo/matcher.ts';
import { type PackedMember, packMember, restoreMember, roleOfFlags } from './geo/memberPacking.ts';
import { OFFICER } from './geo/members.ts';
import { ABSENT, DRIVING, INSTANT, WALKING } from './geo/record.ts';
import type { FixMessage } from './messages/region.ts';

const NIL = -1;
/** Speeds that stand for what a member's flags say of it. */
const A_DRIVE_MPS = 1_000;

/** A member's last fix, to be said to another matcher. */
function fixOf(member: PackedMember): FixMessage {
  const [userId, handle, flags, accuracyDm, trust, , latE7, lngE7, ...numbers] = member;
  const [account, takenAtMs, seq, , eastMps, northMps] = numbers as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return {
    type: 'fix',
    ...{ userId, handle, role: roleOfFlags(flags) === OFFICER ? 'officer' : 'civilian' },
    ...{ instant: (flags & INSTANT) !== 0, seq, latE7, lngE7, accuracyDm, takenAtMs, eastMps, northMps },
    speedMps: (flags & WALKING) !== 0 ? 0 : (flags & DRIVING) !== 0 ? A_DRIVE_MPS : NIL,
    ...(account < 0 ? {} : { account }),
    ...((flags & ABSENT) !== 0 ? { absent: true } : {}),
    ...(trust === 0 ? {} : { trust }),
  };
}

class Part {
  readonly members: PackedMember[] = [];
  readonly slots: PackedSlot[] = [];
  readonly officers: PackedOfficer[] = [];
  readonly #places = new Map<number, number>();

  /** Where a member of the whole stands in this part. */
  place(whole: number, member: PackedMember): number {
    let place = this.#places.get(whole);
    if (place === undefined) this.#places.set(whole, (place = this.members.push(member) - 1));
    return place;
  }
}

/**
 * By region: each officer in the one that holds him, with his slots and those who stand in them; each civilian in all that
 * are in reach.
 */
export function divided(
  { members, slots, officers }: PackedMatcher,
  holder: (latE7: number, lngE7: number) => string,
  inReach: (latE7: number, lngE7: number) => readonly string[],
): Map<string, PackedMatcher> {
  const parts = new Map<string, Part>();
  const partOf = (id: string): Part => {
    let part = parts.get(id);
    if (part === undefined) parts.set(id, (part = new Part()));
    return part;
  };
  const holders = new Map<number, Part>();
  members.forEach((member, i) => {
    const [, , flags, , , , latE7, lngE7] = member;
    if (roleOfFlags(flags) !== OFFICER) for (const id of inReach(latE7, lngE7)) partOf(id).place(i, member);
    else {
      const part = partOf(holder(latE7, lngE7));
      holders.set(i, part);
      part.place(i, member);
    }
  });
  for (const [officer, civilian, ...rest] of slots) {
    const part = holders.get(officer)!;
    part.slots.push([
      part.place(officer, members[officer]!),
      part.place(civilian, members[civilian]!),
      ...rest,
    ]);
  }
  for (const [officer, ...rest] of officers) {
    const part = holders.get(officer)!;
    part.officers.push([part.place(officer, members[officer]!), ...rest]);
  }
  return parts;
}

/**
 * Adds what another region knew. One of the two may have heard a newer fix of somebody, or his only one: the officers of the
 * other have not been looked at with that fix, so each side first hears what the other had heard, and then the
 * officers change sides with all their slots, unjudged.
 */
export function united(matcher: Matcher, part: PackedMatcher, fresh: () => Matcher, nowMs: number): Moved[] {
  if (matcher.members.count === 0) {
    matcher.restore(part);
    return [];
  }
  const { members } = matcher;
  const before = matcher.pack().members;
  const other = fresh();
  other.restore(part);
  const moved: Moved[] = [];
  const officers: PackedMember[] = [];
  for (const member of part.members) {
    const [id, , flags] = member;
    const isOfficer = roleOfFlags(flags) === OFFICER;
    if (isOfficer) officers.push(member);
    const here = members.indexOf(id);
    if (here !== NIL) {
      // the one who has heard as much takes it for a repeat and passes it over
      moved.push(other.move(fixOf(packMember(members, here)), nowMs), matcher.move(fixOf(member), nowMs));
    } else if (!isOfficer) moved.push(matcher.move(fixOf(member), nowMs));
  }
  for (const member of before) {
    const [id, , flags] = member;
    if (roleOfFlags(flags) !== OFFICER && other.members.indexOf(id) === NIL)
      moved.push(other.move(fixOf(member), nowMs));
  }
  for (const member of officers) {
    const [id] = member;
    const fix = fixOf(packMember(other.members, other.members.indexOf(id)));
    const departing: Departure = other.departOfficer(id, fix.takenAtMs);
    if (members.indexOf(id) === NIL) restoreMember(members, member);
    moved.push(matcher.adopt(fix, departing, nowMs));
  }
  return moved;
}
