/**
 * An officer at a hub (mode `hub`). No position of his phone is taken; where the hub stands is no secret, so what is proved
 * there is proved at the hub: a meeting by code gets the hub's coarse cell, and a code that was sent on to somebody
 * elsewhere is found out by the hub's point. The area of the hub is told that somebody is there, and tells civilians that the
 * hub is open (`areaHubs.ts`).
 */
import { cellOf, regionId } from '../geo/grid.ts';
import { AREA_RENEW_MS } from '../geo/limits.ts';
import type { Fences, Place } from '../geo/places/fence.ts';
import type { AreaMessage } from '../messages/area.ts';
import type { Fix, UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { modeNow, type UserState } from './state.ts';

/** Null: at no hub, or at one that was taken away. */
const hubOf = (state: UserState, fences: Fences, nowMs: number): Place | null =>
  state.hub !== null && modeNow(state, nowMs) === 'hub' ? fences.of(state.hub.placeId) : null;

/** The hub as a position: its middle. */
export function hubFix(state: UserState, fences: Fences, nowMs: number): Fix | null {
  const hub = hubOf(state, fences, nowMs);
  if (hub === null) return null;
  const { latE7, lngE7, radiusM } = hub;
  return { latE7, lngE7, accuracyDm: 0, takenAtMs: nowMs, hubM: radiusM };
}

/** Id of the coarse cell of the hub. */
export function hubCell(state: UserState, fences: Fences, nowMs: number): string | null {
  const hub = hubOf(state, fences, nowMs);
  return hub === null ? null : regionId(cellOf(hub.latE7 / 1e7, hub.lngE7 / 1e7));
}

/**
 * Tells the area that the hub is open, now and again every minute while a phone of the officer is there: areas forget at a
 * crash, and after a while of silence. A hub that was taken away is not told again.
 */
export function openHub(state: UserState, fences: Fences, turn: Turn): void {
  const { hub, me, sessions } = state;
  if (hub === null || hub.area === null || sessions.length === 0 || modeNow(state, turn.nowMs) !== 'hub')
    return;
  const { area, placeId: hubId, name } = hub;
  if (hubOf(state, fences, turn.nowMs) !== null) {
    const open: AreaMessage = { type: 'hubOpen', userId: me.id, hubId, name };
    turn.tell({ kind: 'area', id: area }, open);
  }
  renewHub(state, turn);
}

/** Also after the actor came to another node. */
export function renewHub({ hub }: UserState, turn: Turn): void {
  if (hub !== null) turn.timer('hub', AREA_RENEW_MS, { type: 'hubRenew' } satisfies UserMessage);
}

/** The officer is there no more. */
export function closeHub({ hub, me }: UserState, turn: Turn): void {
  if (hub === null || hub.area === null) return;
  const closed: AreaMessage = { type: 'hubClosed', userId: me.id, hubId: hub.placeId };
  turn.tell({ kind: 'area', id: hub.area }, closed);
  turn.cancelTimer('hub');
}
