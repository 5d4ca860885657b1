/** The standard queries: files of SQL, which Athena and Metabase take as they are. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ChartOf {
  readonly kind: 'bar' | 'line';
  /** Names of columns. */
  readonly x: string;
  readonly y: string;
  /** One line for each of its values; null: one in all. */
  readonly series: string | null;
}

export interface StandardQuery {
  readonly name: string;
  readonly title: string;
  readonly sql: string;
  readonly chart: ChartOf | null;
}

const FOLDER = new URL('../sql/', import.meta.url);
/** What makes the views, and is no query. */
const VIEWS = 'views.sql';

export const viewsSql = (): string => readFileSync(new URL(VIEWS, FOLDER), 'utf8');
/** In words of DuckDB: those that the others stand on, and those that stand on them. */
export const onceSql = (): string => readFileSync(new URL('duckdb/once.sql', FOLDER), 'utf8');
export const donationsSql = (): string => readFileSync(new URL('duckdb/donations.sql', FOLDER), 'utf8');

const word = (sql: string, name: string): string | null =>
  new RegExp(`^-- ${name}: (.+)$`, 'm').exec(sql)?.[1]?.trim() ?? null;

/** What the line `-- chart: line x=day y=points series=type` says; null when there is none, or it says something else. */
export function chartOf(sql: string): ChartOf | null {
  const [kind, ...pairs] = (word(sql, 'chart') ?? '').split(/\s+/);
  if (kind !== 'bar' && kind !== 'line') return null;
  const said = new Map(pairs.map(pair => pair.split('=') as [string, string]));
  const [x, y] = [said.get('x'), said.get('y')];
  return x && y ? { kind, x, y, series: said.get('series') ?? null } : null;
}

export const queryOf = (name: string, sql: string): StandardQuery => ({
  name,
  title: word(sql, 'title') ?? name,
  sql,
  chart: chartOf(sql),
});

/** By name. */
export const standardQueries = (): StandardQuery[] =>
  readdirSync(FOLDER)
    .filter(file => file.endsWith('.sql') && file !== VIEWS)
    .sort()
    .map(file => queryOf(file.slice(0, -4), readFileSync(new URL(file, FOLDER), 'utf8')));
