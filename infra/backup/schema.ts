/**
 * What a backup of PostgreSQL holds: every table of ours with its columns, in an order in which rows can be put back, and how
 * far every sequence has come. The schema itself is not in it: that is code (`postgres/migrations/`), and the backup says which
 * version of it.
 */
import type pg from 'pg';

export interface Table {
  /** Quoted, with its schema. */
  readonly name: string;
  /** Quoted; those that PostgreSQL computes are missing. */
  readonly columns: readonly string[];
}

export interface Sequence {
  readonly name: string;
  /** Null: never used. A text, because it may be larger than what JSON keeps exactly. */
  readonly last: string | null;
}

const OURS = `n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%'`;

/** The migrator's own notes are not data: whoever restores migrates. */
const MIGRATIONS = 'ops.migration';

const TABLES = `
  select c.oid::regclass::text as name,
    array(select quote_ident(a.attname) from pg_attribute a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
    array(select r.confrelid::regclass::text from pg_constraint r
      where r.conrelid = c.oid and r.contype = 'f' and r.confrelid <> c.oid) as needs
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and ${OURS} and c.oid::regclass::text <> '${MIGRATIONS}' order by 1`;

interface Found extends Table {
  readonly needs: readonly string[];
}

/** A table comes after those that it refers to. */
const inOrder = (found: readonly Found[]): Table[] => {
  const ordered: Table[] = [];
  const named = new Map(found.map(one => [one.name, one]));
  const visit = (one: Found): void => {
    if (!named.delete(one.name)) return;
    for (const name of one.needs) {
      const other = named.get(name);
      if (other !== undefined) visit(other);
    }
    ordered.push({ name: one.name, columns: one.columns });
  };
  for (const one of found) visit(one);
  return ordered;
};

export const tablesIn = async (client: pg.Client): Promise<Table[]> =>
  inOrder((await client.query<Found>(TABLES)).rows);

export const sequencesIn = async (client: pg.Client): Promise<Sequence[]> => {
  const { rows } = await client.query<Sequence>(
    `select quote_ident(schemaname) || '.' || quote_ident(sequencename) as name, last_value::text as last
     from pg_sequences where schemaname not like 'pg\\_%' order by 1`,
  );
  return rows.filter(({ name }) => !name.startsWith(`${MIGRATIONS}_`));
};

/** Names of the migrations that made the schema, in their order. Empty: there is none. */
export const migrationsIn = async (client: pg.Client): Promise<string[]> => {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('${MIGRATIONS}') is not null as there`,
  );
  if (rows[0]?.there !== true) return [];
  const done = await client.query<{ name: string }>(`select name from ${MIGRATIONS} order by id`);
  return done.rows.map(({ name }) => name);
};
