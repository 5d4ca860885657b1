/** Heys, scans and commands in doubt of a user as another node packed them; see `packing.ts`. */
import { isTrust } from '../fraud/trust.ts';
import type { PersonRef } from '../messages/user.ts';
import * as read from '../packed.ts';
import { fixOf, PARTIES } from './packedPlaces.ts';
import { viewOrNull } from './packedSessions.ts';
import type { CommandUnderWay, Hey, PendingScan, Said, Scan } from './state.ts';

/** Commands that end with a pair. */
const DOUBTFUL = ['hey.accept', 'qr.scan'] as const;
const SAID = ['together', 'apart'] as const;

function personOf(item: unknown): PersonRef {
  const { id, kind, handle } = read.fields(item);
  return { id: read.text(id), kind: read.oneOf(kind, PARTIES), handle: read.text(handle) };
}

export function heyOf(item: unknown): Hey {
  const { heyId, other, fix, cell, expiresAtMs, trust, peer, isShown } = read.fields(item);
  return {
    heyId: read.text(heyId),
    other: personOf(other),
    fix: fixOf(read.fields(fix)),
    cell: read.text(cell),
    expiresAtMs: read.whole(expiresAtMs),
    trust: isTrust(trust) ? trust : 0,
    peer: viewOrNull(peer),
    // a node of the version before kept none that was not shown
    isShown: isShown === undefined || read.flag(isShown),
  };
}

/** A node of the version before kept none. */
const saidOf = (item: unknown): Said => (item == null ? null : read.oneOf(item, SAID));

export function scanOf(item: unknown): Scan {
  const { tokenId, scannerId, key, atMs, said, agreed } = read.fields(item);
  return {
    tokenId: read.text(tokenId),
    scannerId: read.text(scannerId),
    key: read.text(key),
    atMs: read.whole(atMs),
    said: saidOf(said),
    // Nodes from before anybody was asked remember only what was agreed.
    agreed: agreed !== false,
  };
}

/** The pair is asked again what it was asked before. */
export function doubtfulOf(item: unknown): CommandUnderWay {
  const packed = read.fields(item);
  const settling = read.fields(packed.settling);
  return {
    name: read.oneOf(packed.name, DOUBTFUL),
    key: read.text(packed.key),
    requestHash: read.text(packed.requestHash),
    replyTo: [],
    heyId: packed.heyId === null ? null : read.text(packed.heyId),
    expiresAtMs: read.whole(packed.expiresAtMs),
    tokenId: packed.tokenId === null ? null : read.text(packed.tokenId),
    presenterDevice: read.whole(packed.presenterDevice),
    otherId: read.text(packed.otherId),
    scannedAtMs: read.whole(packed.scannedAtMs),
    points: 0,
    gift: null,
    settling: { pair: read.text(settling.pair), observe: read.fields(settling.observe) },
    doubtful: true,
    refusal: null,
    reserving: null,
    handling: null,
  };
}

export function pendingOf(item: unknown): PendingScan {
  const { tokenId, scanner, scannedAtMs, trust, cell, unvouched, asks, encounterId, dueAtMs, offset } =
    read.fields(item);
  return {
    tokenId: read.text(tokenId),
    scanner: personOf(scanner),
    scannedAtMs: read.whole(scannedAtMs),
    trust: isTrust(trust) ? trust : 0,
    ...(typeof cell === 'string' && { cell }),
    unvouched: unvouched === true,
    asks: asks === true,
    encounterId: read.text(encounterId),
    dueAtMs: read.whole(dueAtMs),
    offset: read.whole(offset),
    settling: false,
    replyTo: [],
  };
}
