/**
 * The role of the auditor: it reads what it audits, and can do nothing else. What concerns persons (names, passwords, events
 * on their way to phones) it cannot even read; of who has an account it sees what the streams tell everybody.
 */
import pg from 'pg';
import { AUDITOR_ROLE, CONNECT_MS_MAX } from './limits.ts';
import { canConnect, withRole } from './migrate.ts';
import { auditorPassword } from './rolePassword.ts';

/** Whole schemas, and single tables of others. */
const SCHEMAS = ['ledger', 'meet', 'market', 'users'];
const TABLES = ['outbox', 'idempotency', 'operator_audit', 'audit_head', 'migration', 'told_change'].map(
  name => `ops.${name}`,
);
/** Single columns of others. */
const COLUMNS = {
  'user_schema.users': ['id', 'kind', 'zip', 'created_at'],
  'giving.catalog': ['id', 'kind', 'name', 'account', 'zip', 'status', 'version', 'changed_at'],
  'identity_schema.revocation': ['id', 'user_id', 'token_id', 'added_at'],
};
const COLUMN_NAMES = Object.entries(COLUMNS).flatMap(([table, names]) =>
  names.map(name => `${table}.${name}`),
);

/** What to grant, `select on a.b` or `select (c, d) on a.b`, and the schema that it is in. */
const UNREADABLE = `
  select 'select on ' || c.oid::regclass as privilege, quote_ident(n.nspname) as schema
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and (n.nspname = any ($1) or n.nspname || '.' || c.relname = any ($2))
    and not has_table_privilege('${AUDITOR_ROLE}', c.oid, 'select')
  union all
  select 'select (' || string_agg(quote_ident(a.attname), ', ') || ') on ' || c.oid::regclass, quote_ident(n.nspname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
  where n.nspname || '.' || c.relname || '.' || a.attname = any ($3)
    and not has_column_privilege('${AUDITOR_ROLE}', c.oid, a.attnum, 'select')
  group by c.oid, n.nspname`;

/**
 * Makes the role, or lets it read what is new. Idempotent; changes nothing where nothing is missing.
 *
 * @param ownerUrl `postgres://` URL of the role that owns the tables, migrated
 * @param auditUrl the same database as a role that gets these rights; empty lets {@link AUDITOR_ROLE} log in
 * @returns the database as the one that may audit
 */
export async function ensureAuditor(ownerUrl: string, auditUrl = ''): Promise<string> {
  const password = auditorPassword(ownerUrl);
  const url = auditUrl || withRole(ownerUrl, AUDITOR_ROLE, password);
  const owner = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: CONNECT_MS_MAX });
  owner.on('error', () => {}); // the query that is lost tells
  await owner.connect();
  try {
    // roles belong to the whole server: two databases may be made ready at the same moment
    await owner.query('begin');
    await owner.query('select pg_advisory_xact_lock(hashtext($1))', [AUDITOR_ROLE]);
    const found = await owner.query('select 1 from pg_roles where rolname = $1', [AUDITOR_ROLE]);
    if (found.rowCount === 0) {
      await ignoringRaces(owner, `create role ${AUDITOR_ROLE} nosuperuser nocreatedb nocreaterole`);
    }
    const { rows } = await owner.query<{ privilege: string; schema: string }>(UNREADABLE, [
      SCHEMAS,
      TABLES,
      COLUMN_NAMES,
    ]);
    for (const schema of new Set(rows.map(one => one.schema)))
      await owner.query(`grant usage on schema ${schema} to ${AUDITOR_ROLE}`);
    for (const { privilege } of rows) await owner.query(`grant ${privilege} to ${AUDITOR_ROLE}`);
    await owner.query('commit');
    if (auditUrl !== '') {
      const member = decodeURIComponent(new URL(auditUrl).username);
      if (member !== AUDITOR_ROLE) {
        await ignoringRaces(owner, `grant ${AUDITOR_ROLE} to ${owner.escapeIdentifier(member)}`);
      }
    } else if (!(await canConnect(url))) {
      await ignoringRaces(
        owner,
        `alter role ${AUDITOR_ROLE} login password ${owner.escapeLiteral(password)}`,
      );
    }
    return url;
  } finally {
    await owner.end().catch(() => {});
  }
}

/** Another database of the server made the same change at this moment. */
async function ignoringRaces(owner: pg.Client, sql: string): Promise<void> {
  await owner.query(
    `do $$ begin ${sql}; exception when duplicate_object or unique_violation or internal_error then null; end $$`,
  );
}
