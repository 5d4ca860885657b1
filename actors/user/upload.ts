/**
 * The scanner's side of a code that was scanned without network: what his phone uploads later goes to who showed the code
 * (`offlineScan.ts`).
 */
import type { CommandBody } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { isProven } from '../../protocol/qr.ts';
import type { Fences } from '../geo/places/fence.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { UserMessage } from '../messages/user.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { begin, finish, remember, underWay } from './commands.ts';
import { selfRef } from './hey.ts';
import { agree } from './offlineScan.ts';
import { trustNow } from './place.ts';
import { type QrKeys, verifyFor } from './qr.ts';
import type { CommandUnderWay, UserState } from './state.ts';
import { emit } from './stream.ts';
import { cellAt, whereNow } from './where.ts';

type CommandMessage = UserMessage & { type: 'command' };

/** The code must have been good when it was scanned. */
export function uploadScan(
  state: UserState,
  message: CommandMessage,
  rules: MeetRules,
  keys: QrKeys,
  turn: Turn,
): UserState {
  const scan = message.body as CommandBody<'qr.upload'>;
  const scannedAtMs = scan.scannedAtS * 1_000;
  const verified =
    refuseMoment(scannedAtMs, turn.nowMs, rules) ??
    refuseUnproven(state, scan, keys) ??
    verifyFor(state, scan.token, scannedAtMs, keys);
  if (!verified.ok) {
    turn.reply(verified);
    return remember(state, message, verified);
  }
  const { userNumber, deviceNumber, tokenId } = verified.value;
  turn.query({ type: 'userByNumber', number: userNumber }, message.key as string);
  const more = { tokenId, presenterDevice: deviceNumber, scannedAtMs };
  return begin(state, underWay(message, turn, 'qr.upload', more));
}

function refuseMoment(scannedAtMs: number, nowMs: number, { uploadS }: MeetRules): Refusal | null {
  if (scannedAtMs > nowMs + ACTOR_LIMITS.fixFutureMs)
    return refuse(ERROR.invalid, 'the scan is from the future');
  if (scannedAtMs < nowMs - uploadS * 1_000) return refuse(ERROR.gone, 'the scan is too old');
  return null;
}

/** The moment is what the scanner says, so it must be his phone that said so. */
function refuseUnproven(state: UserState, scan: CommandBody<'qr.upload'>, keys: QrKeys): Refusal | null {
  const { number: userNumber, deviceNumber } = state.me;
  if (deviceNumber !== null && isProven(scan, { userNumber, deviceNumber }, keys.masters)) return null;
  return refuse(ERROR.invalid, 'this scan is not signed by your phone: see proveScan');
}

/** The directory named the presenter. */
export function uploadTo(
  state: UserState,
  command: CommandUnderWay,
  presenterId: string,
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): UserState {
  const { scannedAtMs } = command;
  const cell = cellAt(state, fences, turn.nowMs, scannedAtMs);
  const uploaded: UserMessage = {
    type: 'scanUploaded',
    deviceNumber: command.presenterDevice,
    scan: {
      tokenId: command.tokenId as string,
      scanner: selfRef(state),
      scannedAtMs,
      trust: trustNow(state, rules, turn),
      ...(cell !== null && { cell }),
    },
    fix: whereNow(state, fences, turn.nowMs),
  };
  turn.ask({ kind: 'user', id: presenterId }, uploaded, command.key);
  // Each has scanned the other: that is the acknowledgement.
  let next = state;
  for (const scan of state.pending) if (scan.scanner.id === presenterId) next = agree(next, scan, turn);
  return begin(next, { ...command, otherId: presenterId });
}

export const uploadAnswered = (
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState => finish(state, command, result, turn);

/** It came to nothing. */
export function scanRefused(
  state: UserState,
  { encounterId, reason }: UserMessage & { type: 'scanRefused' },
  turn: Turn,
): UserState {
  turn.reply(ok({}));
  return emit(state, turn, 'scan.refused', { encounterId, reason }, encounterId);
}
