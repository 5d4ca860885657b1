/**
 * Who tries every door in the authorisation matrix: one account of each kind with something of its own, a second one of the
 * same kind who wants what is the first one's, an operator, a machine, and nobody at all.
 */
import { ACCOUNT_KINDS, type AccountKind } from '../../protocol/catalogue.ts';
import type { TestTown } from '../e2e/testTown.ts';
import { withClient } from '../swarm/postgres.ts';
import { type SeededAccount, seedAccounts } from '../swarm/seed.ts';
import { givePoints, openOffer, type Shop } from '../swarm/shops.ts';

/** Kinds of callers; `none` shows no token. */
export const CALLERS = [...ACCOUNT_KINDS, 'service', 'none'] as const;
export type Caller = (typeof CALLERS)[number];

type Owned =
  | 'offer'
  | 'draft'
  | 'fee'
  | 'fine'
  | 'transfer'
  | 'toCancel'
  | 'toDecline'
  | 'toConfirm'
  | 'toRefund';

export interface Cast {
  /** The first of each kind: who owns what `ids` names. */
  readonly of: Readonly<Record<AccountKind, SeededAccount>>;
  /** Another one of the same kind. */
  readonly other: Readonly<Record<AccountKind, SeededAccount>>;
  readonly serviceToken: string;
  readonly ids: Readonly<Record<Owned, string>>;
  tokenOf(caller: Caller): string | null;
}

const byKind = (people: readonly SeededAccount[]): Record<AccountKind, SeededAccount> =>
  Object.fromEntries(people.map(one => [one.kind, one])) as Record<AccountKind, SeededAccount>;

/** Posts as somebody and gives what came back; throws when it did not succeed. */
const post = async <T>(town: TestTown, token: string, path: string, body: object): Promise<T> => {
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const answer = await town.rest.call<T>('POST', path, { token, headers, body });
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};

export const hireCast = async (
  town: TestTown,
  service: { readonly id: string; readonly secret: string },
): Promise<Cast> => {
  const target = { town: { databaseUrl: town.databaseUrl }, dataDir: town.dataDir };
  const of = byKind(await seedAccounts(target, ACCOUNT_KINDS));
  const other = byKind(await seedAccounts(target, ACCOUNT_KINDS));
  await givePoints(target, [of.civilian, of.officer, of.family, of.charity], 500);
  const { access_token: serviceToken } = await post<{ access_token: string }>(town, '', '/v1/oauth/token', {
    grant_type: 'client_credentials',
    client_id: service.id,
    client_secret: service.secret,
  });
  const shop: Shop = { account: of.merchant, tills: [] };
  const offer = await openOffer(town.node.urls.rest, shop, { title: 'Coffee', points: 5, stock: 50 });
  const { token: merchant } = of.merchant;
  const { id: draft } = await post<{ id: string }>(town, merchant, '/v1/offers', { title: 'Tea', points: 3 });
  const { token: city } = of.municipality;
  const fee = await post<{ id: string }>(town, city, '/v1/fees', { kind: 'fee', title: 'Bins', points: 2 });
  const fined = { kind: 'fine', title: 'Parking', points: 4, handle: of.civilian.handle };
  const fine = await post<{ id: string }>(town, city, '/v1/fees', fined);
  const reserve = async (): Promise<string> => {
    const reserved = await post<{ redemptionId: string }>(town, of.civilian.token, '/v1/redemptions', {
      offerId: offer,
    });
    return reserved.redemptionId;
  };
  const [toCancel, toDecline, toConfirm, toRefund] = [
    await reserve(),
    await reserve(),
    await reserve(),
    await reserve(),
  ];
  await post(town, merchant, `/v1/redemptions/${toRefund}/confirm`, {});
  const transfer = 'select transfer_id as id from ledger.posting where account_id = $1 limit 1';
  const { rows } = await withClient(town.databaseUrl, client =>
    client.query<{ id: string }>(transfer, [of.civilian.userId]),
  );
  return {
    of,
    other,
    serviceToken,
    ids: {
      offer,
      draft,
      fee: fee.id,
      fine: fine.id,
      transfer: rows[0]!.id,
      toCancel,
      toDecline,
      toConfirm,
      toRefund,
    },
    tokenOf: caller => (caller === 'none' ? null : caller === 'service' ? serviceToken : of[caller].token),
  };
};
