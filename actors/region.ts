/**
 * A region: a 2,048 m cell of the earth that knows who shares a position in it or just beside it. It matches officers
 * with civilians and tells the pair when two met; what civilians are told of officers around is not said here (`area.ts`).
 * Nothing in it is durable: after a crash it fills itself again with the next reports.
 *
 * What each side may learn is in `messages/region.ts`; the rules of a meeting are in `geo/rules.ts`.
 */
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { Footprints } from './fraud/footprints.ts';
import { FRAUD_RULES, type FraudRules } from './fraud/rules.ts';
import { FIXES_MAX, Fixes, type Step } from './geo/fixes.ts';
import { cellOfRegion } from './geo/grid.ts';
import { OBSERVE_TIMEOUT_MS, SILENT_MS, SILENT_SWEEP_MS, SLOT_SWEEP_MS } from './geo/limits.ts';
import { Matcher, type MatchWatch, type Moved } from './geo/matcher.ts';
import type { ProximityRules } from './geo/rules.ts';
import type { PairMessage } from './messages/pair.ts';
import type { RegionMessage } from './messages/region.ts';
import type { UserMessage } from './messages/user.ts';
import { pairId } from './pair.ts';
import { packRegion, unpackRegion } from './regionPacking.ts';
import type { Behaviour, Turn } from './turn.ts';

/** Room for fixes that wait, for those who are next; empty ones, so one for all regions. */
const SPARE: Fixes[] = [];
const SPARE_MAX = 256;

/** No such member. */
const NIL = -1;

export interface RegionState {
  readonly matcher: Matcher;
  /** Who walked where; begins anew when the region does. */
  readonly footprints: Footprints;
  /** The slot sweep is armed: it goes on while there are slots. */
  slotsSwept: boolean;
  /** Meetings whose pairs have not answered yet, `officer|civilian`; empty when the region is packed. */
  readonly asked: Set<string>;
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
    patient: message => message.type === 'fix',
    unhurried: message => message.type === 'fix',
    join,
    hydrate: () => null,
    create(id, _loaded, turn) {
      const cell = cellOfRegion(id);
      if (cell === null) return refuse(ERROR.notFound, 'no such region');
      turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies RegionMessage);
      return ok({
        matcher: new Matcher(cell, rules, watch),
        footprints: new Footprints(fraud),
        slotsSwept: false,
        asked: new Set(),
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
      compare(state, message, matcher.members.indexOf(message.userId), turn);
      offer(state, matcher.move(message, turn.nowMs), turn);
      break;
    case 'fixes':
      takeAll(state, message.fixes, turn);
      break;
    case 'adopt':
      compare(state, message.fix, matcher.members.indexOf(message.fix.userId), turn);
      offer(state, matcher.adopt(message.fix, message, turn.nowMs), turn);
      break;
    case 'depart': {
      const { fix } = message;
      const { slots, officer } = matcher.departOfficer(fix.userId, fix.takenAtMs);
      // an answer that is on its way does not find him any more: he is offered again where he comes to
      const taken = slots.map(one =>
        state.asked.has(pairId(fix.userId, one.civilianId)) ? { ...one, stage: 'ready' as const } : one,
      );
      const adopt: RegionMessage = { type: 'adopt', fix, slots: taken, officer };
      turn.tell({ kind: 'region', id: message.to }, adopt);
      break;
    }
    case 'leave':
      matcher.leave(message.userId, message.atMs);
      if (message.atMs === undefined) state.footprints.forget(message.userId);
      if (message.to !== undefined) {
        const leave: RegionMessage = { type: 'leave', userId: message.userId };
        turn.tell({ kind: 'region', id: message.to }, leave);
      }
      break;
    case 'sweepSilent':
      matcher.sweep(turn.nowMs - SILENT_MS);
      turn.timer('silent', SILENT_SWEEP_MS, message);
      break;
    case 'sweepSlots':
      state.slotsSwept = false;
      matcher.sweepSlots(turn.nowMs);
      break;
    case 'answer':
      state.asked.delete(message.tag);
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

/** The fixes of a tick come one behind the other: they wait as one message and are taken in one turn. */
function join(waiting: RegionMessage, message: RegionMessage): RegionMessage | null {
  if (message.type !== 'fix') return null;
  if (waiting.type === 'fixes') {
    if (waiting.fixes.count >= FIXES_MAX) return null;
    waiting.fixes.add(message);
    return waiting;
  }
  if (waiting.type !== 'fix') return null;
  const fixes = SPARE.pop() ?? new Fixes();
  fixes.add(waiting);
  fixes.add(message);
  return { type: 'fixes', fixes };
}

function takeAll(state: RegionState, fixes: Fixes, turn: Turn): void {
  const { matcher } = state;
  const before = (i: number): void =>
    compare(state, fixes.step(i), matcher.members.indexOfFix(fixes, i), turn);
  offer(state, matcher.takeAll(fixes, turn.nowMs, before), turn);
  fixes.clear();
  if (SPARE.length < SPARE_MAX) SPARE.push(fixes);
}

/** Somebody walks where somebody else walked: both are told, and their next fix says so. `index`: the member, if any. */
function compare(state: RegionState, fix: Step, index: number, turn: Turn): void {
  const { footprints, matcher } = state;
  const { userId, latE7, lngE7, takenAtMs } = fix;
  // a fix that is said again is no step
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
function offer({ asked }: RegionState, { meetings }: Moved, turn: Turn): void {
  for (const { officer, civilian } of meetings) {
    const id = pairId(officer.id, civilian.id);
    asked.add(id);
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
