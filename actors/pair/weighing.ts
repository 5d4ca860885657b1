/**
 * What a meeting is worth, and what speaks against it: the rules are asked, and the store for what it knows of the two. A scan
 * that was uploaded late is looked at beside the meetings around its own time first.
 */
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { beginClaim, boundsOf } from '../claims.ts';
import type { EncounterOp } from '../durable.ts';
import { historyTrust, type PairHistory } from '../fraud/history.ts';
import type { PairMessage } from '../messages/pair.ts';
import type { QueryAnswers } from '../queries.ts';
import type { MeetRules } from '../rules.ts';
import type { Award, ScoreQuery } from '../scoring.ts';
import { MET } from '../settlement.ts';
import type { Turn } from '../turn.ts';
import { withOne, without } from '../waiting.ts';
import { claim, persist } from './settling.ts';
import { encounterIdOf, type PairState, pairId, type UnderWay, type Weighed } from './state.ts';

/** What is asked of the rules is answered under the tag of what is weighed, behind this. */
export const SCORE = 'score/';

export function observe(state: PairState, message: PairMessage, rules: MeetRules, turn: Turn): PairState {
  const { evidence, officer, civilian } = message;
  if (turn.self.id !== pairId(officer.id, civilian.id)) {
    turn.reply(refuse(ERROR.invalid, 'this is another pair'));
    return state;
  }
  const points = rules.points[evidence.method];
  const { scannedAtMs = null, metBy } = evidence;
  const op: EncounterOp = {
    type: 'encounter',
    id: encounterIdOf(evidence, officer.id, civilian.id, turn.newId()),
    officer: officer.id,
    civilian: civilian.id,
    method: evidence.method,
    cell: evidence.cell,
    rule: rules.encounter,
    officerPoints: points.officer,
    civilianPoints: points.civilian,
    cooldownS: rules.cooldownS,
    trust: evidence.trust ?? 0,
    ...(scannedAtMs !== null && { scannedAtMs }),
    ...(metBy && { metBy }),
    idempotency: message.idempotency ?? null,
  };
  const { unvouched = false } = evidence;
  const { replyTo } = turn;
  const one: UnderWay = { op, officer, civilian, replyTo, unvouched, bounds: null, claim: null };
  const tag = turn.newId();
  const { method, cell } = evidence;
  const place = { cell, account: officer.id };
  turn.query(
    {
      type: 'scores',
      of: [
        { type: 'score', kind: 'encounter.points', input: { method }, place },
        dayOf('officer', officer.id),
        dayOf('civilian', civilian.id),
      ],
    },
    `${SCORE}${tag}`,
  );
  // how far back a late scan is looked at is for the rules to say
  const late = scannedAtMs !== null;
  const history = late ? 'unasked' : lookUp(one, tag, rules, turn);
  const weighed: Weighed = { ...one, scored: false, history };
  return { ...state, weighed: withOne(state.weighed, tag, weighed) };
}

/** What a day holds for somebody. */
const dayOf = (userKind: 'officer' | 'civilian', account: string): ScoreQuery => ({
  type: 'score',
  kind: 'earning.limit',
  input: { userKind },
  place: { account },
});

/** What the rules say of it is frozen with it, whatever they say later. */
export function score(
  state: PairState,
  scoreTag: string,
  result: Result<unknown>,
  rules: MeetRules,
  turn: Turn,
): PairState {
  const tag = scoreTag.slice(SCORE.length);
  const before = state.weighed.get(tag);
  if (!before) return state;
  const [award, ...days] = result.ok ? (result.value as readonly [Award, Award, Award]) : [null];
  if (award === null || award.refusal !== undefined) {
    turn.reply(result.ok ? refuse(ERROR.forbidden, award!.refusal!) : (result as Refusal), before.replyTo);
    return { ...state, weighed: without(state.weighed, tag) };
  }
  const bounds = boundsOf(award, days as unknown as readonly [Award, Award]);
  const { points, rule, limits } = award;
  const op: EncounterOp = {
    ...before.op,
    rule,
    officerPoints: points.officer ?? 0,
    civilianPoints: points.civilian ?? 0,
    cooldownS: limits.cooldownS ?? before.op.cooldownS,
  };
  const one: Weighed = { ...before, op, bounds, scored: true };
  if (op.scannedAtMs === undefined) return decide(state, tag, one, rules, turn);
  return lookBack({ ...state, weighed: without(state.weighed, tag) }, one, op.scannedAtMs, turn);
}

/** Goes to the store once both answers are there. */
function decide(state: PairState, tag: string, one: Weighed, rules: MeetRules, turn: Turn): PairState {
  if (!one.scored || one.history === 'awaited')
    return { ...state, weighed: withOne(state.weighed, tag, one) };
  const { op, history, unvouched } = one;
  const met = { cooldownS: op.cooldownS, unvouched };
  const more = history === 'unasked' ? 0 : historyTrust(history, met, rules.fraud);
  const trust = (op.trust ?? 0) | more;
  const weighed = { ...one, op: { ...op, trust } };
  const next = { ...state, weighed: without(state.weighed, tag) };
  // what is held moves no points: an operator decides of those
  if (one.bounds === null || trust > 0) return persist(next, weighed, turn);
  return claim(next, tag, weighed, beginClaim(weighed.op, one.bounds, tag, turn), turn);
}

/** The store's own check looks back from now. A scan of yesterday must not count beside a meeting around its own time. */
function lookBack(state: PairState, one: UnderWay, scannedAtMs: number, turn: Turn): PairState {
  const { officer, civilian, cooldownS } = one.op;
  const tag = turn.newId();
  turn.query(
    {
      type: 'pairMet',
      officer,
      civilian,
      afterMs: scannedAtMs - cooldownS * 1_000,
      beforeMs: scannedAtMs + cooldownS * 1_000,
    },
    tag,
  );
  return { ...state, judged: withOne(state.judged, tag, one) };
}

/** What is not the very same encounter makes this one a duplicate. Whatever comes after the answer meets the cooldown. */
export function judge(
  state: PairState,
  tag: string,
  result: Result<unknown>,
  rules: MeetRules,
  turn: Turn,
): PairState {
  const one = state.judged.get(tag);
  if (!one) return state;
  const next = { ...state, judged: without(state.judged, tag) };
  if (!result.ok) {
    turn.reply(result, one.replyTo);
    return next;
  }
  const met = result.value as QueryAnswers['pairMet'];
  if (met.length === 0 || met.includes(one.op.id)) return consider(next, one, rules, turn);
  turn.reply(MET, one.replyTo);
  return next;
}

function consider(state: PairState, one: UnderWay, rules: MeetRules, turn: Turn): PairState {
  const tag = turn.newId();
  const history = lookUp(one, tag, rules, turn);
  return decide(state, tag, { ...one, scored: true, history }, rules, turn);
}

/** What speaks against the two stands in the past as well, which only the store has. */
function lookUp({ op }: UnderWay, tag: string, { fraud }: MeetRules, turn: Turn): 'awaited' | 'unasked' {
  if (fraud.historyH === 0) return 'unasked';
  const { officer, civilian } = op;
  turn.query(
    {
      type: 'pairHistory',
      officer,
      civilian,
      withinMs: fraud.historyH * 3_600_000,
      pairMax: fraud.farmedTimes,
      officerMax: fraud.officerDayMax,
      civilianMax: fraud.oneOfficerTimes,
    },
    tag,
  );
  return 'awaited';
}

export function weigh(
  state: PairState,
  tag: string,
  result: Result<unknown>,
  rules: MeetRules,
  turn: Turn,
): PairState {
  const one = state.weighed.get(tag)!;
  if (!result.ok) {
    turn.reply(result, one.replyTo);
    return { ...state, weighed: without(state.weighed, tag) };
  }
  return decide(state, tag, { ...one, history: result.value as PairHistory }, rules, turn);
}
