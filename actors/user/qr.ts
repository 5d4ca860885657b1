/**
 * Codes: one shows, the other scans (DOMAIN rule 4: the fallback when no position is shared). The token proves itself
 * (see `protocol/qr.ts`); the presenter's actor, its single writer, sees to it that it is used once per scanner, and a
 * civilian's code by one officer only. The actor forgets that when it dies; then the store refuses, because the encounter
 * of a civilian's code has its id from the code and not from the officer.
 */
import type { KeyObject } from 'node:crypto';
import type { CommandBody } from '../../protocol/catalogue.ts';
import type { CodeBook } from '../../protocol/codeBook.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import {
  codeBookOf,
  type Minting,
  mintToken,
  TOKEN_FLAG,
  type Token,
  tokenExpiresS,
  verifyToken,
} from '../../protocol/qr.ts';
import { TRUST } from '../fraud/trust.ts';
import type { Fences } from '../geo/places/fence.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { PersonRef, Presenter, UserMessage } from '../messages/user.ts';
import { pairId } from '../pair/state.ts';
import type { MeetRules } from '../rules.ts';
import type { Turn } from '../turn.ts';
import { begin, finish, isInDoubt, refuseUnlessKnown, settle, settleOn, underWay } from './commands.ts';
import { outcomeFor, selfRef } from './hey.ts';
import { hubCell } from './hub.ts';
import { confirmUpload } from './offlineScan.ts';
import { trustNow } from './place.ts';
import { type CommandUnderWay, isSharing, roleOf, type Scan, type UserState } from './state.ts';
import { emit } from './stream.ts';
import { uploadTo } from './upload.ts';
import { cellAt, isUnvouched, positionsSay, whereNow } from './where.ts';

type CommandMessage = UserMessage & { type: 'command' };

/** A phone that waits for the officer's tap asks so often. */
const CONFIRM_AGAIN_MS = 1_000;

/** Master keys by key id; the newest one mints. */
export interface QrKeys {
  readonly newest: number;
  readonly masters: ReadonlyMap<number, Uint8Array>;
  /** Public keys of the posters of hubs, by key id; absent: no hub is known. */
  readonly hubs?: ReadonlyMap<number, KeyObject>;
}

/**
 * A code of this person for now. Refused for kinds that do not meet, and retryably while the account moves to another
 * device.
 */
export function showQr(
  state: UserState,
  keys: QrKeys,
  turn: Turn,
): Result<{ token: string; expiresS: number }> {
  const presenter = presenterOf(state, keys, turn);
  if (!presenter.ok) return presenter;
  const nonce = turn.random32();
  const flags = isSharing(state, turn.nowMs) ? TOKEN_FLAG.locationShared : 0;
  return ok({
    token: mintToken({ ...presenter.value, nonce, flags }),
    expiresS: tokenExpiresS(turn.nowMs),
  });
}

/** What every code of this person is made of. */
function presenterOf(
  state: UserState,
  keys: QrKeys,
  { nowMs }: Turn,
): Result<Omit<Minting, 'nonce' | 'flags'>> {
  const kind = roleOf(state.me.kind);
  if (kind === null) return refuse(ERROR.forbidden, 'this account shows no meeting code');
  const { number: userNumber, deviceNumber } = state.me;
  if (deviceNumber === null) return refuse(ERROR.unavailable, 'the account is moving, try again', 1_000);
  const kid = keys.newest;
  return ok({ kind, kid, userNumber, deviceNumber, nowMs, master: keys.masters.get(kid) as Uint8Array });
}

/** For the one phone of the account: the key that it gets is its own, and ends with it. */
export function codeBook(state: UserState, deviceId: string, keys: QrKeys, turn: Turn): Result<CodeBook> {
  if (deviceId !== state.me.deviceId) return refuse(ERROR.gone, 'the account moved to another device');
  const presenter = presenterOf(state, keys, turn);
  return presenter.ok ? ok(codeBookOf(presenter.value)) : presenter;
}

/** A code was scanned online: whose it is is looked up; {@link presenterFound} goes on. */
export function scanQr(state: UserState, message: CommandMessage, keys: QrKeys, turn: Turn): UserState {
  const { token } = message.body as CommandBody<'qr.scan'>;
  const verified = verifyFor(state, token, turn.nowMs, keys);
  if (!verified.ok) return refuseUnlessKnown(state, underWay(message, turn, 'qr.scan', {}), verified, turn);
  const { userNumber, deviceNumber, tokenId } = verified.value;
  turn.query({ type: 'userByNumber', number: userNumber }, message.key as string);
  return begin(state, underWay(message, turn, 'qr.scan', { tokenId, presenterDevice: deviceNumber }));
}

/** What the code of the other side says, if this account may scan it and it was good at that moment. */
export function verifyFor(state: UserState, token: string, atMs: number, keys: QrKeys): Result<Token> {
  const role = roleOf(state.me.kind);
  if (role === null) return refuse(ERROR.forbidden, 'this account scans no meeting code');
  const wanted = role === 'officer' ? 'civilian' : 'officer';
  return verifyToken(token, { nowMs: atMs, masters: keys.masters, kinds: [wanted] });
}

/** Who of the two is which side. */
export function partiesOf(a: PersonRef, b: PersonRef) {
  const [officer, civilian] = a.kind === 'officer' ? [a, b] : [b, a];
  const side = ({ id, handle }: PersonRef) => ({ id, handle });
  return { officer: side(officer), civilian: side(civilian) };
}

/** The directory named the presenter: ask whether the code may be used. */
export function presenterFound(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): UserState {
  if (!result.ok) return finish(state, command, result, turn);
  const presenterId = result.value as string | null;
  if (presenterId === null) {
    const refusal = refuse(ERROR.gone, 'this code is of a closed account');
    return refuseUnlessKnown(state, command, refusal, turn);
  }
  if (command.name === 'qr.upload') return uploadTo(state, command, presenterId, rules, fences, turn);
  const shown: UserMessage = {
    type: 'qrShown',
    tokenId: command.tokenId as string,
    deviceNumber: command.presenterDevice,
    key: command.key,
    scanner: selfRef(state),
    fix: whereNow(state, fences, turn.nowMs),
  };
  turn.ask({ kind: 'user', id: presenterId }, shown, `${command.key}/shown`);
  return begin(state, { ...command, otherId: presenterId });
}

const scanIdOf = ({ tokenId, scannerId }: Pick<Scan, 'tokenId' | 'scannerId'>): string =>
  derivedId('scan', tokenId, scannerId);

/** The officer taps. The civilian's phone learns of it with its next repeat of the scan; one that was uploaded is settled. */
export function confirmScan(
  state: UserState,
  scanId: string,
  turn: Turn,
): { readonly state: UserState; readonly result: Result<object> } {
  const uploaded = confirmUpload(state, scanId, turn);
  if (uploaded) return { state: uploaded, result: ok({}) };
  const scan = state.scans.find(
    one => scanIdOf(one) === scanId && turn.nowMs - one.atMs <= ACTOR_LIMITS.scanMs,
  );
  if (!scan) return { state, result: refuse(ERROR.gone, 'this scan is over') };
  if (scan.agreed) return { state, result: ok({}) };
  const confirmed: Scan = { ...scan, said: 'together', agreed: true };
  const scans = state.scans.map(one => (one === scan ? confirmed : one));
  return { state: { ...state, scans }, result: ok({}) };
}

/** At the presenter. */
export function qrShown(
  state: UserState,
  message: UserMessage & { type: 'qrShown' },
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): UserState {
  const { tokenId, deviceNumber, key, scanner } = message;
  const scans = state.scans.filter(scan => turn.nowMs - scan.atMs <= ACTOR_LIMITS.scanMs);
  const ofToken = scans.filter(scan => scan.tokenId === tokenId);
  const mine = ofToken.find(scan => scan.scannerId === scanner.id);
  if (deviceNumber !== state.me.deviceNumber) {
    turn.reply(refuse(ERROR.gone, 'this code is of an old device'));
    return state;
  }
  if (mine ? mine.key !== key : state.me.kind === 'civilian' && ofToken.length > 0) {
    turn.reply(refuse(ERROR.conflict, 'this code was used'));
    return state;
  }
  // The first answer to a scan stands: who walks away while it is repeated has met all the same.
  const scan = mine ?? scanOf(state, message, rules, fences, turn);
  const next = mine ? state : { ...state, scans: [...scans, scan].slice(-ACTOR_LIMITS.scansKept) };
  if (!scan.agreed) {
    turn.reply(
      refuse(ERROR.unavailable, 'the officer is asked to confirm: repeat the scan', CONFIRM_AGAIN_MS),
    );
    const scanId = scanIdOf(scan);
    const expiresS = tokenExpiresS(scan.atMs);
    return emit(next, turn, 'scan.asked', { scanId, civilianHandle: scanner.handle, expiresS }, scanId);
  }
  const cell = cellAt(state, fences, turn.nowMs);
  const trust = trustNow(state, rules, turn) | (scan.said === 'apart' ? TRUST.relayed : 0);
  const presenter: Presenter = { ...selfRef(state), trust, unvouched: isUnvouched(state, scan.said) };
  turn.reply(ok(cell === null ? presenter : { ...presenter, cell }));
  return next;
}

/** A scan that was not heard of before, and what is to be thought of it. */
function scanOf(
  state: UserState,
  { tokenId, key, scanner, fix }: UserMessage & { type: 'qrShown' },
  rules: MeetRules,
  fences: Fences,
  { nowMs }: Turn,
): Scan {
  const said = positionsSay(whereNow(state, fences, nowMs), fix, rules, nowMs);
  const asks = rules.confirmScans && isUnvouched(state, said);
  return { tokenId, scannerId: scanner.id, key, atMs: nowMs, said, agreed: !asks };
}

/** The presenter's actor agreed: settle. */
export function presenterAgreed(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  rules: MeetRules,
  fences: Fences,
  turn: Turn,
): UserState {
  if (!result.ok) return refuseUnlessKnown(state, command, result, turn);
  const presenter = result.value as Presenter;
  const me = selfRef(state);
  const once = presenter.kind === 'civilian';
  const { officer, civilian } = partiesOf(me, presenter);
  const { nowMs } = turn;
  const cell = hubCell(state, fences, nowMs) ?? presenter.cell ?? cellAt(state, fences, nowMs) ?? '';
  const observe = {
    type: 'observe',
    evidence: {
      method: 'qr',
      id: once ? command.tokenId : `${command.tokenId}|${me.id}`,
      cell,
      once,
      trust: (presenter.trust ?? 0) | trustNow(state, rules, turn),
      unvouched: presenter.unvouched === true,
    },
    officer,
    civilian,
    idempotency: { userId: me.id, key: command.key, requestHash: command.requestHash },
  };
  return settle(state, { ...command, settling: { pair: pairId(officer.id, civilian.id), observe } }, turn);
}

/** The pair has settled it, or not, or nobody knows: then it is asked on. */
export function scanSettled(
  state: UserState,
  command: CommandUnderWay,
  result: Result<unknown>,
  turn: Turn,
): UserState {
  if (isInDoubt(command, result)) return settleOn(state, command, turn);
  return finish(state, command, outcomeFor(state, result), turn);
}
