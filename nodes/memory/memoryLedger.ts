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
  type ReviewOp,
  type TransferOp,
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
  readonly op: EncounterOp | TransferOp;
  readonly reason: string;
  readonly canonical: string;
  readonly atMs: number;
  readonly postings: readonly Posting[];
}

/** An encounter that was held, and what became of it. */
export interface MemoryHold {
  readonly shard: number;
  readonly op: EncounterOp;
  readonly canonical: string;
  readonly atMs: number;
  readonly verdict: 'held' | 'released' | 'rejected';
  readonly decidedAtMs: number | null;
}

interface Remembered {
  readonly requestHash: string;
  readonly transferId: string;
  readonly atMs: number;
}

export class MemoryLedger implements CommitStore, EpochStore {
  readonly accounts = new Map<string, MemoryAccount>();
  readonly transfers = new Map<string, MemoryTransfer>();
  readonly holds = new Map<string, MemoryHold>();
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
      if (EFFECTS.has(known.code)) this.#remember(op);
      return known;
    }
    if (op.type === 'review') return this.#review(shard, op);
    const refusal = this.#refusal(op);
    if (refusal) return nothing(op, refusal);
    return this.#write(shard, op);
  }

  #known(op: DurableOp): Committed | null {
    const transfer = this.transfers.get(op.id);
    if (!transfer) return this.#knownHold(op);
    if (op.type === 'review' && op.verdict === 'rejected') return null;
    if (transfer.canonical !== canonicalOf(op)) return nothing(op, 'exists_with_different_payload');
    return {
      id: op.id,
      code: 'exists',
      atMs: transfer.atMs,
      postings: transfer.postings.filter(posting => posting.account !== MINT_ACCOUNT),
    };
  }

  /** Held or rejected: its id is taken, for a transfer too; one that was released is a transfer. */
  #knownHold(op: DurableOp): Committed | null {
    const hold = this.holds.get(op.id);
    if (!hold || hold.verdict === 'released') return null;
    const isSame = hold.canonical === canonicalOf(op);
    if (op.type === 'review' && !(isSame && op.verdict === hold.verdict)) return null;
    if (!isSame) return nothing(op, 'exists_with_different_payload');
    return { id: op.id, code: hold.verdict, atMs: hold.atMs, postings: [] };
  }

  /** Posts what was held as the encounter that it is, or says that it never will be. */
  #review(shard: number, op: ReviewOp): Committed {
    const hold = this.holds.get(op.id);
    if (hold?.verdict !== 'held' || hold.canonical !== canonicalOf(op)) return nothing(op, 'not_held');
    if (op.verdict === 'rejected') {
      const atMs = this.#nowMs();
      this.holds.set(op.id, { ...hold, verdict: 'rejected', decidedAtMs: atMs });
      return { id: op.id, code: 'rejected', atMs, postings: [] };
    }
    const refusal = this.#refusal(op);
    if (refusal) return nothing(op, refusal);
    const { rule, officerPoints, civilianPoints } = op;
    const done = this.#post(shard, { ...hold.op, rule, officerPoints, civilianPoints });
    this.holds.set(op.id, { ...hold, verdict: 'released', decidedAtMs: done.atMs });
    return done;
  }

  #hold(shard: number, op: EncounterOp): Committed {
    const atMs = this.#nowMs();
    const canonical = canonicalOf(op);
    this.holds.set(op.id, { shard, op, canonical, atMs, verdict: 'held', decidedAtMs: null });
    this.pairs.set(`${op.officer}|${op.civilian}`, atMs + op.cooldownS * 1_000);
    this.#remember(op);
    return { id: op.id, code: 'held', atMs, postings: [] };
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

  #write(shard: number, op: EncounterOp | TransferOp): Committed {
    if (op.type === 'encounter' && op.trust) return this.#hold(shard, op);
    const done = this.#post(shard, op);
    if (op.type === 'encounter')
      this.pairs.set(`${op.officer}|${op.civilian}`, done.atMs + op.cooldownS * 1_000);
    this.#remember(op);
    return done;
  }

  #post(shard: number, op: EncounterOp | TransferOp): Committed {
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

/** What a key is kept with. */
const EFFECTS: ReadonlySet<CommitCode> = new Set(['exists', 'held', 'rejected']);

const nothing = (op: DurableOp, code: CommitCode): Committed => ({ id: op.id, code, atMs: 0, postings: [] });
