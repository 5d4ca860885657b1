/**
 * Revoked tokens in PostgreSQL: the truth that every gateway reads anew, whatever it heard or missed. The cursor is the
 * database's clock, and each read goes back further than any insert takes: a transaction that began before the cursor and
 * ended after it is not left out.
 */
import type { Log, Revocation, RevocationStore } from '../../nodes/ports.ts';
import { QUERY_SILENCE_MS_MAX, REVOCATION_STATEMENT_MS_MAX, REVOCATIONS_OVERLAP_S } from './limits.ts';
import { Lines } from './lines.ts';
import { OUTBOX_TARGET } from './outboxTargets.ts';

/** What is new, and whose it is, is told to the stream of users. */
const ADD = `
with added as (
  insert into identity_schema.revocation (id, user_id, token_id, spared_device, issued_until_ms, expires_at_ms)
  select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[])
  on conflict (id) do nothing
  returning id, user_id, token_id, issued_until_ms)
insert into ops.outbox (target, keys, payload)
select ${OUTBOX_TARGET.userEvents}, array[user_id], jsonb_build_object(
    'id', id, 'type', 'token.revoked',
    'data', jsonb_build_object('userId', user_id, 'all', token_id is null, 'issuedUntil',
      to_char(to_timestamp(issued_until_ms / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))
from added where user_id is not null`;

const SINCE = `
select now()::text, coalesce((
  select json_agg(json_build_object('id', r.id, 'userId', r.user_id, 'tokenId', r.token_id,
      'sparedDevice', r.spared_device, 'issuedUntilMs', r.issued_until_ms, 'expiresAtMs', r.expires_at_ms)
      order by r.added_at)
  from identity_schema.revocation r
  where r.expires_at_ms > extract(epoch from now()) * 1000
    and r.added_at > coalesce($1::timestamptz - interval '${REVOCATIONS_OVERLAP_S} s', '-infinity')), '[]')`;

const PRUNE =
  'delete from identity_schema.revocation where expires_at_ms <= extract(epoch from now()) * 1000';

export class PgRevocationStore implements RevocationStore {
  readonly #lines: Lines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    this.#lines = new Lines(1, {
      ...options,
      name: 'revocations',
      settings: { statement_timeout: `${REVOCATION_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  async add(all: readonly Revocation[]): Promise<void> {
    if (all.length === 0) return;
    const values = [
      all.map(one => one.id),
      all.map(one => one.userId),
      all.map(one => one.tokenId),
      all.map(one => one.sparedDevice),
      all.map(one => Math.floor(one.issuedUntilMs)),
      all.map(one => Math.ceil(one.expiresAtMs)),
    ];
    await this.#lines.run({ name: 'revoke', text: ADD, values });
  }

  async since(cursor: string | null): Promise<{ revocations: readonly Revocation[]; cursor: string }> {
    const rows = await this.#lines.run({ name: 'revoked_since', text: SINCE, values: [cursor] });
    const [now, revocations] = rows[0] as [string, Revocation[]];
    return { revocations, cursor: now };
  }

  async prune(): Promise<void> {
    await this.#lines.run({ name: 'revocations_prune', text: PRUNE, values: [] });
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
