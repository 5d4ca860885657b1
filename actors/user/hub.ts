/**
 * An officer at a hub (mode `hub`). No position of his phone is taken; where the hub stands is no secret, so what is proved
 * there is proved at the hub: a meeting by code gets the hub's coarse cell, and a code that was sent on to somebody
 * elsewhere is found out by the hub's point.
 */
import { cellOf, regionId } from '../geo/grid.ts';
import type { Fences, Place } from '../geo/places/fence.ts';
import type { Fix } from '../messages/user.ts';
import { modeNow, type UserState } from './state.ts';

/** Null: at no hub, or at one that was taken away. */
const hubOf = (state: UserState, fences: Fences, nowMs: number): Place | null =>
  state.hub !== null && modeNow(state, nowMs) === 'hub' ? fences.of(state.hub.placeId) : null;

/** The hub as a position: its middle, as accurate as the hub is wide. */
export function hubFix(state: UserState, fences: Fences, nowMs: number): Fix | null {
  const hub = hubOf(state, fences, nowMs);
  if (hub === null) return null;
  const { latE7, lngE7, radiusM } = hub;
  return { latE7, lngE7, accuracyDm: radiusM * 10, takenAtMs: nowMs };
}

/** Id of the coarse cell of the hub. */
export function hubCell(state: UserState, fences: Fences, nowMs: number): string | null {
  const hub = hubOf(state, fences, nowMs);
  return hub === null ? null : regionId(cellOf(hub.latE7 / 1e7, hub.lngE7 / 1e7));
}
