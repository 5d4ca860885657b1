/** A meeting goes to the store once everything that is limited lets it through, and both people are told what became of it. */
import type { Result } from '../../protocol/errors.ts';
import { CLAIM, type Claimed, claimAnswered, giveBack, unclaim } from '../claims.ts';
import type { Committed } from '../durable.ts';
import { insist } from '../insist.ts';
import { heldMessage, settledMessage, settlementOf } from '../settlement.ts';
import type { Turn } from '../turn.ts';
import { withOne, without } from '../waiting.ts';
import type { PairState, Side, UnderWay } from './state.ts';

/** Goes to the store when everything that is limited lets it through. */
export function claim(state: PairState, tag: string, one: UnderWay, said: Claimed, turn: Turn): PairState {
  const { claim: made, go, refusal } = said;
  const next = { ...state, claiming: without(state.claiming, tag) };
  if (go) return persist(next, { ...one, op: made.op, claim: made }, turn);
  if (refusal) {
    turn.reply(refusal, one.replyTo);
    return next;
  }
  return { ...state, claiming: withOne(state.claiming, tag, { ...one, claim: made }) };
}

export function claimed(state: PairState, claimTag: string, result: Result<unknown>, turn: Turn): PairState {
  const [tag = '', step = ''] = claimTag.slice(CLAIM.length).split('/');
  const one = state.claiming.get(tag);
  return one ? claim(state, tag, one, claimAnswered(one.claim, tag, step, result, turn), turn) : state;
}

export function persist(state: PairState, one: UnderWay, turn: Turn): PairState {
  const tag = turn.newId();
  turn.persist(one.op, tag);
  return { ...state, underWay: withOne(state.underWay, tag, one) };
}

export function settled(state: PairState, tag: string, committed: Committed, turn: Turn): PairState {
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
