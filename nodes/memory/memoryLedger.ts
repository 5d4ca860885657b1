/**
 * The ledger in memory: the twin of the PostgreSQL store for simulations and tests, and the plain model that the real one
 * is compared with. One entry after the other, no cleverness; both pass the same contract suite.
 */
import {
  type CommitCode,
  type Committed,
  type DurableOp,
  type EncounterOp,
  EXPIRED_ACCOUNT,
  type LedgerOp,
  MINT_ACCOUNT,
  type PendingOp,
  type Posting,
  type PostOp,
  type RefundOp,
  type ReviewOp,
  type TransferOp,
  type VoidOp,
} from '../../actors/durable.ts';
import { canonicalOf, isBurned, isValid, legsOf, paymentOf, reasonOf } from '../ledgerRules.ts';
import type { CommitEntry, CommitStore, EntryOutcome, EpochStore } from '../ports.ts';
import { MemoryMarket } from './memoryMarket.ts';
import { MemoryTimers } from './memoryTimers.ts';

export interface MemoryAccount {
  balance: number;
  /** Part of the balance that is set aside. */
  reserved: number;
  version: number;
  limited: boolean;
  closed: boolean;
}

/** What an account may spend; absent: no limit. */
export interface DebitLimit {
  /** Points of one entry. */
  readonly entryMax?: number | undefined;
  /** Points of one day, UTC. */
  readonly dayMax?: number | undefined;
}

/** Points set aside, and what became of them. */
export interface MemoryPending {
  readonly op: PendingOp;
  readonly canonical: string;
  readonly atMs: number;
  readonly expiresAtMs: number;
  readonly state: 'pending' | 'posted' | VoidOp['verdict'];
  readonly postedPoints: number;
}

export interface MemoryTransfer {
  /** Of the actor that made it. */
  readonly shard: number;
  readonly op: Posted;
  readonly reason: string;
  readonly canonical: string;
  readonly atMs: number;
  readonly postings: readonly Posting[];
}

/** What becomes a transfer. */
type Posted = EncounterOp | TransferOp | PostOp | RefundOp;

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
  readonly pending = new Map<string, MemoryPending>();
  readonly limits = new Map<string, DebitLimit>();
  /** What is redeemed, together with its points. */
  readonly market = new MemoryMarket();
  /** Set together with points, or by a note. */
  readonly timers = new MemoryTimers(shard => this.epochOf(shard));
  /** What was refused for good, by id. */
  readonly burned = new Map<string, { readonly canonical: string; readonly code: CommitCode }>();
  /** `account\0day` to what was spent or set aside. */
  readonly #spent = new Map<string, number>();
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
    this.openAccount(EXPIRED_ACCOUNT);
  }

  openAccount(id: string, limited = true): void {
    this.accounts.set(id, { balance: 0, reserved: 0, version: 0, limited, closed: false });
  }

  async mint(shards: readonly number[], _owner: string): Promise<number[]> {
    return shards.map(shard => {
      const epoch = (this.#epochs.get(shard) ?? 0) + 1;
      this.#epochs.set(shard, epoch);
      return epoch;
    });
  }

  /** Lets the time of what is pending be over. */
  endPending(id: string): void {
    this.pending.set(id, { ...this.pending.get(id)!, expiresAtMs: this.#nowMs() });
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
    if (op.type === 'pending' && op.timer) this.timers.set(shard, op.timer);
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
    if (op.type === 'void') return this.#void(op);
    const burned = isBurned(op) ? this.burned.get(op.id) : undefined;
    if (burned) {
      const isSame = burned.canonical === canonicalOf(op);
      return nothing(op, isSame ? burned.code : 'exists_with_different_payload');
    }
    const refusal = this.#refusal(op);
    if (refusal) {
      if (isBurned(op) && BURNING.has(refusal))
        this.burned.set(op.id, { canonical: canonicalOf(op), code: refusal });
      return nothing(op, refusal);
    }
    if (op.type === 'pending') return this.#setAside(op);
    return this.#write(shard, op);
  }

  #setAside(op: PendingOp): Committed {
    const atMs = this.#nowMs();
    this.accounts.get(op.payer)!.reserved += op.points;
    this.#spend(op.payer, atMs, op.points);
    if (op.stock) this.market.reserve(op, op.stock, atMs);
    const canonical = canonicalOf(op);
    const expiresAtMs = atMs + op.holdS * 1_000;
    this.pending.set(op.id, { op, canonical, atMs, expiresAtMs, state: 'pending', postedPoints: 0 });
    this.#remember(op);
    return { id: op.id, code: 'created', atMs, postings: [] };
  }

  #void(op: VoidOp): Committed {
    const known = this.pending.get(op.id);
    if (known?.op.payer !== op.payer) return nothing(op, 'pending_not_found');
    if (known.state !== 'pending') return nothing(op, SETTLED[known.state]);
    const atMs = this.#nowMs();
    this.#giveBack(known, op.verdict, 0, atMs);
    this.market.release(op.id, op.verdict);
    return { id: op.id, code: 'created', atMs, postings: [] };
  }

  /** Nothing is set aside any more; what was not posted was not spent, if that day is not over. */
  #giveBack(known: MemoryPending, state: MemoryPending['state'], postedPoints: number, atMs: number): void {
    const { payer, points, id } = known.op;
    this.accounts.get(payer)!.reserved -= points;
    if (dayOf(known.atMs) === dayOf(atMs)) this.#spend(payer, atMs, postedPoints - points);
    this.pending.set(id, { ...known, state, postedPoints });
  }

  #spend(account: string, atMs: number, points: number): void {
    const day = `${account}\0${dayOf(atMs)}`;
    this.#spent.set(day, (this.#spent.get(day) ?? 0) + points);
  }

  #known(op: DurableOp): Committed | null {
    const transfer = this.transfers.get(op.id);
    if (!transfer) return this.#knownHold(op) ?? this.#knownPending(op);
    if (op.type === 'review' && op.verdict === 'rejected') return null;
    if (transfer.canonical !== canonicalOf(op)) return nothing(op, 'exists_with_different_payload');
    return {
      id: op.id,
      code: 'exists',
      atMs: transfer.atMs,
      postings: transfer.postings.filter(posting => posting.account !== MINT_ACCOUNT),
    };
  }

  /** Points that are or were set aside: their id is taken. A void is done when they went the way that it says. */
  #knownPending(op: DurableOp): Committed | null {
    const known = this.pending.get(op.id);
    if (!known || !(isBurned(op) || op.type === 'void')) return null;
    const { atMs } = known;
    if (op.type === 'void') {
      const isDone = known.state === op.verdict && known.op.payer === op.payer;
      return isDone ? { id: op.id, code: 'exists', atMs, postings: [] } : null;
    }
    if (known.canonical !== canonicalOf(op)) return nothing(op, 'exists_with_different_payload');
    return { id: op.id, code: 'exists', atMs, postings: [] };
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
    if (op.type === 'post') return this.#refusedPost(op);
    const unrefundable = op.type === 'refund' ? this.market.unrefundable(op) : null;
    if (unrefundable) return unrefundable;
    const legs = op.type === 'pending' ? paymentOf(op) : legsOf(op);
    if (legs.some(({ account, delta }) => delta < 0 && this.#exceeds(account, -delta)))
      return 'limit_exceeded';
    for (const { account: id, delta } of legs) {
      const account = this.accounts.get(id);
      if (!account) return 'account_unknown';
      if (account.closed) return 'account_closed';
      if (delta > 0 || op.type === 'encounter' || op.type === 'review') continue;
      if (account.limited && account.balance - account.reserved + delta < 0) return 'insufficient_points';
    }
    if (op.type === 'pending' && op.stock) return this.market.refusal(op, op.stock, this.#nowMs());
    return op.type === 'encounter' && this.#cooling(op) ? 'cooldown' : null;
  }

  #refusedPost(op: PostOp): CommitCode | null {
    const known = this.pending.get(op.pendingId);
    if (known?.op.payer !== op.payer || known.op.payee !== op.payee) return 'pending_not_found';
    if (known.state !== 'pending') return SETTLED[known.state];
    if (this.#nowMs() >= known.expiresAtMs) return 'pending_expired';
    if (op.points > known.op.points) return 'exceeds_pending';
    const unsold = this.market.unsold(op);
    if (unsold) return unsold;
    const isClosed = [op.payer, op.payee].some(id => this.accounts.get(id)!.closed);
    return isClosed ? 'account_closed' : null;
  }

  #exceeds(id: string, points: number): boolean {
    const { entryMax = Number.POSITIVE_INFINITY, dayMax = Number.POSITIVE_INFINITY } =
      this.limits.get(id) ?? {};
    const spent = this.#spent.get(`${id}\0${dayOf(this.#nowMs())}`) ?? 0;
    return points > entryMax || spent + points > dayMax;
  }

  #cooling(op: EncounterOp): boolean {
    const nextMs = this.pairs.get(`${op.officer}|${op.civilian}`);
    return nextMs !== undefined && nextMs > this.#nowMs();
  }

  #write(shard: number, op: Posted): Committed {
    if (op.type === 'encounter' && op.trust) return this.#hold(shard, op);
    const done = this.#post(shard, op);
    if (op.type === 'encounter')
      this.pairs.set(`${op.officer}|${op.civilian}`, done.atMs + op.cooldownS * 1_000);
    this.#remember(op);
    return done;
  }

  #post(shard: number, op: Posted): Committed {
    const atMs = this.#nowMs();
    if (op.type === 'post') {
      this.#giveBack(this.pending.get(op.pendingId)!, 'posted', op.points, atMs);
      this.market.sell(op);
    }
    if (op.type === 'refund') this.market.refund(op);
    const postings = legsOf(op).map((leg): Posting => {
      const account = this.accounts.get(leg.account)!;
      account.balance += leg.delta;
      account.version++;
      if ((op.type === 'transfer' || op.type === 'refund') && leg.delta < 0)
        this.#spend(leg.account, atMs, -leg.delta);
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

/** Refusals that a repeat gets again. */
const BURNING: ReadonlySet<CommitCode> = new Set([
  'insufficient_points',
  'account_unknown',
  'account_closed',
  'limit_exceeded',
  'out_of_stock',
  'offer_closed',
  'offer_limit_exceeded',
]);

const SETTLED = {
  posted: 'pending_already_posted',
  voided: 'pending_already_voided',
  expired: 'pending_expired',
} as const;

const dayOf = (atMs: number): number => Math.floor(atMs / 86_400_000);

/** What a key is kept with. */
const EFFECTS: ReadonlySet<CommitCode> = new Set(['exists', 'held', 'rejected']);

const nothing = (op: DurableOp, code: CommitCode): Committed => ({ id: op.id, code, atMs: 0, postings: [] });
