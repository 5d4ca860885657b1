/** An answer as people read it in a terminal, and as programs read it. */
import type { Answer, Value } from './warehouse.ts';

/** A table of so many rows at most; a line says how many more there are. */
const ROWS_SHOWN = 40;
const WIDTH_MAX = 40;

const shown = (value: Value): string => {
  if (value === null) return '';
  const text = typeof value === 'number' ? value.toLocaleString('en-US') : String(value);
  // what somebody wrote must not move the cursor of whoever reads it
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, ' ');
  return plain.length <= WIDTH_MAX ? plain : `${plain.slice(0, WIDTH_MAX - 1)}…`;
};

export function tableOf({ columns, isNumber, rows }: Answer): string {
  const cells = rows.slice(0, ROWS_SHOWN).map(row => row.map(shown));
  const widths = columns.map((name, i) => Math.max(name.length, ...cells.map(row => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  const rule = widths.map(width => '─'.repeat(width)).join('  ');
  const more = rows.length - cells.length;
  const count = rows.length === 1 ? '1 row' : `${rows.length.toLocaleString('en-US')} rows`;
  return [
    line(columns),
    rule,
    ...cells.map(line),
    '',
    more > 0 ? `${count}; the ${ROWS_SHOWN} first are shown, all are in the file` : count,
  ].join('\n');
}

const field = (value: Value): string => {
  const text = value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** As RFC 4180 says. */
export const csvOf = ({ columns, rows }: Answer): string =>
  [columns, ...rows].map(row => `${row.map(field).join(',')}\r\n`).join('');
