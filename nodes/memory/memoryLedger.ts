/**
 * The ledger in memory: the twin of the PostgreSQL store for simulations and tests, and the plain model that the real one
 * is compared with. One entry after the other, no cleverness; both pass the same contract suite.
 */
import {
  type CommitCode,
  type Committed,
  type DurableOp,
  type EncounterOp,
  type LedgerOp,
  MINT_ACCOUNT,
  type Posting,
} from '../../actors/durable.ts';
import { canonicalOf, isValid, legsOf, reasonOf } from '../ledgerRules.ts';
import type { CommitEntry, CommitStore, EntryOutcome, EpochStore } from '../ports.ts';

export interface MemoryAccount {
  balance: number;
  version: number;
  limited: boolean;
  closed: boolean;
}

export interface MemoryTransfer {
  /** Of the actor that made it. */
  readonly shard: number;
  readonly op: LedgerOp;
  readonly reason: string;
  readonly canonical: string;
  readonly atMs: number;
  readonly postings: readonly Posting[];
}

interface Remembered {
  readonly requestHash: string;
  readonly transferId: string;
  readonly atMs: number;
}

export class MemoryLedger implements CommitStore, EpochStore {
  readonly accounts = new Map<string, MemoryAccount>();
  readonly transfers = new Map<string, MemoryTransfer>();
  /** `officer|civilian` to the moment from which they may meet again. */
  readonly pairs = new Map<string, number>();
  /** `user\0key` to what it did. */
  readonly keys = new Map<string, Remembered>();
  readonly #epochs = new Map<number, number>();
  readonly #nowMs: () => number;

  /** @param nowMs stands for the database clock */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.openAccount(MINT_ACCOUNT, false);
  }

  openAccount(id: string, limited = true): void {
    this.accounts.set(id, { balance: 0, version: 0, limited, closed: false });
  }

  async mint(shards: readonly number[], _owner: string): Promise<number[]> {
    return shards.map(shard => {
      const epoch = (this.#epochs.get(shard) ?? 0) + 1;
      this.#epochs.set(shard, epoch);
      return epoch;
    });
  }

  /** The epoch that counts now. */
  epochOf(shard: number): number {
    return this.#epochs.get(shard) ?? 0;
  }

  async commit(entries: readonly CommitEntry[]): Promise<EntryOutcome[]> {
    return entries.map(entry => this.#apply(entry));
  }

  async lookup(ops: readonly DurableOp[]): Promise<(Committed | null)[]> {
    return ops.map(op => this.#known(op));
  }

  #apply({ shard, epoch, op }: CommitEntry): EntryOutcome {
    if (!isValid(op)) return nothing(op, 'invalid');
    if (this.epochOf(shard) !== epoch) return { id: op.id, code: 'stale_epoch' };
    const by = op.idempotency;
    const remembered = by && this.keys.get(`${by.userId}\0${by.key}`);
    if (remembered && (remembered.requestHash !== by.requestHash || remembered.transferId !== op.id)) {
      return nothing(op, 'idempotency_conflict');
    }
    const known = this.#known(op);
    if (known) {
      if (known.code === 'exists') this.#remember(op);
      return known;
    }
    const refusal = this.#refusal(op);
    if (refusal) return nothing(op, refusal);
    return this.#write(shard, op);
  }

  #known(op: DurableOp): Committed | null {
    const transfer = this.transfers.get(op.id);
    if (!transfer) return null;
    const same = transfer.canonical === canonicalOf(op);
    return {
      id: op.id,
      code: same ? 'exists' : 'exists_with_different_payload',
      atMs: transfer.atMs,
      postings: transfer.postings.filter(posting => posting.account !== MINT_ACCOUNT),
    };
  }

  #refusal(op: LedgerOp): CommitCode | null {
    for (const leg of legsOf(op)) {
      const account = this.accounts.get(leg.account);
      if (!account) return 'account_unknown';
      if (account.closed) return 'account_closed';
      if (op.type === 'transfer' && account.limited && leg.delta < 0 && account.balance + leg.delta < 0) {
        return 'insufficient_points';
      }
    }
    return op.type === 'encounter' && this.#cooling(op) ? 'cooldown' : null;
  }

  #cooling(op: EncounterOp): boolean {
    const nextMs = this.pairs.get(`${op.officer}|${op.civilian}`);
    return nextMs !== undefined && nextMs > this.#nowMs();
  }

  #write(shard: number, op: LedgerOp): Committed {
    const atMs = this.#nowMs();
    const postings = legsOf(op).map((leg): Posting => {
      const account = this.accounts.get(leg.account)!;
      account.balance += leg.delta;
      account.version++;
      return { account: leg.account, delta: leg.delta, balance: account.balance, version: account.version };
    });
    this.transfers.set(op.id, {
      shard,
      op,
      reason: reasonOf(op),
      canonical: canonicalOf(op),
      atMs,
      postings,
    });
    if (op.type === 'encounter') this.pairs.set(`${op.officer}|${op.civilian}`, atMs + op.cooldownS * 1_000);
    this.#remember(op);
    return {
      id: op.id,
      code: 'created',
      atMs,
      postings: postings.filter(posting => posting.account !== MINT_ACCOUNT),
    };
  }

  #remember(op: LedgerOp): void {
    const by = op.idempotency;
    if (!by) return;
    const name = `${by.userId}\0${by.key}`;
    if (this.keys.has(name)) return;
    this.keys.set(name, { requestHash: by.requestHash, transferId: op.id, atMs: this.#nowMs() });
  }
}

const nothing = (op: DurableOp, code: CommitCode): Committed => ({ id: op.id, code, atMs: 0, postings: [] });
