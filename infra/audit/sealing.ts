/**
 * The hash chain of the days: what proves later that nobody has changed, added or taken away a transfer of the past.
 *
 * Each transfer is a line of text (with its postings), each line is hashed onto the hash before it, and the first of a day
 * is hashed onto the root of the day before. So the root of one day stands for everything that ever happened until its end;
 * whoever keeps a copy of one root can tell. It is taken when the day is over, beside the work of the day and never in it.
 *
 * Transfers are in the order of their time and id: any order would do that can be taken again.
 */
import { createHash } from 'node:crypto';

/** One transfer as it is sealed; numbers as text. */
export interface SealedTransfer {
  readonly id: string;
  /** Microseconds since 1970. */
  readonly at_us: string;
  readonly reason: string;
  readonly rule_id: string;
  readonly rule_version: string;
  readonly rule_trace: string | null;
  readonly request_hash: string;
  /** `seq account stripe delta balance version`, separated by semicolons, in the order of their numbers. */
  readonly postings: string | null;
}

/** Transfers between two moments ($1, $2), those behind ($3 time in microseconds, $4 id) in the order in which they are sealed. */
export const SEALED_TRANSFERS = `
  select t.id, (extract(epoch from t.at) * 1000000)::bigint::text as at_us, t.reason, t.rule_id,
    t.rule_version::text, to_jsonb(t) ->> 'rule_trace' as rule_trace, t.request_hash::text,
    (select string_agg(concat_ws(' ', p.seq, p.account_id, p.stripe, p.delta, p.balance_after, p.account_version_after),
       ';' order by p.seq) from ledger.posting p where p.transfer_id = t.id) as postings
  from ledger.transfer t
  where t.at >= $1::timestamptz and t.at < $2::timestamptz
    and ($3::bigint is null or (t.at, t.id) > (timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4::uuid))
  order by t.at, t.id`;

/** Before the first day. */
export const GENESIS = Buffer.alloc(32);

/** Where a day begins: behind the root of the day before. */
export const beginDay = (previous: Uint8Array, day: string): Buffer =>
  createHash('sha256').update(previous).update(`day ${day}\n`).digest();

export const hashOn = (before: Uint8Array, transfer: SealedTransfer): Buffer => {
  const { id, at_us, reason, rule_id, rule_version, rule_trace, request_hash, postings } = transfer;
  const parts = [id, at_us, reason, rule_id, rule_version, rule_trace ?? '', request_hash, postings ?? ''];
  return createHash('sha256').update(before).update(JSON.stringify(parts)).digest();
};

/** The day after, `2026-11-21`. */
export const dayAfter = (day: string): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);

export const startOf = (day: string): string => `${day}T00:00:00Z`;
