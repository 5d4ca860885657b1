/**
 * A region: a 2,048 m cell of the earth that knows who shares a position in it or just beside it. It matches officers
 * with civilians and tells the pair when two met. Who is near whom (rule 10) it does not even look for: what civilians are told of officers
 * around comes from their areas (`area.ts`), because a region that told them would be a range finder.
 * Nothing in it is durable: after a crash it fills itself again with the next reports.
 *
 * What each side may learn is in `messages/region.ts`; the rules of a meeting are in `geo/rules.ts`.
 */
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { Footprints } from './fraud/footprints.ts';
import { FRAUD_RULES, type FraudRules } from './fraud/rules.ts';
import { FIXES_MAX, Fixes, type Step } from './geo/fixes.ts';
import { regionId } from './geo/grid.ts';
import { groundOf, type Layouts, NO_LAYOUTS } from './geo/layout.ts';
import {
  OBSERVE_TIMEOUT_MS,
  OFFICER_SILENT_MS,
  SILENT_MS,
  SILENT_SWEEP_MS,
  SLOT_SWEEP_MS,
} from './geo/limits.ts';
import { Matcher, type MatchWatch, type Moved } from './geo/matcher.ts';
import type { ProximityRules } from './geo/rules.ts';
import type { PairMessage } from './messages/pair.ts';
import type { RegionLoad, RegionMessage } from './messages/region.ts';
import type { UserMessage } from './messages/user.ts';
import { pairId } from './pair/state.ts';
import {
  type Division,
  type DivisionParts,
  follow,
  inherit,
  isBelated,
  isForgettable,
  judges,
  newDivision,
  type PersonMessage,
  settle,
  take,
  yielded,
} from './regionDivision.ts';
import { packRegion, readPieces, unpackRegion } from './regionPacking.ts';
import type { Behaviour, Turn } from './turn.ts';

/** Room for fixes that wait, for those who are next; empty ones, so one for all regions. */
const SPARE: Fixes[] = [];
const SPARE_MAX = 256;

/** No such member. */
const NIL = -1;

export interface RegionState {
  /** Another one when the region handed over what it knew. */
  matcher: Matcher;
  /** Those that the matcher goes by. */
  rules: ProximityRules;
  /** Whether this is a region at all, by the layout of its cell, and what it waits for. */
  readonly division: Division;
  /** Taken since the region is in memory. */
  fixes: number;
  /** Who walked where; begins anew when the region does. */
  footprints: Footprints;
  /** The slot sweep is armed: it goes on while there are slots. */
  slotsSwept: boolean;
  /** Meetings whose pairs have not answered yet, `officer|civilian`; empty when the region is packed. */
  readonly asked: Set<string>;
}

/** The behaviour of regions under the rules that these are now; `watch` hears of every slot. */
export function regionBehaviour(
  given: ProximityRules | (() => ProximityRules),
  fraud: FraudRules = FRAUD_RULES,
  watch: MatchWatch | null = null,
  layoutsNow: () => Layouts = () => NO_LAYOUTS,
): Behaviour<RegionState, RegionMessage> {
  const rulesNow = typeof given === 'function' ? given : () => given;
  /** Who stands beside whom, and for how long, goes on under other rules. */
  const ruled = (state: RegionState): RegionState => {
    const rules = rulesNow();
    if (rules === state.rules) return state;
    const packed = state.matcher.pack();
    state.matcher = new Matcher(state.division.ground.cell, rules, watch);
    state.matcher.restore(packed);
    state.rules = rules;
    return state;
  };
  const parts: DivisionParts<RegionState> = {
    layoutsNow,
    // no rule changes how far away positions are heard
    reachM: rulesNow().reachM,
    fresh: cell => new Matcher(cell, rulesNow(), watch),
    read: readPieces,
    dissolved: state => {
      state.footprints = new Footprints(fraud);
    },
    act,
    moved: offer,
  };
  return {
    kind: 'region',
    inPlace: true,
    patient: message => message.type === 'fix',
    unhurried: message => message.type === 'fix',
    join,
    hydrate: () => null,
    create(id, _loaded, turn) {
      const ground = groundOf(id);
      if (ground === null) return refuse(ERROR.notFound, 'no such region');
      turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies RegionMessage);
      return ok({
        matcher: new Matcher(ground.cell, rulesNow(), watch),
        rules: rulesNow(),
        division: newDivision(ground),
        fixes: 0,
        footprints: new Footprints(fraud),
        slotsSwept: false,
        asked: new Set(),
      });
    },
    receive: (state, message, turn) => receive(ruled(state), message, parts, turn),
    pack: packRegion,
    unpack(id, packed, turn) {
      const ground = groundOf(id);
      return ground === null
        ? refuse(ERROR.notFound, 'no such region')
        : unpackRegion(ground, packed, rulesNow(), fraud, watch, turn);
    },
    idleMs: () => SILENT_MS,
  };
}

/** By these a region learns of a layout, also before its node does. */
const isAboutLayout = (message: RegionMessage) =>
  message.type === 'laid' || message.type === 'yield' || message.type === 'inherit';

function receive(
  state: RegionState,
  message: RegionMessage,
  parts: DivisionParts<RegionState>,
  turn: Turn,
): RegionState {
  const isNothing = message.type === 'inherit' && isBelated(state, message);
  if (!isNothing) {
    follow(state, isAboutLayout(message) ? message.layout : undefined, parts, turn);
  }
  switch (message.type) {
    case 'fixes':
      takeAll(state, message.fixes, parts, turn);
      break;
    case 'fix':
    case 'adopt':
    case 'depart':
    case 'leave':
    case 'unsettled':
      take(state, message, parts, turn);
      break;
    case 'yield':
      yielded(state, message.to, turn);
      break;
    case 'inherit':
      if (!isNothing) inherit(state, message, parts, turn);
      break;
    case 'settle':
      settle(state, parts, turn);
      break;
    case 'load':
      turn.reply(ok({ members: state.matcher.members.count, fixes: state.fixes } satisfies RegionLoad));
      break;
    case 'sweepSilent':
      state.footprints.forget(state.matcher.sweep(turn.nowMs - SILENT_MS, turn.nowMs - OFFICER_SILENT_MS));
      turn.timer('silent', SILENT_SWEEP_MS, message);
      break;
    case 'sweepSlots':
      state.slotsSwept = false;
      state.matcher.sweepSlots(turn.nowMs);
      break;
    case 'answer': {
      const [officerId, civilianId, offered] = message.tag.split('|') as [string, string, string];
      state.asked.delete(pairId(officerId, civilianId));
      if (!message.result.ok) {
        const unsettled = { type: 'unsettled', officerId, civilianId, offeredMs: Number(offered) } as const;
        take(state, { ...unsettled, again: message.result.retryable }, parts, turn);
      }
      break;
    }
    default:
      break;
  }
  const { matcher } = state;
  if (matcher.members.count === 0) {
    if (isForgettable(state, parts.layoutsNow())) turn.passivate();
  } else if (matcher.slotCount > 0) sweepSlotsSoon(state, turn);
  return state;
}

/** As the judge of the officers here. */
function act(state: RegionState, message: PersonMessage, turn: Turn): void {
  const { matcher } = state;
  switch (message.type) {
    case 'fix':
      state.fixes++;
      compare(state, message, matcher.members.indexOf(message.userId), turn);
      offer(state, matcher.move(message, turn.nowMs), turn);
      break;
    case 'adopt':
      state.fixes++;
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
      if (message.atMs === undefined) state.footprints.forget([message.userId]);
      if (message.to !== undefined) {
        const { id, ...layout } = message.to;
        const leave: RegionMessage = { type: 'leave', userId: message.userId, ...layout };
        turn.tell({ kind: 'region', id }, leave);
      }
      break;
    case 'unsettled':
      if (message.again) matcher.unknown(message.officerId, message.civilianId);
      else if (message.offeredMs !== undefined) matcher.refused(message.officerId, message.offeredMs);
      break;
  }
}

/** The fixes of a tick come one behind the other: they wait as one message and are taken in one turn. */
function join(waiting: RegionMessage, message: RegionMessage): RegionMessage | null {
  if (message.type !== 'fix') return null;
  if (waiting.type === 'fixes') {
    if (waiting.fixes.count >= FIXES_MAX || !waiting.fixes.takes(message)) return null;
    waiting.fixes.add(message);
    return waiting;
  }
  if (waiting.type !== 'fix' || waiting.dual || message.dual || waiting.layout !== message.layout)
    return null;
  const fixes = SPARE.pop() ?? new Fixes();
  fixes.add(waiting);
  fixes.add(message);
  return { type: 'fixes', fixes };
}

/** All at once by whoever judges; one by one by a signpost, and by whoever waits for what others know. */
function takeAll(state: RegionState, fixes: Fixes, parts: DivisionParts<RegionState>, turn: Turn): void {
  if (judges(state)) judgeAll(state, fixes, turn);
  else for (let i = 0; i < fixes.count; i++) take(state, fixes.at(i), parts, turn);
  fixes.clear();
  if (SPARE.length < SPARE_MAX) SPARE.push(fixes);
}

function judgeAll(state: RegionState, fixes: Fixes, turn: Turn): void {
  const { matcher } = state;
  state.fixes += fixes.count;
  const before = (i: number): void =>
    compare(state, fixes.step(i), matcher.members.indexOfFix(fixes, i), turn);
  offer(state, matcher.takeAll(fixes, turn.nowMs, before), turn);
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
 * Asks rather than tells, so that a meeting outlives a store that is away: it is offered again at the next look, as the same
 * proof, so a meeting that was settled and whose answer was lost is found and not refused as a second one.
 */
function offer({ asked, division, rules }: RegionState, { meetings }: Moved, turn: Turn): void {
  // the coarse cell, whatever is divided in it
  const cell = regionId(division.ground.cell);
  for (const { officer, civilian, offeredMs } of meetings) {
    const id = pairId(officer.id, civilian.id);
    asked.add(id);
    const trust = officer.trust | civilian.trust;
    const observe: PairMessage = {
      type: 'observe',
      evidence: {
        method: 'proximity',
        id: String(offeredMs),
        cell,
        metBy: rules.rule,
        ...(trust === 0 ? {} : { trust }),
      },
      officer: { id: officer.id, handle: officer.handle },
      civilian: { id: civilian.id, handle: civilian.handle },
    };
    turn.ask({ kind: 'pair', id }, observe, `${id}|${offeredMs}`, OBSERVE_TIMEOUT_MS);
  }
}
