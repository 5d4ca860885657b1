/**
 * Who may use which REST door. A row for each route of the OpenAPI document: the test takes the routes from there, so a new
 * route without a row fails. Whoever is not named is refused: 401 without a token that this door takes, 403 with one.
 */
import { ACCOUNT_KINDS, type AccountKind } from '../../protocol/catalogue.ts';
import type { Caller, Cast } from './cast.ts';

export interface RestRow {
  /** As the OpenAPI document writes it. */
  readonly route: string;
  /** Who gets past the door; `all`: it asks for nobody's token. */
  readonly lets: readonly Caller[] | 'all';
  /** What they are answered; default 200. By kind where it differs. */
  readonly answers?: number | Readonly<Partial<Record<Caller, number>>>;
  readonly path?: (cast: Cast, as: Caller) => string;
  readonly body?: (cast: Cast, as: Caller) => object;
  /** A kind whose first account owns what the request names: another account of these kinds gets this instead. */
  readonly others?: { readonly as: readonly AccountKind[]; readonly answers: number };
  /** Ends the token that it is called with. */
  readonly endsToken?: boolean;
}

export const SPENDERS = ['civilian', 'charity', 'family'] as const;
export const MEETERS = ['civilian', 'officer'] as const;
export const DONORS = ['civilian', 'officer', 'charity'] as const;
const MERCHANT = ['merchant'] as const;
const CITY = ['municipality'] as const;

const all = (route: string, more: Partial<RestRow> = {}): RestRow => ({ route, lets: 'all', ...more });
const people = (route: string, more: Partial<RestRow> = {}): RestRow => ({
  route,
  lets: ACCOUNT_KINDS,
  ...more,
});

/** All are let in, and others than these are told that there is no such thing. */
const onlyTo = (...kinds: AccountKind[]): RestRow['answers'] =>
  Object.fromEntries(ACCOUNT_KINDS.map(kind => [kind, kinds.includes(kind) ? 200 : 404]));

const stranger = { handle: 'nobody-here', password: 'wrong horse', deviceId: 'phone-x' };
const offerBody = { title: 'Cake', points: 7 };
const encounter = ({ of }: Cast): object => ({
  type: 'encounter',
  officer: of.officer.userId,
  civilian: of.civilian.userId,
  method: 'qr',
});
const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);

export const REST_MATRIX: readonly RestRow[] = [
  // Getting in: who knocks has no token yet, so what he knows decides.
  all('POST /v1/signup', { answers: 403, body: () => ({ ...stranger, kind: 'operator' }) }),
  all('POST /v1/signin', { answers: 401, body: () => stranger }),
  all('POST /v1/device', { answers: 401, body: () => stranger }),
  all('POST /v1/oauth/token', {
    answers: 401,
    body: () => ({ grant_type: 'client_credentials', client_id: 'x', client_secret: 'y' }),
  }),
  people('POST /v1/token'),
  people('POST /v1/signout', { endsToken: true }),
  // Documents and public catalogues.
  all('GET /.well-known/jwks.json'),
  all('GET /docs'),
  all('GET /docs/openapi.json'),
  all('GET /docs/asyncapi.json'),
  all('GET /docs/vectors.json'),
  all('GET /docs/protocol'),
  all('GET /docs/protocol.md'),
  all('GET /docs/conformance'),
  all('GET /v1/catalogs/charities'),
  all('GET /v1/catalogs/families'),
  // One's own things: there is no id in the request that could be somebody else's.
  people('GET /v1/me'),
  people('GET /v1/me/export'),
  people('GET /v1/me/devices'),
  // a token is not enough: the password decides
  people('DELETE /v1/me', { answers: 403, body: () => ({ password: 'wrong horse' }) }),
  people('GET /v1/balance'),
  people('GET /v1/transactions'),
  people('GET /v1/encounters'),
  people('GET /v1/officers-met'),
  people('GET /v1/donations'),
  people('GET /v1/goods-sold'),
  people('GET /v1/redemptions'),
  people('GET /v1/fees'),
  people('GET /v1/offers'),
  // Public by design: handle and number of encounters (DOMAIN rule 7), and nothing of anybody else.
  people('GET /v1/officers/{id}', { path: ({ of }) => `/v1/officers/${of.officer.userId}` }),
  { route: 'GET /v1/qr', lets: MEETERS },
  { route: 'GET /v1/qr.svg', lets: MEETERS },
  { route: 'GET /v1/qr.png', lets: MEETERS },
  { route: 'GET /v1/qr.txt', lets: MEETERS },
  { route: 'GET /v1/qr/book', lets: MEETERS },
  // Somebody's: everybody else is told that there is no such thing.
  {
    route: 'GET /v1/transfers/{id}/explain',
    lets: ACCOUNT_KINDS,
    answers: onlyTo('civilian'),
    path: ({ ids }) => `/v1/transfers/${ids.transfer}/explain`,
    others: { as: ['civilian', 'officer', 'operator'], answers: 404 },
  },
  {
    route: 'GET /v1/offers/{id}',
    lets: ACCOUNT_KINDS,
    answers: onlyTo('merchant'),
    path: ({ ids }) => `/v1/offers/${ids.draft}`,
    others: { as: ['merchant', 'civilian'], answers: 404 },
  },
  {
    route: 'GET /v1/redemptions/{id}',
    lets: ACCOUNT_KINDS,
    answers: onlyTo('civilian', 'merchant'),
    path: ({ ids }) => `/v1/redemptions/${ids.toConfirm}`,
    others: { as: ['civilian', 'merchant'], answers: 404 },
  },
  // A merchant's business.
  { route: 'POST /v1/offers', lets: MERCHANT, answers: 201, body: () => offerBody },
  {
    route: 'PUT /v1/offers/{id}',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/offers/${ids.draft}`,
    body: () => ({
      ...offerBody,
      description: '',
      kind: 'goods',
      perUserMax: 0,
      opensAtMs: 0,
      closesAtMs: 0,
      lowStock: 0,
      placeId: null,
      version: 1,
    }),
    others: { as: ['merchant'], answers: 404 },
  },
  {
    route: 'POST /v1/offers/{id}/publish',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/offers/${ids.draft}/publish`,
    others: { as: ['merchant'], answers: 404 },
  },
  {
    route: 'POST /v1/offers/{id}/withdraw',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/offers/${ids.draft}/withdraw`,
    others: { as: ['merchant'], answers: 404 },
  },
  {
    route: 'POST /v1/offers/{id}/stock',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/offers/${ids.offer}/stock`,
    body: () => ({ delta: 1, reason: 'found' }),
    others: { as: ['merchant'], answers: 404 },
  },
  {
    route: 'GET /v1/offers/{id}/stock',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/offers/${ids.offer}/stock`,
    others: { as: ['merchant'], answers: 404 },
  },
  { route: 'GET /v1/merchant/sales', lets: MERCHANT },
  { route: 'GET /v1/merchant/best-sellers', lets: MERCHANT },
  {
    route: 'GET /v1/merchant/settlements/{day}',
    lets: MERCHANT,
    path: () => `/v1/merchant/settlements/${day}`,
  },
  // Points for goods: officers do not redeem, families do not donate (DOMAIN, Who).
  {
    route: 'POST /v1/redemptions',
    lets: SPENDERS,
    answers: 201,
    body: ({ ids }) => ({ offerId: ids.offer }),
  },
  {
    route: 'POST /v1/redemptions/{id}/cancel',
    lets: ACCOUNT_KINDS,
    // who never reserved has none of that name; the merchant declines another one than she cancels
    answers: onlyTo('civilian', 'merchant'),
    path: ({ ids }, as) => `/v1/redemptions/${as === 'merchant' ? ids.toDecline : ids.toCancel}/cancel`,
    others: { as: ['civilian', 'merchant'], answers: 404 },
  },
  {
    route: 'POST /v1/redemptions/{id}/confirm',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/redemptions/${ids.toConfirm}/confirm`,
    body: () => ({}),
    others: { as: ['merchant'], answers: 404 },
  },
  {
    route: 'POST /v1/redemptions/{id}/refund',
    lets: MERCHANT,
    path: ({ ids }) => `/v1/redemptions/${ids.toRefund}/refund`,
    body: () => ({ restock: true }),
    others: { as: ['merchant'], answers: 404 },
  },
  // Giving and paying.
  {
    route: 'POST /v1/donations',
    lets: DONORS,
    // the family is in no catalogue: the door is passed, the points stay
    answers: 409,
    body: ({ other }) => ({ to: [{ userId: other.family.userId, points: 1 }] }),
  },
  {
    route: 'POST /v1/giveaways',
    lets: ['officer'],
    body: ({ other }) => ({ userId: other.officer.userId, points: 1 }),
  },
  {
    route: 'POST /v1/fees',
    lets: CITY,
    answers: 201,
    body: () => ({ kind: 'fee', title: 'Dogs', points: 2 }),
  },
  {
    route: 'POST /v1/fees/{id}/payments',
    lets: ['civilian'],
    path: ({ ids }) => `/v1/fees/${ids.fine}/payments`,
    others: { as: ['civilian'], answers: 404 },
  },
  {
    route: 'POST /v1/fees/{id}/withdraw',
    lets: CITY,
    path: ({ ids }) => `/v1/fees/${ids.fee}/withdraw`,
    others: { as: ['municipality'], answers: 404 },
  },
  // Machines.
  { route: 'POST /v1/scoring/preview', lets: ['service'], body: encounter },
  { route: 'POST /v1/scoring/transactions', lets: ['service'], body: encounter },
];
