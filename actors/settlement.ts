/** What became of a meeting, in the words in which both people hear it. */
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Committed, EncounterOp } from './durable.ts';
import type { Settlement } from './messages/pair.ts';
import type { HeldView, SettledView } from './messages/user.ts';

export const MET = refuse(ERROR.conflict, 'you two met within the last day; it counts once');

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

export function heldMessage(op: EncounterOp, { encounterId, atMs }: Settlement, otherHandle: string) {
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
