/**
 * The user actor: one person or organisation, alive on exactly one node, owning that person's live position, sessions,
 * outbox, pending meetings and balance. This file only says which message goes where; the parts stand in `user/`. Commands go
 * on in `user/commanded.ts`, what comes back in `user/answered.ts`.
 */
import { CLOSE, ERROR, ok, type Result, refuse } from '../protocol/errors.ts';
import { forgotten, heldMs } from './fraud/watch.ts';
import { type Layouts, NO_LAYOUTS } from './geo/layout.ts';
import { NO_FENCES } from './geo/places/fence.ts';
import { insistAgain } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { UserMessage } from './messages/user.ts';
import type { UserRecord } from './queries.ts';
import type { MeetRules } from './rules.ts';
import type { Behaviour, SystemMessage, Turn } from './turn.ts';
import { EXPIRY_TIMER } from './user/aging.ts';
import { answered, committed } from './user/answered.ts';
import { areaChanged } from './user/around.ts';
import { judgePresence, presenceAsked } from './user/attendance.ts';
import { ordered } from './user/commanded.ts';
import { settleAgain } from './user/commands.ts';
import { deviceMoved } from './user/device.ts';
import { DOUBT_TIMER, doubtDue, rememberDoubt } from './user/doubt.ts';
import { earn, unearned } from './user/earning.ts';
import { expiryDue, sayBalance, watchAge } from './user/expiry.ts';
import { askGift } from './user/gifts.ts';
import { closeHey, heyClosed, heyOffered, isBeingAccepted, ungreeted } from './user/hey.ts';
import { openHub } from './user/hub.ts';
import { newUserState } from './user/hydrated.ts';
import { disconnect, inspect } from './user/inspect.ts';
import { keyed } from './user/keyed.ts';
import { heyWithdrawn, modeDue } from './user/modes.ts';
import { scanDue, scanUploaded } from './user/offlineScan.ts';
import { packUser, unpackUser } from './user/packing.ts';
import { askPeer, peerPresence } from './user/peers.ts';
import { located, setSwitch, suspected } from './user/place.ts';
import { credited, held, rejected, settled } from './user/points.ts';
import { codeBook, type QrKeys, qrShown, showQr } from './user/qr.ts';
import { readMine, redeemDue, redemptionSettled } from './user/redeemed.ts';
import { reverse } from './user/reversal.ts';
import { ripeningOf } from './user/ripening.ts';
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
} from './user/sessions.ts';
import { INSTANT_SWITCH, REDEEM_TIMER, SCAN_TIMER, type UserState } from './user/state.ts';
import { gapOpen, streamOf } from './user/stream.ts';
import { readSales, redemptionClosed, redemptionOpened, stockLow } from './user/tillTold.ts';
import type { Town } from './user/town.ts';
import { scanRefused } from './user/upload.ts';
import { type FencesNow, tellVisits } from './user/visits.ts';

/** Who hides is heard however much there is to do: it is one turn, and until then others are told where he is. */
const HIDING: ReadonlySet<string> = new Set(['location.stop', 'location.mode']);

/** @param given the rules as they are now */
export function userBehaviour(
  given: MeetRules | (() => MeetRules),
  keys: QrKeys,
  fencesNow: FencesNow = () => NO_FENCES,
  layoutsNow: () => Layouts = () => NO_LAYOUTS,
): Behaviour<UserState, UserMessage> {
  const town: Town = {
    get rules() {
      return typeof given === 'function' ? given() : given;
    },
    keys,
    get fences() {
      return fencesNow();
    },
    get layouts() {
      return layoutsNow();
    },
  };
  return {
    kind: 'user',
    hydrate(id) {
      const { activateMs: freshMs } = town.rules.life;
      return freshMs > 0 ? { type: 'user', id, freshMs } : { type: 'user', id };
    },
    create(_id, loaded, turn): Result<UserState> {
      const record = loaded as UserRecord | null;
      if (!record) return refuse(ERROR.notFound, 'no such account');
      const state = newUserState(
        record,
        streamOf(record, turn),
        ripeningOf(town.rules.life, record.fresh ?? []),
        turn.nowMs,
      );
      readMine(state, turn);
      readSales(state, turn);
      return ok(state);
    },
    coalesce: message => (message.type === 'location' ? 'location' : null),
    unhurried: message => message.type === 'area',
    refusable: message =>
      message.type === 'command'
        ? !HIDING.has(message.name)
        : message.type === 'order' || message.type === 'spend',
    idleMs: state =>
      state.sessions.length > 0 || state.crediting.size > 0
        ? false
        : Math.max(ACTOR_LIMITS.userIdleMs, heldMs(state.watch, town.rules.fraud)),
    pack: packUser,
    unpack: (id, packed, turn) => unpackUser(id, packed, town.rules, turn),
    sessions: state => refs(state.sessions),
    standing: state => state.presence.state,
    discarded(state, turn) {
      turn.close(refs(state.sessions), CLOSE.moved, 'state was reloaded, connect again');
    },
    receive(state, message, turn) {
      const { rules } = town;
      const next = rememberDoubt(state, receive(state, message, town, turn), rules.fraud, turn);
      return rules.life.expireMs > 0 ? watchAge(next, rules, turn) : next;
    },
  };
}

function receive(state: UserState, message: UserMessage | SystemMessage, town: Town, turn: Turn): UserState {
  switch (message.type) {
    case 'location': {
      const session = sessionOf(state, message.session);
      if (session)
        return located(heard(state, session, turn), message, town.rules, town.fences, town.layouts, turn);
      resync(message.session, turn);
      return state;
    }
    case 'command': {
      const session = sessionOf(state, message.session);
      if (!session) {
        turn.reply(resync(message.session, turn));
        return state;
      }
      return keyed(heard(state, session, turn), message, town, turn);
    }
    case 'order':
      // what only asks has no key of its own
      if (message.dry) return ordered(state, message.name, { ...message, key: turn.newId() }, turn);
      return keyed(state, message, town, turn);
    case 'attach': {
      const attached = attach(state, message, town.rules, turn);
      openHub(attached, town.fences, turn);
      if (sessionOf(attached, message.session)) tellVisits(attached, message.session, town.fences, turn);
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
      openHub(state, town.fences, turn);
      return state;
    case 'presence':
      return judgePresence(state, turn);
    case 'presenceAsked':
      return presenceAsked(state, turn);
    case 'peerAsk':
      return askPeer(state, message.heyId, turn);
    case 'peerPresence':
      return peerPresence(state, message, turn);
    case 'inspect':
      return inspect(state, turn);
    case 'disconnect':
      return disconnect(state, message, turn);
    case 'area':
      return areaChanged(state, message, town.rules.area, turn);
    case 'forgetCell':
      return { ...state, watch: forgotten(state.watch, turn.nowMs, town.rules.fraud) };
    case 'suspected':
      return suspected(state, town.rules, turn);
    case 'heyOffered':
      return heyOffered(state, message, turn);
    case 'heyClosed':
      return heyClosed(ungreeted(state, message.heyId), message, turn);
    case 'heyWithdrawn':
      return heyWithdrawn(state, message.heyId, turn);
    case 'heyTimeout':
      return heyTimeout(state, message.heyId, turn);
    case 'qrShown':
      return qrShown(state, message, town.rules, town.fences, turn);
    case 'scanUploaded':
      return scanUploaded(state, message, town.rules, town.fences, turn);
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
      return keyed(state, message, town, turn);
    case 'spend':
      if (message.dry) return askGift(state, { ...message, key: turn.newId() }, turn);
      return keyed(state, message, town, turn);
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
    case 'balance':
      return sayBalance(state, town.rules, turn);
    case 'qr':
      turn.reply(showQr(state, town.keys, turn));
      return state;
    case 'qrBook':
      turn.reply(codeBook(state, message.deviceId, town.keys, turn));
      return state;
    case 'answer':
    case 'queried':
      return answered(state, message.tag, message.result, town, turn);
    case 'due':
      return due(state, message, town.rules, turn);
    case 'committed':
      return committed(state, message, town, turn);
    case 'redemptionOpened':
      return redemptionOpened(state, message, town.rules, turn);
    case 'redemptionClosed':
      return redemptionClosed(state, message, turn);
    case 'redemptionSettled':
      return redemptionSettled(state, message, turn);
    case 'redemptionsRead':
      readMine(state, turn);
      return state;
    case 'salesRead':
      readSales(state, turn);
      return state;
    case 'stockLow':
      return stockLow(state, message, turn);
    default:
      // a word of a newer version
      return state;
  }
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
  if (message.name === DOUBT_TIMER) return doubtDue(state, rules.fraud, turn);
  if (message.name === EXPIRY_TIMER) return expiryDue(state, message, rules, turn);
  turn.reply(ok({}));
  return state;
}

function heyTimeout(state: UserState, heyId: string, turn: Turn): UserState {
  const hey = state.heys.find(one => one.heyId === heyId);
  return hey && !isBeingAccepted(state, heyId) ? closeHey(state, hey, 'expired', turn) : state;
}
