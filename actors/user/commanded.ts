/** Which command goes where: of a phone, of a till, or of a door without a socket. */
import type { CommandBody, CommandName } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import type { UserMessage } from '../messages/user.ts';
import type { Turn } from '../turn.ts';
import { remember, rememberForGood } from './commands.ts';
import { giftCommand } from './gifts.ts';
import { acceptHey, declineHey, sayHey } from './hey.ts';
import { checkIn, setMode } from './modes.ts';
import { setInstant } from './place.ts';
import { confirmScan, scanQr, showQr } from './qr.ts';
import { reserve } from './redeem.ts';
import { cancel } from './redeemed.ts';
import { snapshotFrame } from './sessions.ts';
import type { MarketName, Order, UserState } from './state.ts';
import { atTill } from './till.ts';
import type { Town } from './town.ts';
import { uploadScan } from './upload.ts';

/** Repeats have been dealt with. */
export function commanded(
  state: UserState,
  message: UserMessage & { type: 'command' },
  { rules, keys, fences }: Town,
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
      const arrived = checkIn(state, body, keys, fences, rules, turn);
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
      const confirmed = confirmScan(state, scanId, turn);
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
export function ordered(state: UserState, name: MarketName, message: Order, turn: Turn): UserState {
  if (name === 'redeem.reserve') return reserve(state, message, turn);
  if (name === 'redeem.cancel') return cancel(state, message, turn);
  return atTill(state, name, message, turn);
}
