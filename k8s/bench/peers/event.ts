/**
 * The event that all servers push, in the same bytes: points of the user changed. The balance in it is the moment at
 * which it was due.
 */
import { encodeEvent } from '../../../protocol/index.ts';

/** Ids of movements that cost nothing to make: unique by their last 48 bits. */
export const movementId = (n: number): string =>
  `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;

export const REASON = 'give';

/** Bytes of the event, encoded anew for each phone, as an event of one's own has to be. */
export const pointsChanged = (eventId: string, nth: number, transferId: string, stamp: number): Uint8Array =>
  encodeEvent('points.changed', nth, eventId, {
    transferId,
    delta: 1,
    balance: stamp,
    balanceVersion: nth,
    reason: REASON,
  });

/** Bytes that a msgpack number or short binary takes, from its first byte. */
const skip = (first: number): number => {
  if (first < 0x80 || first >= 0xe0) return 1;
  switch (first) {
    case 0xcc:
    case 0xd0:
      return 2;
    case 0xcd:
    case 0xd1:
      return 3;
    case 0xce:
    case 0xd2:
      return 5;
    case 0xcf:
    case 0xd3:
      return 9;
    default:
      throw new RangeError(`not a number: ${first}`);
  }
};

const EVENT = 2;
const POINTS_CHANGED = 5;
const ID_BYTES = 18;

/** The stamp of such an event, read where it stands; 0 for any other frame. */
export const stampIn = (bytes: Uint8Array): number => {
  if (bytes[0]! >> 4 !== 9 || bytes[1] !== EVENT) return 0;
  let at = 2 + skip(bytes[2]!);
  if (bytes[at] !== POINTS_CHANGED) return 0;
  // kind, event id, the tuple, transfer id
  at += 1 + ID_BYTES + 1 + ID_BYTES;
  at += skip(bytes[at]!);
  if (bytes[at] !== 0xce) return 0;
  return (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
};

/** The offset of such an event. */
export const offsetIn = (bytes: Uint8Array): number => {
  const length = skip(bytes[2]!);
  if (length === 1) return bytes[2]!;
  let offset = 0;
  for (let i = 1; i < length; i++) offset = offset * 256 + bytes[2 + i]!;
  return offset;
};
