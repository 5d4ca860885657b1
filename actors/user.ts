/**
 * The user actor: one person or organisation, alive on exactly one node, owning that person's live position, sessions,
 * outbox, pending meetings and balance. This file only says which message goes where; the parts stand in `user/`.
 */
import type { CommandBody, CommandName } from '../protocol/catalogue.ts';
import { CLOSE, ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import { type Layouts, NO_LAYOUTS } from './geo/layout.ts';
import { type Fences, NO_FENCES } from './geo/places/fence.ts';
import { insistAgain, insistAnswered, insistedKey } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { Balance, UserMessage } from './messages/user.ts';
import type { UserRecord } from './queries.ts';
import type { MeetRules } from './rules.ts';
import type { Behaviour, SystemMessage, Turn } from './turn.ts';
import { areaChanged } from './user/around.ts';
import { judgePresence } from './user/attendance.ts';
import { refusedOrKnown, remember, rememberForGood, repeat, settleAgain } from './user/commands.ts';
import { earn, earningOf, ledgerRead, unearned } from './user/earning.ts';
import {
  BUDGET,
  GIVING,
  giftBudgeted,
  giftCommand,
  giftJudged,
  giftScored,
  giftsLately,
  LATELY,
  SCORE,
  spend,
} from './user/gifts.ts';
import {
  acceptHey,
  closeHey,
  declineHey,
  heyAccepted,
  heyClosed,
  heyOffered,
  heySaid,
  isBeingAccepted,
  officerTold,
  sayHey,
  ungreeted,
} from './user/hey.ts';
import { openHub } from './user/hub.ts';
import { disconnect, inspect } from './user/inspect.ts';
import { checkIn, heyWithdrawn, modeDue, setMode } from './user/modes.ts';
import {
  isScanTag,
  scanAnswered,
  scanDue,
  scanRefused,
  scanUploaded,
  uploadAnswered,
  uploadScan,
} from './user/offlineScan.ts';
import { packUser, unpackUser } from './user/packing.ts';
import { peerPresence } from './user/peers.ts';
import { located, setInstant, setSwitch, suspected } from './user/place.ts';
import { credited, give, given, held, promotionGiven, rejected, settled } from './user/points.ts';
import {
  budgetedBy,
  PROMOTION,
  promotedBy,
  promotionGranted,
  promotionScored,
  promotionTaken,
} from './user/promotion.ts';
import {
  codeBook,
  confirmScan,
  presenterAgreed,
  presenterFound,
  type QrKeys,
  qrShown,
  scanQr,
  scanSettled,
  showQr,
} from './user/qr.ts';
import {
  offerHeld,
  pointsSetAside,
  priced,
  redemptionKnown,
  reserve,
  setPointsAside,
} from './user/redeem.ts';
import {
  cancel,
  cancelKnown,
  cancelled,
  isRedemptionTag,
  readMine,
  redeemDue,
  redemptionOver,
  redemptionSettled,
  redemptionsRead,
} from './user/redeemed.ts';
import { REVERSAL, reversalFound, reverse } from './user/reversal.ts';
import {
  acked,
  attach,
  clientState,
  detach,
  heard,
  probed,
  refs,
  resync,
  sessionOf,
  snapshotFrame,
  without,
} from './user/sessions.ts';
import {
  type CommandUnderWay,
  INSTANT_SWITCH,
  type MarketName,
  newUserState,
  type Order,
  REDEEM_TIMER,
  SCAN_TIMER,
  type UserState,
} from './user/state.ts';
import { GAP_READ, gapOpen, gapRead, newest, streamOf } from './user/stream.ts';
import {
  atTill,
  givenBackKnown,
  redemptionClosed,
  redemptionOpened,
  soldRead,
  stockLow,
  tillDecided,
  tillKnows,
  waitingRead,
} from './user/till.ts';
import { type FencesNow, tellVisits } from './user/visits.ts';

type CommandMessage = UserMessage & { type: 'command' };

/** Tag of the read after a move to another device; keys of commands are UUIDs and never this. */
const DEVICE_READ = 'device';

/** @param given the rules as they are now */
export function userBehaviour(
  given: MeetRules | (() => MeetRules),
  keys: QrKeys,
  fencesNow: FencesNow = () => NO_FENCES,
  layoutsNow: () => Layouts = () => NO_LAYOUTS,
): Behaviour<UserState, UserMessage> {
  const rulesNow = typeof given === 'function' ? given : () => given;
  return {
    kind: 'user',
    hydrate: id => ({ type: 'user', id }),
    create(_id, loaded, turn): Result<UserState> {
      const record = loaded as UserRecord | null;
      if (!record) return refuse(ERROR.notFound, 'no such account');
      const state = newUserState(record, streamOf(record, turn));
      readMine(state, turn);
      return ok(state);
    },
    coalesce: message => (message.type === 'location' ? 'location' : null),
    unhurried: message => message.type === 'area',
    idleMs: state =>
      state.sessions.length > 0 || Object.keys(state.crediting).length > 0 ? false : ACTOR_LIMITS.userIdleMs,
    pack: packUser,
    unpack: (id, packed, turn) => unpackUser(id, packed, rulesNow(), turn),
    sessions: state => refs(state.sessions),
    standing: state => state.presence.state,
    discarded(state, turn) {
      turn.close(refs(state.sessions), CLOSE.moved, 'state was reloaded, connect again');
    },
    receive: (state, message, turn) => receive(state, message, rulesNow(), keys, fencesNow, layoutsNow, turn),
  };
}

function receive(
  state: UserState,
  message: UserMessage | SystemMessage,
  rules: MeetRules,
  keys: QrKeys,
  fencesNow: FencesNow,
  layoutsNow: () => Layouts,
  turn: Turn,
): UserState {
  switch (message.type) {
    case 'location': {
      const session = sessionOf(state, message.session);
      if (session)
        return located(heard(state, session, turn), message, rules, fencesNow(), layoutsNow(), turn);
      resync(message.session, turn);
      return state;
    }
    case 'command': {
      const session = sessionOf(state, message.session);
      if (!session) {
        turn.reply(resync(message.session, turn));
        return state;
      }
      const present = heard(state, session, turn);
      return repeat(present, message, turn) ?? commanded(present, message, rules, keys, fencesNow, turn);
    }
    case 'order':
      // what only asks has no key of its own
      if (message.dry) return ordered(state, message.name, { ...message, key: turn.newId() }, turn);
      return repeat(state, message, turn) ?? ordered(state, message.name, message, turn);
    case 'attach': {
      const attached = attach(state, message, rules, turn);
      openHub(attached, fencesNow(), turn);
      if (sessionOf(attached, message.session)) tellVisits(attached, message.session, fencesNow(), turn);
      turn.observe('rt_outbox_ring_bytes', attached.outbox.now.ring.bytes);
      return attached;
    }
    case 'detach':
      return detach(state, message, turn);
    case 'ack': {
      const session = sessionOf(state, message.session);
      return session ? acked(state, session, message.offset, turn) : state;
    }
    case 'clientState': {
      const session = sessionOf(state, message.session);
      return session ? clientState(state, session, message.foreground, turn) : state;
    }
    case 'hubRenew':
      openHub(state, fencesNow(), turn);
      return state;
    case 'presence':
      return judgePresence(state, turn);
    case 'peerPresence':
      return peerPresence(state, message, turn);
    case 'inspect':
      return inspect(state, turn);
    case 'disconnect':
      return disconnect(state, message, turn);
    case 'area':
      return areaChanged(state, message, rules.area, turn);
    case 'suspected':
      return suspected(state, rules, turn);
    case 'heyOffered':
      return heyOffered(state, message, turn);
    case 'heyClosed':
      return heyClosed(ungreeted(state, message.heyId), message, turn);
    case 'heyWithdrawn':
      return heyWithdrawn(state, message.heyId, turn);
    case 'heyTimeout':
      return heyTimeout(state, message.heyId, turn);
    case 'qrShown':
      return qrShown(state, message, rules, fencesNow(), turn);
    case 'scanUploaded':
      return scanUploaded(state, message, rules, turn);
    case 'scanRefused':
      return scanRefused(state, message, turn);
    case 'encounterSettled':
      return settled(state, message.settled, turn);
    case 'encounterHeld':
      return held(state, message.held, turn);
    case 'encounterRejected':
      return rejected(state, message.encounterId, turn);
    case 'earn':
      return earn(state, message, turn);
    case 'unearn':
      return unearned(state, message.id);
    case 'give':
      return give(state, message, turn);
    case 'spend':
      return spend(state, message, turn);
    case 'reverse':
      return reverse(state, message, turn);
    case 'credited':
      return credited(state, message.credit, turn);
    case 'insist':
      return { ...state, crediting: insistAgain(state.crediting, message.key, turn) };
    case 'gap':
      return gapOpen(state, turn);
    case 'settle':
      return settleAgain(state, message.key, turn);
    case 'probe':
      return probed(state, message.session, turn);
    case 'deviceMoved':
      return deviceMoved(state, message.deviceId, turn);
    case 'balance': {
      const { balance, version } = newest(state);
      turn.reply(ok({ balance, version } satisfies Balance));
      return state;
    }
    case 'qr':
      turn.reply(showQr(state, keys, turn));
      return state;
    case 'qrBook':
      turn.reply(codeBook(state, message.deviceId, keys, turn));
      return state;
    case 'answer':
    case 'queried':
      return answered(state, message.tag, message.result, rules, fencesNow(), turn);
    case 'due':
      return due(state, message, rules, turn);
    case 'committed':
      return committed(state, message, rules, turn);
    case 'redemptionOpened':
      return redemptionOpened(state, message, turn);
    case 'redemptionClosed':
      return redemptionClosed(state, message, turn);
    case 'redemptionSettled':
      return redemptionSettled(state, message, turn);
    case 'redemptionsRead':
      readMine(state, turn);
      return state;
    case 'stockLow':
      return stockLow(state, message, turn);
    default:
      // a word of a newer version
      return state;
  }
}

/** The ledger said what was earned: a pair waits for it, or what comes on top of a meeting. */
function earnedRead(state: UserState, id: string, result: Result<unknown>, turn: Turn): UserState {
  const { state: next, one, said } = ledgerRead(state, id, result, turn);
  return one?.reason === PROMOTION && said ? promotionGranted(next, id, said, turn) : next;
}

/** A durable timer. One whose name nobody knows is of another version: it is done with. */
function due(
  state: UserState,
  message: SystemMessage & { type: 'due' },
  rules: MeetRules,
  turn: Turn,
): UserState {
  const changed = modeDue(state, message, rules, turn);
  if (changed !== null) return changed;
  if (message.name === INSTANT_SWITCH) setSwitch(message.name, true, turn);
  if (message.name.startsWith(SCAN_TIMER)) return scanDue(state, message, turn);
  if (message.name.startsWith(REDEEM_TIMER)) return redeemDue(state, message, turn);
  turn.reply(ok({}));
  return state;
}

/** The store has decided. */
function committed(
  state: UserState,
  { tag, committed: outcome }: SystemMessage & { type: 'committed' },
  rules: MeetRules,
  turn: Turn,
): UserState {
  if (isRedemptionTag(tag)) return redemptionOver(state, tag, turn);
  const promotedFor = promotedBy(tag);
  if (promotedFor !== null) return promotionGiven(state, promotedFor, outcome, turn);
  const [key = '', step] = tag.split('/');
  const command = state.underWay[key];
  if (!command) return state;
  if (step === 'timed') return setPointsAside(state, command, rules, turn);
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

function commanded(
  state: UserState,
  message: CommandMessage,
  rules: MeetRules,
  keys: QrKeys,
  fencesNow: FencesNow,
  turn: Turn,
): UserState {
  const answer = (next: UserState, result: Result<unknown>): UserState => {
    turn.reply(result);
    // what changed nothing says the same again
    return next === state ? remember(next, message, result) : rememberForGood(next, message, result, turn);
  };
  const name: CommandName = message.name;
  switch (name) {
    case 'location.share': {
      const { state: next, result } = setMode(state, 'precise', rules, turn);
      return answer(next, result.ok ? ok({ untilS: result.value.untilS }) : result);
    }
    case 'location.stop': {
      const { state: next, result } = setMode(state, 'qr', rules, turn);
      return answer(next, result.ok ? ok({}) : result);
    }
    case 'location.mode': {
      const { mode } = message.body as CommandBody<'location.mode'>;
      const chosen = setMode(state, mode, rules, turn);
      return answer(chosen.state, chosen.result);
    }
    case 'hub.checkIn': {
      const body = message.body as CommandBody<'hub.checkIn'>;
      const arrived = checkIn(state, body, keys, fencesNow(), rules, turn);
      return answer(arrived.state, arrived.result);
    }
    case 'instant.set': {
      const { on } = message.body as CommandBody<'instant.set'>;
      return answer(setInstant(state, on, turn), ok({ on }));
    }
    case 'hey.say':
      return sayHey(state, message, rules, turn);
    case 'hey.accept':
      return acceptHey(state, message, rules, turn);
    case 'hey.decline':
      return declineHey(state, message, turn);
    case 'qr.show':
      return answer(state, showQr(state, keys, turn));
    case 'qr.scan':
      return scanQr(state, message, keys, turn);
    case 'qr.confirm': {
      const { scanId } = message.body as CommandBody<'qr.confirm'>;
      const confirmed = confirmScan(state, scanId, turn.nowMs);
      return answer(confirmed.state, confirmed.result);
    }
    case 'qr.upload':
      return uploadScan(state, message, rules, keys, turn);
    case 'state.get':
      turn.reply(ok({}));
      turn.push([message.session], snapshotFrame(state, turn), 'durable');
      return state;
    case 'redeem.reserve':
    case 'redeem.cancel':
    case 'till.open':
    case 'till.look':
    case 'till.confirm':
    case 'till.refuse':
    case 'till.refund':
      return ordered(state, name, message, turn);
    case 'points.donate':
    case 'points.give':
    case 'fee.pay':
      return giftCommand(state, message, turn);
    case 'auth.refresh':
      return answer(state, refuse(ERROR.invalid, 'tokens are renewed at the gateway'));
  }
}

/** A command of the market, of a phone or a till or by REST: then there is no session. */
function ordered(state: UserState, name: MarketName, message: Order, turn: Turn): UserState {
  if (name === 'redeem.reserve') return reserve(state, message, turn);
  if (name === 'redeem.cancel') return cancel(state, message, turn);
  return atTill(state, name, message, turn);
}

/** Tags are the idempotency key of the command that waits; `/shown` marks the presenter's answer. */
function answered(
  state: UserState,
  tag: string,
  result: Result<unknown>,
  rules: MeetRules,
  fences: Fences,
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
  if (isScanTag(tag)) return scanAnswered(state, tag, result, turn);
  if (isRedemptionTag(tag)) return redemptionsRead(state, tag, result, turn);
  const [key = '', step, part] = tag.split('/');
  const command = state.underWay[key];
  if (!command) return state;
  if (step === 'shown') return presenterAgreed(state, command, result, rules, fences, turn);
  if (step === 'told') return officerTold(state, command, result, rules, turn);
  if (step === GIVING) return giftJudged(state, command, result, turn);
  if (step === REVERSAL) return reversalFound(state, command, result, turn);
  if (step === LATELY) return giftsLately(state, command, result, turn);
  if (step === BUDGET) return giftBudgeted(state, command, result, turn);
  if (step === SCORE && command.gift) return giftScored(state, command, Number(part), result, turn);
  if (step === 'known') return known(state, command, result, turn);
  if (step === 'price') return priced(state, command, result, rules, turn);
  if (step === 'first') return givenBackKnown(state, command, result, turn);
  if (step === 'open') return waitingRead(state, command, result, turn);
  if (step === 'sold') return soldRead(state, command, result, turn);
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

function heyTimeout(state: UserState, heyId: string, turn: Turn): UserState {
  const hey = state.heys.find(one => one.heyId === heyId);
  return hey && !isBeingAccepted(state, heyId) ? closeHey(state, hey, 'expired', turn) : state;
}

/** Sockets of the old device end at once; the new device's number, which its codes carry, is read from the store. */
function deviceMoved(state: UserState, deviceId: string, turn: Turn): UserState {
  const old = state.sessions.filter(session => session.deviceId !== deviceId);
  turn.close(refs(old), CLOSE.revoked, 'the account moved to another device');
  turn.query({ type: 'user', id: state.me.id }, DEVICE_READ);
  turn.reply(ok({}));
  return without({ ...state, me: { ...state.me, deviceId, deviceNumber: null } }, old, turn, true);
}

function deviceRead(state: UserState, result: Result<unknown>, turn: Turn): UserState {
  if (!result.ok) {
    // Without the number no code of the new device is right: start again from the store.
    turn.close(refs(state.sessions), CLOSE.moved, 'state was reloaded, connect again');
    turn.passivate();
    return without(state, state.sessions, turn, true);
  }
  const { deviceId, deviceNumber } = result.value as UserRecord;
  return { ...state, me: { ...state.me, deviceId, deviceNumber } };
}
