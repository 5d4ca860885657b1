/** What the contract suites need from a store besides its port: a way to arrange a town and to look at it. */
import type {
  EncounterOp,
  Leg,
  OfferOp,
  OfferRecord,
  PendingOp,
  PostOp,
  RefundOp,
  ReviewOp,
  StockHold,
  StockOp,
  TransferOp,
  VoidOp,
} from '../../actors/durable.ts';
import type { GivingStore } from '../givingPort.ts';
import type { CommitEntry, CommitStore, Directory, EpochStore, NoteStore, QueryStore } from '../ports.ts';

export interface StoreTown {
  readonly commitStore: CommitStore;
  readonly epochStore: EpochStore;
  readonly queryStore: QueryStore;
  readonly noteStore: NoteStore;
  readonly directory: Directory;
  readonly givingStore: GivingStore;
  /** Closes an account: nothing moves on it any more. */
  closeAccount(id: string): Promise<void>;
  /** What an account may spend at once, and in a day; null: no limit. */
  limitDebits(id: string, entryMax: number | null, dayMax: number | null): Promise<void>;
  /** Lets the time of what is pending be over by the store's clock. */
  endPending(id: string): Promise<void>;
  /** Points of an account that are set aside. */
  reservedOf(id: string): Promise<number>;
  /** Lets the cooldown of a pair be over by the store's clock. */
  endCooldown(officer: string, civilian: string): Promise<void>;
  /** Both are zero when the ledger adds up; the mint counts. */
  sums(): Promise<{ postings: number; accounts: number }>;
  /** A fresh UUIDv7. */
  uuid(): string;
  close(): Promise<void>;
}

export const RULE = { id: 'encounter', version: 1 } as const;
export const DAY_S = 86_400;

export function encounter(
  id: string,
  officer: string,
  civilian: string,
  change: Partial<EncounterOp> = {},
): EncounterOp {
  return {
    type: 'encounter',
    id,
    officer,
    civilian,
    method: 'hey',
    cell: 'dr5ru',
    rule: RULE,
    officerPoints: 5,
    civilianPoints: 10,
    cooldownS: DAY_S,
    idempotency: null,
    ...change,
  };
}

/** What an operator decides of an encounter that is held. */
export function review(op: EncounterOp, verdict: ReviewOp['verdict']): ReviewOp {
  const { id, officer, civilian, method, rule, officerPoints, civilianPoints } = op;
  const as = { id, officer, civilian, method, rule, officerPoints, civilianPoints };
  return { type: 'review', ...as, verdict, idempotency: null };
}

export function transfer(id: string, legs: readonly Leg[], change: Partial<TransferOp> = {}): TransferOp {
  return {
    type: 'transfer',
    id,
    reason: 'donation',
    legs,
    rule: { id: 'donation', version: 3 },
    idempotency: null,
    ...change,
  };
}

/** Points from one account to another. */
export const move = (id: string, from: string, to: string, points: number): TransferOp =>
  transfer(id, [
    { account: from, delta: -points },
    { account: to, delta: points },
  ]);

/** Points set aside from one account for another. */
export const pending = (id: string, payer: string, payee: string, points: number): PendingOp => ({
  type: 'pending',
  id,
  reason: 'redemption',
  payer,
  payee,
  points,
  holdS: 600,
  rule: { id: 'redemption', version: 1 },
  idempotency: null,
});

/** Pays what is pending. */
export function post(id: string, of: PendingOp, points = of.points): PostOp {
  const { reason, payer, payee, rule } = of;
  return { type: 'post', id, pendingId: of.id, reason, payer, payee, points, rule, idempotency: null };
}

/** Gives back what is pending. */
export const voidOf = (of: PendingOp, verdict: VoidOp['verdict'] = 'voided'): VoidOp => ({
  type: 'void',
  id: of.id,
  payer: of.payer,
  verdict,
  rule: of.rule,
  idempotency: null,
});

/** What a merchant offers: tickets at three points each, as many as there are. */
export const offerOf = (
  id: string,
  offer: Pick<OfferRecord, 'id' | 'merchant'> & Partial<OfferRecord>,
): OfferOp => ({
  type: 'offer',
  id,
  offer: {
    ...{ version: 1, title: 'a ticket', description: '', kind: 'goods', points: 3, perUserMax: 0 },
    ...{ opensAtMs: 0, closesAtMs: 0, state: 'published', lowStock: 0, placeId: null },
    ...offer,
  },
});

export const stockOf = (
  id: string,
  offer: string,
  delta: number,
  change: Partial<StockOp> = {},
): StockOp => ({
  ...{ type: 'stock', id, offer, delta, kind: 'adjustment', reason: 'counted' },
  ...change,
});

/** Points and stock set aside: three points for each unit. */
export function redemption(
  id: string,
  user: string,
  merchant: string,
  stock: Pick<StockHold, 'offer' | 'quantity' | 'code'> & Partial<StockHold>,
): PendingOp {
  const points = 3 * stock.quantity;
  return { ...pending(id, user, merchant, points), stock: { perUserMax: 0, ...stock } };
}

/** Sells so many units of a redemption. */
export const sale = (id: string, of: PendingOp, quantity: number): PostOp => ({
  ...post(id, of, 3 * quantity),
  quantity,
});

/** Gives back so many units of a sale. */
export const refund = (
  id: string,
  of: PendingOp,
  quantity: number,
  change: Partial<RefundOp> = {},
): RefundOp => ({
  ...{
    type: 'refund',
    id,
    redemption: of.id,
    payer: of.payee,
    payee: of.payer,
    points: 3 * quantity,
    quantity,
  },
  ...{ restock: false, rule: of.rule, idempotency: null },
  ...change,
});

export const at = (shard: number, epoch: number, op: CommitEntry['op']): CommitEntry => ({
  shard,
  epoch,
  op,
});
