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

it('refuses who has waited too long when his turn comes, and serves who has not', async () => {
  const settings = {};
  const line = { url: database.appUrl, name: 'query', log: silent, settings, silenceMsMax: 5_000 };
  const lines = new Lines(1, { ...line, waitMsMax: 2_000 });
  await lines.tried();
  let nowMs = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const one = { name: 'one', text: 'select 1', values: [] };
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const first = lines.with(() => held);
  const late = lines.run(one);
  const patient = lines.run(one, Number.POSITIVE_INFINITY);
  nowMs += 1;
  const inTime = lines.run(one);
  nowMs += 2_000;
  letGo();
  const became = await Promise.allSettled([first, late, patient, inTime]);
  expect(became.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  expect(became[1]).toMatchObject({ reason: { fault: 'unavailable' } });
  await lines.close();
});
