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
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Committed, EncounterOp } from './durable.ts';
import { historyTrust } from './fraud/history.ts';
import {
  type Insisting,
  type InsistMessage,
  insist,
  insistAgain,
  insistAnswered,
  insistedKey,
} from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { Evidence, PairMessage, Review, Settlement } from './messages/pair.ts';
import type { HeldView, SettledView } from './messages/user.ts';
import * as read from './packed.ts';
import type { QueryAnswers } from './queries.ts';
import { type ReviewUnderWay, review, reviewed, reviewFound } from './review.ts';
import type { MeetRules } from './rules.ts';
import type { Behaviour, ReplyTo, Turn } from './turn.ts';

const VERSION = 1;

interface Side {
  readonly id: string;
  readonly handle: string;
}

interface UnderWay {
  readonly op: EncounterOp;
  readonly officer: Side;
  readonly civilian: Side;
  readonly replyTo: ReplyTo | null;
}

export interface PairState {
  /** By tag: the store is asked what it knows of the two. */
  readonly weighed: ReadonlyMap<string, UnderWay>;
  /** By tag: an operator's word, whose encounter is read first, and then decided. */
  readonly reviews: ReadonlyMap<string, ReviewUnderWay>;
  /** By tag: the store is asked when the two have met (a scan that was uploaded late). */
  readonly judged: ReadonlyMap<string, UnderWay>;
  /** By tag: the store is to settle. */
  readonly underWay: ReadonlyMap<string, UnderWay>;
  /** Who must still hear of an encounter. */
  readonly telling: Insisting;
}

const WAITING_FOR_NOTHING = {
  weighed: new Map<string, never>(),
  reviews: new Map<string, never>(),
  judged: new Map<string, never>(),
  underWay: new Map<string, never>(),
};

/** The others, when what this tag stood for has come. */
export function without<T>(waiting: ReadonlyMap<string, T>, tag: string): ReadonlyMap<string, T> {
  const others = new Map(waiting);
  others.delete(tag);
  return others;
}

export const pairId = (officerId: string, civilianId: string): string => `${officerId}|${civilianId}`;

/** The id of the encounter that evidence proves; evidence without an id of its own gets `otherwise`. */
export const encounterIdOf = (
  { method, id, once }: Evidence,
  officerId: string,
  civilianId: string,
  otherwise: string,
): string =>
  derivedId('encounter', method, id ?? otherwise, ...(once ? [civilianId] : [officerId, civilianId]));

export function pairBehaviour(rules: MeetRules): Behaviour<PairState, PairMessage | Review | InsistMessage> {
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
          return state.weighed.has(message.tag)
            ? weigh(state, message.tag, message.result, rules, turn)
            : judge(state, message.tag, message.result, rules, turn);
        case 'committed':
          return state.reviews.has(message.tag)
            ? reviewed(state, message.tag, message.committed, turn)
            : settled(state, message.tag, message.committed, turn);
        case 'answer': {
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
function packPair({ weighed, reviews, judged, underWay, telling }: PairState): unknown {
  const waiting = [weighed, reviews, judged, underWay].flatMap(one => [...one.values()]);
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
  const one: UnderWay = { op, officer, civilian, replyTo: turn.replyTo };
  return scannedAtMs === null ? consider(state, one, rules, turn) : lookBack(state, one, scannedAtMs, turn);
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

/** What speaks against the two stands in the past as well, which only the store has. */
function consider(state: PairState, one: UnderWay, { fraud }: MeetRules, turn: Turn): PairState {
  if (fraud.historyH === 0) return persist(state, one, turn);
  const { officer, civilian } = one.op;
  const tag = turn.newId();
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
  return { ...state, weighed: new Map(state.weighed).set(tag, one) };
}

function weigh(
  state: PairState,
  tag: string,
  result: Result<unknown>,
  rules: MeetRules,
  turn: Turn,
): PairState {
  const one = state.weighed.get(tag)!;
  const next = { ...state, weighed: without(state.weighed, tag) };
  if (!result.ok) {
    turn.reply(result, one.replyTo);
    return next;
  }
  const history = result.value as QueryAnswers['pairHistory'];
  const trust = (one.op.trust ?? 0) | historyTrust(history, one.op.cooldownS, rules.fraud);
  return persist(next, { ...one, op: { ...one.op, trust } }, turn);
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
  let { telling } = state;
  if (result.ok && committed.code !== 'rejected') {
    const { op, officer, civilian } = one;
    const tell = (to: Side, side: 'officer' | 'civilian', other: Side): void => {
      const held = committed.code === 'held';
      const message = held
        ? heldMessage(op, result.value, other.handle)
        : settledMessage(op, result.value, side, other.handle);
      const key = held ? `${op.id}/${side}/held` : `${op.id}/${side}`;
      telling = insist(telling, key, { kind: 'user', id: to.id }, message, turn);
    };
    tell(officer, 'officer', civilian);
    tell(civilian, 'civilian', officer);
  }
  return { ...state, underWay: without(state.underWay, tag), telling };
}

const MET = refuse(ERROR.conflict, 'you two met within the last day; it counts once');

export function settlementOf(
  one: { readonly op: { readonly officer: string; readonly civilian: string } },
  committed: Committed,
): Result<Settlement> {
  switch (committed.code) {
    case 'created':
    case 'exists': {
      const side = (account: string) => {
        const posting = committed.postings.find(p => p.account === account);
        return posting && { points: posting.delta, balance: posting.balance, version: posting.version };
      };
      const officer = side(one.op.officer);
      const civilian = side(one.op.civilian);
      if (!officer || !civilian) return refuse(ERROR.internal, 'the stored encounter lacks a side');
      return ok({ encounterId: committed.id, atMs: committed.atMs, officer, civilian });
    }
    case 'held':
    case 'rejected': {
      const none = { points: 0, balance: 0, version: 0 };
      const { id: encounterId, atMs } = committed;
      return ok({ encounterId, atMs, held: true, officer: none, civilian: none });
    }
    case 'cooldown':
      return MET;
    case 'account_closed':
    case 'account_unknown':
      return refuse(ERROR.gone, 'an account of this meeting is closed');
    case 'exists_with_different_payload':
      return refuse(ERROR.conflict, 'this proof of a meeting was used with somebody else');
    case 'idempotency_conflict':
      return refuse(ERROR.conflict, 'this idempotency key was used for something else');
    default:
      return refuse(ERROR.internal, 'the encounter could not be settled');
  }
}

function heldMessage(op: EncounterOp, { encounterId, atMs }: Settlement, otherHandle: string) {
  const held: HeldView = { encounterId, method: op.method, otherHandle, atMs };
  return { type: 'encounterHeld', held };
}

export function settledMessage(
  op: Pick<EncounterOp, 'method'>,
  value: Settlement,
  side: 'officer' | 'civilian',
  otherHandle: string,
) {
  const { points, balance, version } = value[side];
  const settled: SettledView = {
    encounterId: value.encounterId,
    method: op.method,
    otherHandle,
    points,
    balance,
    balanceVersion: version,
    atMs: value.atMs,
  };
  return { type: 'encounterSettled', settled };
}
