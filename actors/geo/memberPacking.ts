/** A member as plain values and back, to go to another node: all but the generation seen and what belongs to the lists. */
import { ACCURACY_DM_MAX } from '../../protocol/limits.ts';
import type { Members } from './members.ts';
import {
  ACCOUNT,
  ACCURACY,
  EAST,
  EASTWARD,
  FLAGS,
  HEARD,
  IS_CIVILIAN,
  LAT,
  NORTHWARD,
  NUMBERS,
  SEQ,
  STATE,
  TAKEN,
  TRUST,
  TURNING,
  WHOLE,
} from './record.ts';

export { FLAGS_MAX } from './record.ts';

export type PackedMember = readonly [
  id: string,
  handle: string,
  flags: number,
  accuracyDm: number,
  trust: number,
  turning: number,
  latE7: number,
  lngE7: number,
  ...numbers: number[],
];
/** Number of the account, time and number of the fix, time of arrival, velocity to the east and to the north. */
export const PACKED_NUMBERS = 6;

export const roleOfFlags = (flags: number): number => flags & IS_CIVILIAN;

export function packMember(members: Members, index: number): PackedMember {
  const { whole, numbers } = members;
  const at = WHOLE * index;
  const side = NUMBERS * index;
  return [
    members.idOf(index),
    members.handleOf(index),
    whole[at + STATE]! & FLAGS,
    members.isPoor(index) ? ACCURACY_DM_MAX : whole[at + ACCURACY]!,
    members.trustOf(index),
    whole[at + TURNING]!,
    whole[at + LAT]!,
    members.ground.lngOf(whole[at + EAST]!),
    numbers[NUMBERS * index + ACCOUNT]!,
    numbers[NUMBERS * index + TAKEN]!,
    numbers[NUMBERS * index + SEQ]!,
    numbers[side + HEARD]!,
    numbers[side + EASTWARD]!,
    numbers[side + NORTHWARD]!,
  ];
}

/** Puts down a member that must not be here. Returns its index. */
export function restoreMember(members: Members, packed: PackedMember): number {
  const [userId, handle, flags, accuracyDm, trust, turning, latE7, lngE7, ...rest] = packed;
  const [account, taken, seq, heard, eastward, northward] = rest as [number, ...number[]];
  const index = members.add(userId, handle, roleOfFlags(flags), account);
  const { whole, numbers, ground, radii } = members;
  const east = ground.eastOf(lngE7);
  ground.stand(latE7, east);
  const at = WHOLE * index;
  whole[at + LAT] = latE7;
  whole[at + EAST] = east;
  whole[at + STATE] = flags;
  whole[at + ACCURACY] = accuracyDm <= radii.keepDm ? accuracyDm : radii.poorDm;
  whole[at + TURNING] = turning;
  numbers[NUMBERS * index + TAKEN] = taken!;
  numbers[NUMBERS * index + SEQ] = seq!;
  const side = NUMBERS * index;
  numbers[side + HEARD] = heard!;
  numbers[side + EASTWARD] = eastward!;
  numbers[side + NORTHWARD] = northward!;
  whole[at + TRUST] = trust;
  if (!members.isCrowded(index)) members.linkHere(index);
  return index;
}
