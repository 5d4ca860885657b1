/**
 * An area as plain values and back, when its shard moves: who is here, what is told, and when what changed may be told. The
 * times of changes go along: drawn anew they would tell more to whoever looks from one node to the next.
 */
import { ERROR, type Result, refuse } from '../protocol/errors.ts';
import { type AreaState, newArea, toldOf } from './area.ts';
import type { Delayed } from './areaDelay.ts';
import { toldHubsOf } from './areaHubs.ts';
import { type AreaRules, settlingMs } from './geo/areaRules.ts';
import { cellOfArea } from './geo/grid.ts';
import { AREA_SWEEP_MS, MEMBERS_MAX, SILENT_SWEEP_MS } from './geo/limits.ts';
import type { AreaMessage } from './messages/area.ts';
import * as read from './packed.ts';
import type { Turn } from './turn.ts';

const VERSION = 1;
const CIVILIAN = 1;
const HOME = 2;
const INFORMED = 4;

const delayed = ({ is, isTold, dueMs }: Delayed): unknown[] => [is, isTold, dueMs];

export function packArea(state: AreaState): unknown {
  const { members, officers, hubs, enough, generation, settlesMs, version, sweepFrom } = state;
  return {
    v: VERSION,
    members: members.map(({ userId, civilian, home, heardMs, seen }) => [
      userId,
      (civilian ? CIVILIAN : 0) | (home ? HOME : 0) | (seen === generation ? INFORMED : 0),
      heardMs,
    ]),
    often: members.filter(({ often }) => often).map(({ userId }) => userId),
    officers: [...officers.values()].map(one => [one.id, one.handle, ...delayed(one)]),
    hubs: [...hubs.values()].map(one => [one.id, one.name, [...one.officers], ...delayed(one)]),
    enough: delayed(enough),
    settled: generation > 0,
    settlesMs,
    version,
    sweeping: sweepFrom > 0,
  };
}

export function unpackArea(id: string, packed: unknown, rules: AreaRules, turn: Turn): Result<AreaState> {
  if (cellOfArea(id) === null) return refuse(ERROR.notFound, 'no such area');
  const result = read.reading(() => stateOf(read.versioned(packed, VERSION), rules, turn.nowMs));
  if (!result.ok) return result;
  const state = result.value;
  const timer = (name: string, delayMs: number, message: AreaMessage): void =>
    turn.timer(name, Math.max(0, delayMs), message);
  timer('silent', SILENT_SWEEP_MS, { type: 'sweepSilent' });
  if (state.generation === 0) timer('settled', state.settlesMs - turn.nowMs, { type: 'settled' });
  if (state.sweepFrom > 0) timer('sweep', AREA_SWEEP_MS, { type: 'sweep' });
  const dueMs = Math.min(...[...state.pending].map(what => what.dueMs));
  if (state.pending.size > 0) timer('changes', dueMs - turn.nowMs, { type: 'changes' });
  return result;
}

function stateOf(packed: read.Fields, rules: AreaRules, nowMs: number): AreaState {
  // a node of the version before did not say
  const state = newArea(rules, read.whole(packed.settlesMs ?? nowMs + settlingMs(rules)));
  state.generation = read.flag(packed.settled) ? 1 : 0;
  state.version = read.number(packed.version);
  // a node of the version before knew of none
  const often = new Set(read.list(packed.often ?? [], MEMBERS_MAX, item => read.text(item)));
  read.list(packed.members, MEMBERS_MAX, item => {
    const [id, flags, heardMs] = read.list(item, 3, value => value);
    const userId = read.text(id);
    const bits = read.whole(flags, 0, CIVILIAN | HOME | INFORMED);
    const has = (bit: number): boolean => (bits & bit) !== 0;
    const member = {
      userId,
      civilian: has(CIVILIAN),
      home: has(HOME),
      heardMs: read.whole(heardMs),
      often: often.has(userId),
      seen: has(INFORMED) ? state.generation : -1,
      at: state.members.length,
    };
    state.byId.set(userId, member);
    state.members.push(member);
    state.participants += Number(member.home);
  });
  read.list(packed.officers, MEMBERS_MAX, item => {
    const [id, handle, ...rest] = read.list(item, 5, value => value);
    const officer = { id: read.text(id), handle: read.text(handle), ...delayedOf(rest) };
    state.officers.set(officer.id, officer);
  });
  // a node of the version before knew of none
  read.list(packed.hubs ?? [], MEMBERS_MAX, item => {
    const [hubId, name, there, ...rest] = read.list(item, 6, value => value);
    const present = read.list(there, MEMBERS_MAX, one => {
      const [userId, heardMs] = read.list(one, 2, value => value);
      return [read.text(userId), read.whole(heardMs)] as const;
    });
    const id = read.text(hubId);
    state.hubs.set(id, { id, name: read.text(name), officers: new Map(present), ...delayedOf(rest) });
  });
  // twice the same person would be counted twice
  read.whole(state.byId.size, state.members.length);
  Object.assign(state.enough, delayedOf(packed.enough));
  for (const what of [state.enough, ...state.officers.values(), ...state.hubs.values()])
    if (what.dueMs > 0) state.pending.add(what);
  state.told = toldOf(state);
  state.toldHubs = toldHubsOf(state);
  state.sweepFrom = read.flag(packed.sweeping) ? state.members.length : 0;
  return state;
}

function delayedOf(item: unknown): Delayed {
  const [is, isTold, dueMs] = read.list(item, 3, value => value);
  return { is: read.flag(is), isTold: read.flag(isTold), dueMs: read.whole(dueMs) };
}
