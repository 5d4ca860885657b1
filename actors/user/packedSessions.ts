/** Sessions and presence of a user as another node packed them; see `packing.ts`. */
import * as read from '../packed.ts';
import { PRESENCE_STATES, type Presence, type PresenceView, SHOWN_STATES } from './presence.ts';
import type { Greeted, Session } from './state.ts';

export function sessionOf(item: unknown): Session {
  const { ref, deviceId, connSeq, foreground, acked, newest, sinceMs, heardMs, activeFromMs } =
    read.fields(item);
  const { gateway, id } = read.fields(ref);
  return {
    ref: { gateway: read.text(gateway), id: read.text(id) },
    deviceId: read.text(deviceId),
    connSeq: read.number(connSeq),
    foreground: read.flag(foreground),
    acked: read.whole(acked),
    newest: read.number(newest),
    sinceMs: read.number(sinceMs),
    heardMs: read.number(heardMs),
    activeFromMs: read.number(activeFromMs),
  };
}

export function presenceOf(packed: unknown): Presence {
  const { state, sinceMs, shown, version, seenMs } = read.fields(packed);
  return {
    state: read.oneOf(state, PRESENCE_STATES),
    sinceMs: read.number(sinceMs),
    shown: read.oneOf(shown, SHOWN_STATES),
    version: read.whole(version),
    seenMs: read.whole(seenMs),
  };
}

export function viewOrNull(packed: unknown): PresenceView | null {
  if (packed === null || packed === undefined) return null;
  const { state, lastSeenMin, version } = read.fields(packed);
  return {
    state: read.oneOf(state, SHOWN_STATES),
    lastSeenMin: read.whole(lastSeenMin, 0, 0xffff_ffff),
    version: read.whole(version),
  };
}

export function greetedOf(item: unknown): Greeted {
  const { heyId, officerId, expiresAtMs, peer } = read.fields(item);
  return {
    heyId: read.text(heyId),
    officerId: read.text(officerId),
    expiresAtMs: read.whole(expiresAtMs),
    peer: viewOrNull(peer),
  };
}
