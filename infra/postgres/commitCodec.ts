/**
 * A group of entries as the array parameters of `ledger.commit_group`, and its answer as outcomes.
 *
 * Array literals are written by hand: the driver would quote and escape every element, which for a group of 512 costs
 * more than PostgreSQL needs to apply it.
 */
import { hash } from 'node:crypto';
import {
  COMMIT_CODES,
  type Committed,
  type DurableOp,
  type LedgerOp,
  MINT_ACCOUNT,
  type Posting,
} from '../../actors/durable.ts';
import {
  canonicalOf,
  claimsOf,
  isBurned,
  isValid,
  legsOf,
  reasonOf,
  subjectOf,
} from '../../nodes/ledgerRules.ts';
import type { CommitEntry, EntryOutcome } from '../../nodes/ports.ts';
import { STALE } from './migrations/holds.ts';
import { PENDING_KIND } from './migrations/reservations.ts';

/** The parameters of the function, in its order (without the prefix `p_`). */
const PARAMETERS = [
  'fenceShard',
  'fenceEpoch',
  'id',
  'fence',
  'subject',
  'reason',
  'rule',
  'ruleVersion',
  'hash',
  'legFrom',
  'legEntry',
  'legSeq',
  'legAccount',
  'legDelta',
  'account',
  'stripe',
  'keyEntry',
  'keyUser',
  'key',
  'keyHash',
  'meetEntry',
  'meetOfficer',
  'meetCivilian',
  'meetMethod',
  'meetCell',
  'meetOfficerPoints',
  'meetCivilianPoints',
  'meetCooldownS',
  'runEnd',
  'trace',
  'meetZip',
  'meetTrust',
  'reviewEntry',
  'reviewRelease',
  'meetScannedMs',
  'pendingEntry',
  'pendingKind',
  'pendingRef',
  'pendingAccount',
  'pendingPayee',
  'pendingPoints',
  'pendingHoldS',
  'burnEntry',
  'ruleTrace',
  'pendingQuantity',
  'stockEntry',
  'stockOffer',
  'stockQuantity',
  'stockUserMax',
  'stockCode',
  'refundEntry',
  'refundRedemption',
  'refundQuantity',
  'refundRestock',
  'metRule',
  'metRuleVersion',
] as const;
export const COMMIT_PARAMETERS = PARAMETERS.length;
/** Those before the number of codes that are known here (`migrations/offerLimit.ts`), and the others behind it. */
export const BEFORE_CODES = PARAMETERS.indexOf('metRule');

type Columns = Record<(typeof PARAMETERS)[number], (string | number)[]>;

const PLAIN = /^[A-Za-z0-9_.:-]+$/;
/** What may be stored as a trace; it needs no quotes. */
const TRACE = /^[0-9a-f-]{55}$/;
/** A text as an array element; NULL in any case would be taken for the null value. */
const quoted = (text: string): string =>
  PLAIN.test(text) && text.toLowerCase() !== 'null' ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;

/** 128 bits of a digest, in the form of a UUID's 32 digits. */
export const requestHash = (canonical: string): string => hash('sha256', canonical, 'hex').slice(0, 32);

/** Where a group's entries went. */
export interface EncodedGroup {
  /** Null when no entry is left to send. */
  readonly values: string[] | null;
  /** Position of each entry in the call, or -1 when it was refused before. */
  readonly positions: Int32Array;
  /** Account and change of each leg in the order of the call, and the first leg of each sent entry. */
  readonly legAccounts: string[];
  readonly legDeltas: number[];
  readonly legFrom: number[];
}

/** Zip code of a coarse cell, as the node knows it at this moment; null when it knows none. */
export type ZipOf = (cell: string) => string | null;

/**
 * @param stripe row of the mint that this group uses; groups in flight at the same time should use different ones
 */
export function encodeGroup(
  entries: readonly CommitEntry[],
  stripe: number,
  zipOf: ZipOf = () => null,
): EncodedGroup {
  const columns = Object.fromEntries(PARAMETERS.map(name => [name, []])) as unknown as Columns;
  const positions = new Int32Array(entries.length).fill(-1);
  const legAccounts: string[] = [];
  const legDeltas: number[] = [];
  const legFrom: number[] = [];
  const payers: string[] = [];
  const fences = new Map<string, number>();
  let claimed = new Set<string>();
  let sent = 0;
  let traced = false;
  let explained = false;
  for (let i = 0; i < entries.length; i++) {
    const { shard, epoch, op } = entries[i]!;
    if (!isValid(op)) continue;
    const claims = claimsOf(op);
    if (claims.some(claim => claimed.has(claim))) {
      // what this one claims is decided by an earlier entry: a new run begins
      columns.runEnd.push(sent);
      claimed = new Set();
    }
    for (const claim of claims) claimed.add(claim);
    positions[i] = sent++;
    addOperation(columns, op, addFence(columns, fences, shard, epoch));
    addDetails(columns, op, sent, zipOf);
    addPending(columns, payers, op, sent);
    addStock(columns, op, sent);
    traced = addTrace(columns.trace, plainTrace(entries[i]!.trace), sent, traced);
    explained = addTrace(columns.ruleTrace, op.rule.trace ?? null, sent, explained);
    legFrom.push(legAccounts.length);
    columns.legFrom.push(legAccounts.length + 1);
    const legs = legsOf(op);
    for (let j = 0; j < legs.length; j++) {
      legAccounts.push(legs[j]!.account);
      legDeltas.push(legs[j]!.delta);
      columns.legEntry.push(sent);
      columns.legSeq.push(j + 1);
    }
  }
  if (sent === 0) return { values: null, positions, legAccounts, legDeltas, legFrom };
  legFrom.push(legAccounts.length);
  columns.legFrom.push(legAccounts.length + 1);
  columns.legDelta = legDeltas;
  columns.runEnd.push(sent);
  addAccounts(columns, legAccounts, payers, stripe);
  const values = PARAMETERS.map(name => `{${columns[name].join(',')}}`);
  return { values, positions, legAccounts, legDeltas, legFrom };
}

/** The place of a proof of ownership among the distinct ones of the group, from 1. */
function addFence(columns: Columns, fences: Map<string, number>, shard: number, epoch: number): number {
  const proof = `${shard}:${epoch}`;
  const known = fences.get(proof);
  if (known !== undefined) return known;
  fences.set(proof, fences.size + 1);
  columns.fenceShard.push(shard);
  columns.fenceEpoch.push(epoch);
  return fences.size;
}

function addOperation(columns: Columns, op: LedgerOp, fence: number): void {
  columns.id.push(op.id);
  columns.fence.push(fence);
  columns.subject.push(subjectOf(op));
  columns.reason.push(quoted(reasonOf(op)));
  columns.rule.push(quoted(op.rule.id));
  columns.ruleVersion.push(op.rule.version);
  columns.hash.push(requestHash(canonicalOf(op)));
}

/** What only some entries have; `entry` is the place in the call, from 1. */
function addDetails(columns: Columns, op: LedgerOp, entry: number, zipOf: ZipOf): void {
  if (op.idempotency) {
    columns.keyEntry.push(entry);
    columns.keyUser.push(op.idempotency.userId);
    columns.key.push(quoted(op.idempotency.key));
    columns.keyHash.push(quoted(op.idempotency.requestHash));
  }
  if (op.type === 'encounter') {
    columns.meetEntry.push(entry);
    columns.meetOfficer.push(op.officer);
    columns.meetCivilian.push(op.civilian);
    columns.meetMethod.push(op.method);
    columns.meetCell.push(quoted(op.cell));
    columns.meetOfficerPoints.push(op.officerPoints);
    columns.meetCivilianPoints.push(op.civilianPoints);
    columns.meetCooldownS.push(op.cooldownS);
    const zip = op.cell === '' ? null : zipOf(op.cell);
    columns.meetZip.push(zip === null ? 'NULL' : quoted(zip));
    columns.meetTrust.push(op.trust ?? 0);
    columns.meetScannedMs.push(op.scannedAtMs ?? 'NULL');
    columns.metRule.push(op.metBy ? quoted(op.metBy.id) : 'NULL');
    columns.metRuleVersion.push(op.metBy?.version ?? 'NULL');
  }
  if (op.type === 'review') {
    columns.reviewEntry.push(entry);
    columns.reviewRelease.push(op.verdict === 'released' ? 't' : 'f');
  }
}

/** What is set aside, paid of it, or given back. */
function addPending(columns: Columns, payers: string[], op: LedgerOp, entry: number): void {
  if (isBurned(op)) columns.burnEntry.push(entry);
  if (op.type !== 'pending' && op.type !== 'post' && op.type !== 'void') return;
  payers.push(op.payer);
  columns.pendingEntry.push(entry);
  columns.pendingKind.push(PENDING_KIND[op.type === 'void' ? op.verdict : op.type]);
  columns.pendingRef.push(op.type === 'post' ? op.pendingId : op.id);
  columns.pendingPayee.push(op.type === 'void' ? 'NULL' : op.payee);
  columns.pendingPoints.push(op.type === 'void' ? 0 : op.points);
  columns.pendingHoldS.push(op.type === 'pending' ? op.holdS : 'NULL');
  columns.pendingQuantity.push((op.type === 'post' ? op.quantity : null) ?? 'NULL');
}

/** What is set aside of an offer, and what is given back of a redemption. */
function addStock(columns: Columns, op: LedgerOp, entry: number): void {
  if (op.type === 'pending' && op.stock) {
    columns.stockEntry.push(entry);
    columns.stockOffer.push(op.stock.offer);
    columns.stockQuantity.push(op.stock.quantity);
    columns.stockUserMax.push(op.stock.perUserMax);
    columns.stockCode.push(quoted(op.stock.code));
  }
  if (op.type !== 'refund') return;
  columns.refundEntry.push(entry);
  columns.refundRedemption.push(op.redemption);
  columns.refundQuantity.push(op.quantity);
  columns.refundRestock.push(op.restock ? 't' : 'f');
}

const plainTrace = (trace: string | null | undefined): string | null =>
  trace && TRACE.test(trace) ? trace : null;

/** The column stays empty until the first trace of the group; from then on every entry has its place in it. */
function addTrace(column: (string | number)[], trace: string | null, sent: number, traced: boolean): boolean {
  if (trace === null && !traced) return false;
  while (column.length < sent - 1) column.push('NULL');
  column.push(trace ?? 'NULL');
  return true;
}

/** The distinct accounts in the order in which PostgreSQL locks: lower-case UUID text sorts like the value. */
function addAccounts(
  columns: Columns,
  legAccounts: readonly string[],
  payers: readonly string[],
  stripe: number,
): void {
  const places = new Map<string, number>();
  for (const account of [...new Set([...legAccounts, ...payers])].sort()) {
    places.set(account, places.size + 1);
    columns.account.push(account);
    columns.stripe.push(account === MINT_ACCOUNT ? stripe : 0);
  }
  for (const account of legAccounts) columns.legAccount.push(places.get(account)!);
  for (const account of payers) columns.pendingAccount.push(places.get(account)!);
}

/** What the function answers: codes, clock, balances and versions per leg, effects that stood there before. */
export type CommitRow = readonly [
  codes: string,
  atMs: string,
  balances: string,
  versions: string,
  existing: Effects | null,
];
/** By operation id; `hash` is the request's, with the dashes of a UUID. */
export type Effects = Record<
  string,
  {
    atMs: number;
    hash: string;
    postings?: Posting[] | null;
    verdict?: 'held' | 'rejected';
    /** Of what is or was set aside. */
    payer?: string;
    state?: 'pending' | 'posted' | 'voided' | 'expired';
  }
>;

/** What a look-up found under the id of `op`. */
export function decodeEffect(op: DurableOp, effects: Effects): Committed | null {
  const effect = effects[op.id];
  if (!effect) return null;
  const { verdict } = effect;
  if (op.type === 'void') {
    if (effect.state === undefined) return nothing(op.id, 'exists_with_different_payload');
    const isDone = effect.state === op.verdict && effect.payer === op.payer;
    return isDone ? { id: op.id, code: 'exists', atMs: effect.atMs, postings: [] } : null;
  }
  if (effect.state !== undefined && !isBurned(op)) return null;
  const same = effect.hash.replaceAll('-', '') === requestHash(canonicalOf(op));
  // a review is done when the verdict is the one that it gives
  if (op.type === 'review') {
    if ((op.verdict === 'rejected' ? 'rejected' : undefined) !== verdict) return null;
    if (verdict !== undefined && !same) return null;
  }
  if (!same) return nothing(op.id, 'exists_with_different_payload');
  return { id: op.id, code: verdict ?? 'exists', atMs: effect.atMs, postings: effect.postings ?? [] };
}

const nothing = (id: string, code: Committed['code']): Committed => ({ id, code, atMs: 0, postings: [] });

/** The outcomes in the order of the entries; `row` is null when nothing was sent. */
export function decodeOutcomes(
  entries: readonly CommitEntry[],
  group: EncodedGroup,
  row: CommitRow | null,
): EntryOutcome[] {
  const codes = row ? row[0].split(',') : [];
  const balances = row ? row[2].split(',') : [];
  const versions = row ? row[3].split(',') : [];
  const atMs = row ? Number(row[1]) : 0;
  return entries.map((entry, i): EntryOutcome => {
    const { id } = entry.op;
    const at = group.positions[i]!;
    if (at < 0) return nothing(id, 'invalid');
    const number = Number(codes[at]);
    if (number === STALE) return { id, code: 'stale_epoch' };
    const code = COMMIT_CODES[number];
    if (code === undefined) throw new Error(`commit_group answered the code ${codes[at]}`);
    if (code === 'exists') {
      const effect = row![4]?.[id];
      if (!effect) throw new Error(`commit_group said that ${id} exists, and did not say how`);
      return { id, code, atMs: effect.atMs, postings: effect.postings ?? [] };
    }
    if (code === 'held' || code === 'rejected') return { id, code, atMs, postings: [] };
    if (code !== 'created') return nothing(id, code);
    const postings: Posting[] = [];
    for (let leg = group.legFrom[at]!; leg < group.legFrom[at + 1]!; leg++) {
      const account = group.legAccounts[leg]!;
      if (account === MINT_ACCOUNT) continue;
      const [delta, balance] = [group.legDeltas[leg]!, Number(balances[leg])];
      postings.push({ account, delta, balance, version: Number(versions[leg]) });
    }
    return { id, code, atMs, postings };
  });
}
