import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { COLUMNS, readEvent } from './columns.ts';

const GOLDEN = new URL('../events/generated/', import.meta.url);
const files = readdirSync(GOLDEN).filter(file => file.endsWith('.json'));

/** Fields of the data whose column has another name; the others are called alike, words joined by `_`. */
const RENAMED: Record<string, string> = { user: 'buyer', redemptionId: 'redemption' };
const columnOf = (field: string): string =>
  RENAMED[field] ?? field.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);

it.each(files)('%s is archived, and its fields stand in the columns of their names', file => {
  const { event } = JSON.parse(readFileSync(new URL(file, GOLDEN), 'utf8')) as {
    event: { id: string; data: Record<string, unknown> };
  };
  const read = readEvent('key', Buffer.from(JSON.stringify(event)));
  if (typeof read === 'string') throw new Error(read);
  const row = Object.fromEntries(COLUMNS.map(({ name, of }) => [name, of(read)]));
  expect(row.event_id).toBe(event.id);
  expect(JSON.parse(String(row.payload))).toEqual(event.data);
  for (const [field, value] of Object.entries(event.data)) {
    const name = columnOf(field);
    if (!(name in row) || value === null || typeof value === 'object') continue;
    expect([name, String(row[name])]).toEqual([name, String(value)]);
  }
});
