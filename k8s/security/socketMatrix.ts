/**
 * Who may say which command over the socket, with what, and what he is answered. Every command of the catalogue has a row;
 * a new one without fails. Whoever is not named gets 403 before his actor hears of it, or from his actor.
 */
import { ACCOUNT_KINDS, type AccountKind, type CommandName } from '../../protocol/catalogue.ts';
import type { Cast } from './cast.ts';
import { DONORS, MEETERS, SPENDERS } from './restMatrix.ts';

export interface SocketRow {
  readonly lets: readonly AccountKind[];
  /** What it says, as this kind; about things that are somebody else's or nobody's where `answers` is 404 or 410. */
  readonly body: (cast: Cast, as: AccountKind) => object;
  /** 0: it succeeds. */
  readonly answers: number;
}

const NOBODYS = '01900000-0000-7000-8000-0000000000ff';
const nothing = (): object => ({});
const CODE = 'HB1:TEST';

export const SOCKET_MATRIX: Readonly<Record<CommandName, SocketRow>> = {
  // another person's token does not become ours
  'auth.refresh': {
    lets: ACCOUNT_KINDS,
    body: ({ other }, as) => ({ token: other[as].token }),
    answers: 403,
  },
  'state.get': { lets: ACCOUNT_KINDS, body: nothing, answers: 0 },
  'location.share': { lets: MEETERS, body: nothing, answers: 0 },
  'location.stop': { lets: MEETERS, body: nothing, answers: 0 },
  'location.mode': { lets: MEETERS, body: () => ({ mode: 'qr' }), answers: 0 },
  'instant.set': { lets: MEETERS, body: () => ({ on: false }), answers: 0 },
  // who shares nothing finds nobody
  'hey.say': { lets: ['civilian'], body: ({ of }) => ({ officerId: of.officer.userId }), answers: 409 },
  'hey.accept': { lets: ['officer'], body: () => ({ heyId: NOBODYS }), answers: 410 },
  'hey.decline': { lets: ['officer'], body: () => ({ heyId: NOBODYS }), answers: 410 },
  'qr.show': { lets: MEETERS, body: nothing, answers: 0 },
  'qr.scan': { lets: MEETERS, body: () => ({ token: CODE }), answers: 422 },
  'qr.upload': {
    lets: MEETERS,
    body: () => ({ token: CODE, scannedAtS: Math.floor(Date.now() / 1_000), proof: 'x' }),
    answers: 422,
  },
  'qr.confirm': { lets: ['officer'], body: () => ({ scanId: NOBODYS }), answers: 410 },
  'hub.checkIn': { lets: ['officer'], body: () => ({ token: CODE }), answers: 422 },
  'redeem.reserve': {
    lets: SPENDERS,
    body: ({ ids }) => ({ offerId: ids.offer, quantity: 1 }),
    // they have no points
    answers: 409,
  },
  // said by the second of each kind: it is the first civilian's
  'redeem.cancel': {
    lets: ['civilian', 'officer', 'family', 'charity'],
    body: ({ ids }) => ({ redemptionId: ids.toCancel }),
    answers: 404,
  },
  'till.open': { lets: ['merchant'], body: () => ({ till: 'till-1' }), answers: 0 },
  'till.look': { lets: ['merchant'], body: () => ({ code: 'ABCDEFGH' }), answers: 404 },
  'till.confirm': {
    lets: ['merchant'],
    body: ({ ids }) => ({ redemptionId: ids.toConfirm, code: null, quantity: null }),
    answers: 404,
  },
  'till.refuse': { lets: ['merchant'], body: ({ ids }) => ({ redemptionId: ids.toDecline }), answers: 404 },
  'till.refund': {
    lets: ['merchant'],
    body: ({ ids }) => ({ redemptionId: ids.toRefund, quantity: null, restock: true }),
    answers: 404,
  },
  'points.donate': {
    lets: DONORS,
    body: ({ of }) => ({ to: [{ userId: of.family.userId, points: 1 }] }),
    answers: 409,
  },
  'points.give': {
    lets: ['officer'],
    body: ({ of }) => ({ userId: of.officer.userId, points: 1 }),
    // the point that he was given
    answers: 0,
  },
  'fee.pay': { lets: ['civilian'], body: ({ ids }) => ({ feeId: ids.fine }), answers: 404 },
};
