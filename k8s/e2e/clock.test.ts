/**
 * A node whose machine thinks that it is an hour later, from its start or all at once: what it promises for later is due when
 * it should be, for all nodes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withClient } from '../swarm/postgres.ts';
import { startTestTown, type TestTown } from './testTown.ts';

const HOUR_S = 3_600;
const SHARE_S = 600;

const folder = mkdtempSync(join(tmpdir(), 'heyblue-clock-'));
const file = join(folder, 'clock');
let town: TestTown;
beforeAll(async () => {
  writeFileSync(file, String(HOUR_S * 1_000));
  const settings = {
    HEYBLUE_SHARE_MINUTES: String(SHARE_S / 60),
    NODE_OPTIONS: `--import=${import.meta.resolve('../chaos/processes/shiftedClock.mjs')}`,
    CHAOS_CLOCK_FILE: file,
  };
  // how long officers share is a rule, and other towns have written theirs
  town = await startTestTown(settings, undefined, true);
});
afterAll(async () => {
  await town?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** By how many seconds sharing that begins now would end too late. */
const lateS = async (): Promise<number> => {
  const officer = await town.phone('officer');
  await officer.connect();
  const { untilS } = await officer.must('location.share', {});
  const dueS = Date.now() / 1_000 + SHARE_S;
  const { rows } = await withClient(town.databaseUrl, client =>
    client.query<{ due_ms: string }>(
      `select due_ms from ops.actor_timer where actor = $1 and name = 'share'`,
      [officer.person.userId],
    ),
  );
  expect(rows).toHaveLength(1);
  return Math.max(...[untilS, Number(rows[0]!.due_ms) / 1_000].map(s => Math.abs(s - dueS)));
};

it('an hour off from the beginning, and off by another hour while it runs', async () => {
  expect(await lateS()).toBeLessThan(60);
  writeFileSync(file, String(-HOUR_S * 1_000));
  // looked at ten times a second; either way it must not matter
  for (let i = 0; i < 3; i++) expect(await lateS()).toBeLessThan(60);
});
