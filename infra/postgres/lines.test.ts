import { afterEach, beforeEach, expect, inject, it, vi } from 'vitest';
import { Lines } from './lines.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';
import { silent } from './testTown.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase(inject('databaseUrl'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await database.drop();
});

it('tells how long each statement waited for a line, under the name of the lines', async () => {
  const told: unknown[] = [];
  const metrics = { observe: (...words: unknown[]) => void told.push(words) };
  const settings = {};
  const line = { url: database.appUrl, name: 'query', log: silent, settings, silenceMsMax: 5_000, metrics };
  const lines = new Lines(1, line);
  await lines.tried();
  let nowMs = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const first = lines.with(() => held);
  const second = lines.run({ name: 'one', text: 'select 1', values: [] });
  await vi.waitFor(() => expect(told).toHaveLength(1));
  nowMs += 250;
  letGo();
  await Promise.all([first, second]);
  const name = 'heyblue_postgres_wait_seconds';
  expect(told).toEqual([
    [name, 0, { lines: 'query' }],
    [name, 0.25, { lines: 'query' }],
  ]);
  await lines.close();
});
