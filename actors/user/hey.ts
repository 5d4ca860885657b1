/**
 * Saying hey: a civilian greets an officer of the same area, the officer accepts or declines. Only a civilian can
 * start (DOMAIN rule 3); the officer learns a handle, never a place; the positions of both, compared here and nowhere
 * else, and once for each hey, must be fresh and agree when he accepts.
 *
 * What a hey says of the officer to somebody who asks and asks: nothing beyond what the area tells. The civilian's area is
 * asked first, and only of an officer of whom it tells (late, and among enough people: `area.ts`) the hey goes on; of all
 * others there is one answer, and none of them is asked. He who is told of although he has left meanwhile keeps the hey like
 * one that he does not answer: it waits, and expires.
 */
import type { CommandBody } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { NOT_TOLD } from '../area.ts';
import type { AreaStay } from '../geo/areaRoute.ts';
import { distanceM } from '../geo/distance.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { AreaMessage } from '../messages/area.ts';
import type { Settlement } from '../messages/pair.ts';
import type { Fix, PersonRef, UserMessage } from '../messages/user.ts';
import { pairId } from '../pair/state.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import {
  begin,
  finish,
  isInDoubt,
  refuseUnlessKnown,
  remember,
  rememberForGood,
  settle,
  settleOn,
  underWay,
} from './commands.ts';
import { peerPresence, watchPeer } from './peers.ts';
import { trustNow } from './place.ts';
import { type PresenceView, viewOf } from './presence.ts';
import { seconds } from './sessions.ts';
import { type CommandUnderWay, type Hey, isSharing, type UserState } from './state.ts';
import { emit, newest } from './stream.ts';

type CommandMessage = UserMessage & { type: 'command' };

const NOT_SHARED = refuse(ERROR.conflict, 'share your position first');
const OVER = refuse(ERROR.gone, 'this hey is over');
const BEING_ACCEPTED = refuse(ERROR.conflict, 'this hey is being accepted');
/** Whichever it is: that only a position is old is not told apart from that the two are not in one place. */
const NOT_TOGETHER = refuse(ERROR.conflict, 'fresh positions of both, close together, are needed');

const fresh = (fix: Fix, rules: MeetRules, nowMs: number): boolean =>
  nowMs - fix.takenAtMs <= rules.heyFixAgeS * 1_000;

/** This person, as others are told of it. */
export const selfRef = (state: UserState): PersonRef => ({
  id: state.me.id,
  kind: state.me.kind as PersonRef['kind'],
  handle: state.me.handle,
});

/** At the civilian: asks the area whether it tells of this officer; {@link officerTold} goes on. */
export function sayHey(state: UserState, message: CommandMessage, rules: MeetRules, turn: Turn): UserState {
  const { officerId } = message.body as CommandBody<'hey.say'>;
  const refusal = refuseHey(state, officerId, rules, turn.nowMs);
  if (refusal !== null) {
    turn.reply(refusal);
    return remember(state, message, refusal);
  }
  // From the key, so that a retry after an unknown outcome is the same hey.
  const heyId = derivedId('hey', state.me.id, message.key as string);
  const expiresAtMs = turn.nowMs + rules.heyS * 1_000;
  // who is listed behind a border is told of there
  const listed = state.areas.find(({ officers }) => officers.some(({ id }) => id === officerId));
  const area = listed?.area ?? (state.around as AreaStay).home;
  turn.ask(
    { kind: 'area', id: area },
    { type: 'isTold', officerId } satisfies AreaMessage,
    `${message.key}/told`,
  );
  return begin(state, underWay(message, turn, 'hey.say', { heyId, expiresAtMs, otherId: officerId }));
}

/** The area tells of this officer, or not. */
export function officerTold(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  rules: MeetRules,
  turn: Turn,
): UserState {
  const { otherId: officerId, heyId, expiresAtMs } = command;
  const refusal = result.ok ? refuseHey(state, officerId, rules, turn.nowMs) : result;
  if (refusal !== null || state.track === null) return finish(state, command, refusal ?? NOT_SHARED, turn);
  const { latE7, lngE7, accuracyDm, takenAtMs } = state.track.fix;
  const offered: UserMessage = {
    type: 'heyOffered',
    heyId: heyId as string,
    civilian: selfRef(state),
    fix: { latE7, lngE7, accuracyDm, takenAtMs },
    areas: state.around?.areas.map(area => area.id) ?? [],
    expiresAtMs,
    trust: trustNow(state, rules, turn),
  };
  turn.ask({ kind: 'user', id: officerId }, offered, command.key);
  return state;
}

function refuseHey(state: UserState, officerId: string, rules: MeetRules, nowMs: number): Refusal | null {
  if (state.me.kind !== 'civilian') return refuse(ERROR.forbidden, 'only a civilian can say hey');
  if (officerId === state.me.id) return refuse(ERROR.invalid, 'a hey to oneself');
  if (!isSharing(state, nowMs) || !state.track || !state.around) return NOT_SHARED;
  if (!fresh(state.track.fix, rules, nowMs)) return refuse(ERROR.conflict, 'your position is too old');
  return null;
}

/** The officer's phone was told, or not. */
export function heySaid(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (!result.ok) return finish(state, command, result, turn);
  const { heyId, expiresAtMs, otherId: officerId } = command;
  const { presence } = result.value as { readonly presence?: PresenceView };
  const said = finish(state, command, ok({ heyId, expiresS: seconds(expiresAtMs) }), turn);
  if (heyId === null) return said;
  const others = said.greeted.filter(one => one.heyId !== heyId && one.expiresAtMs > turn.nowMs);
  const greeted = [...others, { heyId, officerId, expiresAtMs, peer: null }].slice(-ACTOR_LIMITS.greeted);
  const next = { ...said, greeted };
  watchPeer(heyId, turn);
  // without a word the other side is online
  if (presence === undefined || presence.state === 'online') return next;
  return peerPresence(next, { type: 'peerPresence', heyId, presence }, turn);
}

/** A hey of this civilian is over. */
export const ungreeted = (state: UserState, heyId: string): UserState =>
  state.greeted.length === 0
    ? state
    : { ...state, greeted: state.greeted.filter(one => one.heyId !== heyId) };

/**
 * At the officer, of whom the civilian's area tells. Where he is by now changes nothing of the answer, nor of what follows at
 * the civilian: a hey that cannot be shown waits here unseen, as one that he does not answer.
 */
export function heyOffered(
  state: UserState,
  message: UserMessage & { type: 'heyOffered' },
  turn: Turn,
): UserState {
  if (state.me.kind !== 'officer') {
    turn.reply(NOT_TOLD);
    return state;
  }
  const waiting = state.heys.filter(hey => hey.expiresAtMs > turn.nowMs);
  if (waiting.some(hey => hey.heyId === message.heyId)) {
    turn.reply(ok({ presence: viewOf(state.presence) }));
    return state;
  }
  if (waiting.some(hey => hey.other.id === message.civilian.id)) {
    turn.reply(refuse(ERROR.conflict, 'your hey is waiting already'));
    return state;
  }
  if (waiting.length >= ACTOR_LIMITS.heysWaiting) {
    turn.reply(refuse(ERROR.rateLimited, 'the officer has many heys waiting', 5_000));
    return state;
  }
  const { heyId, civilian: other, fix, expiresAtMs, trust = 0 } = message;
  turn.timer(`hey:${heyId}`, expiresAtMs - turn.nowMs, { type: 'heyTimeout', heyId });
  watchPeer(heyId, turn);
  turn.reply(ok({ presence: viewOf(state.presence) }));
  const { track, around } = state;
  const isHere = isSharing(state, turn.nowMs) && around !== null && message.areas.includes(around.home);
  const hasPhone = state.sessions.length > 0 || state.presence.state === 'grace';
  const cell = track?.route.coarse ?? '';
  const hey: Hey = { heyId, other, fix, cell, expiresAtMs, trust, peer: null, isShown: true };
  if (!isHere || !hasPhone || track === null) return { ...state, heys: [...waiting, unseen(hey)] };
  const body = { heyId, civilianHandle: other.handle, expiresS: seconds(expiresAtMs) };
  return emit({ ...state, heys: [...waiting, hey] }, turn, 'hey.received', body, heyId);
}

/** Of this hey the officer knows nothing, or no more; of its place nothing is kept. */
export const unseen = (hey: Hey): Hey => ({ ...hey, fix: NOWHERE, cell: '', isShown: false });

const NOWHERE: Fix = { latE7: 0, lngE7: 0, accuracyDm: 0, takenAtMs: 0 };

/** At the civilian: the officer's side ended it. */
export const heyClosed = (
  state: UserState,
  { heyId, reason }: UserMessage & { type: 'heyClosed' },
  turn: Turn,
): UserState => emit(state, turn, 'hey.closed', { heyId, reason }, heyId);

const shownHey = ({ heys }: UserState, heyId: string): Hey | undefined =>
  heys.find(one => one.heyId === heyId && one.isShown);

function withoutHey(state: UserState, heyId: string | null, turn: Turn): UserState {
  turn.cancelTimer(`hey:${heyId}`);
  return { ...state, heys: state.heys.filter(hey => hey.heyId !== heyId) };
}

/** At the officer: the hey is over, and its civilian is told why. */
export function closeHey(
  state: UserState,
  hey: Hey,
  reason: 'declined' | 'expired' | 'gone' | 'refused',
  turn: Turn,
): UserState {
  turn.tell({ kind: 'user', id: hey.other.id }, { type: 'heyClosed', heyId: hey.heyId, reason });
  return withoutHey(state, hey.heyId, turn);
}

/** At the officer: two fresh positions that agree go to the pair, anything else is refused; {@link heyAccepted} goes on. */
export function acceptHey(
  state: UserState,
  message: CommandMessage,
  rules: MeetRules,
  turn: Turn,
): UserState {
  const { heyId } = message.body as CommandBody<'hey.accept'>;
  const hey = shownHey(state, heyId);
  // without the hey: what becomes of it is not decided by who is refused
  const refused = (refusal: Refusal, from: UserState = state): UserState =>
    refuseUnlessKnown(from, underWay(message, turn, 'hey.accept', {}), refusal, turn);
  if (!hey || hey.expiresAtMs <= turn.nowMs) return refused(OVER);
  if (isBeingAccepted(state, heyId)) return refused(BEING_ACCEPTED);
  const mine = state.track?.fix;
  if (!mine || !fresh(mine, rules, turn.nowMs)) return refused(NOT_TOGETHER);
  // one look for each hey: who may look again from elsewhere would search for the civilian
  if (!areTogether(mine, hey.fix, rules, turn.nowMs))
    return refused(NOT_TOGETHER, closeHey(state, hey, 'refused', turn));
  const key = message.key as string;
  const observe = {
    type: 'observe',
    evidence: { method: 'hey', id: heyId, cell: hey.cell, trust: hey.trust | trustNow(state, rules, turn) },
    officer: { id: state.me.id, handle: state.me.handle },
    civilian: { id: hey.other.id, handle: hey.other.handle },
    idempotency: { userId: state.me.id, key, requestHash: message.requestHash as string },
  };
  const settling = { pair: pairId(state.me.id, hey.other.id), observe };
  const command = underWay(message, turn, 'hey.accept', { heyId, otherId: hey.other.id, settling });
  return settle(state, command, turn);
}

/** Whether the civilian's position holds still, and is the officer's. */
function areTogether(mine: Fix, theirs: Fix, rules: MeetRules, nowMs: number): boolean {
  if (!fresh(theirs, rules, nowMs)) return false;
  const apartM = distanceM(mine.latE7, mine.lngE7, theirs.latE7, theirs.lngE7);
  // with whatever accuracy the phone likes, an officer would measure how far the civilian is
  const wideM = ({ accuracyDm }: Fix): number => Math.min(accuracyDm / 10, rules.proximity.keepAccuracyM);
  return apartM <= rules.heyReachM + wideM(mine) + wideM(theirs);
}

/** The pair has settled it, or not, or nobody knows: then it is asked on. */
export function heyAccepted(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (isInDoubt(command, result)) return settleOn(state, command, turn);
  const answered = finish(state, command, outcomeFor(state, result), turn);
  const hey = state.heys.find(one => one.heyId === command.heyId);
  if (result.ok) return withoutHey(answered, command.heyId, turn);
  if (!hey) return answered;
  if (!result.retryable) return closeHey(answered, hey, 'refused', turn);
  // Its time ran out meanwhile, and the timer left it to this accept.
  const isOver = hey.expiresAtMs <= turn.nowMs && !isBeingAccepted(answered, hey.heyId);
  return isOver ? closeHey(answered, hey, 'expired', turn) : answered;
}

/** This side's part of a settlement, as the reply says it. */
export function outcomeFor(state: UserState, result: Result<unknown>): Result<unknown> {
  if (!result.ok) return result;
  const settlement = result.value as Settlement;
  // what is held moves nothing: the phone hears of it by an event
  if (settlement.held) {
    const { balance } = newest(state);
    return ok({ encounterId: settlement.encounterId, points: 0, balance });
  }
  const { points, balance } = settlement[state.me.kind as 'officer' | 'civilian'];
  return ok({ encounterId: settlement.encounterId, points, balance });
}

/** An accept that is under way decides what becomes of its hey. */
export const isBeingAccepted = (state: UserState, heyId: string): boolean =>
  [...state.underWay.values()].some(command => command.name === 'hey.accept' && command.heyId === heyId);

/** At the officer: no. A hey that is being accepted cannot be declined any more. */
export function declineHey(state: UserState, message: CommandMessage, turn: Turn): UserState {
  const { heyId } = message.body as CommandBody<'hey.decline'>;
  const hey = shownHey(state, heyId);
  const refusal = !hey ? OVER : isBeingAccepted(state, heyId) ? BEING_ACCEPTED : null;
  const result = refusal ?? ok({});
  turn.reply(result);
  if (!hey || refusal) return remember(state, message, result);
  return rememberForGood(closeHey(state, hey, 'declined', turn), message, result, turn);
}
