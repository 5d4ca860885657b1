/** What should be archived and is not, is there otherwise, or was never: found hour by hour, in a folder as in a bucket. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ArchivedEvent, readEvent } from '../archive/columns.ts';
import { hourOf, objectKey } from '../archive/layout.ts';
import { parquetOf } from '../archive/parquet.ts';
import { testS3 } from '../archive/testS3Server.ts';
import { exitCodeOf } from './report.ts';
import type { ArchiveAt } from './stores.ts';
import { type AuditedTown, auditedTown, type Copy, wrongIn } from './testTown.ts';

let town: AuditedTown;
let copy: Copy;
let events: ArchivedEvent[];
const archived = async (stream: string): Promise<ArchivedEvent[]> =>
  (await town.records(stream)).map(
    ({ key, event }) => readEvent(key, Buffer.from(JSON.stringify(event))) as ArchivedEvent,
  );
const folders: string[] = [];
beforeAll(async () => {
  town = await auditedTown();
  copy = await town.copy();
  events = await archived(town.names.transactions);
});
afterAll(async () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  await copy.drop();
  await town.close();
});

/** An archive with these events, as the archiver writes it. */
const archiveOf = (some: readonly ArchivedEvent[], stream = 'transactions'): ArchiveAt => {
  const path = mkdtempSync(join(tmpdir(), 'heyblue-audit-'));
  folders.push(path);
  const hours = Map.groupBy(some, ({ timeMs }) => hourOf(timeMs));
  for (const [hour, of] of hours) {
    const file = join(path, objectKey(stream, hour, 'shardId-000000000000', '1'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, parquetOf(of, { firstSeq: '1', lastSeq: '9' }));
  }
  return { kind: 'folder', path };
};

const only = new Set(['archive']);
const auditOf = (archive: ArchiveAt, change = {}) =>
  copy.audit({ only, archiveBoundS: 0, stores: { ...copy.stores, archive }, ...change });

it('a whole archive, with repeats', async () => {
  const report = await auditOf(archiveOf([...events, events[0]!]));
  expect(wrongIn(report)).toEqual([]);
  expect(report.checks[0]).toMatchObject({ looked: events.length + 1, skipped: null });
});

it('an event that is missing, one that was changed, one that was made up', async () => {
  const { gift, payment } = town.story;
  const fresh = town.uuid();
  const spoiled = events.flatMap(event => {
    if (event.id === gift) return [];
    if (event.id !== payment) return [event];
    const legs = (event.data.legs as { delta: number }[]).map(leg => ({ ...leg, delta: -leg.delta }));
    const invented = { ...event, id: fresh, data: { ...event.data, transferId: fresh } };
    return [{ ...event, data: { ...event.data, legs } }, invented];
  });
  const report = await auditOf(archiveOf(spoiled));
  expect(wrongIn(report)).toEqual([`archive ${gift}`, `archive ${payment}`, `archive ${fresh}`].sort());
  expect(exitCodeOf(report)).toBe(1);
});

it('a step of a redemption that is missing, one that was changed, one that was told by two events', async () => {
  const { cancelled, sold, refund } = town.story;
  const spoiled = events.flatMap(event => {
    if (event.type === 'redemption.reserved' && event.data.redemptionId === cancelled) return [];
    if (event.type === 'redemption.confirmed') return [{ ...event, data: { ...event.data, quantity: 1 } }];
    return event.type === 'redemption.refunded' ? [event, event, { ...event, id: town.uuid() }] : [event];
  });
  const ids = [cancelled, sold, refund].map(id => `archive ${id}`).sort();
  expect(wrongIn(await auditOf(archiveOf(spoiled)))).toEqual(ids);
});

it('people and catalogues', async () => {
  const told = await archived(town.names.userEvents);
  const only = new Set(['archive-users']);
  expect(wrongIn(await auditOf(archiveOf(told, 'user-events'), { only }))).toEqual([]);
  const { family, entry, badged } = town.story;
  const [verified] = await copy.sql(
    `select id from ops.told_change where type = 'user.verified' and user_id = $1`,
    [badged],
  );
  const spoiled = told.flatMap(event => {
    if (event.data.userId === family && event.type === 'user.registered') return [];
    if (event.type === 'user.verified') return [{ ...event, data: { ...event.data, kind: 'civilian' } }];
    return event.data.version === 2 ? [{ ...event, data: { ...event.data, name: 'Blacks' } }] : [event];
  });
  const ids = [family, entry, verified!.id].map(id => `archive-users ${id}`).sort();
  expect(wrongIn(await auditOf(archiveOf(spoiled, 'user-events'), { only }))).toEqual(ids);
});

it('hours of which nothing was kept', async () => {
  // what happened stands hours apart; only the first hour is there
  const movements = events.filter(({ data }) => data.legs !== undefined);
  const [first, ...later] = movements;
  const own = await town.copy();
  for (const [i, { id }] of movements.entries()) {
    await own.sql(`update ledger.transfer set at = at - $2 * interval '1 hour' where id = $1`, [
      id,
      3 * (movements.length - i),
    ]);
  }
  // and nothing but movements is looked for
  await own.sql('update ops.migration set executed_at = now()');
  const early = { ...first!, timeMs: first!.timeMs - 3 * movements.length * 3_600_000 };
  const report = await own.audit({
    only,
    archiveBoundS: 0,
    stores: { ...own.stores, archive: archiveOf([early]) },
  });
  expect(wrongIn(report)).toEqual(later.map(({ id }) => `archive ${id}`).sort());
  await own.drop();
});

it('what came into the stream lately is not missed', async () => {
  const archive = archiveOf(events.filter(({ id }) => id !== town.story.gift));
  expect(wrongIn(await auditOf(archive, { archiveBoundS: 600 }))).toEqual([]);
  // it happened long ago, and was published now: only the stream can tell
  const own = await town.copy();
  await own.sql(`update ledger.transfer set at = at - interval '30 minutes'`);
  await own.sql('update ops.migration set executed_at = now()');
  const early = archiveOf(
    events
      .filter(({ id }) => id !== town.story.gift)
      .map(event => ({ ...event, timeMs: event.timeMs - 1_800_000 })),
  );
  const stores = { ...own.stores, archive: early };
  const both = new Set(['stream', 'archive']);
  expect(wrongIn(await own.audit({ only: both, archiveBoundS: 600, stores }))).toEqual([]);
  expect(wrongIn(await own.audit({ only, archiveBoundS: 600, stores }))).toEqual([
    `archive ${town.story.gift}`,
  ]);
  await own.drop();
});

it('an object that cannot be read, and an archive that is empty', async () => {
  const archive = archiveOf(events);
  const key = objectKey('transactions', hourOf(events[0]!.timeMs), 'shardId-000000000001', '7');
  writeFileSync(join((archive as { path: string }).path, key), 'PAR1 no more');
  expect(wrongIn(await auditOf(archive))).toEqual([`archive ${key}`]);
  const [empty] = (await auditOf({ kind: 'folder', path: join(tmpdir(), 'heyblue-no-archive') })).checks;
  expect(empty).toMatchObject({ skipped: 'nothing is archived yet' });
});

it('finds nothing wrong in a bucket that has every event', async () => {
  const bucket = await testS3('points');
  const hours = Map.groupBy(events, ({ timeMs }) => hourOf(timeMs));
  for (const [hour, of] of hours) {
    const key = `town/${objectKey('transactions', hour, 'shardId-000000000000', '1')}`;
    bucket.objects.set(key, Buffer.from(parquetOf(of, { firstSeq: '1', lastSeq: '9' })));
  }
  const { endpoint } = bucket;
  const at = { bucket: 'points', prefix: 'town/', endpoint, region: 'us-east-1' };
  const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
  const report = await auditOf({ kind: 's3', ...at, credentials });
  expect(report.checks).toMatchObject([{ looked: events.length, differences: 0, skipped: null }]);
  await bucket.close();
});
