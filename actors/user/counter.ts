/** What a merchant's actor knows of its counter: which till is whose, what waits there, and which till was wrong how often. */
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { withAsker } from '../askers.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { ReplyTo, SessionRef, Turn } from '../turn.ts';
import { withOne, without } from '../waiting.ts';
import { type Counter, type Redemption, type Till, withOver } from './redemption.ts';
import { isAttached } from './sessions.ts';
import type { UserState } from './state.ts';

const same = (a: SessionRef | null, b: SessionRef): boolean =>
  a !== null && a.id === b.id && a.gateway === b.gateway;

const NEW_TILL = { session: null, wrong: 0, waitsUntilMs: 0 };

const withCounter = (state: UserState, counter: Partial<Counter>): UserState => ({
  ...state,
  counter: { ...state.counter, ...counter },
});

/** The name of a till is its session's alone, while that is attached. Another name does not undo wrong codes. */
export function openTill(
  state: UserState,
  name: string,
  session: SessionRef,
  nowMs: number,
): Result<UserState> {
  const trimmed = name.trim();
  if (trimmed === '') return refuse(ERROR.invalid, 'a till has a name');
  const { tills } = state.counter;
  const known = tills.find(till => till.name === trimmed) ?? null;
  if (known?.session && !same(known.session, session) && isAttached(state, known.session))
    return refuse(ERROR.conflict, 'another connection is this till');
  const others = tills
    .filter(till => till !== known)
    .map(till => (same(till.session, session) ? { ...till, session: null } : till));
  const before = [known ?? NEW_TILL, tills.find(till => same(till.session, session)) ?? NEW_TILL];
  const till: Till = {
    name: trimmed,
    session,
    wrong: Math.max(...before.map(({ wrong }) => wrong)),
    waitsUntilMs: Math.max(...before.map(({ waitsUntilMs }) => waitsUntilMs)),
  };
  return ok(withCounter(state, { tills: kept(state, [...others, till], nowMs) }));
}

/** The longest unused one goes, one that was not wrong before others, and none that waits. */
function kept(state: UserState, tills: readonly Till[], nowMs: number): readonly Till[] {
  if (tills.length <= ACTOR_LIMITS.tills) return tills;
  const unused = tills.filter(
    ({ session, waitsUntilMs }) => waitsUntilMs <= nowMs && !(session && isAttached(state, session)),
  );
  const goes = unused.find(till => till.wrong === 0) ?? unused[0] ?? tills[0];
  return tills.filter(till => till !== goes);
}

/** Passes: the actor began anew, and forgot who is a till. */
export const NO_TILL = refuse(ERROR.conflict, 'open a till first');

/** The name of the till of this session; empty by REST. */
export function tillOf({ counter }: UserState, session: SessionRef | undefined): Result<string> {
  if (session === undefined) return ok('');
  const till = counter.tills.find(one => same(one.session, session));
  return till ? ok(till.name) : NO_TILL;
}

/** Why this till takes no code now, or null. */
export function refuseCode({ counter }: UserState, name: string, nowMs: number): Refusal | null {
  const { wrong, sinceMs } = counter.guesses;
  const allWaitMs = wrong < ACTOR_LIMITS.wrongCodesAll ? 0 : sinceMs + ACTOR_LIMITS.wrongCodesMs - nowMs;
  if (allWaitMs > 0) return refuse(ERROR.rateLimited, 'too many wrong codes: all tills wait', allWaitMs);
  const waitMs = (counter.tills.find(till => till.name === name)?.waitsUntilMs ?? 0) - nowMs;
  return waitMs > 0 ? refuse(ERROR.rateLimited, 'too many wrong codes: this till waits', waitMs) : null;
}

/** A code was right, or wrong; after several wrong ones in a row the till waits, after many in a while all of them. */
export function codeTried(state: UserState, name: string, isRight: boolean, { nowMs }: Turn): UserState {
  const { tills, guesses } = state.counter;
  const known = tills.find(till => till.name === name) ?? { ...NEW_TILL, name };
  if (isRight && known.wrong === 0) return state;
  const wrong = isRight ? 0 : known.wrong + 1;
  const waits = wrong >= ACTOR_LIMITS.wrongCodes;
  const till: Till = {
    ...known,
    wrong: waits ? 0 : wrong,
    waitsUntilMs: waits ? nowMs + ACTOR_LIMITS.wrongCodesMs : known.waitsUntilMs,
  };
  return withCounter(state, {
    tills: kept(state, [...tills.filter(one => one !== known), till], nowMs),
    guesses: isRight ? guesses : guessedWrong(guesses, nowMs),
  });
}

const guessedWrong = ({ wrong, sinceMs }: Counter['guesses'], nowMs: number): Counter['guesses'] =>
  nowMs < sinceMs + ACTOR_LIMITS.wrongCodesMs ? { wrong: wrong + 1, sinceMs } : { wrong: 1, sinceMs: nowMs };

/** Somebody waits. What ended already stays so, whatever is told late. */
export function waits(state: UserState, ...redemptions: readonly Redemption[]): UserState {
  const { open, over } = state.counter;
  const news = redemptions.filter(({ id }) => !open.has(id) && !over.includes(id));
  if (news.length === 0) return state;
  const all = new Map(open);
  for (const redemption of news) all.set(redemption.id, redemption);
  return withCounter(state, { open: all });
}

/** Nobody waits for it any more. */
export function isOver(state: UserState, id: string): UserState {
  const open = without(state.counter.open, id);
  return withCounter(state, { open, over: withOver(state.counter.over, id, ACTOR_LIMITS.redemptionsOver) });
}

/** Somebody told late waits until the store has said what became of it. */
export function toldLate(state: UserState, id: string, replyTo: ReplyTo | null): UserState {
  const { late } = state.counter;
  return withCounter(state, { late: withOne(late, id, withAsker(late.get(id) ?? [], replyTo)) });
}

export function toldLateAnswered(state: UserState, id: string): UserState {
  return withCounter(state, { late: without(state.counter.late, id) });
}

/** What waits here, the soonest over first. */
export const waiting = ({ counter }: UserState, nowMs: number): readonly Redemption[] =>
  [...counter.open.values()]
    .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    .sort((a, b) => a.expiresAtMs - b.expiresAtMs);
