/**
 * Codes that were scanned while the scanner had no network (DOMAIN rule 4): uploaded later, they wait at the presenter,
 * whose actor is the single judge of its codes. The points come when the presenter's phone has acknowledged the notice
 * online, or after 72 h; a scan that both sides upload needs no more waiting.
 *
 * The durable timer is the durable memory of a waiting scan: it is stored before the uploader gets his answer, an actor
 * that starts anew finds it among its timers, and it is removed when the scan is settled or the scanner was told why not.
 * A settlement that is repeated after a crash finds the encounter of the first, because its id comes from the code.
 */
import type { CommandBody } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { isProven } from '../../protocol/qr.ts';
import { answerAll, withAsker } from '../askers.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { Evidence } from '../messages/pair.ts';
import type { OfflineScan, UserMessage } from '../messages/user.ts';
import { encounterIdOf, pairId } from '../pair/state.ts';
import type { MeetRules } from '../rules.ts';
import type { ReplyTo, SystemMessage, Turn } from '../turn.ts';
import { begin, finish, remember } from './commands.ts';
import { selfRef, underWay } from './hey.ts';
import { trustNow } from './place.ts';
import { partiesOf, type QrKeys, verifyFor } from './qr.ts';
import { seconds } from './sessions.ts';
import { type CommandUnderWay, type PendingScan, SCAN_TIMER, type UserState } from './state.ts';
import { emit, eventId } from './stream.ts';

type CommandMessage = UserMessage & { type: 'command' };

const REFUSED = 'refused/';
/** Tags of asks about waiting scans: of the pair, and of the scanner who is told of a refusal. */
export const isScanTag = (tag: string): boolean =>
  tag.startsWith(SCAN_TIMER) || tag.startsWith(REFUSED + SCAN_TIMER);

/** At the scanner. The code must have been good when it was scanned. */
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
  turn: Turn,
): UserState {
  const uploaded: UserMessage = {
    type: 'scanUploaded',
    deviceNumber: command.presenterDevice,
    scan: {
      tokenId: command.tokenId as string,
      scanner: selfRef(state),
      scannedAtMs: command.scannedAtMs,
      trust: trustNow(state, rules, turn),
    },
  };
  turn.ask({ kind: 'user', id: presenterId }, uploaded, command.key);
  // Each has scanned the other: that is the acknowledgement.
  let next = state;
  for (const scan of state.pending) if (scan.scanner.id === presenterId) next = settle(next, scan, turn);
  return begin(next, { ...command, otherId: presenterId });
}

export const uploadAnswered = (
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState => finish(state, command, result, turn);

function evidenceOf(state: UserState, scan: OfflineScan): Evidence {
  const once = state.me.kind === 'civilian';
  return {
    method: 'qr',
    id: once ? scan.tokenId : `${scan.tokenId}|${scan.scanner.id}`,
    cell: '',
    once,
    scannedAtMs: scan.scannedAtMs,
    ...(scan.trust ? { trust: scan.trust } : {}),
  };
}

/** At the presenter. */
export function scanUploaded(
  state: UserState,
  message: UserMessage & { type: 'scanUploaded' },
  rules: MeetRules,
  turn: Turn,
): UserState {
  const { deviceNumber } = message;
  // what speaks against either of the two, as with a scan that is made online; it is kept with what waits
  const trust = (message.scan.trust ?? 0) | trustNow(state, rules, turn);
  const scan: OfflineScan = { ...message.scan, trust };
  const { officer, civilian } = partiesOf(selfRef(state), scan.scanner);
  const encounterId = encounterIdOf(evidenceOf(state, scan), officer.id, civilian.id, '');
  const waiting = state.pending.find(one => one.encounterId === encounterId);
  const refusal = refuseUpload(state, scan, deviceNumber, waiting);
  if (refusal) {
    turn.reply(refusal);
    return state;
  }
  if (waiting) {
    turn.reply(ok({ encounterId, settlesS: seconds(waiting.dueAtMs) }));
    return state;
  }
  const dueAtMs = turn.durableTimer(SCAN_TIMER + encounterId, rules.scanSettleS * 1_000, scan);
  turn.reply(ok({ encounterId, settlesS: seconds(dueAtMs) }));
  const pending: PendingScan = { ...scan, encounterId, dueAtMs, offset: 0, settling: false, replyTo: [] };
  return announce({ ...state, pending: [...state.pending, pending] }, turn);
}

function refuseUpload(
  state: UserState,
  { tokenId, scanner }: OfflineScan,
  deviceNumber: number,
  waiting: PendingScan | undefined,
): Refusal | null {
  if (deviceNumber !== state.me.deviceNumber) return refuse(ERROR.gone, 'this code is of an old device');
  const other = state.scans.some(one => one.tokenId === tokenId && one.scannerId !== scanner.id);
  if ((waiting && waiting.scanner.id !== scanner.id) || (other && state.me.kind === 'civilian'))
    return refuse(ERROR.conflict, 'this code was used');
  if (!waiting && state.pending.length >= ACTOR_LIMITS.scansPending)
    return refuse(ERROR.rateLimited, 'many scans of this person wait', 60_000);
  return null;
}

/** Tells the phones of scans that this lineage of events does not hold yet; without a phone it waits for one. */
export function announce(state: UserState, turn: Turn): UserState {
  if (state.sessions.length === 0 || state.pending.every(scan => scan.offset > 0)) return state;
  let next = state;
  for (const scan of state.pending) {
    if (scan.offset > 0) continue;
    const { encounterId, scannedAtMs, dueAtMs } = scan;
    const body = {
      encounterId,
      otherHandle: scan.scanner.handle,
      scannedAtS: seconds(scannedAtMs),
      settlesS: seconds(dueAtMs),
    };
    next = emit(next, turn, 'scan.pending', body, encounterId, encounterId);
    const id = eventId('scan.pending', state.me.id, encounterId);
    const offset = next.outbox.now.ring.offsetOf(id)!;
    next = put(next, { ...scan, offset });
  }
  return next;
}

/** The presenter's phone has acknowledged events up to an offset. */
export function acknowledged(state: UserState, offset: number, turn: Turn): UserState {
  let next = state;
  for (const scan of state.pending)
    if (scan.offset > 0 && scan.offset <= offset) next = settle(next, scan, turn);
  return next;
}

/** 72 h are over. Answered when the scan is settled or its scanner knows why not. */
export function scanDue(state: UserState, message: SystemMessage & { type: 'due' }, turn: Turn): UserState {
  const encounterId = message.name.slice(SCAN_TIMER.length);
  const scan = state.pending.find(one => one.encounterId === encounterId && one.dueAtMs === message.dueAtMs);
  if (!scan) {
    turn.reply(ok({}));
    return state;
  }
  return settle(state, scan, turn, turn.replyTo);
}

function settle(state: UserState, scan: PendingScan, turn: Turn, asker: ReplyTo | null = null): UserState {
  if (!scan.settling) {
    const { officer, civilian } = partiesOf(selfRef(state), scan.scanner);
    const observe = {
      type: 'observe',
      evidence: evidenceOf(state, scan),
      officer,
      civilian,
      idempotency: null,
    };
    turn.ask(
      { kind: 'pair', id: pairId(officer.id, civilian.id) },
      observe,
      SCAN_TIMER + scan.encounterId,
      ACTOR_LIMITS.settleMs,
    );
  }
  return put(state, { ...scan, settling: true, replyTo: withAsker(scan.replyTo, asker) });
}

/** The pair has decided, or the scanner has heard of a refusal. */
export function scanAnswered(state: UserState, tag: string, result: Result<unknown>, turn: Turn): UserState {
  const told = tag.startsWith(REFUSED);
  const encounterId = tag.slice((told ? REFUSED.length : 0) + SCAN_TIMER.length);
  const scan = state.pending.find(one => one.encounterId === encounterId);
  if (!scan) return state;
  if (!result.ok && result.retryable) {
    answerAll(scan.replyTo, result, turn);
    return put(state, { ...scan, settling: false, replyTo: [] });
  }
  if (result.ok || told) {
    turn.cancelDurableTimer(SCAN_TIMER + encounterId);
    answerAll(scan.replyTo, ok({}), turn);
    return { ...state, pending: state.pending.filter(one => one !== scan) };
  }
  const refused: UserMessage = { type: 'scanRefused', encounterId, reason: reasonOf(result) };
  turn.ask({ kind: 'user', id: scan.scanner.id }, refused, REFUSED + tag);
  return state;
}

const reasonOf = ({ code }: Refusal): 'duplicate' | 'closed' | 'refused' =>
  code === ERROR.conflict ? 'duplicate' : code === ERROR.gone ? 'closed' : 'refused';

/** At the scanner. */
export function scanRefused(
  state: UserState,
  { encounterId, reason }: UserMessage & { type: 'scanRefused' },
  turn: Turn,
): UserState {
  turn.reply(ok({}));
  return emit(state, turn, 'scan.refused', { encounterId, reason }, encounterId);
}

const put = (state: UserState, scan: PendingScan): UserState => ({
  ...state,
  pending: state.pending.map(one => (one.encounterId === scan.encounterId ? scan : one)),
});
