/**
 * Which hubs in an area are open: those at which an officer is checked in. Civilians are told that a hub is open, and neither
 * who is there nor how many: a second officer, or one of two who leaves, is no change and is told to nobody.
 *
 * A change is told after the delay of every other change in the area, so that opening a hub is not tied to the person who was
 * seen to walk in. The least number of people who share does not apply: nobody is named, and where the hub stands is
 * no secret.
 */
import { change, type Delayed } from './areaDelay.ts';
import type { AreaRules } from './geo/areaRules.ts';
import { AREA_HUBS_MAX, SILENT_MS } from './geo/limits.ts';
import type { AreaMessage } from './messages/area.ts';
import type { HubRef } from './messages/user.ts';
import type { Turn } from './turn.ts';

export interface KnownHub extends Delayed {
  readonly id: string;
  name: string;
  /** Officers who are there, and when they said so last. Told to nobody. */
  readonly officers: Map<string, number>;
}

interface Hubs {
  readonly rules: AreaRules;
  readonly pending: Set<Delayed>;
  /** Hubs that are open or are told to be, in the order in which they opened. */
  readonly hubs: Map<string, KnownHub>;
}

export function hubOpen(
  state: Hubs,
  { hubId, name, userId }: AreaMessage & { type: 'hubOpen' },
  turn: Turn,
): void {
  let hub = state.hubs.get(hubId);
  if (hub === undefined) {
    hub = { id: hubId, name, officers: new Map(), is: false, isTold: false, dueMs: 0 };
    state.hubs.set(hubId, hub);
  }
  hub.name = name;
  hub.officers.set(userId, turn.nowMs);
  change(state, hub, true, 0, turn);
}

export function hubClosed(state: Hubs, hubId: string, userId: string, turn: Turn): void {
  const hub = state.hubs.get(hubId);
  if (hub === undefined || !hub.officers.delete(userId) || hub.officers.size > 0) return;
  change(state, hub, false, 0, turn);
  if (!hub.isTold) state.hubs.delete(hubId);
}

/** Officers of whom nothing is heard any more are there no more. */
export function closeSilentHubs(state: Hubs, turn: Turn): void {
  for (const { id, officers } of [...state.hubs.values()])
    for (const [userId, heardMs] of [...officers])
      if (turn.nowMs - heardMs > SILENT_MS) hubClosed(state, id, userId, turn);
}

/** What is told now. */
export function toldHubsOf({ hubs }: Pick<Hubs, 'hubs'>): HubRef[] {
  const told = [...hubs.values()].filter(({ isTold }) => isTold).slice(0, AREA_HUBS_MAX);
  return told.map(({ id, name }) => ({ id, name }));
}
