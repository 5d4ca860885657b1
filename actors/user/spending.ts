/** What a user has set aside for redemptions: how it begins and ends in the state, and how the phones hear of it. */
import { insist, type Telling } from '../insist.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { OfferMessage } from '../messages/offer.ts';
import type { Turn } from '../turn.ts';
import { type Ending, type Redemption, setAside, withOver } from './redemption.ts';
import { seconds } from './sessions.ts';
import type { UserState } from './state.ts';
import { emit, newest } from './stream.ts';

/** Points are set aside. What ended already stays so, whatever is told late. */
export function opened(state: UserState, redemption: Redemption): UserState {
  const { spending } = state;
  const isKnown = spending.open.some(({ id }) => id === redemption.id);
  if (isKnown || spending.over.includes(redemption.id)) return state;
  return { ...state, spending: { ...spending, open: [...spending.open, redemption] } };
}

/** They are not any more. */
export function closed(state: UserState, id: string): UserState {
  const { spending } = state;
  return {
    ...state,
    spending: {
      ...spending,
      open: spending.open.filter(one => one.id !== id),
      over: withOver(spending.over, id, ACTOR_LIMITS.redemptionsOver),
    },
  };
}

/** The offer is told until it has heard. */
export const tellOffer = (
  state: UserState,
  { offer }: Redemption,
  message: OfferMessage & { readonly type: 'reserved' | 'settled' },
  turn: Turn,
): UserState => {
  const key = `${message.redemptionId}/${message.type}`;
  const what: Telling = { to: { kind: 'offer', id: offer }, message };
  return { ...state, crediting: insist(state.crediting, key, what, turn) };
};

/**
 * The phones hear once of each thing that becomes of a redemption.
 *
 * @param what names it among all that is told
 */
export function redemptionChanged(
  state: UserState,
  redemption: Redemption,
  { state: now, quantity, points }: Ending,
  turn: Turn,
  what = `${redemption.id}/${now}`,
): UserState {
  const { id: redemptionId, offer: offerId, title, code, expiresAtMs } = redemption;
  const { balance, version: balanceVersion } = newest(state);
  const waits = now === 'reserved';
  const body = {
    redemptionId,
    offerId,
    title,
    state: now,
    quantity,
    points,
    code: waits ? code : '',
    expiresS: waits ? seconds(expiresAtMs) : 0,
    balance,
    balanceVersion,
    reserved: setAside(state.spending),
  };
  return emit(state, turn, 'redemption.changed', body, what);
}
