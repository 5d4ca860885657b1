/** Puts the table of settings into a README, between its two markers. */
import { renderTable } from './index.ts';

export const TABLE_START = '<!-- config:start -->';
export const TABLE_END = '<!-- config:end -->';

/** The README with the present table, or null when it lacks the markers. */
export function withTable(readme: string): string | null {
  const start = readme.indexOf(TABLE_START);
  const end = readme.indexOf(TABLE_END);
  if (start < 0 || end < start) return null;
  return `${readme.slice(0, start + TABLE_START.length)}\n${renderTable()}\n${readme.slice(end)}`;
}
