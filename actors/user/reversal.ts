/**
 * Corrections. What an entry did is never changed and never taken out: points that it brought here by mistake go back where
 * they came from as an entry of their own. An operator says so, for one account; the actor of that account moves the points,
 * because nobody else may take any from it.
 */
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { TransferOp } from '../durable.ts';
import type { UserMessage } from '../messages/user.ts';
import type { EntryView, QueryAnswers } from '../queries.ts';
import type { Turn } from '../turn.ts';
import { begin, conclude, repeat, underWay } from './commands.ts';
import { availablePoints, NOT_ENOUGH } from './points.ts';
import type { CommandUnderWay, UserState } from './state.ts';

/** Why the points move; also behind the key in the tag of the query. */
export const REVERSAL = 'reversal';
const RULE = { id: REVERSAL, version: 1 };
/** Its points go back by a refund, which knows how much of it was given back already. */
const REFUNDED = ['redemption', 'refund'];

/** Once for an entry and an account: whoever asks again gets the first answer. */
export function reverse(
  state: UserState,
  { transferId }: UserMessage & { type: 'reverse' },
  turn: Turn,
): UserState {
  const key = derivedId(REVERSAL, transferId, state.me.id);
  const message = { key, requestHash: transferId, name: REVERSAL };
  const repeated = repeat(state, message, turn);
  if (repeated) return repeated;
  turn.query({ type: 'entries', ids: [transferId, key] }, `${key}/${REVERSAL}`);
  return begin(state, underWay(message, turn, REVERSAL, {}));
}

/** The entry was read, and that of an earlier life of this actor which took it back, if there is one. */
export function reversalFound(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (!result.ok) return conclude(state, command, result, turn);
  const found = result.value as QueryAnswers['entries'];
  const entry = found.find(({ id }) => id === command.requestHash);
  const isDone = found.some(({ id }) => id === command.key);
  const points = entry?.legs.find(leg => leg.account === state.me.id)?.delta ?? 0;
  const from = entry?.legs.filter(leg => leg.delta < 0) ?? [];
  const isThere = isDone || points <= availablePoints(state);
  const refusal = refuseReversal(entry, points, from.length, isThere);
  // nothing is remembered: there may be enough another time
  if (refusal) return conclude(state, command, refusal, turn);
  const op: TransferOp = {
    type: 'transfer',
    id: command.key,
    reason: REVERSAL,
    legs: [
      { account: state.me.id, delta: -points },
      { account: from[0]!.account, delta: points },
    ],
    rule: RULE,
    idempotency: null,
  };
  turn.persist(op, command.key);
  // what an earlier life took is not here any more
  return begin(state, { ...command, points: isDone ? 0 : points });
}

function refuseReversal(
  entry: EntryView | undefined,
  points: number,
  sources: number,
  isThere: boolean,
): Refusal | null {
  if (!entry) return refuse(ERROR.notFound, 'no such entry');
  if (points <= 0) return refuse(ERROR.conflict, 'this entry brought the account nothing');
  if (REFUNDED.includes(entry.reason)) return refuse(ERROR.conflict, 'points of a redemption are refunded');
  if (sources !== 1) return refuse(ERROR.conflict, 'its points came from several accounts');
  return isThere ? null : NOT_ENOUGH;
}
