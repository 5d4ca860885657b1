/**
 * The pair actor: awake only to settle one meeting of an officer and a civilian. Every path to an encounter (dwell, hey,
 * code scanned by either side) ends here, and here nothing is decided: the store's one statement decides by its own
 * clock, so two pairs alive at once by mistake still score once. The id of the encounter follows from its evidence,
 * so a repeat finds the first effect.
 */
import { derivedId } from '../protocol/derivedId.ts';
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Committed, EncounterOp } from './durable.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { PairMessage, Settlement } from './messages/pair.ts';
import type { SettledView } from './messages/user.ts';
import type { MeetRules } from './rules.ts';
import type { Behaviour, ReplyTo, Turn } from './turn.ts';

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
  readonly underWay: ReadonlyMap<string, UnderWay>;
}

export const pairId = (officerId: string, civilianId: string): string => `${officerId}|${civilianId}`;

export function pairBehaviour(rules: MeetRules): Behaviour<PairState, PairMessage> {
  return {
    kind: 'pair',
    hydrate: () => null,
    create: () => ok({ underWay: new Map() }),
    idleMs: () => ACTOR_LIMITS.pairIdleMs,
    receive(state, message, turn) {
      switch (message.type) {
        case 'observe':
          return observe(state, message, rules, turn);
        case 'committed':
          return settled(state, message.tag, message.committed, turn);
        default:
          return state;
      }
    },
  };
}

function observe(state: PairState, message: PairMessage, rules: MeetRules, turn: Turn): PairState {
  const { evidence, officer, civilian } = message;
  if (turn.self.id !== pairId(officer.id, civilian.id)) {
    turn.reply(refuse(ERROR.invalid, 'this is another pair'));
    return state;
  }
  const points = rules.points[evidence.method];
  const parties = evidence.once ? [civilian.id] : [officer.id, civilian.id];
  const op: EncounterOp = {
    type: 'encounter',
    id: derivedId('encounter', evidence.method, evidence.id ?? turn.newId(), ...parties),
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
  const tag = turn.newId();
  turn.persist(op, tag);
  const underWay = new Map(state.underWay).set(tag, { op, officer, civilian, replyTo: turn.replyTo });
  return { underWay };
}

function settled(state: PairState, tag: string, committed: Committed, turn: Turn): PairState {
  const one = state.underWay.get(tag);
  if (!one) return state;
  const result = settlementOf(one, committed);
  turn.reply(result, one.replyTo);
  if (result.ok) {
    turn.tell(
      { kind: 'user', id: one.officer.id },
      settledMessage(one.op, result.value, 'officer', one.civilian.handle),
    );
    turn.tell(
      { kind: 'user', id: one.civilian.id },
      settledMessage(one.op, result.value, 'civilian', one.officer.handle),
    );
  }
  const underWay = new Map(state.underWay);
  underWay.delete(tag);
  return { underWay };
}

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
      return refuse(ERROR.conflict, 'you two met within the last day; it counts once');
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
