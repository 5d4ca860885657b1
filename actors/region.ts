/**
 * A region: a 2,048 m cell of the earth that knows who shares a position in it or just beside it. It matches officers
 * with civilians, tells the pair when two met, and tells civilians which officers share in the cell. Nothing in it is
 * durable: after a crash it fills itself again with the next reports.
 *
 * What each side may learn is in `messages/region.ts`; the rules of a meeting are in `geo/rules.ts`.
 */
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { Footprints } from './fraud/footprints.ts';
import { FRAUD_RULES, type FraudRules } from './fraud/rules.ts';
import { cellOfRegion } from './geo/grid.ts';
import {
  AREA_OFFICERS_MAX,
  AREA_SWEEP_MAX,
  AREA_SWEEP_MS,
  OBSERVE_TIMEOUT_MS,
  SILENT_MS,
  SILENT_SWEEP_MS,
  SLOT_SWEEP_MS,
} from './geo/limits.ts';
import { Matcher, type MatchWatch, type Moved } from './geo/matcher.ts';
import { CIVILIAN } from './geo/members.ts';
import type { ProximityRules } from './geo/rules.ts';
import type { PairMessage } from './messages/pair.ts';
import type { FixMessage, RegionMessage } from './messages/region.ts';
import type { OfficerRef, UserMessage } from './messages/user.ts';
import { packRegion, unpackRegion } from './regionPacking.ts';
import type { Behaviour, Turn } from './turn.ts';

/** No such member. */
const NIL = -1;

export interface RegionState {
  readonly matcher: Matcher;
  /** Who walked where; begins anew when the region does. */
  readonly footprints: Footprints;
  /** Officers here, longest present first. */
  readonly officers: Map<string, OfficerRef>;
  /** What civilians are told: the first of them. */
  told: readonly OfficerRef[];
  /** Counts the changes of `told`; members carry the one they have seen. */
  generation: number;
  /**
   * Of `told` those whose phone is there; `told` itself when that is so for all. Who saw an officer goes on seeing him for
   * the while that he may come back in, so that nothing flickers; who did not is not offered him meanwhile.
   */
  offered: readonly OfficerRef[];
  /** Counts the changes of `offered`; members who saw less than `told` carry it, negative. */
  offering: number;
  /**
   * Stamp of the notices, brought up to the clock whenever one is sent: so it rises with every change, from one
   * activation to the next, and for someone who comes back after his owner declared the cell void.
   */
  version: number;
  /** The area sweep goes through members below this index, downwards; 0 when nobody waits for news. */
  sweepFrom: number;
  /** The slot sweep is armed: it goes on while there are slots. */
  slotsSwept: boolean;
}

/** The behaviour of regions under these rules; `watch` hears of every slot. */
export function regionBehaviour(
  rules: ProximityRules,
  fraud: FraudRules = FRAUD_RULES,
  watch: MatchWatch | null = null,
): Behaviour<RegionState, RegionMessage> {
  return {
    kind: 'region',
    inPlace: true,
    hydrate: () => null,
    create(id, _loaded, turn) {
      const cell = cellOfRegion(id);
      if (cell === null) return refuse(ERROR.notFound, 'no such region');
      turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies RegionMessage);
      return ok({
        matcher: new Matcher(cell, rules, watch),
        footprints: new Footprints(fraud),
        officers: new Map(),
        told: [],
        generation: 1,
        offered: [],
        offering: 1,
        version: 0,
        sweepFrom: 0,
        slotsSwept: false,
      });
    },
    receive,
    pack: packRegion,
    unpack(id, packed, turn) {
      const cell = cellOfRegion(id);
      return cell === null
        ? refuse(ERROR.notFound, 'no such region')
        : unpackRegion(cell, packed, rules, fraud, watch, turn);
    },
    idleMs: () => SILENT_MS,
  };
}

function receive(state: RegionState, message: RegionMessage, turn: Turn): RegionState {
  const { matcher } = state;
  switch (message.type) {
    case 'fix':
      compare(state, message, turn);
      offer(matcher.move(message, turn.nowMs), turn);
      arrived(state, message, turn);
      break;
    case 'adopt':
      compare(state, message.fix, turn);
      offer(matcher.adopt(message.fix, message, turn.nowMs), turn);
      arrived(state, message.fix, turn);
      break;
    case 'depart': {
      const { fix } = message;
      const adopt: RegionMessage = {
        type: 'adopt',
        fix,
        ...matcher.departOfficer(fix.userId, fix.takenAtMs),
      };
      turn.tell({ kind: 'region', id: message.to }, adopt);
      gone(state, [fix.userId], turn);
      break;
    }
    case 'leave':
      matcher.leave(message.userId, message.atMs);
      gone(state, [message.userId], turn);
      break;
    case 'sweepAreas':
      sweepAreas(state, turn);
      break;
    case 'sweepSilent':
      gone(state, matcher.sweep(turn.nowMs - SILENT_MS), turn);
      turn.timer('silent', SILENT_SWEEP_MS, message);
      break;
    case 'sweepSlots':
      state.slotsSwept = false;
      matcher.sweepSlots(turn.nowMs);
      break;
    case 'answer':
      if (!message.result.ok) {
        const [officerId, civilianId] = message.tag.split('|');
        matcher.unsettled(officerId!, civilianId!, message.result.retryable === true);
      }
      break;
    default:
      break;
  }
  if (matcher.members.count === 0) turn.passivate();
  else if (matcher.slotCount > 0) sweepSlotsSoon(state, turn);
  return state;
}

/** Somebody walks where somebody else walked: both are told, and their next fix says so. */
function compare({ footprints, matcher }: RegionState, fix: FixMessage, turn: Turn): void {
  const { userId, latE7, lngE7, takenAtMs } = fix;
  // a fix that is said again is no step
  const index = matcher.members.indexOf(userId);
  if (index !== NIL && matcher.members.takenAtMs(index) === takenAtMs) return;
  const other = footprints.tread(userId, latE7, lngE7, takenAtMs);
  if (other === null) return;
  const suspected: UserMessage = { type: 'suspected', reason: 'cloned' };
  for (const id of [userId, other]) turn.tell({ kind: 'user', id }, suspected);
}

function sweepSlotsSoon(state: RegionState, turn: Turn): void {
  if (state.slotsSwept) return;
  state.slotsSwept = true;
  turn.timer('slots', SLOT_SWEEP_MS, { type: 'sweepSlots' } satisfies RegionMessage);
}

/**
 * Asks rather than tells, so that a meeting outlives a store that is away: it is offered again at the next look. Who is
 * near whom (`nears`) is told to nobody from here: it is for those who make notifications of it.
 */
function offer({ meetings }: Moved, turn: Turn): void {
  for (const { officer, civilian } of meetings) {
    const id = `${officer.id}|${civilian.id}`;
    const trust = officer.trust | civilian.trust;
    const observe: PairMessage = {
      type: 'observe',
      evidence: { method: 'proximity', id: null, cell: turn.self.id, ...(trust === 0 ? {} : { trust }) },
      officer: { id: officer.id, handle: officer.handle },
      civilian: { id: civilian.id, handle: civilian.handle },
    };
    turn.ask({ kind: 'pair', id }, observe, id, OBSERVE_TIMEOUT_MS);
  }
}

function arrived(state: RegionState, fix: FixMessage, turn: Turn): void {
  if (fix.role === 'officer') {
    if (!state.officers.has(fix.userId)) {
      state.officers.set(fix.userId, { id: fix.userId, handle: fix.handle });
      officersChanged(state, turn);
    } else if (fix.absent === true || state.offered !== state.told) offersChanged(state, turn);
  } else {
    inform(state, state.matcher.members.indexOf(fix.userId), turn);
  }
}

function gone(state: RegionState, userIds: readonly string[], turn: Turn): void {
  let changed = false;
  for (const id of userIds) changed = state.officers.delete(id) || changed;
  if (changed) officersChanged(state, turn);
}

/** Makes the new list, if it is one, and sees to it that every civilian here gets it. */
function officersChanged(state: RegionState, turn: Turn): void {
  const told = [...state.officers.values()].slice(0, AREA_OFFICERS_MAX);
  if (told.length === state.told.length && told.every((one, i) => one === state.told[i])) return;
  state.told = told;
  state.generation++;
  state.offered = offeredOf(state);
  state.offering++;
  tellAll(state, turn);
}

/** A phone of an officer is not there for the moment, or is there again: those who were told less hear of it. */
function offersChanged(state: RegionState, turn: Turn): void {
  const offered = offeredOf(state);
  if (offered.length === state.offered.length && offered.every((one, i) => one === state.offered[i])) return;
  const isBack = offered.some(one => !state.offered.includes(one));
  state.offered = offered;
  state.offering++;
  if (isBack) tellAll(state, turn);
}

/** `told` without those who are absent; `told` itself when nobody is. */
export function offeredOf({ told, matcher }: Pick<RegionState, 'told' | 'matcher'>): readonly OfficerRef[] {
  const { members } = matcher;
  const isThere = ({ id }: OfficerRef): boolean => {
    const index = members.indexOf(id);
    return index === NIL || !members.isAbsent(index);
  };
  return told.every(isThere) ? told : told.filter(isThere);
}

function tellAll(state: RegionState, turn: Turn): void {
  state.version++;
  if (state.sweepFrom === 0)
    turn.timer('areas', AREA_SWEEP_MS, { type: 'sweepAreas' } satisfies RegionMessage);
  state.sweepFrom = state.matcher.members.highest;
}

/** Tells a bounded number of civilians what they have not seen; goes on after a while when there are more. */
function sweepAreas(state: RegionState, turn: Turn): void {
  const { members } = state.matcher;
  const until = Math.max(0, state.sweepFrom - AREA_SWEEP_MAX);
  for (let index = state.sweepFrom - 1; index >= until; index--) {
    if (members.idOf(index) !== '' && members.roleOf(index) === CIVILIAN) inform(state, index, turn);
  }
  state.sweepFrom = until;
  if (until > 0) turn.timer('areas', AREA_SWEEP_MS, { type: 'sweepAreas' } satisfies RegionMessage);
}

function inform(state: RegionState, index: number, turn: Turn): void {
  const { members } = state.matcher;
  const seen = members.seen(index);
  const isAll = state.offered === state.told;
  if (seen === state.generation || (!isAll && seen === -state.offering)) return;
  members.setSeen(index, isAll ? state.generation : -state.offering);
  state.version = Math.max(state.version, turn.nowMs);
  const area: UserMessage = {
    type: 'area',
    cell: turn.self.id,
    version: state.version,
    officers: state.offered,
  };
  turn.tell({ kind: 'user', id: members.idOf(index) }, area);
}
