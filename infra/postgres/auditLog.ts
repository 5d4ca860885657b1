/**
 * What operators did, in PostgreSQL, on a connection of its own: an access waits for its line here, and must not wait for
 * anything else. The role that writes may not change what it wrote (migration 9).
 */
import type { AuditEntry, AuditLog, AuditRecord, Log } from '../../nodes/ports.ts';
import { AUDIT_STATEMENT_MS_MAX, QUERY_SILENCE_MS_MAX } from './limits.ts';
import { Lines } from './lines.ts';

const APPEND =
  'insert into ops.operator_audit (operator_id, action, user_id, detail) values ($1::uuid, $2, $3::uuid, $4::jsonb)';

const NEWEST = `
select coalesce(json_agg(json_build_object('number', a.number, 'operatorId', a.operator_id, 'action', a.action,
    'userId', a.user_id, 'detail', a.detail, 'atMs', floor(extract(epoch from a.at) * 1000)) order by a.number desc), '[]')
from (select * from ops.operator_audit where $2::uuid is null or user_id = $2::uuid
  order by number desc limit $1::int) a`;

export class PgAuditLog implements AuditLog {
  readonly #lines: Lines;

  constructor(options: { readonly url: string; readonly log: Log }) {
    this.#lines = new Lines(1, {
      ...options,
      name: 'audit',
      settings: { statement_timeout: `${AUDIT_STATEMENT_MS_MAX}`, jit: 'off' },
      silenceMsMax: QUERY_SILENCE_MS_MAX,
    });
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await this.#lines.tried();
  }

  async append({ operatorId, action, userId, detail }: AuditEntry): Promise<void> {
    const values = [operatorId, action, userId, JSON.stringify(detail)];
    await this.#lines.run({ name: 'audit', text: APPEND, values });
  }

  async newest(limit: number, userId: string | null = null): Promise<readonly AuditRecord[]> {
    const rows = await this.#lines.run({ name: 'audited', text: NEWEST, values: [limit, userId] });
    return rows[0]![0] as AuditRecord[];
  }

  close(): Promise<void> {
    return this.#lines.close();
  }
}
