/**
 * Codes that were scanned while the scanner had no network (DOMAIN rule 4): uploaded later, they wait at the presenter,
 * whose actor is the single judge of its codes. The points come when the presenter's phone has acknowledged the notice
 * online, or after 72 h; a scan that both sides upload needs no more waiting. A photograph is scanned and uploaded as well, so
 * where the town asks officers, a scan of an officer's code that no positions vouch for is settled by his own word only, and
 * after 72 h without it by a refusal.
 *
 * The durable timer is the durable memory of a waiting scan: it is stored before the uploader gets his answer, an actor
 * that starts anew finds it among its timers, and it is removed when the scan is settled or the scanner was told why not.
 * A settlement that is repeated after a crash finds the encounter of the first, because its id comes from the code.
 */
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { answerAll, withAsker } from '../askers.ts';
import { TRUST } from '../fraud/trust.ts';
import type { Fences } from '../geo/places/fence.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { Evidence } from '../messages/pair.ts';
import type { OfflineScan, UserMessage } from '../messages/user.ts';
import { encounterIdOf, pairId } from '../pair/state.ts';
import type { MeetRules } from '../rules.ts';
import type { ReplyTo, SystemMessage, Turn } from '../turn.ts';
import { selfRef } from './hey.ts';
import { trustNow } from './place.ts';
import { partiesOf } from './qr.ts';
import { seconds } from './sessions.ts';
import { type PendingScan, SCAN_TIMER, type UserState } from './state.ts';
import { emit, eventId } from './stream.ts';
import { cellAt, isUnvouched, positionsSay, whereNow } from './where.ts';

const REFUSED = 'refused/';
/** The least that a durable timer takes. */
const AGREED_MS = 1_000;
/** Tags of asks about waiting scans: of the pair, and of the scanner who is told of a refusal. */
export const isScanTag = (tag: string): boolean =>
  tag.startsWith(SCAN_TIMER) || tag.startsWith(REFUSED + SCAN_TIMER);

function evidenceOf(state: UserState, scan: OfflineScan): Evidence {
  const once = state.me.kind === 'civilian';
  return {
    method: 'qr',
    id: once ? scan.tokenId : `${scan.tokenId}|${scan.scanner.id}`,
    cell: scan.cell ?? '',
    once,
    scannedAtMs: scan.scannedAtMs,
    ...(scan.trust ? { trust: scan.trust } : {}),
    ...(scan.unvouched ? { unvouched: true } : {}),
  };
}

/** From the scanner (`upload.ts`). */
export function scanUploaded(
  state: UserState,
  message: UserMessage & { type: 'scanUploaded' },
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): UserState {
  const { deviceNumber } = message;
  const scan = weighed(state, message, rules, fences, turn);
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

/** What is to be thought of it, as of a scan that is made online; it is kept with what waits. */
function weighed(
  state: UserState,
  { scan, fix = null }: UserMessage & { type: 'scanUploaded' },
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): OfflineScan {
  const { nowMs } = turn;
  const { tokenId, scannedAtMs } = scan;
  const heard = state.scans.find(one => one.tokenId === tokenId && one.scannerId === scan.scanner.id);
  // positions of now speak of a scan of just now only
  const said = heard ? heard.said : positionsSay(whereNow(state, fences, nowMs), fix, rules, scannedAtMs);
  const relayed = said === 'apart' ? TRUST.relayed : 0;
  const trust = (scan.trust ?? 0) | trustNow(state, rules, turn) | relayed;
  const cell = cellAt(state, fences, nowMs, scannedAtMs) ?? scan.cell;
  const unvouched = isUnvouched(state, said);
  return {
    ...scan,
    trust,
    ...(cell !== undefined && { cell }),
    unvouched,
    asks: rules.confirmScans && unvouched,
  };
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
    const { encounterId, dueAtMs, asks } = scan;
    const { handle } = scan.scanner;
    const settlesS = seconds(dueAtMs);
    if (asks) {
      const body = { scanId: encounterId, civilianHandle: handle, expiresS: settlesS };
      next = emit(next, turn, 'scan.asked', body, encounterId, encounterId);
    } else {
      const body = { encounterId, otherHandle: handle, scannedAtS: seconds(scan.scannedAtMs), settlesS };
      next = emit(next, turn, 'scan.pending', body, encounterId, encounterId);
    }
    const id = eventId(asks ? 'scan.asked' : 'scan.pending', state.me.id, encounterId);
    const offset = next.outbox.now.ring.offsetOf(id)!;
    next = put(next, { ...scan, offset });
  }
  return next;
}

/** The presenter's phone has acknowledged events up to an offset. */
export function acknowledged(state: UserState, offset: number, turn: Turn): UserState {
  let next = state;
  for (const scan of state.pending)
    if (!scan.asks && scan.offset > 0 && scan.offset <= offset) next = settle(next, scan, turn);
  return next;
}

/** The officer says that they met; null: no scan of this id waits for that, or it was turned down meanwhile. */
export function confirmUpload(state: UserState, encounterId: string, turn: Turn): UserState | null {
  const scan = state.pending.find(one => one.encounterId === encounterId);
  return scan && !(scan.asks && scan.settling) ? agree(state, scan, turn) : null;
}

/**
 * The other side has said that they met. Where that is all that counts it must outlive this actor: from now on the scan is due,
 * and whoever finds it among its timers settles it.
 */
export function agree(state: UserState, scan: PendingScan, turn: Turn): UserState {
  const agreed = { ...scan, unvouched: false, asks: false };
  if (!scan.asks) return settle(state, agreed, turn);
  const { encounterId, dueAtMs: _, offset: __, settling: ___, replyTo: ____, ...kept } = agreed;
  const dueAtMs = turn.durableTimer(SCAN_TIMER + encounterId, AGREED_MS, kept);
  return settle(state, { ...agreed, dueAtMs }, turn);
}

/** 72 h are over, or the other side has agreed. Answered when the scan is settled or its scanner knows why not. */
export function scanDue(state: UserState, message: SystemMessage & { type: 'due' }, turn: Turn): UserState {
  const encounterId = message.name.slice(SCAN_TIMER.length);
  const scan = state.pending.find(one => one.encounterId === encounterId && one.dueAtMs === message.dueAtMs);
  if (!scan) {
    turn.reply(ok({}));
    return state;
  }
  return scan.asks ? turnDown(state, scan, turn) : settle(state, scan, turn, turn.replyTo);
}

/** The officer has not said in all that time that they met. */
function turnDown(state: UserState, scan: PendingScan, turn: Turn): UserState {
  if (!scan.settling) tellRefused(scan, 'refused', turn);
  return put(state, { ...scan, settling: true, replyTo: withAsker(scan.replyTo, turn.replyTo) });
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
  tellRefused(scan, reasonOf(result), turn);
  return state;
}

type Reason = (UserMessage & { type: 'scanRefused' })['reason'];

function tellRefused({ encounterId, scanner }: PendingScan, reason: Reason, turn: Turn): void {
  const refused: UserMessage = { type: 'scanRefused', encounterId, reason };
  turn.ask({ kind: 'user', id: scanner.id }, refused, REFUSED + SCAN_TIMER + encounterId);
}

const reasonOf = ({ code }: Refusal): Reason =>
  code === ERROR.conflict ? 'duplicate' : code === ERROR.gone ? 'closed' : 'refused';

const put = (state: UserState, scan: PendingScan): UserState => ({
  ...state,
  pending: state.pending.map(one => (one.encounterId === scan.encounterId ? scan : one)),
});
