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
import {
  type Insisting,
  type InsistMessage,
  insist,
  insistAgain,
  insistAnswered,
  insistedKey,
} from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { Evidence, PairMessage, Settlement } from './messages/pair.ts';
import type { SettledView } from './messages/user.ts';
import * as read from './packed.ts';
import type { QueryAnswers } from './queries.ts';
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
  /** By tag: the store is asked when the two have met (a scan that was uploaded late). */
  readonly judged: ReadonlyMap<string, UnderWay>;
  /** By tag: the store is to settle. */
  readonly underWay: ReadonlyMap<string, UnderWay>;
  /** Who must still hear of an encounter. */
  readonly telling: Insisting;
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

export function pairBehaviour(rules: MeetRules): Behaviour<PairState, PairMessage | InsistMessage> {
  return {
    kind: 'pair',
    hydrate: () => null,
    create: () => ok({ judged: new Map(), underWay: new Map(), telling: {} }),
    pack: packPair,
    unpack: unpackPair,
    idleMs: state => (Object.keys(state.telling).length > 0 ? false : ACTOR_LIMITS.pairIdleMs),
    receive(state, message, turn) {
      switch (message.type) {
        case 'observe':
          return observe(state, message, rules, turn);
        case 'queried':
          return judge(state, message.tag, message.result, turn);
        case 'committed':
          return settled(state, message.tag, message.committed, turn);
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
function packPair({ judged, underWay, telling }: PairState): unknown {
  const open = [...judged.values(), ...underWay.values()].flatMap(one => one.replyTo ?? []);
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
  return ok({ judged: new Map(), underWay: new Map(), telling });
}

function observe(state: PairState, message: PairMessage, rules: MeetRules, turn: Turn): PairState {
  const { evidence, officer, civilian } = message;
  if (turn.self.id !== pairId(officer.id, civilian.id)) {
    turn.reply(refuse(ERROR.invalid, 'this is another pair'));
    return state;
  }
  const points = rules.points[evidence.method];
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
    idempotency: message.idempotency ?? null,
  };
  const one: UnderWay = { op, officer, civilian, replyTo: turn.replyTo };
  const { scannedAtMs = null } = evidence;
  return scannedAtMs === null ? persist(state, one, turn) : lookBack(state, one, scannedAtMs, turn);
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
function judge(state: PairState, tag: string, result: Result<unknown>, turn: Turn): PairState {
  const one = state.judged.get(tag);
  if (!one) return state;
  const judged = new Map(state.judged);
  judged.delete(tag);
  const next = { ...state, judged };
  if (!result.ok) {
    turn.reply(result, one.replyTo);
    return next;
  }
  const met = result.value as QueryAnswers['pairMet'];
  if (met.length === 0 || met.includes(one.op.id)) return persist(next, one, turn);
  turn.reply(MET, one.replyTo);
  return next;
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
  if (result.ok) {
    const { op, officer, civilian } = one;
    const tell = (to: Side, side: 'officer' | 'civilian', other: Side): void => {
      const message = settledMessage(op, result.value, side, other.handle);
      telling = insist(telling, `${op.id}/${side}`, { kind: 'user', id: to.id }, message, turn);
    };
    tell(officer, 'officer', civilian);
    tell(civilian, 'civilian', officer);
  }
  const underWay = new Map(state.underWay);
  underWay.delete(tag);
  return { ...state, underWay, telling };
}

const MET = refuse(ERROR.conflict, 'you two met within the last day; it counts once');

function settlementOf(one: UnderWay, committed: Committed): Result<Settlement> {
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

function settledMessage(
  op: EncounterOp,
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
