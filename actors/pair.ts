/**
 * The pair actor: awake only to settle one meeting of an officer and a civilian. Every path to an encounter (dwell, hey,
 * code scanned by either side) ends here, and here nothing is decided: the store's one statement decides by its own
 * clock, so two pairs alive at once by mistake still score once. The id of the encounter follows from its evidence,
 * so a repeat finds the first effect.
 *
 * Both people are told until they have heard it. The pair may die between the commit and that: then whoever takes its
 * shard over tells them what was committed lately (`nodes/timers/retelling.ts`).
 */
import { derivedId } from '../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import {
  type Bounds,
  beginClaim,
  boundsOf,
  CLAIM,
  type Claim,
  type Claimed,
  claimAnswered,
  claimLate,
  giveBack,
  unclaim,
} from './claims.ts';
import type { Committed, EncounterOp } from './durable.ts';
import { historyTrust, type PairHistory } from './fraud/history.ts';
import {
  type Insisting,
  type InsistMessage,
  insist,
  insistAgain,
  insistAnswered,
  insistedKey,
} from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { ClaimLate, EarnedMessage, Evidence, PairMessage, Review } from './messages/pair.ts';
import * as read from './packed.ts';
import type { QueryAnswers } from './queries.ts';
import { type ReviewUnderWay, review, reviewed, reviewFound } from './review.ts';
import type { MeetRules } from './rules.ts';
import type { Award } from './scoring.ts';
import { heldMessage, MET, settledMessage, settlementOf } from './settlement.ts';
import type { Behaviour, ReplyTo, Turn } from './turn.ts';

const VERSION = 1;

interface Side {
  readonly id: string;
  readonly handle: string;
}

interface UnderWay {
  /** With the points of version 1 until it is scored. */
  readonly op: EncounterOp;
  readonly officer: Side;
  readonly civilian: Side;
  readonly replyTo: ReplyTo | null;
  /** What the rules limit of it; null: nothing. */
  readonly bounds: Bounds | null;
  /** What was let through, when something is limited. */
  readonly claim: Claim | null;
}

/** Two answers are under way at once. */
interface Weighed extends UnderWay {
  /** The rules said what it is worth. */
  readonly scored: boolean;
  /** What the store knows of the two; `unasked`: nobody looks there. */
  readonly history: PairHistory | 'awaited' | 'unasked';
}

export interface PairState {
  /** By tag: the rules are asked what it is worth, and the store what it knows of the two. */
  readonly weighed: ReadonlyMap<string, Weighed>;
  /** By tag: an operator's word, whose encounter is read first, and then decided. */
  readonly reviews: ReadonlyMap<string, ReviewUnderWay>;
  /** By tag: the store is asked when the two have met (a scan that was uploaded late). */
  readonly judged: ReadonlyMap<string, UnderWay>;
  /** By tag: what the rules limit is asked for. */
  readonly claiming: ReadonlyMap<string, UnderWay & { readonly claim: Claim }>;
  /** By tag: the store is to settle. */
  readonly underWay: ReadonlyMap<string, UnderWay>;
  /** Who must still hear of an encounter. */
  readonly telling: Insisting;
}

const WAITING_FOR_NOTHING = {
  weighed: new Map<string, never>(),
  reviews: new Map<string, never>(),
  judged: new Map<string, never>(),
  claiming: new Map<string, never>(),
  underWay: new Map<string, never>(),
};

/** The others, when what this tag stood for has come. */
export function without<T>(waiting: ReadonlyMap<string, T>, tag: string): ReadonlyMap<string, T> {
  const others = new Map(waiting);
  others.delete(tag);
  return others;
}

/** What is asked of the rules is answered under the tag of what is weighed, behind this. */
const SCORE = 'score/';

type Said = PairMessage | EarnedMessage | ClaimLate | Review | InsistMessage;

export const pairId = (officerId: string, civilianId: string): string => `${officerId}|${civilianId}`;

/** The id of the encounter that evidence proves; evidence without an id of its own gets `otherwise`. */
export const encounterIdOf = (
  { method, id, once }: Evidence,
  officerId: string,
  civilianId: string,
  otherwise: string,
): string =>
  derivedId('encounter', method, id ?? otherwise, ...(once ? [civilianId] : [officerId, civilianId]));

export function pairBehaviour(rules: MeetRules): Behaviour<PairState, Said> {
  return {
    kind: 'pair',
    hydrate: () => null,
    create: () => ok({ ...WAITING_FOR_NOTHING, telling: {} }),
    pack: packPair,
    unpack: unpackPair,
    idleMs: state => (Object.keys(state.telling).length > 0 ? false : ACTOR_LIMITS.pairIdleMs),
    receive(state, message, turn) {
      switch (message.type) {
        case 'observe':
          return observe(state, message, rules, turn);
        case 'review':
          return review(state, message, turn);
        case 'queried':
          if (state.reviews.has(message.tag)) return reviewFound(state, message.tag, message.result, turn);
          if (message.tag.startsWith(CLAIM)) return claimed(state, message.tag, message.result, turn);
          if (message.tag.startsWith(SCORE)) return score(state, message.tag, message.result, rules, turn);
          return state.weighed.has(message.tag)
            ? weigh(state, message.tag, message.result, rules, turn)
            : judge(state, message.tag, message.result, rules, turn);
        case 'committed':
          return state.reviews.has(message.tag)
            ? reviewed(state, message.tag, message.committed, turn)
            : settled(state, message.tag, message.committed, turn);
        case 'earned':
          return claimed(state, message.tag, message.result, turn);
        case 'claimLate': {
          const one = state.claiming.get(message.tag);
          return one ? claim(state, message.tag, one, claimLate(one.claim, turn), turn) : state;
        }
        case 'answer': {
          if (message.tag.startsWith(CLAIM)) return claimed(state, message.tag, message.result, turn);
          const key = insistedKey(message.tag);
          return key === null
            ? state
            : { ...state, telling: insistAnswered(state.telling, key, message.result, turn) };
        }
        case 'insist':
          return { ...state, telling: insistAgain(state.telling, message.key, turn) };
        default:
          return state;
      }
    },
  };
}

/** The runtime packs a pair that waits for nothing but its next try to tell somebody. */
function packPair({ weighed, reviews, judged, claiming, underWay, telling }: PairState): unknown {
  const waiting = [weighed, reviews, judged, claiming, underWay].flatMap(one => [...one.values()]);
  const open = waiting.flatMap(one => one.replyTo ?? []);
  return { v: VERSION, telling: read.packInsisting(telling), open };
}

function unpackPair(_id: string, packed: unknown, turn: Turn): Result<PairState> {
  const result = read.reading(() => {
    const { telling, open } = read.versioned(packed, VERSION);
    return { telling: read.insisting(telling), open: read.list(open, ACTOR_LIMITS.insisting, read.replyTo) };
  });
  if (!result.ok) return result;
  let { telling } = result.value;
  for (const to of result.value.open)
    turn.reply(refuse(ERROR.timeout, 'the outcome is not known, try again'), to);
  for (const key of Object.keys(telling)) telling = insistAgain(telling, key, turn);
  return ok({ ...WAITING_FOR_NOTHING, telling });
}

function observe(state: PairState, message: PairMessage, rules: MeetRules, turn: Turn): PairState {
  const { evidence, officer, civilian } = message;
  if (turn.self.id !== pairId(officer.id, civilian.id)) {
    turn.reply(refuse(ERROR.invalid, 'this is another pair'));
    return state;
  }
  const points = rules.points[evidence.method];
  const { scannedAtMs = null } = evidence;
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
    idempotency: message.idempotency ?? null,
  };
  const one: UnderWay = { op, officer, civilian, replyTo: turn.replyTo, bounds: null, claim: null };
  const tag = turn.newId();
  const { method } = evidence;
  turn.query(
    { type: 'scores', of: [{ type: 'score', kind: 'encounter.points', input: { method } }, ...DAYS] },
    `${SCORE}${tag}`,
  );
  // how far back a late scan is looked at is for the rules to say
  const late = scannedAtMs !== null;
  const history = late ? 'unasked' : lookUp(one, tag, rules, turn);
  const weighed: Weighed = { ...one, scored: false, history };
  return { ...state, weighed: new Map(state.weighed).set(tag, weighed) };
}

/** What a day holds, for officers and for civilians. */
const DAYS = (['officer', 'civilian'] as const).map(
  userKind => ({ type: 'score', kind: 'earning.limit', input: { userKind } }) as const,
);

/** What the rules say of it is frozen with it, whatever they say later. */
function score(
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
    return { ...state, weighed: new Map(state.weighed).set(tag, one) };
  const { op, history } = one;
  const more = history === 'unasked' ? 0 : historyTrust(history, op.cooldownS, rules.fraud);
  const trust = (op.trust ?? 0) | more;
  const weighed = { ...one, op: { ...op, trust } };
  const next = { ...state, weighed: without(state.weighed, tag) };
  // what is held moves no points: an operator decides of those
  if (one.bounds === null || trust > 0) return persist(next, weighed, turn);
  return claim(next, tag, weighed, beginClaim(weighed.op, one.bounds, tag, turn), turn);
}

/** Goes to the store when everything that is limited lets it through. */
function claim(state: PairState, tag: string, one: UnderWay, said: Claimed, turn: Turn): PairState {
  const { claim: made, go, refusal } = said;
  const next = { ...state, claiming: without(state.claiming, tag) };
  if (go) return persist(next, { ...one, op: made.op, claim: made }, turn);
  if (refusal) {
    turn.reply(refusal, one.replyTo);
    return next;
  }
  return { ...state, claiming: new Map(state.claiming).set(tag, { ...one, claim: made }) };
}

function claimed(state: PairState, claimTag: string, result: Result<unknown>, turn: Turn): PairState {
  const [tag = '', step = ''] = claimTag.slice(CLAIM.length).split('/');
  const one = state.claiming.get(tag);
  return one ? claim(state, tag, one, claimAnswered(one.claim, tag, step, result, turn), turn) : state;
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
  return { ...state, judged: new Map(state.judged).set(tag, one) };
}

/** What is not the very same encounter makes this one a duplicate. Whatever comes after the answer meets the cooldown. */
function judge(
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

function weigh(
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

function persist(state: PairState, one: UnderWay, turn: Turn): PairState {
  const tag = turn.newId();
  turn.persist(one.op, tag);
  return { ...state, underWay: new Map(state.underWay).set(tag, one) };
}

function settled(state: PairState, tag: string, committed: Committed, turn: Turn): PairState {
  const one = state.underWay.get(tag);
  if (!one) return state;
  const result = settlementOf(one, committed);
  turn.reply(result, one.replyTo);
  if (one.claim && !result.ok) unclaim(one.claim, turn);
  else if (one.claim && committed.code !== 'created') giveBack(one.claim, turn);
  let { telling } = state;
  if (result.ok && committed.code !== 'rejected') {
    const { op, officer, civilian } = one;
    const tell = (to: Side, side: 'officer' | 'civilian', other: Side): void => {
      const held = committed.code === 'held';
      const message = held
        ? heldMessage(op, result.value, other.handle)
        : settledMessage(op, result.value, side, other.handle);
      const key = held ? `${op.id}/${side}/held` : `${op.id}/${side}`;
      telling = insist(telling, key, { to: { kind: 'user', id: to.id }, message }, turn);
    };
    tell(officer, 'officer', civilian);
    tell(civilian, 'civilian', officer);
  }
  return { ...state, underWay: without(state.underWay, tag), telling };
}
