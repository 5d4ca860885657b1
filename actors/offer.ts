/**
 * The offer actor: what a merchant offers for points, alive on exactly one node, with its stock in memory (`offer/shelf.ts`).
 * Whoever redeems asks here first: is it open, is there one left, may this user have it. What is there is held for him for
 * some seconds, until his own actor has set points and stock aside in one entry of the ledger, which is what counts.
 *
 * Nothing that this actor forgets is lost: it starts from the store, and a lease that nobody remembers was no promise.
 */
import { derivedId } from '../protocol/derivedId.ts';
import { ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import type { Committed, OfferRecord } from './durable.ts';
import { insist, insistAgain, insistAnswered, insistedKey } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { Held, OfferMessage, StockView } from './messages/offer.ts';
import { packOffer, unpackOffer } from './offer/packing.ts';
import { type Hold, isLowNow, type OfferState, offerOf } from './offer/state.ts';
import { isSameOffer, NO_OFFER, refuseClosed, refuseTerms, rowOf } from './offer/terms.ts';
import type { OfferView, QueryAnswers } from './queries.ts';
import type { Behaviour, ReplyTo, SystemMessage, Turn } from './turn.ts';

const READ = 'read';

export function offerBehaviour(): Behaviour<OfferState, OfferMessage> {
  return {
    kind: 'offer',
    inPlace: true,
    hydrate: id => ({ type: 'offer', id }),
    create: (id, loaded, turn) => ok(offerOf(id, loaded as QueryAnswers['offer'], turn.nowMs)),
    receive,
    pack: packOffer,
    unpack: unpackOffer,
    idleMs: state => (state.telling.size > 0 ? false : ACTOR_LIMITS.offerIdleMs),
  };
}

function receive(state: OfferState, message: OfferMessage | SystemMessage, turn: Turn): OfferState {
  const { shelf } = state;
  switch (message.type) {
    case 'look':
      look(state, turn);
      break;
    case 'save':
      save(state, message.offer, turn);
      break;
    case 'remove':
      remove(state, turn);
      break;
    case 'adjust':
      adjust(state, message, turn);
      break;
    case 'hold':
      hold(state, message, turn.replyTo, false, turn);
      break;
    case 'letGo':
      shelf.letGo(message.redemptionId);
      if (message.isOff) shelf.doubt();
      break;
    case 'reserved':
      shelf.take(message.redemptionId);
      turn.reply(ok({}));
      break;
    case 'settled':
      shelf.settle(message.redemptionId, message.sold);
      turn.reply(ok({}));
      break;
    case 'gaveBack':
      shelf.doubt();
      turn.reply(ok({}));
      break;
    case 'insist':
      state.telling = insistAgain(state.telling, message.key, turn);
      break;
    case 'answer': {
      const key = insistedKey(message.tag);
      if (key !== null) state.telling = insistAnswered(state.telling, key, message.result, turn);
      break;
    }
    case 'committed':
      committed(state, message.tag, message.committed, turn);
      break;
    case 'queried':
      wasRead(state, message.result, turn);
      break;
    default:
      break;
  }
  tellLow(state, turn);
  return state;
}

/** Judges whether units may be held. By numbers that are not sure nobody is refused, but for `atLast`. */
function hold(state: OfferState, message: Hold, replyTo: ReplyTo | null, atLast: boolean, turn: Turn): void {
  const { offer, shelf } = state;
  const { redemptionId, user, quantity } = message;
  const closed = offer ? refuseClosed(offer, turn.nowMs) : NO_OFFER;
  if (!offer || closed) return turn.reply(closed ?? NO_OFFER, replyTo);
  const { merchant, title, kind, points, perUserMax } = offer;
  const held: Held = { merchant, title, kind, points, perUserMax };
  // said again: what is reserved already needs no lease
  if (shelf.isTaken(redemptionId)) return turn.reply(ok(held), replyTo);
  shelf.letGo(redemptionId);
  const isTooMany = perUserMax > 0 && shelf.had(user) + quantity > perUserMax;
  if (isTooMany || quantity > shelf.free(turn.nowMs)) {
    if (atLast || isFresh(state, turn)) return turn.reply(isTooMany ? TOO_MANY : SOLD_OUT, replyTo);
    return readFirst(state, message, replyTo, turn);
  }
  shelf.hold(redemptionId, user, quantity, turn.nowMs + ACTOR_LIMITS.leaseMs);
  turn.reply(ok(held), replyTo);
}

export const SOLD_OUT = refuse(ERROR.conflict, 'sold out: not so much of this offer is left');
export const TOO_MANY = refuse(ERROR.conflict, 'that is more of this offer than one person may have');

function readFirst(state: OfferState, message: Hold | null, replyTo: ReplyTo | null, turn: Turn): void {
  if (state.waiting.length >= ACTOR_LIMITS.offerWaiting)
    return turn.reply(refuse(ERROR.unavailable, 'many wait for this offer, try again', 500), replyTo);
  state.waiting.push({ message, replyTo });
  if (state.isReading) return;
  state.isReading = true;
  state.shelf.asking(turn.nowMs);
  turn.query({ type: 'offer', id: state.id }, READ);
}

/** The store said what is there: everybody who waited is judged by it. */
function wasRead(state: OfferState, result: Result<unknown>, turn: Turn): void {
  const { waiting } = state;
  state.waiting = [];
  state.isReading = false;
  if (!result.ok) {
    state.shelf.doubt();
    for (const { replyTo } of waiting) turn.reply(result, replyTo);
    return;
  }
  const view = result.value as QueryAnswers['offer'];
  if (view) {
    state.shelf.read(view);
    if (view.offer.version >= (state.offer?.version ?? 0)) state.offer = view.offer;
  }
  for (const { message, replyTo } of waiting) {
    if (message) hold(state, message, replyTo, true, turn);
    else turn.reply(shown(state), replyTo);
  }
}

/** Doors show what the store has, or had a moment ago: whoever was to tell of a sale or a return may have died with it. */
function look(state: OfferState, turn: Turn): void {
  if (state.offer && !isFresh(state, turn)) readFirst(state, null, turn.replyTo, turn);
  else turn.reply(shown(state));
}

const isFresh = ({ shelf }: OfferState, { nowMs }: Turn): boolean =>
  shelf.isSure && nowMs - shelf.readAtMs < ACTOR_LIMITS.stockFreshMs;

function shown({ offer, shelf }: OfferState): Result<OfferView> {
  if (!offer) return NO_OFFER;
  const { onHand, reserved, perUser } = shelf;
  return ok({ offer, onHand, reserved, perUser: Object.fromEntries(perUser) });
}

const CHANGED = refuse(ERROR.conflict, 'this offer was changed meanwhile: read it again');
const BUSY = refuse(ERROR.unavailable, 'this offer is being changed, try again', 100);
const REMOVED = refuse(ERROR.gone, 'an operator withdrew this offer for good');

function save(state: OfferState, offer: OfferRecord, turn: Turn): void {
  const now = state.offer;
  const refusal = refuseSave(state, offer);
  if (refusal) return turn.reply(refusal);
  if (now && isSameOffer(now, offer)) return turn.reply(shown(state));
  if (now?.state === 'removed') return turn.reply(REMOVED);
  if (offer.version !== (now?.version ?? 0) + 1) return turn.reply(CHANGED);
  store(state, offer, turn);
}

/** As its merchant withdraws it, but nothing follows. */
function remove(state: OfferState, turn: Turn): void {
  const { offer } = state;
  if (!offer) return turn.reply(NO_OFFER);
  if (offer.state === 'removed') return turn.reply(shown(state));
  if (isSaving(state)) return turn.reply(BUSY);
  store(state, { ...offer, state: 'removed', version: offer.version + 1 }, turn);
}

function store(state: OfferState, offer: OfferRecord, turn: Turn): void {
  // the words are part of the name: another text under the same number is no repeat
  const id = derivedId('offer', state.id, `${offer.version}`, JSON.stringify(rowOf(offer)));
  const tag = `save/${id}`;
  turn.persist({ type: 'offer', id, offer }, tag);
  state.underWay.set(tag, { k: 'save', offer, replyTo: turn.replyTo });
}

function refuseSave(state: OfferState, offer: OfferRecord) {
  if (offer.id !== state.id) return refuse(ERROR.invalid, 'this is another offer');
  if (state.offer && state.offer.merchant !== offer.merchant) return NO_OFFER;
  return isSaving(state) ? BUSY : refuseTerms(offer);
}

const isSaving = ({ underWay }: OfferState): boolean => [...underWay.values()].some(({ k }) => k === 'save');

function adjust(state: OfferState, message: OfferMessage & { type: 'adjust' }, turn: Turn): void {
  const { id, merchant, delta, kind, reason } = message;
  if (state.offer?.merchant !== merchant) return turn.reply(NO_OFFER);
  const isDelta = Number.isSafeInteger(delta) && Math.abs(delta) <= ACTOR_LIMITS.offerCountMax;
  if (!isDelta || delta === 0 || (kind === 'receipt' && delta < 0))
    return turn.reply(refuse(ERROR.invalid, 'stock changes by whole units, and a receipt brings some'));
  if (reason.length > ACTOR_LIMITS.stockReasonMax)
    return turn.reply(
      refuse(ERROR.invalid, `a reason has at most ${ACTOR_LIMITS.stockReasonMax} characters`),
    );
  // by a tag of its own: the same id may come twice at once
  const tag = `adjust/${turn.newId()}`;
  turn.persist({ type: 'stock', id, offer: state.id, delta, kind, reason }, tag);
  state.underWay.set(tag, { k: 'adjust', delta, replyTo: turn.replyTo });
}

/** The store has decided. */
function committed(state: OfferState, tag: string, { code }: Committed, turn: Turn): void {
  const one = state.underWay.get(tag);
  if (!one) return;
  state.underWay.delete(tag);
  const { shelf } = state;
  if (one.k === 'save') {
    if (code !== 'created' && code !== 'exists') {
      shelf.doubt();
      return turn.reply(code === 'invalid' ? NOT_STORED : CHANGED, one.replyTo);
    }
    state.offer = one.offer;
    // what was never more did not fall
    state.isLow = isLowNow(state);
    return turn.reply(shown(state), one.replyTo);
  }
  switch (code) {
    case 'created': {
      shelf.change(one.delta);
      const { onHand, reserved } = shelf;
      return turn.reply(ok({ onHand, reserved } satisfies StockView), one.replyTo);
    }
    case 'exists':
      // done before, perhaps in another life: the store knows what came of it
      shelf.doubt();
      return readFirst(state, null, one.replyTo, turn);
    case 'out_of_stock':
      shelf.doubt();
      return turn.reply(refuse(ERROR.conflict, 'less would be there than is reserved'), one.replyTo);
    case 'offer_closed':
      return turn.reply(NO_OFFER, one.replyTo);
    case 'exists_with_different_payload':
      return turn.reply(
        refuse(ERROR.conflict, 'this idempotency key was used for something else'),
        one.replyTo,
      );
    default:
      return turn.reply(NOT_STORED, one.replyTo);
  }
}

const NOT_STORED = refuse(ERROR.invalid, 'the store does not take this');

/** The merchant hears once that it fell to the mark, until it was above it again. */
function tellLow(state: OfferState, turn: Turn): void {
  const wasLow = state.isLow;
  state.isLow = isLowNow(state);
  const { offer, shelf } = state;
  if (!offer || !state.isLow || wasLow) return;
  const crossingId = turn.newId();
  const { id: offerId, merchant, title } = offer;
  const message = { type: 'stockLow', crossingId, offerId, title, left: shelf.left };
  state.telling = insist(state.telling, crossingId, { to: { kind: 'user', id: merchant }, message }, turn);
}
