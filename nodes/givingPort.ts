/**
 * The catalogue of charities and families, and the fines and fees of municipalities: what operators and municipalities keep,
 * and what decides who may receive points. Implemented in `infra/`, with a twin in memory.
 */
import type { FeeKind } from '../actors/fees.ts';
import type { FeeView } from '../actors/queries.ts';
import type { Result } from '../protocol/errors.ts';

export { FEE_KINDS, type FeeKind, feePaymentId } from '../actors/fees.ts';
export type { FeeView } from '../actors/queries.ts';

const CATALOG_KINDS = ['charity', 'family'] as const;
export type CatalogKind = (typeof CATALOG_KINDS)[number];

/** `listed`: known, and nobody has looked. Only `verified` may receive. */
const CATALOG_STATES = ['listed', 'verified', 'suspended'] as const;
export type CatalogStatus = (typeof CATALOG_STATES)[number];

/** What an operator says of an entry. */
export interface CatalogGiven {
  readonly id: string;
  readonly kind: CatalogKind;
  /** As everybody may read it. */
  readonly name: string;
  /** Number at the authority that knows it; null for families. For operators only. */
  readonly registration: string | null;
  /** Account that receives; null while there is none. */
  readonly account: string | null;
  readonly zip: string | null;
}

export interface CatalogEntry extends CatalogGiven {
  readonly status: CatalogStatus;
  /** Rises with every change of the entry. */
  readonly version: number;
  /** Unix milliseconds of the store's clock. */
  readonly changedAtMs: number;
}

/** Rejects when the store cannot be reached. */
export interface CatalogStore {
  /**
   * Makes an entry or replaces what is said of it. What was verified is `listed` again when account or registration are
   * others now. 409 when another entry has the account or the registration, or the entry is of the other kind; 422 when the account is of another kind
   * or there is none.
   */
  putEntry(entry: CatalogGiven): Promise<Result<CatalogEntry>>;
  /** Again changes nothing. 404; 409 to verify what has no account. */
  judgeEntry(
    kind: CatalogKind,
    id: string,
    status: Exclude<CatalogStatus, 'listed'>,
  ): Promise<Result<CatalogEntry>>;
  entry(kind: CatalogKind, id: string): Promise<CatalogEntry | null>;
  /** By id, those behind `after`. */
  entries(
    kind: CatalogKind,
    filter: { readonly verifiedOnly: boolean; readonly after: string | null; readonly limit: number },
  ): Promise<readonly CatalogEntry[]>;
}

export interface NewFee {
  readonly id: string;
  readonly kind: FeeKind;
  readonly municipality: string;
  readonly title: string;
  readonly points: number;
  /** Handle of who has to pay a fine; null for a fee. */
  readonly handle: string | null;
}

/** Rejects when the store cannot be reached. */
export interface FeeStore {
  /** The same again is the first; 409 when something else has the id, 404 when there is no such civilian. */
  publishFee(fee: NewFee): Promise<Result<FeeView>>;
  /** Nobody can pay it any more. 404 when it is not of this municipality, 409 when it is a fine that was paid. */
  withdrawFee(id: string, municipality: string): Promise<Result<FeeView>>;
  /** Those of one municipality, newest first; `paid` tells of fines only. */
  feesOf(municipality: string, limit: number, before: string | null): Promise<readonly FeeView[]>;
  /** What this person has or may pay: fines of his own, and what is for everybody; newest first. */
  feesFor(payer: string, limit: number, before: string | null): Promise<readonly FeeView[]>;
}

/** An account as operators see it. */
export interface AccountView {
  readonly id: string;
  readonly balance: number;
  /** Part of the balance that is set aside. */
  readonly reserved: number;
  readonly closed: boolean;
  /** Points that may leave it at once, and in a day (UTC); null: no limit. */
  readonly entryMax: number | null;
  readonly dayMax: number | null;
}

/** Rejects when the store cannot be reached. Null when there is no such account. */
export interface AccountStore {
  account(id: string): Promise<AccountView | null>;
  limitAccount(id: string, entryMax: number | null, dayMax: number | null): Promise<AccountView | null>;
  /** Nothing moves on a closed account. */
  closeAccount(id: string, closed: boolean): Promise<AccountView | null>;
}

/** One entry of the ledger with all who have a part in it, the mint left out. */
export interface MovementView {
  readonly transferId: string;
  readonly reason: string;
  readonly rule: { readonly id: string; readonly version: number };
  readonly atMs: number;
  readonly parties: readonly { readonly userId: string; readonly points: number }[];
}

/** Everything that is kept beside the ledger of giving and paying. */
export interface GivingStore extends CatalogStore, FeeStore, AccountStore {
  /** Null when nothing was posted under this id. */
  movement(transferId: string): Promise<MovementView | null>;
}
