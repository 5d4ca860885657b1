/**
 * Which entry a correction takes back. The ledger has it in the correction's id, which follows from that entry and the account
 * (`actors/user/reversal.ts`); who wanted it and why stands in the log of operators, written before it was done.
 */
import { REVERSAL } from '../../actors/user/reversal.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import type { AuditLog, Directory } from '../ports.ts';
import type { MovementRecord } from './explainer.ts';
import { RULE_LIMITS } from './limits.ts';

export interface Reversed {
  readonly transferId: string;
  /** Why points moved by it. */
  readonly reason: string;
  /** In the operator's words. */
  readonly why: string;
}

/** Null: it is no correction, or no operator is known to have wanted it. Rejects when log or ledger cannot be read. */
export async function reversedBy(
  { id, reason, postings }: MovementRecord,
  auditLog: Pick<AuditLog, 'newest'>,
  directory: Pick<Directory, 'movement'>,
): Promise<Reversed | null> {
  const account = postings.find(({ delta }) => delta < 0)?.account;
  if (reason !== REVERSAL || account === undefined) return null;
  const lines = await auditLog.newest(RULE_LIMITS.correctionLines, account);
  const line = lines.find(
    ({ detail }) =>
      typeof detail.transferId === 'string' && derivedId(REVERSAL, detail.transferId, account) === id,
  );
  if (line === undefined) return null;
  const transferId = String(line.detail.transferId);
  const entry = await directory.movement(transferId);
  return entry && { transferId, reason: entry.reason, why: String(line.detail.why ?? '') };
}
