/**
 * What the roles of PostgreSQL may do (ASVS 5.0: 8.2.1, 13.2.2), read from the server's own catalogue after every migration:
 * a table that a migration adds has no row here until somebody has thought about it. The ledger is only ever added to.
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { withDatabase } from '../embedded/index.ts';
import { OWNER_ROLE, startPostgres } from '../embedded/postgres.ts';
import { ensureAuditor } from './auditorRole.ts';
import { APP_ROLE, AUDITOR_ROLE } from './limits.ts';
import { migrate, withRole } from './migrate.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';

/** What the role that serves may do beside reading; `-` only reads. Writes of ledger, meetings and market go through functions. */
const MAY_WRITE: Readonly<Record<string, string>> = {
  'geo.place': 'insert update delete',
  'geo.version': 'update(places) update(zips)',
  'geo.zip': 'insert delete',
  'giving.catalog':
    'insert update(account) update(changed_at) update(name) update(registration) update(status) update(version) update(zip)',
  'giving.fee': 'insert update(withdrawn_at)',
  'identity_schema.credential': 'insert update delete',
  'identity_schema.revocation': 'insert delete',
  'identity_schema.roster': 'insert update delete',
  'ledger.account': 'insert(account_id) insert(limited) insert(stripe)',
  'ledger.burned': '-',
  'ledger.day_seal': '-',
  'ledger.debit_limit': '-',
  'ledger.pending': '-',
  'ledger.posting': '-',
  'ledger.transfer': '-',
  'market.offer': '-',
  'market.redemption': '-',
  'market.refund': '-',
  'market.settlement': '-',
  'market.stock': '-',
  'market.stock_movement': '-',
  'meet.encounter': '-',
  'meet.hold': 'update(civilian_position) update(officer_position)',
  'meet.pair_state': '-',
  'ops.actor_timer': '-',
  'ops.answer': 'delete',
  'ops.idempotency': 'insert delete',
  'ops.operator_audit': 'insert(action) insert(detail) insert(operator_id) insert(user_id)',
  'ops.outbox': 'insert delete update(event_ids) update(keys)',
  'ops.shard_fence': 'update(epoch) update(owner)',
  'ops.told_rule': 'insert update',
  'ops.town': '-',
  'ops.user_event': '-',
  'user_schema.device': 'insert update delete',
  'user_schema.linked_device': 'insert delete',
  'user_schema.officer': 'insert update delete',
  'user_schema.seen_device': 'insert update',
  'user_schema.users': 'insert update delete',
  'users.donation': 'insert',
  'users.encounter': 'insert',
  'users.inbox': 'insert delete',
  'users.model': 'insert',
  'users.participation': 'insert update',
  'users.person': 'insert',
  'users.sale': 'insert',
  'users.transaction': 'insert',
};
/** The role that serves sees nothing of these. */
const HIDDEN = ['ops.audit_head', 'ops.migration', 'ops.told_change'];
/** The auditor reads these schemas and tables and nothing of persons (auditorRole.ts). */
const AUDITED =
  /^(ledger|meet|market|users)\.|^ops\.(outbox|idempotency|operator_audit|audit_head|migration|told_change)$/;
/** And of these the columns that say nothing but what the streams tell. */
const AUDITED_COLUMNS = {
  'giving.catalog': 'account changed_at id kind name status version zip',
  'identity_schema.revocation': 'added_at id token_id user_id',
  'user_schema.users': 'created_at id kind zip',
};

const PRIVILEGES = `
  select n.nspname || '.' || c.relname as name,
    has_table_privilege($1, c.oid, 'select') as reads,
    array(select p from unnest(array['insert', 'update', 'delete', 'truncate', 'references', 'trigger']) p
      where has_table_privilege($1, c.oid, p)) as whole,
    array(select p || '(' || a.attname || ')' from unnest(array['insert', 'update']) p, pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and not has_table_privilege($1, c.oid, p)
        and has_column_privilege($1, c.oid, a.attnum, p) order by 1) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
  order by 1`;

interface Privilege {
  readonly name: string;
  readonly reads: boolean;
  readonly whole: string[];
  readonly columns: string[];
}

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(inject('databaseUrl'));
});
afterAll(() => database?.drop());

const privilegesOf = async (role: string): Promise<Privilege[]> =>
  (await database.sql(PRIVILEGES, [role])) as unknown as Privilege[];

const connected = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

it('the role that serves has the privileges of the table and no others', async () => {
  const found = await privilegesOf(APP_ROLE);
  const written = found
    .filter(({ name }) => !HIDDEN.includes(name))
    .map(({ name, whole, columns }) => [name, [...whole, ...columns].join(' ') || '-'] as const);
  expect(Object.fromEntries(written)).toEqual(MAY_WRITE);
  expect(found.filter(one => !one.reads).map(one => one.name)).toEqual(HIDDEN);
});

it('no role of ours is more than it must be, and no schema takes tables from it', async () => {
  await ensureAuditor(database.ownerUrl);
  const roles = await database.sql(
    `select rolname, rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls as mighty,
       exists(select from pg_auth_members m where m.member = r.oid) as member,
       exists(select from pg_namespace n where n.nspname !~ '^pg_' and has_schema_privilege(r.oid, n.oid, 'create')) as makes
     from pg_roles r where rolname = any ($1) order by rolname`,
    [[APP_ROLE, AUDITOR_ROLE]],
  );
  const harmless = { mighty: false, member: false, makes: false };
  expect(roles).toEqual([
    { rolname: APP_ROLE, ...harmless },
    { rolname: AUDITOR_ROLE, ...harmless },
  ]);
});

it('functions that do what their caller may not are for our role only, and look nothing up where others could put it', async () => {
  const open = await database.sql(
    `select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname not in ('pg_catalog', 'information_schema') and p.prosecdef
       and (has_function_privilege('public', p.oid, 'execute') or has_function_privilege($1, p.oid, 'execute')
         or not coalesce(p.proconfig, '{}') @> array['search_path=pg_catalog'])`,
    [AUDITOR_ROLE],
  );
  expect(open).toEqual([]);
});

it('the auditor reads what it audits, writes nothing, and sees no person', async () => {
  const url = await ensureAuditor(database.ownerUrl);
  const found = await privilegesOf(AUDITOR_ROLE);
  expect(found.filter(one => one.whole.length + one.columns.length > 0)).toEqual([]);
  expect(found.filter(one => one.reads).map(one => one.name)).toEqual(
    found.map(one => one.name).filter(name => AUDITED.test(name)),
  );
  const columns = await database.sql(
    `select table_schema || '.' || table_name as name, string_agg(column_name, ' ' order by column_name) as columns
     from information_schema.column_privileges p
     where grantee = $1 and not has_table_privilege($1, table_schema || '.' || table_name, 'select') group by 1 order by 1`,
    [AUDITOR_ROLE],
  );
  expect(Object.fromEntries(columns.map(one => [one.name, one.columns]))).toEqual(AUDITED_COLUMNS);
  await connected(url, async client => {
    for (const sql of ['select * from identity_schema.credential', 'select handle from user_schema.users'])
      await expect(client.query(sql), sql).rejects.toThrow('permission denied');
  });
});

it('roles made by hand, as the page for operators has it, are enough: they migrate, serve and audit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'heyblue-roles-'));
  const server = await startPostgres(folder, () => {});
  onTestFinished(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const page = readFileSync(new URL('../../k8s/README.md', import.meta.url), 'utf8');
  const [, made = ''] = /```sql\n([^`]*)```/.exec(page) ?? [];
  const admin = `postgres://${OWNER_ROLE}:${server.password}@127.0.0.1:${server.port}/postgres`;
  await connected(admin, async client => {
    // each by itself: a database is not made within a transaction
    for (const sql of made.split(';\n').filter(text => text.trim() !== '')) await client.query(sql);
  });
  const as = (role: string, password: string) => withDatabase(withRole(admin, role, password), 'heyblue');
  const owner = as('heyblue_owner', 'OWNER');
  await migrate(owner, as('heyblue_app', 'APP'));
  const auditor = await ensureAuditor(owner, as('heyblue_auditor', 'AUDITOR'));
  await connected(auditor, client => client.query('select from ledger.posting'));
  await connected(as('heyblue_app', 'APP'), async client => {
    await client.query('select from user_schema.users');
    await expect(client.query('delete from ledger.posting')).rejects.toThrow('permission denied');
  });
});

it('whoever is named to audit reads what the auditor reads', async () => {
  const name = `somebody_${randomUUID().slice(0, 8)}`;
  await database.sql(`create role ${name} login password 'x'`);
  onTestFinished(async () => {
    await database.sql(`drop role ${name}`);
  });
  const url = await ensureAuditor(database.ownerUrl, withRole(database.ownerUrl, name, 'x'));
  await connected(url, async client => {
    await client.query('select from ledger.posting');
    await expect(client.query('select handle from user_schema.users')).rejects.toThrow('permission denied');
  });
});

it('really: nothing that was posted is changed, taken back or added by hand', async () => {
  await connected(database.appUrl, async client => {
    for (const sql of [
      'update ledger.posting set delta = 0',
      'update ledger.transfer set reason = reason',
      'update ledger.account set balance = 1000000',
      'delete from ledger.posting',
      'delete from ledger.transfer',
      'truncate ledger.posting',
      'insert into ledger.transfer select * from ledger.transfer',
      'insert into ledger.account (account_id, stripe, balance) values (gen_random_uuid(), 0, 5)',
      'update meet.encounter set at = now()',
      'delete from market.stock_movement',
      "update ops.operator_audit set action = 'nothing'",
      'delete from ops.operator_audit',
      "insert into ops.operator_audit (action, at) values ('x', now())",
      "insert into ops.operator_audit (action, hash) values ('x', '')",
      'update ops.audit_head set lines = 0',
      'select * from ops.migration',
      'create table ledger.mine (a int)',
      'create table public.mine (a int)',
      'alter table ledger.posting disable trigger all',
      'create role friend superuser',
      "copy ledger.posting to program 'cat'",
      "select pg_read_file('/etc/passwd')",
      'set role postgres',
    ])
      await expect(client.query(sql), sql).rejects.toThrow(/permission denied|must be owner|does not exist/);
  });
});
