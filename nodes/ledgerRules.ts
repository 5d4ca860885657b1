/**
 * What every commit store must agree on about an operation: its legs, what makes it invalid, when two operations are
 * the same request, and which of them may not be decided at the same time. Pure, shared by PostgreSQL and its twin.
 */

import {
  type DurableOp,
  type LedgerOp,
  type Leg,
  MINT_ACCOUNT,
  type NoteOp,
  type PendingOp,
  type PostOp,
  type RefundOp,
  type RuleRef,
} from '../actors/durable.ts';
import { FEE } from '../actors/fees.ts';
import { isTrust } from '../actors/fraud/trust.ts';
import { canonicalStock, isStockHold, isUnits } from './market/stockRules.ts';
import { isTimer } from './timers/timerRules.ts';

/** Legs of one transfer at most; more is several transfers. */
const LEGS_MAX = 64;
/** Points of one leg at most, so that sums over a group stay exact in a double. */
export const POINTS_MAX = 1_000_000_000_000;
const TEXT_MAX = 64;
/** The largest time that JavaScript has. */
const TIME_MAX_MS = 8_640_000_000_000_000;
/** Points are set aside for at most a year: what waits longer is a mistake. */
const HOLD_S_MAX = 366 * 86_400;
/** An idempotency key is at most as long as the door lets in (domain study 5.4). */
const KEY_MAX = 255;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const RULE_TRACE = /^[0-9a-f]{16}$/;

const NO_LEGS: readonly Leg[] = [];

/** Whether it is the notes' and not the ledger's. */
export const isNote = ({ type }: DurableOp): boolean =>
  type === 'timer' || type === 'event' || type === 'answer' || type === 'offer' || type === 'stock';
const isOfLedger = (op: DurableOp): op is LedgerOp => !isNote(op);

/** What a payment moves: what is pending would, what is posted or given back does. */
export const paymentOf = ({ payer, payee, points }: PendingOp | PostOp | RefundOp): readonly Leg[] => [
  { account: payer, delta: -points },
  { account: payee, delta: points },
];

/** Both sides of the double entry; the people first, the mint last. */
export function legsOf(op: DurableOp): readonly Leg[] {
  if (op.type === 'transfer') return op.legs;
  if (!isOfLedger(op)) return NO_LEGS;
  if (op.type === 'pending' || op.type === 'void') return NO_LEGS;
  if (op.type === 'post' || op.type === 'refund') return paymentOf(op);
  if (op.type === 'review' && op.verdict === 'rejected') return NO_LEGS;
  return [
    { account: op.civilian, delta: op.civilianPoints },
    { account: op.officer, delta: op.officerPoints },
    { account: MINT_ACCOUNT, delta: -(op.officerPoints + op.civilianPoints) },
  ];
}

/** Whose history the event belongs to, the key that orders it: the civilian, or who paid (or got it from the mint). */
export function subjectOf(op: LedgerOp): string {
  if (op.type === 'pending' || op.type === 'post' || op.type === 'void' || op.type === 'refund')
    return op.payer;
  if (op.type !== 'transfer') return op.civilian;
  const people = op.legs.filter(leg => leg.account !== MINT_ACCOUNT);
  return (people.find(leg => leg.delta < 0) ?? people[0] ?? op.legs[0]!).account;
}

/** Why points moved. */
export function reasonOf(op: LedgerOp): string {
  if (op.type === 'void' || op.type === 'refund') return op.type;
  return op.type === 'encounter' || op.type === 'review' ? 'encounter' : op.reason;
}

/**
 * Whether a refusal for want of points, stock, an account or room under a limit is kept, so that a repeat gets the same. The
 * id of a fine is not of who tries to pay it: it stays payable.
 */
export const isBurned = (op: DurableOp): boolean =>
  (op.type === 'transfer' && op.reason !== FEE) ||
  op.type === 'pending' ||
  op.type === 'post' ||
  op.type === 'refund';

/**
 * The same text means the same request. Left out is what a retry may bring along anew: the idempotency key (two people
 * may ask for one encounter), and of an encounter the cell (a phone has moved meanwhile) and the rule (it was replaced
 * meanwhile), when it was scanned, and what speaks against it (that is judged anew with each try): the first effect stands.
 * So it does when a redemption comes with another code, drawn anew.
 */
export function canonicalOf(op: DurableOp): string {
  if (op.type === 'timer') return `timer\n${op.kind}\n${op.actor}\n${op.name}`;
  if (op.type === 'event') return `event\n${op.user}\n${op.n}`;
  if (op.type === 'answer') return `answer\n${op.user}\n${op.key}`;
  if (op.type === 'offer') return `offer\n${op.offer.id}\n${op.offer.version}`;
  if (op.type === 'stock') return `stock\n${op.offer}\n${op.delta}\n${op.kind}`;
  const rule = `${op.rule.id}\n${op.rule.version}`;
  if (op.type === 'pending') {
    const payment = `pending\n${op.reason}\n${rule}\n${op.payer}\n${op.payee}\n${op.points}\n${op.holdS}`;
    return op.stock ? `${payment}\n${canonicalStock(op.stock)}` : payment;
  }
  if (op.type === 'post') return `post\n${op.pendingId}\n${op.payer}\n${op.payee}\n${op.points}`;
  if (op.type === 'refund') {
    return `refund\n${op.redemption}\n${op.payer}\n${op.payee}\n${op.quantity}\n${op.points}\n${op.restock}`;
  }
  if (op.type === 'void') return `void\n${op.payer}\n${op.verdict}`;
  // a review is of the encounter: whoever asks for that one again finds it, paid or not
  if (op.type !== 'transfer') {
    return `encounter\n${op.officer}\n${op.civilian}\n${op.method}`;
  }
  let text = `transfer\n${op.reason}\n${rule}`;
  for (const leg of op.legs) text += `\n${leg.account}\n${leg.delta}`;
  return text;
}

/** What an actor notes is stored in the order in which it said so: timers replace each other, each event is the next one. */
function notesOf(op: NoteOp): string {
  if (op.type === 'timer') return `notes\0${op.kind}\0${op.actor}`;
  if (op.type === 'offer') return `notes\0offer\0${op.offer.id}`;
  return op.type === 'stock' ? `notes\0offer\0${op.offer}` : `notes\0user\0${op.user}`;
}

const isText = (text: string, max: number): boolean => text.length <= max && !text.includes('\0');
const isPoints = (points: number): boolean => Number.isSafeInteger(points) && Math.abs(points) <= POINTS_MAX;

const isRule = ({ id, version, trace }: RuleRef): boolean =>
  isText(id, TEXT_MAX) && Number.isInteger(version) && (trace === undefined || RULE_TRACE.test(trace));

function isValidTransfer(legs: readonly Leg[]): boolean {
  if (legs.length < 2 || legs.length > LEGS_MAX) return false;
  let sum = 0;
  for (let i = 0; i < legs.length; i++) {
    const leg = legs[i]!;
    if (!UUID.test(leg.account) || !isPoints(leg.delta) || leg.delta === 0) return false;
    for (let j = 0; j < i; j++) if (legs[j]!.account === leg.account) return false;
    sum += leg.delta;
  }
  return sum === 0;
}

const isValidPayment = ({ payer, payee, points }: PendingOp | PostOp | RefundOp): boolean =>
  UUID.test(payer) &&
  UUID.test(payee) &&
  payer !== payee &&
  payer !== MINT_ACCOUNT &&
  payee !== MINT_ACCOUNT &&
  isPoints(points) &&
  points > 0;

function isValidPending(op: PendingOp): boolean {
  const { reason, holdS, stock, points, timer } = op;
  if (!isText(reason, TEXT_MAX) || !isValidPayment(op)) return false;
  if (!Number.isInteger(holdS) || holdS <= 0 || holdS > HOLD_S_MAX) return false;
  if (timer && !isTimer(timer)) return false;
  return !stock || isStockHold(stock, points);
}

const isValidPost = (op: PostOp): boolean =>
  UUID.test(op.pendingId) &&
  op.pendingId !== op.id &&
  isText(op.reason, TEXT_MAX) &&
  isUnits(op.quantity ?? 1) &&
  isValidPayment(op);

/** Whether the operation makes sense to the ledger; one that does not gets `invalid` and never reaches the store. */
export function isValid(op: DurableOp): op is LedgerOp {
  if (!isOfLedger(op)) return false;
  if (!UUID.test(op.id) || !isRule(op.rule)) return false;
  const by = op.idempotency;
  if (by && !(UUID.test(by.userId) && isText(by.key, KEY_MAX) && isText(by.requestHash, KEY_MAX)))
    return false;
  if (op.type === 'transfer') return isText(op.reason, TEXT_MAX) && isValidTransfer(op.legs);
  if (op.type === 'void') return UUID.test(op.payer);
  if (op.type === 'post') return isValidPost(op);
  if (op.type === 'pending') return isValidPending(op);
  if (op.type === 'refund') return UUID.test(op.redemption) && isUnits(op.quantity) && isValidPayment(op);
  const isMeeting =
    UUID.test(op.officer) &&
    UUID.test(op.civilian) &&
    op.officer !== op.civilian &&
    op.officer !== MINT_ACCOUNT &&
    op.civilian !== MINT_ACCOUNT &&
    isPoints(op.officerPoints) &&
    isPoints(op.civilianPoints) &&
    op.officerPoints >= 0 &&
    op.civilianPoints >= 0;
  if (op.type === 'review') return isMeeting;
  return (
    isMeeting &&
    isText(op.cell, TEXT_MAX) &&
    isTrust(op.trust ?? 0) &&
    (op.metBy === undefined || isRule(op.metBy)) &&
    Number.isSafeInteger(op.scannedAtMs ?? 0) &&
    (op.scannedAtMs ?? 0) >= 0 &&
    (op.scannedAtMs ?? 0) <= TIME_MAX_MS &&
    Number.isInteger(op.cooldownS) &&
    op.cooldownS >= 0 &&
    op.cooldownS <= 0x7fff_ffff
  );
}

/**
 * What an operation claims for itself: two with a claim in common must be decided one after the other, because the
 * outcome of the first (this id exists, this pair has met, this key is used) decides the second.
 */
export function claimsOf(op: DurableOp): readonly string[] {
  if (!isOfLedger(op)) return [notesOf(op)];
  const claims = [op.id];
  if (op.type === 'encounter') claims.push(`${op.officer}|${op.civilian}`);
  if (op.type === 'post') claims.push(op.pendingId);
  if (op.idempotency) claims.push(`${op.idempotency.userId}\0${op.idempotency.key}`);
  return claims;
}
