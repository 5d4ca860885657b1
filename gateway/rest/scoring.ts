/**
 * The entry point of scoring: machines tell of a transaction of any kind, and the points of each party are computed by the
 * rules, posted once, and published. Nothing is scored here: each kind goes, as the message that a phone or a page would
 * have caused, to the actor that decides it. What is answered is read from the ledger afterwards, so a repeat says the same.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import {
  type GiftName,
  type GiftPreview,
  type Given,
  type PairMessage,
  pairId,
  type Settlement,
  type UserMessage,
} from '../../nodes/gatewayPort.ts';
import type { GivingStore } from '../../nodes/givingPort.ts';
import { type OrderName, type RedeemPreview, saleIdOf } from '../../nodes/marketPort.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import { askActor } from '../askActor.ts';
import { identifyService } from '../auth/identify.ts';
import type { Services } from '../auth/services.ts';
import type { Rest } from './app.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, reaching, refused } from './errors.ts';
import { partOf } from './giving.ts';
import { askKeyed, type Keyed, KeyedDoor } from './keyed.ts';
import { IdempotencyHeaders } from './schemas.ts';
import { Scored, type Transaction, TransactionBody } from './scoringSchemas.ts';
import { traceOf } from './trace.ts';

const failures = { '4xx': ErrorBody, '5xx': ErrorBody };
const secured = { tags: ['scoring'], security: [{ bearer: [] }] };

type Answer = Static<typeof Scored>;
type Encounter = Transaction & { type: 'encounter' };
type Redemption = Transaction & { type: 'redemption' };
type Gift = Exclude<Transaction, Encounter | Redemption>;

const OTHER_MERCHANT = refuse(ERROR.conflict, 'this offer is of another merchant');

const callers = new WeakMap<FastifyRequest, string>();

/** Whose actor it is, and what it is asked. */
const giftOf = (asked: Gift): { readonly from: string; readonly name: GiftName; readonly body: object } => {
  const from = asked.from.toLowerCase();
  switch (asked.type) {
    case 'donation':
      return { from, name: 'points.donate', body: { to: asked.to.map(partOf) } };
    case 'giveaway': {
      const { to: userId, points } = asked;
      return { from, name: 'points.give', body: partOf({ userId, points }) };
    }
    case 'fee':
      return { from, name: 'fee.pay', body: { feeId: asked.fee.toLowerCase() } };
  }
};

export const scoringRoutes = (
  app: Rest,
  options: RestOptions,
  { services, store }: { readonly services: Services; readonly store: GivingStore },
): void => {
  const { log, directory, door, scoring } = options;
  const keyedDoor = new KeyedDoor(options);

  const machine = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const known = await identifyService(options, services, request.headers.authorization);
    if (!known.ok) return refused(reply, known);
    callers.set(request, known.value.serviceId);
    return undefined;
  };
  const serviceOf = (request: FastifyRequest): string => callers.get(request)!;

  /** As the ledger has it. */
  const posted = async (type: Transaction['type'], transferId: string): Promise<Result<Answer>> => {
    const read = await reaching(log, () => store.movement(transferId));
    if (!read.ok) return read;
    if (read.value === null)
      return refuse(ERROR.unavailable, 'it is posted and cannot be read: ask again', 1_000);
    const { parties, rule, atMs } = read.value;
    return ok({ type, transferId, held: false, parties: [...parties], rule, atMs });
  };

  const people = async ({ officer, civilian }: Encounter) => {
    const of = async (id: string, kind: 'officer' | 'civilian') => {
      const read = await reaching(log, () => directory.profile(id.toLowerCase()));
      if (!read.ok) return read;
      return read.value?.kind === kind ? ok(read.value) : refuse(ERROR.notFound, `no such ${kind}`);
    };
    const [one, other] = await Promise.all([of(officer, 'officer'), of(civilian, 'civilian')]);
    if (!one.ok) return one;
    return other.ok ? ok({ officer: one.value, civilian: other.value }) : other;
  };

  const scoreEncounter = async (
    request: FastifyRequest,
    asked: Encounter,
    { key, requestHash }: Keyed,
  ): Promise<Result<Answer>> => {
    const known = await people(asked);
    if (!known.ok) return known;
    const side = ({ userId: id, handle }: { userId: string; handle: string }) => ({ id, handle });
    const [officer, civilian] = [side(known.value.officer), side(known.value.civilian)];
    const message: PairMessage = {
      type: 'observe',
      evidence: { method: asked.method, id: key, cell: '' },
      officer,
      civilian,
      idempotency: { userId: serviceOf(request), key, requestHash },
    };
    const pair = { kind: 'pair', id: pairId(officer.id, civilian.id) } as const;
    const settled = await askActor<Settlement>(door, pair, message, { keyed: true, trace: traceOf(request) });
    if (!settled.ok) return settled;
    const { encounterId, held, atMs } = settled.value;
    if (held === undefined) return posted('encounter', encounterId);
    return ok({ type: 'encounter', transferId: encounterId, held, parties: [], rule: null, atMs });
  };

  const scoreGift = async (request: FastifyRequest, asked: Gift, keyed: Keyed): Promise<Result<Answer>> => {
    const { from, name, body } = giftOf(asked);
    const message: UserMessage = { type: 'spend', name, body, ...keyed };
    const given = await askKeyed<Given>(options, request, from, message);
    return given.ok ? posted(asked.type, given.value.transferId) : given;
  };

  /**
   * Goods for points, handed over on the spot: reserved for the customer, then confirmed by the merchant, who is asked only
   * if points and stock were there. What the merchant refuses is given back.
   */
  const scoreRedemption = async (
    request: FastifyRequest,
    asked: Redemption,
    { key, requestHash }: Keyed,
  ): Promise<Result<Answer>> => {
    const [from, merchant] = [asked.from.toLowerCase(), asked.merchant.toLowerCase()];
    const order = <T>(whom: string, name: OrderName, body: object, step: string): Promise<Result<T>> => {
      const message: UserMessage = { type: 'order', name, body, key: derivedId(step, key), requestHash };
      return askKeyed<T>(options, request, whom, message);
    };
    const wanted = { offerId: asked.offer.toLowerCase(), quantity: asked.quantity ?? 1 };
    const reserved = await order<{ redemptionId: string }>(from, 'redeem.reserve', wanted, 'reserve');
    if (!reserved.ok) return reserved;
    const { redemptionId } = reserved.value;
    const handed = { redemptionId, code: null, quantity: null };
    const confirmed = await order<object>(merchant, 'till.confirm', handed, 'confirm');
    if (confirmed.ok) return posted('redemption', saleIdOf(redemptionId, derivedId('confirm', key)));
    if (!confirmed.retryable) await order(from, 'redeem.cancel', { redemptionId }, 'cancel');
    return confirmed;
  };

  const previewEncounter = async (asked: Encounter): Promise<Result<Answer>> => {
    const known = await people(asked);
    if (!known.ok) return known;
    if (!scoring) return refuse(ERROR.unavailable, 'nobody knows the rules here', 1_000);
    const { officer, civilian } = known.value;
    const place = { account: officer.userId };
    const query = {
      type: 'score',
      kind: 'encounter.points',
      input: { method: asked.method },
      place,
    } as const;
    const read = await reaching(log, () => scoring.score(query));
    if (!read.ok) return read;
    const { points, rule, refusal } = read.value;
    if (refusal !== undefined) return refuse(ERROR.forbidden, refusal);
    const parties = [
      { userId: civilian.userId, points: points.civilian ?? 0 },
      { userId: officer.userId, points: points.officer ?? 0 },
    ];
    const { id, version } = rule;
    return ok({
      type: 'encounter',
      transferId: null,
      held: false,
      parties,
      rule: { id, version },
      atMs: null,
    });
  };

  const previewGift = async (request: FastifyRequest, asked: Gift): Promise<Result<Answer>> => {
    const { from, name, body } = giftOf(asked);
    const message: UserMessage = { type: 'spend', name, body, key: '', requestHash: '', dry: true };
    const would = await askKeyed<GiftPreview>(options, request, from, message);
    if (!would.ok) return would;
    const { points, to, rule } = would.value;
    const parties = [{ userId: from, points }, ...to];
    const { id, version } = rule;
    return ok({
      type: asked.type,
      transferId: null,
      held: false,
      parties,
      rule: { id, version },
      atMs: null,
    });
  };

  const previewRedemption = async (request: FastifyRequest, asked: Redemption): Promise<Result<Answer>> => {
    const [from, merchant] = [asked.from.toLowerCase(), asked.merchant.toLowerCase()];
    const body = { offerId: asked.offer.toLowerCase(), quantity: asked.quantity ?? 1 };
    const message: UserMessage = {
      type: 'order',
      name: 'redeem.reserve',
      body,
      key: '',
      requestHash: '',
      dry: true,
    };
    const would = await askKeyed<RedeemPreview>(options, request, from, message);
    if (!would.ok) return would;
    const { points, merchant: seller, rule } = would.value;
    if (seller !== merchant) return OTHER_MERCHANT;
    const parties = [
      { userId: from, points: -points },
      { userId: merchant, points },
    ];
    return ok({ type: 'redemption', transferId: null, held: false, parties, rule, atMs: null });
  };

  const scored = (request: FastifyRequest, asked: Transaction, keyed: Keyed): Promise<Result<Answer>> => {
    if (asked.type === 'encounter') return scoreEncounter(request, asked, keyed);
    if (asked.type === 'redemption') return scoreRedemption(request, asked, keyed);
    return scoreGift(request, asked, keyed);
  };
  const previewed = async (request: FastifyRequest, asked: Transaction): Promise<Result<Answer>> => {
    if (asked.type === 'encounter') return previewEncounter(asked);
    if (asked.type === 'redemption') return previewRedemption(request, asked);
    return previewGift(request, asked);
  };

  app.post(
    '/v1/scoring/transactions',
    {
      preValidation: machine,
      schema: {
        ...secured,
        summary: 'Scores a transaction and posts it, once',
        description:
          'For machines (scope `service`). An encounter, a donation, a gift among officers, goods for points, a municipal fine or fee: the same ' +
          'rules and answers as for people. `held`: an operator looks at the encounter first, and nothing is posted.',
        headers: IdempotencyHeaders,
        body: TransactionBody,
        response: { 200: Scored, ...failures },
      },
    },
    async (request, reply) => {
      const asked = request.body as Transaction;
      const name = { who: serviceOf(request), route: 'scoring', asked };
      await keyedDoor.answer(request, reply, name, keyed => scored(request, asked, keyed));
      return reply;
    },
  );

  app.post(
    '/v1/scoring/preview',
    {
      preValidation: machine,
      schema: {
        ...secured,
        summary: 'What a transaction would give to whom; nothing is posted',
        description: 'For machines (scope `service`).',
        body: TransactionBody,
        response: { 200: Scored, ...failures },
      },
    },
    async (request, reply) => {
      const asked = request.body as Transaction;
      const would = await previewed(request, asked);
      return would.ok ? reply.send(would.value) : refused(reply, would);
    },
  );
};
