/**
 * An area: a fixed block of 8,192 m of the earth, and all that a civilian is told of where an officer is. It knows who
 * shares a position in it (never where), and tells the civilians in it, and those close to its border, which officers do.
 *
 * What is to be kept from whoever looks, with as many accounts as he likes, from wherever he says that he is, for hours:
 * - Where in the area an officer is: the area does not know. Blocks are fixed; with drawn ones, looking often would average
 *   the draw away.
 * - When he came or left: that he is at a border of the block, or opened or closed the app. Every change is told after a
 *   delay that is drawn once for the change and not for the one who looks: so a thousand accounts learn no more than one.
 *   There is one list at a time, the one that is told; who comes sees that one and never a newer one. A change that is
 *   taken back before it was told is none: somebody who walks along a border is no news.
 * - A list of few: nobody is named before so many people share in the area. To have enough is a change like any other. (If
 *   the list were closed at once, who brings the others himself would see the moment at which the officer goes.)
 *
 * Nothing of it is durable. After a crash it fills itself as people say again that they are there (`AREA_RENEW_MS`), and
 * tells nothing until they had the time to, so that no phone sees everybody go and come back.
 */
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { change, type Delayed } from './areaDelay.ts';
import { closeSilentHubs, hubClosed, hubOpen, type KnownHub, toldHubsOf } from './areaHubs.ts';
import { packArea, unpackArea } from './areaPacking.ts';
import { type AreaRules, settlingMs } from './geo/areaRules.ts';
import { cellOfArea } from './geo/grid.ts';
import {
  AREA_ABSENT_MS,
  AREA_OFFICERS_MAX,
  AREA_SWEEP_MAX,
  AREA_SWEEP_MS,
  OFFICER_SILENT_MS,
  SILENT_MS,
  SILENT_SWEEP_MS,
} from './geo/limits.ts';
import type { AreaMessage } from './messages/area.ts';
import type { HubRef, OfficerRef, UserMessage } from './messages/user.ts';
import type { Behaviour, Turn } from './turn.ts';

/** Of an officer who does not exist, shares nothing, is elsewhere, or is not told of yet: which of it is nobody's business. */
export const NOT_TOLD = refuse(ERROR.notFound, 'no such officer in this area');

export interface KnownOfficer extends Delayed {
  readonly id: string;
  readonly handle: string;
}

export interface Member {
  readonly userId: string;
  civilian: boolean;
  /** Counted here. */
  home: boolean;
  heardMs: number;
  /** Heard each minute while he is here. */
  often: boolean;
  /** The generation of the list that this civilian was told; 0 for none. */
  seen: number;
  at: number;
}

export interface AreaState {
  readonly rules: AreaRules;
  /** When civilians hear what holds though nothing changed since the beginning, town milliseconds. */
  readonly settlesMs: number;
  readonly byId: Map<string, Member>;
  /** The same people without gaps: who is last takes the place of who leaves. */
  readonly members: Member[];
  /** Members at home here. */
  participants: number;
  /** Officers who are here or are told to be, in the order in which they came. */
  readonly officers: Map<string, KnownOfficer>;
  /** Hubs that are open or are told to be. */
  readonly hubs: Map<string, KnownHub>;
  /** Whether so many share here that officers are named. */
  readonly enough: Delayed;
  /** What is not told yet. */
  readonly pending: Set<Delayed>;
  /** What civilians are told. */
  told: readonly OfficerRef[];
  toldHubs: readonly HubRef[];
  /** Counts the changes of what is told; 0 while nothing is told to anybody. */
  generation: number;
  /**
   * Stamp of the notices, brought up to the clock whenever one is sent: so it rises with every change, from one
   * activation to the next, and for someone who comes back after his owner declared the area void.
   */
  version: number;
  /** The sweep goes through the members below this index, downwards; 0 when nobody waits for news. */
  sweepFrom: number;
  /** The list changed while the sweep was under way: it begins anew at the top when it is through. */
  sweepAgain: boolean;
}

/** The behaviour of areas under these rules. */
export function areaBehaviour(rules: AreaRules): Behaviour<AreaState, AreaMessage> {
  return {
    kind: 'area',
    inPlace: true,
    hydrate: () => null,
    create(id, _loaded, turn) {
      if (cellOfArea(id) === null) return refuse(ERROR.notFound, 'no such area');
      turn.timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' } satisfies AreaMessage);
      turn.timer('settled', settlingMs(rules), { type: 'settled' } satisfies AreaMessage);
      return ok(newArea(rules, turn.nowMs + settlingMs(rules)));
    },
    receive,
    pack: packArea,
    unpack: (id, packed, turn) => unpackArea(id, packed, rules, turn),
    idleMs: () => SILENT_MS,
  };
}

export const newArea = (rules: AreaRules, settlesMs: number): AreaState => ({
  rules,
  settlesMs,
  byId: new Map(),
  members: [],
  participants: 0,
  officers: new Map(),
  hubs: new Map(),
  enough: { is: false, isTold: false, dueMs: 0 },
  pending: new Set(),
  told: [],
  toldHubs: [],
  generation: 0,
  version: 0,
  sweepFrom: 0,
  sweepAgain: false,
});

function receive(state: AreaState, message: AreaMessage, turn: Turn): AreaState {
  switch (message.type) {
    case 'enter':
      enter(state, message, turn);
      break;
    case 'leave':
      leave(state, message.userId, turn);
      break;
    case 'isTold':
      turn.reply(isTold(state, message.officerId) ? ok({}) : NOT_TOLD);
      break;
    case 'hubOpen':
      hubOpen(state, message, turn);
      break;
    case 'hubClosed':
      hubClosed(state, message.hubId, message.userId, turn);
      break;
    case 'changes':
      break;
    case 'settled':
      // nobody came or went since the beginning: whoever saw something before hears what holds
      if (state.generation === 0) news(state, turn);
      break;
    case 'sweep':
      sweep(state, turn);
      break;
    case 'sweepSilent':
      for (const { userId, heardMs, often } of [...state.members])
        if (turn.nowMs - heardMs > (often ? OFFICER_SILENT_MS : SILENT_MS)) leave(state, userId, turn);
      closeSilentHubs(state, turn);
      turn.timer('silent', SILENT_SWEEP_MS, message);
      break;
    default:
      return state;
  }
  tellDue(state, turn);
  // what is still to be told is remembered: an area that began anew would show at once that nobody is left
  if (state.members.length === 0 && state.hubs.size === 0 && state.pending.size === 0) turn.passivate();
  return state;
}

function enter(state: AreaState, message: AreaMessage & { type: 'enter' }, turn: Turn): void {
  const { userId, role, handle, home, absent = false, isAnew = false, often = false } = message;
  const civilian = role === 'civilian';
  let member = state.byId.get(userId);
  if (member === undefined) {
    member = { userId, civilian, home: false, heardMs: 0, often, seen: 0, at: state.members.length };
    state.byId.set(userId, member);
    state.members.push(member);
  }
  state.participants += Number(home) - Number(member.home);
  member.home = home;
  member.civilian = civilian;
  member.heardMs = turn.nowMs;
  member.often = often;
  if (isAnew) member.seen = 0;
  if (civilian) inform(state, member, turn);
  else {
    const known = state.officers.get(userId);
    const officer = known ?? { id: userId, handle, is: false, isTold: false, dueMs: 0 };
    // who lost his phone may be back before anybody is told, whatever the delay
    change(state, officer, !absent, absent ? AREA_ABSENT_MS : 0, turn);
    if (known === undefined && officer.is) state.officers.set(userId, officer);
    else forgetUntold(state, officer);
  }
  change(state, state.enough, state.participants >= state.rules.participantsMin, 0, turn);
}

function leave(state: AreaState, userId: string, turn: Turn): void {
  const member = state.byId.get(userId);
  if (member === undefined) return;
  state.byId.delete(userId);
  const last = state.members.pop() as Member;
  if (last !== member) {
    last.at = member.at;
    state.members[last.at] = last;
  }
  state.participants -= Number(member.home);
  const officer = state.officers.get(userId);
  if (officer !== undefined) {
    change(state, officer, false, 0, turn);
    forgetUntold(state, officer);
  }
  change(state, state.enough, state.participants >= state.rules.participantsMin, 0, turn);
}

/** Who came and went before anybody was told. */
function forgetUntold({ officers }: AreaState, { id, is, isTold }: KnownOfficer): void {
  if (!is && !isTold) officers.delete(id);
}

/** Tells what is due, and wakes up when the next is. */
function tellDue(state: AreaState, turn: Turn): void {
  const { pending, officers, hubs } = state;
  if (pending.size === 0) return;
  let nextMs = Number.POSITIVE_INFINITY;
  let isNews = false;
  for (const what of pending) {
    if (what.dueMs > turn.nowMs) {
      nextMs = Math.min(nextMs, what.dueMs);
      continue;
    }
    pending.delete(what);
    what.isTold = what.is;
    what.dueMs = 0;
    isNews = true;
    if (what.is || !('id' in what)) continue;
    const { id } = what as KnownOfficer | KnownHub;
    if (officers.get(id) === what) officers.delete(id);
    if (hubs.get(id) === what) hubs.delete(id);
  }
  if (nextMs < Number.POSITIVE_INFINITY)
    turn.timer('changes', nextMs - turn.nowMs, { type: 'changes' } satisfies AreaMessage);
  if (!isNews) return;
  const [told, toldHubs] = [toldOf(state), toldHubsOf(state)];
  if (same(told, state.told) && same(toldHubs, state.toldHubs)) return;
  state.told = told;
  state.toldHubs = toldHubs;
  news(state, turn);
}

const same = (a: readonly { id: string }[], b: readonly { id: string }[]): boolean =>
  a.length === b.length && a.every(({ id }, i) => id === b[i]!.id);

/** What is told now: the first of the officers that are told, when there are enough people. */
export function toldOf({ enough, officers }: Pick<AreaState, 'enough' | 'officers'>): OfficerRef[] {
  if (!enough.isTold) return [];
  const told: OfficerRef[] = [];
  for (const { id, handle, isTold } of officers.values()) {
    if (told.length === AREA_OFFICERS_MAX) break;
    if (isTold) told.push({ id, handle });
  }
  return told;
}

/** Whether civilians are told of this officer; lists have an end, and what they say of the first holds for the others too. */
const isTold = ({ enough, officers }: AreaState, officerId: string): boolean =>
  enough.isTold && (officers.get(officerId)?.isTold ?? false);

/** Sees to it that every civilian here hears of the list. */
function news(state: AreaState, turn: Turn): void {
  state.generation++;
  state.version++;
  if (state.sweepFrom > 0) {
    state.sweepAgain = true;
    return;
  }
  state.sweepFrom = state.members.length;
  if (state.sweepFrom > 0) turn.timer('sweep', AREA_SWEEP_MS, { type: 'sweep' } satisfies AreaMessage);
}

/**
 * Tells a bounded number of civilians what they have not heard; goes on after a while when there are more. Downwards, so
 * that whoever takes the place of one who left was told already, or will be.
 */
function sweep(state: AreaState, turn: Turn): void {
  const from = Math.min(state.sweepFrom, state.members.length);
  const until = Math.max(0, from - AREA_SWEEP_MAX);
  for (let at = from - 1; at >= until; at--) {
    const member = state.members[at]!;
    if (member.civilian) inform(state, member, turn);
  }
  state.sweepFrom = until;
  if (until === 0 && state.sweepAgain) {
    state.sweepAgain = false;
    state.sweepFrom = state.members.length;
  }
  if (state.sweepFrom > 0) turn.timer('sweep', AREA_SWEEP_MS, { type: 'sweep' } satisfies AreaMessage);
}

function inform(state: AreaState, member: Member, turn: Turn): void {
  if (member.seen === state.generation) return;
  member.seen = state.generation;
  state.version = Math.max(state.version, turn.nowMs);
  const area: UserMessage = {
    type: 'area',
    area: turn.self.id,
    version: state.version,
    officers: state.told,
    hubs: state.toldHubs,
  };
  turn.tell({ kind: 'user', id: member.userId }, area);
}
