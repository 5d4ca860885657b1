/**
 * What comes back to a person's actor goes to the part that waits for it: answers of other actors, of the store and of the
 * rules, and what the store has decided. The tag says whose it is: of no command, or the idempotency key of the command that
 * waits, and behind it the step at which it waits.
 */
import type { Result } from '../../protocol/errors.ts';
import { insistAnswered, insistedKey } from '../insist.ts';
import type { SystemMessage, Turn } from '../turn.ts';
import { type Next, refusedOrKnown } from './commands.ts';
import { DEVICE_READ, deviceRead } from './device.ts';
import { earningOf, ledgerRead } from './earning.ts';
import { expiryTaken, isExpiryTag, unspentRead } from './expiry.ts';
import { BUDGET, GIVING, giftBudgeted, giftJudged, giftScored, giftsLately, LATELY, SCORE } from './gifts.ts';
import { heyAccepted, heySaid, officerTold } from './hey.ts';
import { forgottenRead, isForgottenTag } from './keyed.ts';
import { isScanTag, scanAnswered } from './offlineScan.ts';
import { isPeerTag, peerAnswered } from './peers.ts';
import { given, promotionGiven } from './points.ts';
import {
  budgetedBy,
  PROMOTION,
  promotedBy,
  promotionGranted,
  promotionScored,
  promotionTaken,
} from './promotion.ts';
import { presenterAgreed, presenterFound, scanSettled } from './qr.ts';
import { offerHeld, pointsSetAside, priced, redemptionKnown } from './redeem.ts';
import { cancelKnown, cancelled, isRedemptionTag, redemptionOver, redemptionsRead } from './redeemed.ts';
import { REVERSAL, reversalFound } from './reversal.ts';
import type { CommandUnderWay, UserState } from './state.ts';
import { GAP_READ, gapRead } from './stream.ts';
import { givenBackKnown, soldRead, tillDecided, tillKnows, waitingRead } from './till.ts';
import { isLateTag, isSalesTag, lateRead, salesRead } from './tillTold.ts';
import type { Town } from './town.ts';
import { uploadAnswered } from './upload.ts';

/** The store has decided. */
export function committed(
  state: UserState,
  { tag, committed: outcome }: SystemMessage & { type: 'committed' },
  { rules }: Town,
  turn: Turn,
): UserState {
  if (isRedemptionTag(tag)) return redemptionOver(state, tag, turn);
  if (isExpiryTag(tag)) return expiryTaken(state, outcome, rules, turn);
  const promotedFor = promotedBy(tag);
  if (promotedFor !== null) return promotionGiven(state, promotedFor, outcome, turn);
  const [key = ''] = tag.split('/');
  const command = state.underWay.get(key);
  if (!command) return state;
  switch (command.name) {
    case 'redeem.reserve':
      return pointsSetAside(state, command, outcome, rules, turn);
    case 'redeem.cancel':
      return cancelled(state, command, outcome, turn);
    case 'till.confirm':
    case 'till.refuse':
    case 'till.refund':
      return tillDecided(state, command, outcome, turn);
    default:
      return given(state, command, outcome, turn);
  }
}

/** Somebody has answered. */
export function answered(
  state: UserState,
  tag: string,
  result: Result<unknown>,
  town: Town,
  turn: Turn,
): UserState {
  if (tag === DEVICE_READ) return deviceRead(state, result, turn);
  if (tag === GAP_READ) return gapRead(state, result, turn);
  const insisted = insistedKey(tag);
  if (insisted !== null)
    return { ...state, crediting: insistAnswered(state.crediting, insisted, result, turn) };
  const earned = earningOf(tag);
  if (earned !== null) return earnedRead(state, earned, result, turn);
  const promotedFor = promotedBy(tag);
  if (promotedFor !== null) return promotionScored(state, promotedFor, result, turn);
  const budgetedFor = budgetedBy(tag);
  if (budgetedFor !== null) return promotionTaken(state, budgetedFor, result, turn);
  if (isExpiryTag(tag)) return unspentRead(state, tag, result, town.rules, turn);
  if (isScanTag(tag)) return scanAnswered(state, tag, result, turn);
  if (isRedemptionTag(tag)) return redemptionsRead(state, tag, result, turn);
  if (isPeerTag(tag)) return peerAnswered(state, tag, result, turn);
  if (isLateTag(tag)) return lateRead(state, tag, result, turn);
  if (isSalesTag(tag)) return salesRead(state, result, turn);
  if (isForgottenTag(tag)) return forgottenRead(state, tag, result, town, turn);
  const [key = '', step, part] = tag.split('/');
  const command = state.underWay.get(key);
  if (!command) return state;
  if (step === undefined) return asked(state, command, result, town, turn);
  if (step === SCORE) return giftScored(state, command, Number(part), result, turn);
  return STEPS[step]?.(state, command, result, turn, town) ?? state;
}

type Step = (...known: [...Parameters<Next<Result<unknown>>>, town: Town]) => UserState;

/** By what stands behind the key. */
const STEPS: Readonly<Record<string, Step>> = {
  shown: (state, command, result, turn, { rules, fences }) =>
    presenterAgreed(state, command, result, rules, fences, turn),
  told: (state, command, result, turn, { rules }) => officerTold(state, command, result, rules, turn),
  [GIVING]: giftJudged,
  [REVERSAL]: reversalFound,
  [LATELY]: giftsLately,
  [BUDGET]: giftBudgeted,
  known,
  price: (state, command, result, turn, { rules }) => priced(state, command, result, rules, turn),
  first: givenBackKnown,
  open: waitingRead,
  sold: soldRead,
};

/** What the command asked for first. */
function asked(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  { rules, fences }: Town,
  turn: Turn,
): UserState {
  switch (command.name) {
    case 'hey.say':
      return heySaid(state, command, result, turn);
    case 'hey.accept':
      return heyAccepted(state, command, result, turn);
    case 'qr.scan':
      return command.otherId === ''
        ? presenterFound(state, command, result, rules, fences, turn)
        : scanSettled(state, command, result, turn);
    case 'qr.upload':
      return command.otherId === ''
        ? presenterFound(state, command, result, rules, fences, turn)
        : uploadAnswered(state, command, result, turn);
    case 'redeem.reserve':
      return offerHeld(state, command, result, turn);
    default:
      return state;
  }
}

/** The store said what it knows of a command, or of what the command is about. */
function known(state: UserState, command: CommandUnderWay, result: Result<unknown>, turn: Turn): UserState {
  if (command.name === 'redeem.reserve') return redemptionKnown(state, command, result, turn);
  if (command.name === 'redeem.cancel') return cancelKnown(state, command, result, turn);
  if (command.handling) return tillKnows(state, command, result, turn);
  return refusedOrKnown(state, command, result, turn);
}

/** The ledger said what was earned: a pair waits for it, or what comes on top of a meeting. */
function earnedRead(state: UserState, id: string, result: Result<unknown>, turn: Turn): UserState {
  const { state: next, one, said } = ledgerRead(state, id, result, turn);
  return one?.reason === PROMOTION && said ? promotionGranted(next, id, said, turn) : next;
}
