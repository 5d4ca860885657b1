/**
 * What would be wrong, planted into the town of a test to show that the attacker finds it. Nothing of it is product: these
 * behaviours stand around the real ones and push one more frame.
 *
 * - `distance`: civilians are told, with the handles of the officers in their area, how far these are, rounded to 100 m.
 * - `prompt`: civilians are told at once who shares in their coarse cell of 2,048 m, whoever else is there.
 */
import { distanceM } from '../../actors/geo/distance.ts';
import type { SessionRef, Turn } from '../../actors/turn.ts';
import { refs } from '../../actors/user/sessions.ts';
import { isSharing, type UserState } from '../../actors/user/state.ts';
import type { AnyBehaviour, Behaviours } from '../../nodes/effects.ts';
import { encodeVolatile } from '../../protocol/messages.ts';
import { COARSE_M } from './ground.ts';

export const LEAKS = ['none', 'distance', 'prompt'] as const;
export type Leak = (typeof LEAKS)[number];
export type Planted = Exclude<Leak, 'none'>;
/** So close must he come to whom a planted leak gives away, or he is no attacker to be trusted. */
export const FOUND_M: Readonly<Record<Planted, number>> = { distance: 150, prompt: COARSE_M };

const ROUNDED_M = 100;

interface Shared {
  readonly handle: string;
  readonly latE7: number;
  readonly lngE7: number;
  readonly cell: string;
}

/** Behaviours with a leak; each call is a town of its own. */
export function leaking(leak: Leak): (behaviours: Behaviours) => Behaviours {
  if (leak === 'none') return behaviours => behaviours;
  const officers = new Map<string, Shared>();
  const after = leak === 'distance' ? tellDistances(officers) : tellCells(officers);
  return behaviours => ({ ...behaviours, user: followed(behaviours.user, after) });
}

interface Named {
  readonly id: string;
  readonly handle: string;
}

/** A list as phones get it, under a key that no area has. */
function listFrame(key: string, version: number, officers: readonly Named[]): Uint8Array {
  const named = officers.map(({ id, handle }) => ({ officerId: id, handle }));
  return encodeVolatile(
    'area.officers',
    key,
    version,
    named.length > 0 ? { cell: key, officers: named } : null,
  );
}

type After = (state: UserState, turn: Turn, type: string) => void;

function followed(user: AnyBehaviour, after: After): AnyBehaviour {
  return {
    ...user,
    receive(state, message, turn) {
      const next = user.receive(state, message, turn) as UserState;
      after(next, turn, message.type);
      return next;
    },
  };
}

function sharedBy(state: UserState, nowMs: number): Shared | null {
  if (!isSharing(state, nowMs) || state.track === null) return null;
  const { latE7, lngE7 } = state.track.fix;
  return { handle: state.me.handle, latE7, lngE7, cell: state.track.route.owner.id };
}

function tellDistances(officers: Map<string, Shared>): After {
  let version = 0;
  return (state, turn, type) => {
    const mine = sharedBy(state, turn.nowMs);
    if (state.me.kind === 'officer') {
      if (mine) officers.set(state.me.id, mine);
      else officers.delete(state.me.id);
      return;
    }
    if (mine === null || type !== 'location') return;
    const told = state.areas
      .flatMap(area => area.officers)
      .flatMap(({ id, handle }) => {
        const his = officers.get(id);
        if (!his) return [];
        const metres = distanceM(mine.latE7, mine.lngE7, his.latE7, his.lngE7);
        return [{ id, handle: `${handle}, ${Math.round(metres / ROUNDED_M) * ROUNDED_M} m` }];
      });
    turn.push(refs(state.sessions), listFrame('leak', ++version, told), 'volatile');
  };
}

interface Listener {
  readonly sessions: readonly SessionRef[];
  readonly cells: readonly string[];
}

function tellCells(officers: Map<string, Shared>): After {
  const listeners = new Map<string, Listener>();
  let version = 0;
  const inCell = (cell: string) =>
    [...officers].filter(([, one]) => one.cell === cell).map(([id, { handle }]) => ({ id, handle }));
  const frameOf = (cell: string) => listFrame(`leak ${cell}`, ++version, inCell(cell));
  return (state, turn) => {
    const mine = sharedBy(state, turn.nowMs);
    if (state.me.kind === 'officer') {
      const before = officers.get(state.me.id);
      if (mine) officers.set(state.me.id, mine);
      else officers.delete(state.me.id);
      if (before?.cell === mine?.cell) return;
      for (const cell of [before?.cell, mine?.cell])
        for (const { sessions, cells } of listeners.values())
          if (cell !== undefined && cells.includes(cell)) turn.push(sessions, frameOf(cell), 'volatile');
      return;
    }
    const before = listeners.get(state.me.id)?.cells ?? [];
    const cells = mine === null || state.track === null ? [] : state.track.route.regions.map(one => one.id);
    const sessions = refs(state.sessions);
    listeners.set(state.me.id, { sessions, cells });
    for (const cell of cells) if (!before.includes(cell)) turn.push(sessions, frameOf(cell), 'volatile');
    for (const cell of before)
      if (!cells.includes(cell)) turn.push(sessions, listFrame(`leak ${cell}`, ++version, []), 'volatile');
  };
}
