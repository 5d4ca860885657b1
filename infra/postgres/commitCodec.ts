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
  MINT_ACCOUNT,
  type Posting,
} from '../../actors/durable.ts';
import { canonicalOf, claimsOf, isValid, legsOf, reasonOf, subjectOf } from '../../nodes/ledgerRules.ts';
import type { CommitEntry, EntryOutcome } from '../../nodes/ports.ts';

/** Position that the function answers for a stale epoch, after the words of COMMIT_CODES. */
const STALE = COMMIT_CODES.length;

interface Column {
  /** Text between the braces. */
  text: string;
}

const add = (column: Column, value: string | number): void => {
  column.text = column.text === '' ? `${value}` : `${column.text},${value}`;
};

const PLAIN = /^[A-Za-z0-9_.:-]+$/;
/** A text as an array element; NULL in any case would be taken for the null value. */
const quoted = (text: string): string =>
  PLAIN.test(text) && text.toLowerCase() !== 'null' ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;

/** 128 bits of a digest, in the form of a UUID's 32 digits. */
export const requestHash = (canonical: string): string => hash('sha256', canonical, 'hex').slice(0, 32);

/** Where a group's entry went: its position in the call, or -1 when it was refused before. */
export interface EncodedGroup {
  /** Null when no entry is left to send. */
  readonly values: string[] | null;
  readonly positions: Int32Array;
  /** Account of each leg in the order of the call, and the first leg of each sent entry. */
  readonly legAccounts: string[];
  readonly legDeltas: number[];
  readonly legFrom: number[];
}

/** Number of parameters of the function. */
export const COMMIT_PARAMETERS = 30;

/**
 * @param stripe row of the mint that this group uses; groups in flight at the same time should use different ones
 */
export function encodeGroup(entries: readonly CommitEntry[], stripe: number): EncodedGroup {
  const columns = Array.from({ length: COMMIT_PARAMETERS }, (): Column => ({ text: '' }));
  const [fenceShard, fenceEpoch, id, fence, subject, reason, rule, ruleVersion, hashes, legFromColumn] =
    columns as [Column, Column, Column, Column, Column, Column, Column, Column, Column, Column];
  const [legEntry, legSeq, legAccount, legDelta, account, stripes, accountFence] = columns.slice(10) as [
    Column,
    Column,
    Column,
    Column,
    Column,
    Column,
    Column,
  ];
  const [keyEntry, keyUser, key, keyHash] = columns.slice(17) as [Column, Column, Column, Column];
  const [meetEntry, officer, civilian, method, cell, officerPoints, civilianPoints, cooldownS, runEnd] =
    columns.slice(21) as [Column, Column, Column, Column, Column, Column, Column, Column, Column];

  const positions = new Int32Array(entries.length).fill(-1);
  const legAccounts: string[] = [];
  const legDeltas: number[] = [];
  const legFrom: number[] = [];
  const fences = new Map<string, number>();
  const accountFences = new Map<string, number>();
  let claimed = new Set<string>();
  let sent = 0;

  for (let i = 0; i < entries.length; i++) {
    const { shard, epoch, op } = entries[i]!;
    if (!isValid(op)) continue;
    const claims = claimsOf(op);
    if (claims.some(claim => claimed.has(claim))) {
      add(runEnd, sent);
      claimed = new Set();
    }
    for (const claim of claims) claimed.add(claim);
    positions[i] = sent++;

    const proof = `${shard}:${epoch}`;
    let fenceAt = fences.get(proof);
    if (fenceAt === undefined) {
      fenceAt = fences.size + 1;
      fences.set(proof, fenceAt);
      add(fenceShard, shard);
      add(fenceEpoch, epoch);
    }
    add(id, op.id);
    add(fence, fenceAt);
    add(subject, subjectOf(op));
    add(reason, quoted(reasonOf(op)));
    add(rule, quoted(op.rule.id));
    add(ruleVersion, op.rule.version);
    add(hashes, requestHash(canonicalOf(op)));
    add(legFromColumn, legAccounts.length + 1);
    legFrom.push(legAccounts.length);
    const legs = legsOf(op);
    for (let j = 0; j < legs.length; j++) {
      const leg = legs[j]!;
      legAccounts.push(leg.account);
      legDeltas.push(leg.delta);
      accountFences.set(leg.account, fenceAt);
      add(legEntry, sent);
      add(legSeq, j + 1);
    }
    if (op.idempotency) {
      add(keyEntry, sent);
      add(keyUser, op.idempotency.userId);
      add(key, quoted(op.idempotency.key));
      add(keyHash, quoted(op.idempotency.requestHash));
    }
    if (op.type === 'encounter') {
      add(meetEntry, sent);
      add(officer, op.officer);
      add(civilian, op.civilian);
      add(method, op.method);
      add(cell, quoted(op.cell));
      add(officerPoints, op.officerPoints);
      add(civilianPoints, op.civilianPoints);
      add(cooldownS, op.cooldownS);
    }
  }
  if (sent === 0) return { values: null, positions, legAccounts, legDeltas, legFrom };
  add(legFromColumn, legAccounts.length + 1);
  legFrom.push(legAccounts.length);
  add(runEnd, sent);

  // lower-case UUID text sorts like the value, so this is the order in which PostgreSQL locks
  const places = new Map<string, number>();
  for (const one of [...accountFences.keys()].sort()) {
    places.set(one, places.size + 1);
    add(account, one);
    add(stripes, one === MINT_ACCOUNT ? stripe : 0);
    add(accountFence, accountFences.get(one)!);
  }
  legAccount.text = legAccounts.map(one => places.get(one)!).join(',');
  legDelta.text = legDeltas.join(',');
  return { values: columns.map(column => `{${column.text}}`), positions, legAccounts, legDeltas, legFrom };
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
export type Effects = Record<string, { atMs: number; hash: string; postings: Posting[] | null }>;

/** What a look-up found under the id of `op`. */
export function decodeEffect(op: DurableOp, effects: Effects): Committed | null {
  const effect = effects[op.id];
  if (!effect) return null;
  const same = effect.hash.replaceAll('-', '') === requestHash(canonicalOf(op));
  return {
    id: op.id,
    code: same ? 'exists' : 'exists_with_different_payload',
    atMs: effect.atMs,
    postings: effect.postings ?? [],
  };
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
    if (code === 'exists' || code === 'exists_with_different_payload') {
      const effect = row![4]?.[id];
      if (!effect) throw new Error(`commit_group said that ${id} exists, and did not say how`);
      return { id, code, atMs: effect.atMs, postings: effect.postings ?? [] };
    }
    if (code !== 'created') return nothing(id, code);
    const postings: Posting[] = [];
    for (let leg = group.legFrom[at]!; leg < group.legFrom[at + 1]!; leg++) {
      const account = group.legAccounts[leg]!;
      if (account === MINT_ACCOUNT) continue;
      postings.push({
        account,
        delta: group.legDeltas[leg]!,
        balance: Number(balances[leg]),
        version: Number(versions[leg]),
      });
    }
    return { id, code, atMs, postings };
  });
}
