/**
 * DuckDB over the archive: a warehouse that is made when somebody asks and gone when he has his answer. Nothing is loaded:
 * the views read the objects of a folder where they lie. It fetches no extension from anywhere.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { FolderStore } from '../folderStore.ts';
import { ARCHIVE } from '../layout.ts';
import { sortObjects } from '../seal.ts';
import { duckdbTable, TABLES } from '../tables.ts';
import { donationsSql, onceSql, viewsSql } from './queries.ts';

export type Value = string | number | boolean | null;

export interface Answer {
  readonly columns: readonly string[];
  /** Whether all values of the column are numbers: it stands on the right then. */
  readonly isNumber: readonly boolean[];
  /** Numbers beyond 2^53 are texts. */
  readonly rows: readonly (readonly Value[])[];
}

/** The words of DuckDB, or ours: for whoever asked. */
export class QueryFailed extends Error {
  override name = 'QueryFailed';
}

export interface Warehouse {
  /** Runs every statement, answers the last one. @throws QueryFailed */
  ask(sql: string): Promise<Answer>;
  close(): void;
}

export interface WarehouseOptions {
  /** What holds `archive/`. */
  readonly folder: string;
  /** Default: all of the machine. */
  readonly threads?: number;
}

/** @throws QueryFailed when there is no archive */
export async function openWarehouse({ folder, threads }: WarehouseOptions): Promise<Warehouse> {
  const root = resolve(folder);
  if (!existsSync(join(root, ARCHIVE))) {
    throw new QueryFailed(
      `There is no archive in ${folder} yet: a node writes it HEYBLUE_ARCHIVE_FLUSH_S seconds after the first event.`,
    );
  }
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'false',
    ...(threads !== undefined && { threads: String(threads) }),
  });
  const connection = await instance.connect();
  // a query looks into the same objects several times
  await connection.run('set parquet_metadata_cache = true');
  const store = new FolderStore(root);
  for (const [table, stream] of Object.entries(TABLES)) {
    const { single, open } = await sortObjects(store, stream);
    const pathsOf = (keys: readonly string[]): string[] => keys.map(key => join(root, key));
    await connection.run(duckdbTable(`${table}_single`, pathsOf(single)));
    await connection.run(duckdbTable(`${table}_open`, pathsOf(open)));
  }
  await connection.run(onceSql());
  await connection.run(viewsSql());
  await connection.run(donationsSql());
  return {
    ask: sql => ask(connection, sql),
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function ask(connection: DuckDBConnection, sql: string): Promise<Answer> {
  try {
    const reader = await connection.runAndReadAll(sql);
    const rows = reader.getRows().map(row => row.map(plainOf));
    const columns = reader.deduplicatedColumnNames();
    const isNumber = columns.map(
      (_, i) => rows.length > 0 && rows.every(row => row[i] === null || isNumeric(row[i]!)),
    );
    return { columns, isNumber, rows };
  } catch (error) {
    throw new QueryFailed(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const isNumeric = (value: Value): boolean =>
  typeof value === 'number' || (typeof value === 'string' && /^-?\d{16,}$/.test(value));

function plainOf(value: DuckDBValue): Value {
  if (
    value === null ||
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    typeof value === 'string'
  ) {
    return value;
  }
  const text = String(value);
  // whole numbers come as bigint, decimals as values of their own
  const isExact = typeof value === 'bigint' && Number.isSafeInteger(Number(value));
  return isExact || /^-?\d{1,15}\.\d+$/.test(text) ? Number(text) : text;
}
