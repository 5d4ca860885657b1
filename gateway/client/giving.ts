/** Giving and paying over REST; phones may say the same by socket (`points.donate`, `points.give`, `fee.pay`). */
import type { Result } from '../../protocol/errors.ts';
import { freshUuid } from './platform.ts';
import type { Ask, Page, PageRequest } from './rest.ts';

export interface GiftPart {
  readonly userId: string;
  readonly points: number;
}
/** What became of a gift or a payment. */
export interface Given {
  readonly transferId: string;
  /** Negative: what left the account. */
  readonly points: number;
  readonly balance: number;
}
/** Who may receive points. */
export interface Beneficiary {
  readonly id: string;
  /** Give to this account. */
  readonly userId: string | null;
  readonly kind: 'charity' | 'family';
  readonly name: string;
  readonly zip: string | null;
}
export interface NewFee {
  /** A fine has the handle of who pays it; a fee is everybody's. */
  readonly kind: 'fine' | 'fee';
  readonly title: string;
  readonly points: number;
  readonly handle?: string;
}
export interface Fee {
  readonly id: string;
  readonly kind: 'fine' | 'fee';
  readonly municipality: string;
  readonly title: string;
  readonly points: number;
  readonly paid: boolean;
  readonly withdrawn: boolean;
  readonly atMs: number;
}

/** `key` makes a repeat harmless: keep it until there is an answer. Default a fresh one for each call. */
export interface GivingRest {
  /** Points to charities and families: to all of them, or to none. */
  donate(accessToken: string, to: readonly GiftPart[], key?: string): Promise<Result<Given>>;
  /** An officer's points to a fellow officer. */
  giveAway(accessToken: string, part: GiftPart, key?: string): Promise<Result<Given>>;
  payFee(accessToken: string, feeId: string, key?: string): Promise<Result<Given>>;
  /** Those to pay, or those of the municipality that asks. */
  fees(accessToken: string, page?: PageRequest): Promise<Result<Page<Fee>>>;
  publishFee(accessToken: string, fee: NewFee, key?: string): Promise<Result<Fee>>;
  withdrawFee(accessToken: string, feeId: string): Promise<Result<Fee>>;
  /** Charities or families that are verified. */
  beneficiaries(
    kind: 'charities' | 'families',
    page?: { readonly limit?: number; readonly after?: string },
  ): Promise<Result<Page<Beneficiary>>>;
}

type Asking = <T>(method: 'GET' | 'POST', path: string, ask: Ask) => Promise<Result<T>>;

const feeAt = (feeId: string, verb: string): string => `/v1/fees/${encodeURIComponent(feeId)}/${verb}`;

export const givingRest = (ask: Asking): GivingRest => ({
  donate: (token, to, key = freshUuid()) => ask('POST', '/v1/donations', { token, body: { to }, key }),
  giveAway: (token, body, key = freshUuid()) => ask('POST', '/v1/giveaways', { token, body, key }),
  payFee: (token, feeId, key = freshUuid()) => ask('POST', feeAt(feeId, 'payments'), { token, key }),
  fees: (token, page) => ask('GET', '/v1/fees', { token, query: { ...page } }),
  publishFee: (token, body, key = freshUuid()) => ask('POST', '/v1/fees', { token, body, key }),
  withdrawFee: (token, feeId) => ask('POST', feeAt(feeId, 'withdraw'), { token }),
  beneficiaries: (kind, page) => ask('GET', `/v1/catalogs/${kind}`, { query: { ...page } }),
});
