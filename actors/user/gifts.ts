/**
 * Points that somebody lets go without goods in return: donations to charities and families, gifts among officers, fines and
 * fees. Each way in (socket, REST, a service that scores) ends here.
 *
 * Before points move it is asked who is on the other side (what kind of account, verified or not, what a fine costs) and
 * what was given lately; then what the business rules say of each part. Then one entry takes the points from here and gives
 * them to all, or nothing. Where a rule lets more arrive than leaves, or less, the mint has the rest.
 *
 * What a rule allows in a day outlives this actor: what was given stands in the ledger, and only this actor takes points
 * from the account. What is on its way while the ledger is read may or may not be in the answer, so it is counted by its id.
 */
import { type CommandBody, GIFT_PARTS_MAX } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { askFor, giveBackTo } from '../budget.ts';
import { type CommitCode, MINT_ACCOUNT, type RuleRef, type TransferOp } from '../durable.ts';
import { FEE, feePaymentId } from '../fees.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { GiftPreview, SpendMessage, UserMessage } from '../messages/user.ts';
import type { FeeView, GivingView, Party, QueryAnswers } from '../queries.ts';
import type { Award, ScoreQuery } from '../scoring.ts';
import type { Turn } from '../turn.ts';
import { begin, conclude, finish, remember, underWay, unlessRefused } from './commands.ts';
import { NOT_ENOUGH, PAID, spendablePoints } from './points.ts';
import type { CommandUnderWay, Gift, Part, UserState } from './state.ts';

type Asked = Pick<SpendMessage, 'name' | 'body' | 'key' | 'requestHash' | 'dry'>;

/** Steps of a gift, behind its key in the tag of a query; behind `score` the number of the part. */
export const GIVING = 'giving';
export const SCORE = 'score';
/** What is asked further when a rule has a cooldown, or a budget. */
export const LATELY = 'lately';
export const BUDGET = 'budget';

/** Which kinds of account may give, and to which: DOMAIN. A rule says less, never more. */
const GIVERS: Readonly<Record<Gift['reason'], readonly Party['kind'][]>> = {
  donation: ['civilian', 'officer', 'charity'],
  giveaway: ['officer'],
  fee: ['civilian'],
};
const takersOf = (reason: Gift['reason'], giver: Party['kind']): readonly Party['kind'][] => {
  if (reason === 'giveaway') return ['officer'];
  return giver === 'charity' ? ['family'] : ['charity', 'family'];
};

/** As a command, from a socket. Repeats have been dealt with. */
export function giftCommand(
  state: UserState,
  message: UserMessage & { type: 'command' },
  turn: Turn,
): UserState {
  const { name, body, key, requestHash } = message;
  return askGift(state, { name, body, key, requestHash } as Asked, turn);
}

/** By a door without a socket, or as a command. Repeats have been dealt with. */
export function askGift(state: UserState, asked: Asked, turn: Turn): UserState {
  const gift = giftOf(asked);
  const refusal = refuseAtSight(state, gift, turn.nowMs);
  if (refusal) {
    turn.reply(refusal);
    return gift.dry ? state : remember(state, asked, refusal);
  }
  const { id } = state.me;
  const tag = `${asked.key}/${GIVING}`;
  if (gift.feeId !== null) turn.query({ type: 'fee', id: gift.feeId, payer: id }, tag);
  else
    turn.query({ type: 'giving', from: id, reason: gift.reason, to: gift.to.map(part => part.userId) }, tag);
  const points = gift.dry ? 0 : totalOf(gift);
  return begin(state, underWay(asked, turn, asked.name, { points, gift }));
}

function giftOf({ name, body, dry = false }: Asked): Gift {
  if (name === 'fee.pay') {
    const { feeId } = body as CommandBody<'fee.pay'>;
    return { ...NOTHING_YET, reason: FEE, feeId, dry };
  }
  if (name === 'points.give') {
    const { userId, points } = body as CommandBody<'points.give'>;
    return { ...NOTHING_YET, reason: 'giveaway', to: [{ userId, points }], dry };
  }
  return { ...NOTHING_YET, reason: 'donation', to: (body as CommandBody<'points.donate'>).to, dry };
}

const NOTHING_YET = {
  to: [],
  feeId: null,
  id: '',
  given: [],
  awards: [],
  lately: null,
  taken: 0,
} as const;

const totalOf = ({ to }: Gift): number => sum(to.map(part => part.points));

const isAmount = (points: number): boolean =>
  Number.isSafeInteger(points) && points > 0 && points <= ACTOR_LIMITS.pointsMax;

/** What can be said without asking anybody. */
function refuseAtSight(state: UserState, gift: Gift, nowMs: number): Refusal | null {
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
  return totalOf(gift) > spendablePoints(state, nowMs) ? NOT_ENOUGH : null;
}

const NO_AMOUNT = refuse(
  ERROR.invalid,
  `points are whole and positive, ${ACTOR_LIMITS.pointsMax} at the most`,
);

/** The store said who is on the other side; the rules are asked what each part is worth. */
export function giftJudged(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  const judged = result.ok ? judge(state, command, result.value) : result;
  if (!judged.ok) return over(state, command, judged, turn);
  const { gift, queries } = judged.value;
  for (const [i, query] of queries.entries()) turn.query(query, `${command.key}/${SCORE}/${i}`);
  return begin(state, { ...command, gift });
}

interface Judged {
  readonly gift: Gift;
  /** For each part. */
  readonly queries: readonly ScoreQuery[];
}

function judge(state: UserState, command: CommandUnderWay, found: unknown): Result<Judged> {
  const gift = command.gift as Gift;
  const payerKind = state.me.kind;
  if (gift.feeId !== null) {
    const fee = found as FeeView | null;
    const refusal = refuseFee(fee);
    if (!fee || refusal) return refusal as Refusal;
    const { municipality: merchant, points: price } = fee;
    const input = { price, quantity: 1, offerKind: 'fee', payerKind, merchant } as const;
    const to = [{ userId: merchant, points: price }];
    const id = feePaymentId(fee, state.me.id);
    const place = { account: merchant };
    return ok({
      gift: { ...gift, to, id },
      queries: [{ type: 'score', kind: 'redemption.price', input, place }],
    });
  }
  const { parties, given } = found as GivingView;
  const taking = takersOf(gift.reason, payerKind);
  const queries: ScoreQuery[] = [];
  for (const { userId, points } of gift.to) {
    const party = parties.find(one => one.id === userId);
    const refusal = refuseParty(party, taking, gift.reason);
    if (!party || refusal) return refusal as Refusal;
    const kind = gift.reason as 'donation' | 'giveaway';
    const input = { points, payerKind, payeeKind: party.kind };
    queries.push({ type: 'score', kind, input, place: { account: state.me.id } });
  }
  const id = derivedId(gift.reason, state.me.id, command.key);
  return ok({ gift: { ...gift, id, given }, queries });
}

/** The rules have said what one part is worth; after the last one points may move. */
export function giftScored(
  state: UserState,
  command: CommandUnderWay,
  part: number,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (!result.ok) return over(state, command, result, turn);
  const before = command.gift as Gift;
  const awards = [...before.awards];
  awards[part] = result.value as Award;
  const gift = { ...before, awards };
  const isWhole = gift.to.every((_, i) => awards[i] !== undefined);
  return isWhole ? giveOut(state, { ...command, gift }, turn) : begin(state, { ...command, gift });
}

function giveOut(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  const gift = command.gift as Gift;
  const { leaves, to, onTop, rule, limits } = worthOf(gift);
  const { cooldownS = 0, budget } = limits;
  if (cooldownS > 0 && gift.lately === null) {
    const whom = gift.to.map(part => part.userId);
    const { id: from } = state.me;
    const withinMs = cooldownS * 1_000;
    const asked = { type: 'lastGiven', from, to: whom, reason: gift.reason, withinMs } as const;
    turn.query(asked, `${command.key}/${LATELY}`);
    return begin(state, command);
  }
  const refusal =
    refuseAwards(gift, leaves) ?? refuseDay(state, gift, leaves) ?? refuseSoon(state, gift, cooldownS);
  if (refusal) return over(state, command, refusal, turn);
  // what this very command has spoken for is still there
  if (leaves > spendablePoints(state, turn.nowMs) + command.points)
    return over(state, command, NOT_ENOUGH, turn);
  if (gift.dry) {
    const balance = spendablePoints(state, turn.nowMs) - leaves;
    const preview: GiftPreview = { points: -leaves, balance, to, rule };
    return over(state, command, ok(preview), turn);
  }
  const { id, reason } = gift;
  const one = { id, reason, points: leaves, to: to.map(part => part.userId) };
  const giving = { ...state, gave: [...state.gave.filter(other => other.id !== id), one] };
  const next = { ...command, points: leaves };
  if (onTop === 0 || !budget) return enter(giving, next, turn);
  askFor(budget, id, onTop, turn, `${command.key}/${BUDGET}`);
  return begin(giving, next);
}

interface Worth extends Pick<Award, 'rule' | 'limits'> {
  readonly leaves: number;
  readonly to: readonly Part[];
  /** What the mint adds for those who receive it. */
  readonly onTop: number;
}

/** What the rules have said of all parts; its rule and limits are those of the first. */
function worthOf(gift: Gift): Worth {
  const awards = gift.awards as readonly [Award, ...Award[]];
  const leaves = sum(awards.map(award => award.points.payer ?? 0));
  const to = gift.to.map((part, i) => arriving(gift, part, awards[i] as Award));
  const onTop = Math.max(0, sum(to.map(part => part.points)) - leaves);
  const { rule, limits } = awards[0];
  return { leaves, to, onTop, rule, limits };
}

/** One entry, for the store to decide. */
function enter(state: UserState, command: CommandUnderWay, turn: Turn): UserState {
  const gift = command.gift as Gift;
  const { to, rule } = worthOf(gift);
  turn.persist(entryOf(state.me.id, command, command.points, to, rule), command.key);
  return begin(state, command);
}

/** The store said who got something within the cooldown. */
export const giftsLately = unlessRefused(over, (state, command, lately: QueryAnswers['lastGiven'], turn) => {
  const gift = { ...(command.gift as Gift), lately };
  return giveOut(state, { ...command, gift }, turn);
});

/** The budget of the rule has what comes on top, or not any more. */
export const giftBudgeted = unlessRefused(over, (state, command, _taken, turn) => {
  const gift = command.gift as Gift;
  return enter(state, { ...command, gift: { ...gift, taken: worthOf(gift).onTop } }, turn);
});

/** The entry came to nothing, or was there before: what comes on top was not given by it. */
export function giveBackOnTop({ gift }: CommandUnderWay, code: CommitCode, turn: Turn): void {
  const budget = gift?.awards[0]?.limits.budget;
  if (!gift || !budget || gift.taken === 0 || code === 'created') return;
  giveBackTo(budget, gift.id, gift.taken, turn);
}

/** A municipality gets what is paid; a rule may let more reach a charity than leaves the giver. */
const arriving = ({ reason }: Gift, { userId }: Part, { points }: Award): Part => ({
  userId,
  points: (reason === FEE ? points.payer : points.payee) ?? 0,
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

function entryOf(
  me: string,
  { key, requestHash, gift }: CommandUnderWay,
  leaves: number,
  to: readonly Part[],
  rule: RuleRef,
): TransferOp {
  const { id, reason } = gift as Gift;
  const minted = leaves - sum(to.map(part => part.points));
  return {
    type: 'transfer',
    id,
    reason,
    legs: [
      { account: me, delta: -leaves },
      ...to.map(({ userId, points }) => ({ account: userId, delta: points })),
      ...(minted === 0 ? [] : [{ account: MINT_ACCOUNT, delta: minted }]),
    ],
    rule,
    idempotency: { userId: me, key, requestHash },
  };
}

/** An entry names one rule. */
function refuseAwards({ reason, awards }: Gift, leaves: number): Refusal | null {
  const [first] = awards as readonly [Award, ...Award[]];
  for (const { refusal, rule, points } of awards as readonly Award[]) {
    if (refusal !== undefined) return refuse(ERROR.forbidden, refusal);
    if (rule.id !== first.rule.id || rule.version !== first.rule.version)
      return refuse(ERROR.conflict, 'these parts are under different rules: give one after the other');
    if (!isAmount(points.payer ?? 0) || (reason !== FEE && !isAmount(points.payee ?? 0)))
      return refuse(ERROR.conflict, 'the rules leave nothing of it');
  }
  return isAmount(leaves) ? null : NO_AMOUNT;
}

/** How often, and how much, a person may give in 24 h. */
function refuseDay(state: UserState, { reason, given, id, awards }: Gift, leaves: number): Refusal | null {
  const [{ limits }] = awards as readonly [Award, ...Award[]];
  const { pointsPerUserDay = Number.POSITIVE_INFINITY, timesPerUserDay = Number.POSITIVE_INFINITY } = limits;
  const lately = new Map(
    [...state.gave.filter(one => one.reason === reason), ...given].map(one => [one.id, one.points]),
  );
  // asked for again, it is no second one
  lately.delete(id);
  if (sum([...lately.values()]) + leaves > pointsPerUserDay)
    return refuse(ERROR.conflict, `more than may be given in 24 h: ${pointsPerUserDay}`);
  return lately.size >= timesPerUserDay
    ? refuse(ERROR.conflict, `more often than one may give in 24 h: ${timesPerUserDay}`)
    : null;
}

/** Whoever gave somebody something gives him no more until the cooldown is over. */
function refuseSoon(state: UserState, { id, to, reason, lately }: Gift, cooldownS: number): Refusal | null {
  if (cooldownS === 0) return null;
  const stored = (lately ?? []).filter(one => one.id !== id).map(one => one.to);
  const underWay = state.gave.filter(one => one.id !== id && one.reason === reason).flatMap(one => one.to);
  const soon = new Set([...stored, ...underWay]);
  return to.some(part => soon.has(part.userId))
    ? refuse(ERROR.conflict, `this account got something of yours within the last ${hours(cooldownS)}`)
    : null;
}

const hours = (s: number): string => (s % 3_600 === 0 ? `${s / 3_600} h` : `${s} s`);

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

function refuseFee(fee: FeeView | null): Refusal | null {
  if (!fee) return refuse(ERROR.notFound, 'no such fine or fee');
  if (fee.paid) return PAID;
  return fee.withdrawn ? refuse(ERROR.gone, 'it was withdrawn') : null;
}

/** Nothing moves. Answers of the rules to its other parts find nothing under way any more. */
function over(before: UserState, command: CommandUnderWay, result: Result<unknown>, turn: Turn): UserState {
  const { id } = command.gift as Gift;
  // nothing of it is on its way
  const state = { ...before, gave: before.gave.filter(one => one.id !== id) };
  return (command.gift as Gift).dry
    ? conclude(state, command, result, turn)
    : finish(state, command, result, turn);
}
