/**
 * Brings a database to the newest version of the schema, whatever it has, also when two nodes start at once.
 *
 * The owner's connection does this and nothing else; what comes back is the URL of the role that the node works with. A node
 * that has no URL of the owner only looks whether somebody did (`missingMigrations`).
 */
import { Migrator } from '@mikro-orm/migrations';
import { defineConfig, MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';
import {
  APP_ROLE,
  CONNECT_MS_MAX,
  MIGRATE_ATTEMPTS_MAX,
  MIGRATE_LOCK_KEY,
  MIGRATE_PAUSE_MS,
} from './limits.ts';
import { tlsOf } from './liveUrl.ts';
import { MIGRATIONS } from './migrations/index.ts';
import { appPassword } from './rolePassword.ts';

export interface Migrated {
  /** The same database as {@link APP_ROLE}. */
  readonly appUrl: string;
  /** Names of the migrations that this call applied. */
  readonly applied: readonly string[];
}

/** The same server and database with another role. */
export function withRole(url: string, role: string, password: string): string {
  const changed = new URL(url);
  changed.username = role;
  changed.password = encodeURIComponent(password);
  return changed.href;
}

/** The migrator alone, for tests that stop half way; close it with `close`. */
export async function openMigrator(ownerUrl: string): Promise<{
  up(to?: string): Promise<string[]>;
  down(): Promise<string[]>;
  close(): Promise<void>;
}> {
  const orm = await MikroORM.init(
    defineConfig({
      clientUrl: ownerUrl,
      entities: [],
      discovery: { warnWhenNoEntities: false },
      extensions: [Migrator],
      pool: { min: 0, max: 1 },
      driverOptions: { ssl: tlsOf(ownerUrl) },
      migrations: {
        migrationsList: [...MIGRATIONS],
        tableName: 'ops.migration',
        snapshot: false,
        silent: true,
        disableForeignKeys: false,
      },
    }),
  );
  const names = (done: { name: string }[]) => done.map(one => one.name);
  return {
    up: async to => names(await orm.migrator.up(to === undefined ? undefined : { to })),
    /** Takes the newest version back. */
    down: async () => names(await orm.migrator.down()),
    close: () => orm.close(true),
  };
}

/** Roles belong to the whole server, so two databases may be made ready at the same moment: the loser tries again. */
async function ensureRole(owner: pg.Client, ownerUrl: string, appUrl: string | null): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const found = await owner.query('select 1 from pg_roles where rolname = $1', [APP_ROLE]);
      if (found.rowCount === 0)
        await owner.query(`create role ${APP_ROLE} nosuperuser nocreatedb nocreaterole`);
      if (appUrl === null) await ensureLogin(owner, ownerUrl);
      else await ensureMember(owner, decodeURIComponent(new URL(appUrl).username));
      return;
    } catch (error) {
      // duplicate role, or "tuple concurrently updated"
      const code = (error as { code?: string }).code ?? '';
      if (!['42710', '23505', 'XX000'].includes(code) || attempt === MIGRATE_ATTEMPTS_MAX) throw error;
      await new Promise(resolve => setTimeout(resolve, MIGRATE_PAUSE_MS));
    }
  }
}

/** Nobody gave us a way to log in: ours is derived. */
export async function ensureLogin(owner: pg.Client, ownerUrl: string): Promise<void> {
  const password = appPassword(ownerUrl);
  if (await canConnect(withRole(ownerUrl, APP_ROLE, password))) return;
  await owner.query(`alter role ${APP_ROLE} login password ${owner.escapeLiteral(password)}`);
}

/** Whoever was named to serve gets the rights of the application role, and no others. */
async function ensureMember(owner: pg.Client, user: string): Promise<void> {
  if (user === APP_ROLE) return;
  await owner.query(`grant ${APP_ROLE} to ${owner.escapeIdentifier(user)}`);
}

/** No such table or schema, or a role that may not look yet: nobody migrated so far. */
const NOT_MIGRATED = new Set(['42P01', '3F000', '42501']);

/**
 * Which versions of the schema this release needs and the database lacks, by their names; a newer database lacks none.
 *
 * @param appUrl the database as the role that serves
 */
export async function missingMigrations(appUrl: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: appUrl, connectionTimeoutMillis: CONNECT_MS_MAX });
  client.on('error', () => {}); // the query that is lost tells
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>('select name from ops.migration');
    const applied = new Set(rows.map(row => row.name));
    return MIGRATIONS.map(one => one.name).filter(name => !applied.has(name));
  } catch (error) {
    if (!NOT_MIGRATED.has((error as { code?: string }).code ?? '')) throw error;
    return MIGRATIONS.map(one => one.name);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Whether this URL gets us in. */
export async function canConnect(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS_MAX });
  client.on('error', () => {});
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Makes the role, the schemas and the functions. Idempotent.
 *
 * @param ownerUrl `postgres://` URL of a role that may create schemas, and roles unless the application role exists
 * @param appUrl the same database as the role that shall serve; null makes {@link APP_ROLE} able to log in
 * @param to the last migration that is applied, for a restore that begins with an older schema; default: the newest
 */
export async function migrate(
  ownerUrl: string,
  appUrl: string | null = null,
  to?: string,
): Promise<Migrated> {
  const owner = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: CONNECT_MS_MAX });
  owner.on('error', () => {}); // the query that is lost tells
  await owner.connect();
  try {
    await owner.query('select pg_advisory_lock($1)', [MIGRATE_LOCK_KEY]);
    await ensureRole(owner, ownerUrl, appUrl);
    const migrator = await openMigrator(ownerUrl);
    try {
      const applied = await migrator.up(to);
      return { appUrl: appUrl ?? withRole(ownerUrl, APP_ROLE, appPassword(ownerUrl)), applied };
    } finally {
      await migrator.close();
    }
  } finally {
    await owner.end().catch(() => {});
  }
}
