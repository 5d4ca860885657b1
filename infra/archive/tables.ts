/** The tables under the views, for DuckDB and for Athena: from the same columns as the objects themselves. */
import { COLUMNS, type ColumnType } from './columns.ts';
import { ARCHIVE } from './layout.ts';

/** What the tables are called, and the streams that they show. */
export const TABLES = { user_events_raw: 'user-events', transactions_raw: 'transactions' } as const;

const DUCKDB: Record<ColumnType, string> = {
  uuid: 'uuid',
  text: 'varchar',
  integer: 'integer',
  bigint: 'bigint',
  boolean: 'boolean',
  time: 'timestamp',
};
/** Tables of Hive know no UUID: there it is its 16 bytes. */
const ATHENA: Record<ColumnType, string> = {
  uuid: 'binary',
  text: 'string',
  integer: 'int',
  bigint: 'bigint',
  boolean: 'boolean',
  time: 'timestamp',
};

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** @param objects paths of the files; none: the table is empty */
export function duckdbTable(table: string, objects: readonly string[]): string {
  const columns = COLUMNS.map(({ name, type }) => `cast(null as ${DUCKDB[type]}) as ${name}`);
  // all columns are there, also when every object is older than the newest of them
  const none = `select ${columns.join(', ')} where false`;
  const files =
    objects.length === 0
      ? ''
      : ` union all by name select * from read_parquet([${objects.map(quoted).join(', ')}], hive_partitioning = true, union_by_name = true)`;
  return `create or replace view ${table} as ${none}${files}`;
}

/** For Athena: partitions are reckoned from the path, so that none has to be announced. `BUCKET` is to be replaced. */
export function athenaTables(): string {
  const columns = COLUMNS.map(({ name, type }) => `  \`${name}\` ${ATHENA[type]}`).join(',\n');
  const parts = [
    ['year', 'int', '2026,2030', 4],
    ['month', 'int', '1,12', 2],
    ['day', 'int', '1,31', 2],
    ['hour', 'int', '0,23', 2],
  ] as const;
  const tables = Object.entries(TABLES).map(([table, stream]) => {
    const place = `s3://BUCKET/${ARCHIVE}/${stream}/`;
    const template = parts.map(([name]) => `${name}=\${${name}}`).join('/');
    const projected = parts.flatMap(([name, , range, digits]) => [
      `  'projection.${name}.type' = 'integer'`,
      `  'projection.${name}.range' = '${range}'`,
      `  'projection.${name}.digits' = '${digits}'`,
    ]);
    return [
      `create external table if not exists ${table} (\n${columns}\n)`,
      `partitioned by (${parts.map(([name, type]) => `\`${name}\` ${type}`).join(', ')})`,
      'stored as parquet',
      `location '${place}'`,
      `tblproperties (\n  'projection.enabled' = 'true',\n${projected.join(',\n')},`,
      `  'storage.location.template' = '${place}${template}/'\n);\n`,
    ].join('\n');
  });
  return `-- Written by \`npx node infra/archive/renderTables.ts\` from columns.ts. Replace BUCKET; then make the views of once.sql, ../views.sql and donations.sql.\n\n${tables.join('\n')}`;
}
