/**
 * Points that somebody lets go without goods in return: donations to charities and families, gifts among officers, fines and
 * fees. Each way in (socket, REST, a service that scores) ends here.
 *
 * Two things are asked before points move: who is on the other side (what kind of account, verified or not, what a fine
 * costs), and what has been given away today. Then one entry takes the points from here and gives them to all, or nothing.
 *
 * The cap of a day outlives this actor: what was given stands in the ledger, and only this actor takes points from the
 * account. What is on its way while the ledger is read may or may not be in the answer, so it is counted by its id.
 */
import { type CommandBody, GIFT_PARTS_MAX } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { RuleRef, TransferOp } from '../durable.ts';
import { FEE, feePaymentId } from '../fees.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { GiftPreview, SpendMessage, UserMessage } from '../messages/user.ts';
import type { FeeView, GivingView, Party } from '../queries.ts';
import type { Turn } from '../turn.ts';
import { begin, finish, remember, repeat } from './commands.ts';
import { underWay } from './hey.ts';
import { availablePoints, NOT_ENOUGH, PAID } from './points.ts';
import type { CommandUnderWay, Gift, UserState } from './state.ts';

type Asked = Pick<SpendMessage, 'name' | 'body' | 'key' | 'requestHash' | 'dry'>;

/** Step of a gift, behind its key in the tag of a query. */
export const GIVING = 'giving';

const RULES: Readonly<Record<Gift['reason'], RuleRef>> = {
  donation: { id: 'donation', version: 1 },
  giveaway: { id: 'giveaway', version: 1 },
  fee: { id: 'fee', version: 1 },
};
const GIVEAWAY_DAY_MAX = 100;

/** Which kinds of account may give, and to which (DOMAIN). */
const GIVERS: Readonly<Record<Gift['reason'], readonly Party['kind'][]>> = {
  donation: ['civilian', 'officer', 'charity'],
  giveaway: ['officer'],
  fee: ['civilian'],
};
const takersOf = (reason: Gift['reason'], giver: Party['kind']): readonly Party['kind'][] => {
  if (reason === 'giveaway') return ['officer'];
  return giver === 'charity' ? ['family'] : ['charity', 'family'];
};

/** From a door without a socket. */
export function spend(state: UserState, message: UserMessage & { type: 'spend' }, turn: Turn): UserState {
  // what only asks has no key of its own
  if (message.dry) return askGift(state, { ...message, key: turn.newId() }, turn);
  return repeat(state, message, turn) ?? askGift(state, message, turn);
}

/** As a command, from a socket. Repeats have been dealt with. */
export function giftCommand(
  state: UserState,
  message: UserMessage & { type: 'command' },
  turn: Turn,
): UserState {
  const { name, body, key, requestHash } = message;
  return askGift(state, { name, body, key, requestHash } as Asked, turn);
}

function askGift(state: UserState, asked: Asked, turn: Turn): UserState {
  const gift = giftOf(asked);
  const refusal = refuseAtSight(state, gift);
  if (refusal) {
    turn.reply(refusal);
    return gift.dry ? state : remember(state, asked, refusal);
  }
  const { id } = state.me;
  const tag = `${asked.key}/${GIVING}`;
  if (gift.feeId !== null) turn.query({ type: 'fee', id: gift.feeId, payer: id }, tag);
  else turn.query({ type: 'giving', from: id, to: gift.to.map(part => part.userId) }, tag);
  const points = gift.dry ? 0 : totalOf(gift);
  return begin(state, underWay(asked, turn, asked.name, { points, gift }));
}

function giftOf({ name, body, dry = false }: Asked): Gift {
  if (name === 'fee.pay') {
    const { feeId } = body as CommandBody<'fee.pay'>;
    return { reason: FEE, to: [], feeId, dry };
  }
  if (name === 'points.give') {
    const { userId, points } = body as CommandBody<'points.give'>;
    return { reason: 'giveaway', to: [{ userId, points }], feeId: null, dry };
  }
  return { reason: 'donation', to: (body as CommandBody<'points.donate'>).to, feeId: null, dry };
}

const totalOf = ({ to }: Gift): number => to.reduce((sum, part) => sum + part.points, 0);

const isAmount = (points: number): boolean =>
  Number.isSafeInteger(points) && points > 0 && points <= ACTOR_LIMITS.pointsMax;

/** What can be said without asking anybody. */
function refuseAtSight(state: UserState, gift: Gift): Refusal | null {
  const { me } = state;
  if (!GIVERS[gift.reason].includes(me.kind))
    return refuse(ERROR.forbidden, `not for this kind of account: ${me.kind}`);
  if (gift.feeId !== null) return null;
  const { to } = gift;
  if (to.length === 0 || to.length > GIFT_PARTS_MAX)
    return refuse(ERROR.invalid, `a gift is for 1 to ${GIFT_PARTS_MAX} accounts`);
  if (!to.every(part => isAmount(part.points))) return NO_AMOUNT;
  if (to.some(part => part.userId === me.id)) return refuse(ERROR.invalid, 'a gift to oneself');
  if (new Set(to.map(part => part.userId)).size < to.length)
    return refuse(ERROR.invalid, 'an account is named twice');
  return totalOf(gift) > availablePoints(state) ? NOT_ENOUGH : null;
}

const NO_AMOUNT = refuse(
  ERROR.invalid,
  `points are whole and positive, ${ACTOR_LIMITS.pointsMax} at the most`,
);

/** The store said who is on the other side. */
export function giftJudged(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const judged = result.ok ? judge(state, command, result.value) : result;
  if (!judged.ok) return over(state, command, judged, turn);
  const { gift, id } = judged.value;
  const total = totalOf(gift);
  const rule = RULES[gift.reason];
  if (gift.dry) {
    const balance = availablePoints(state) - total;
    const preview: GiftPreview = { points: -total, balance, to: gift.to, rule };
    return over(state, command, ok(preview), turn);
  }
  const { key, requestHash } = command;
  const me = state.me.id;
  const op: TransferOp = {
    type: 'transfer',
    id,
    reason: gift.reason,
    legs: [
      { account: me, delta: -total },
      ...gift.to.map(({ userId, points }) => ({ account: userId, delta: points })),
    ],
    rule,
    idempotency: { userId: me, key, requestHash },
  };
  turn.persist(op, key);
  const begun = begin(state, { ...command, points: total, gift });
  return gift.reason === 'giveaway' ? { ...begun, gave: [...state.gave, { id, points: total }] } : begun;
}

interface Judged {
  readonly gift: Gift;
  /** Of the entry. */
  readonly id: string;
}

function judge(state: UserState, command: CommandUnderWay, found: unknown): Result<Judged> {
  const gift = command.gift as Gift;
  if (gift.feeId !== null) return judgeFee(state, command, gift, found as FeeView | null);
  const { parties, givenToday } = found as GivingView;
  const id = derivedId(gift.reason, state.me.id, command.key);
  const taking = takersOf(gift.reason, state.me.kind);
  for (const { userId } of gift.to) {
    const party = parties.find(one => one.id === userId);
    const refusal = refuseParty(party, taking, gift.reason);
    if (refusal) return refusal;
  }
  if (gift.reason === 'giveaway') {
    const today = new Map([...state.gave, ...givenToday].map(one => [one.id, one.points]));
    // asked for again, it is no second one
    today.delete(id);
    const given = [...today.values()].reduce((sum, points) => sum + points, 0);
    if (given + totalOf(gift) > GIVEAWAY_DAY_MAX)
      return refuse(ERROR.conflict, `more than may be given away in a day: ${GIVEAWAY_DAY_MAX}`);
  }
  return ok({ gift, id });
}

function refuseParty(
  party: Party | undefined,
  taking: readonly Party['kind'][],
  reason: Gift['reason'],
): Refusal | null {
  if (!party) return refuse(ERROR.notFound, 'no such account');
  if (!taking.includes(party.kind))
    return refuse(ERROR.forbidden, `not to this kind of account: ${party.kind}`);
  if (party.closed) return refuse(ERROR.gone, 'an account of this gift is closed');
  if (reason === 'donation' && !party.verified)
    return refuse(ERROR.conflict, 'this account is not verified: it cannot receive points');
  return null;
}

/** What it costs is known only now. */
function judgeFee(
  state: UserState,
  command: CommandUnderWay,
  gift: Gift,
  fee: FeeView | null,
): Result<Judged> {
  if (!fee) return refuse(ERROR.notFound, 'no such fine or fee');
  if (fee.paid) return PAID;
  if (fee.withdrawn) return refuse(ERROR.gone, 'it was withdrawn');
  if (fee.points > availablePoints(state) + command.points) return NOT_ENOUGH;
  const to = [{ userId: fee.municipality, points: fee.points }];
  return ok({ gift: { ...gift, to }, id: feePaymentId(fee, state.me.id) });
}

/** Nothing moves. */
function over(state: UserState, command: CommandUnderWay, result: Result<unknown>, turn: Turn): UserState {
  if (!(command.gift as Gift).dry) return finish(state, command, result, turn);
  for (const replyTo of command.replyTo) turn.reply(result, replyTo);
  const { [command.key]: _, ...underWay } = state.underWay;
  return { ...state, underWay };
}
