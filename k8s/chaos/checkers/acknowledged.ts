/**
 * I1: whatever was acknowledged to somebody is in PostgreSQL, as it was promised. What was neither acknowledged nor refused may
 * be there or not; what was refused is the next checker's.
 */
import { type Checker, findings } from '../evidence.ts';
import { type OpRecord, opsOf } from '../history.ts';
import type { StoredTransfer } from '../stores.ts';

const moved = (transfer: StoredTransfer | undefined, account: string): number =>
  transfer?.postings.reduce((sum, leg) => (leg.account === account ? sum + leg.delta : sum), 0) ?? 0;

export const acknowledged: Checker = ({ history, state }) => {
  const { found, fail } = findings('I1');
  const encounters = new Map(state.encounters.map(one => [one.id, one]));
  const transfers = new Map(state.transfers.map(one => [one.id, one]));
  const redemptions = new Map(state.redemptions.map(one => [one.id, one]));

  const meeting = ({ who, other, points }: OpRecord, id: string): string | null => {
    const row = encounters.get(id);
    if (row === undefined) return `no encounter ${id}`;
    if (row.civilian !== who || row.officer !== other) return `encounter ${id} is of others`;
    if (row.civilianPoints !== points)
      return `encounter ${id} promised ${points} points, stored are ${row.civilianPoints}`;
    const [mine, theirs] = [moved(transfers.get(id), who), moved(transfers.get(id), row.officer)];
    if (mine === row.civilianPoints && theirs === row.officerPoints) return null;
    return `encounter ${id} moved ${mine} and ${theirs} points`;
  };

  const gift = ({ who, points }: OpRecord, id: string): string | null => {
    const row = transfers.get(id);
    if (row === undefined) return `no transfer ${id}`;
    const out = moved(row, who);
    const into = row.postings.reduce((sum, leg) => sum + Math.max(0, leg.delta), 0);
    return out === -(points ?? 0) && into === points ? null : `transfer ${id} moved ${out} and ${into}`;
  };

  const redemption = ({ op, who, other, points }: OpRecord, named: string): string | null => {
    const id = op === 'reserve' ? named : (other ?? '');
    const row = redemptions.get(id);
    if (row === undefined) return `no redemption ${id}`;
    if (op === 'reserve') {
      if (row.user !== who) return `redemption ${id} is of somebody else`;
      return row.points === points ? null : `redemption ${id} is of ${row.points} points`;
    }
    const wanted = op === 'cancel' ? 'cancelled' : 'confirmed';
    if (row.state !== wanted) return `redemption ${id} is ${row.state}`;
    if (op === 'cancel') return null;
    const paid = moved(transfers.get(row.transferId ?? ''), row.user);
    if (op === 'confirm')
      return row.soldPoints === points && paid === -(points ?? 0) ? null : `redemption ${id} paid ${paid}`;
    const back = moved(transfers.get(named), row.user);
    return row.refundedPoints === points && back === points ? null : `redemption ${id} gave back ${back}`;
  };

  /** Why it is not there as promised; null when it is. */
  const missing = (op: OpRecord): string | null => {
    if (op.op === 'ask') return null;
    if (op.named === null) return 'the answer named nothing';
    if (op.op === 'meet') return meeting(op, op.named);
    if (op.op === 'donate' || op.op === 'give') return gift(op, op.named);
    return redemption(op, op.named);
  };

  for (const op of opsOf(history)) {
    const why = op.outcome === 'ok' ? missing(op) : null;
    if (why !== null)
      fail(
        'lost',
        `${op.op} ${op.id} of ${op.who} was acknowledged by ${op.node} at ${op.answered_ms} ms: ${why}`,
      );
  }
  return found;
};
