/** Polygons are replaced as a whole, places one by one, and whoever follows sees it; the zip code of an encounter. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import type { EncounterOp } from '../../actors/durable.ts';
import { cellOf, regionId } from '../../actors/geo/grid.ts';
import { pairId } from '../../actors/pair/state.ts';
import type { CodedShape, PlaceGiven } from '../../nodes/placesPort.ts';
import { PLACES_LIMITS } from '../../nodes/placesPort.ts';
import { shardOf } from '../../protocol/shard.ts';
import { NodeAtlas } from '../places/atlas.ts';
import { PgCommitStore } from './commitStore.ts';
import { ZIPS_PER_STATEMENT } from './limits.ts';
import { PgPlaceStore } from './placeStore.ts';
import { postgresTown, silent } from './testTown.ts';

const HUB: PlaceGiven = {
  id: '01900000-0000-7000-8000-0000000000a1',
  kind: 'hub',
  owner: null,
  name: "St. Mary's, the old hall",
  latE7: 407_000_000,
  lngE7: -739_000_000,
  radiusM: 60,
  poster: 1,
  active: true,
};

/** A square of one degree, its south-west corner given. */
const square = (code: string, lng: number, lat: number): CodedShape => {
  const corners = [0, 0, 1, 0, 1, 1, 0, 1, 0, 0].map((d, i) => (d + (i % 2 === 0 ? lng : lat)) * 1e7);
  return { code, shape: Int32Array.from([1, 1, 5, ...corners]) };
};

let town: Awaited<ReturnType<typeof postgresTown>>;
let store: PgPlaceStore;
let atlas: NodeAtlas;

const gauges = new Map<string, number>();
const metrics = {
  count() {},
  observe() {},
  gauge: (name: string, value: number) => void gauges.set(name, value),
};
const scheduler = { immediate: (run: () => void) => run(), after: () => () => {} };
const follower = (from = store): NodeAtlas => new NodeAtlas({ store: from, scheduler, log: silent, metrics });

beforeAll(async () => {
  town = await postgresTown(inject('databaseUrl'));
  store = new PgPlaceStore({ url: town.database.appUrl, log: silent });
  await store.tried();
});
afterAll(async () => {
  await store.close();
  await town.close();
});
beforeEach(async () => {
  await town.database.sql('delete from geo.zip');
  await town.database.sql('delete from geo.place');
  atlas = follower();
});

describe('zip polygons', () => {
  it('come back as they were written, in pieces, by code', async () => {
    const many = Array.from({ length: 2 * ZIPS_PER_STATEMENT + 3 }, (_, i) =>
      square(String(99_999 - i), (i % 300) - 150, Math.floor(i / 300)),
    );
    const done = await store.replaceZips(many);
    const { version, areas } = await store.zips();
    expect(done).toEqual({ ok: true, value: { version } });
    expect(areas).toEqual(many.toReversed());
  });

  it('are replaced as a whole; nothing of the old ones stays', async () => {
    await store.replaceZips([square('1', 0, 0), square('2', 1, 0)]);
    await store.replaceZips([square('3', 5, 5)]);
    expect((await store.zips()).areas).toEqual([square('3', 5, 5)]);
    expect(await town.database.sql('select count(*)::int as n from geo.zip')).toEqual([{ n: 1 }]);
  });

  it('half of a replacement changes nothing, and the next one takes it away', async () => {
    await store.replaceZips([square('1', 0, 0)]);
    const before = await store.zips();
    // as after a kill between the writing and the switch
    await town.database.sql(
      `insert into geo.zip select nextval('geo.generation'), 'half', shape from geo.zip where zip = '1'`,
    );
    expect(await store.zips()).toEqual(before);
    await store.replaceZips([square('2', 0, 0)]);
    expect(await town.database.sql('select zip from geo.zip')).toEqual([{ zip: '2' }]);
  });

  it('of two who replace at once, one is told, and what counts is whole', async () => {
    const results = await Promise.all([
      store.replaceZips([square('1', 0, 0), square('2', 1, 0)]),
      (async () => {
        const other = new PgPlaceStore({ url: town.database.appUrl, log: silent });
        await other.tried();
        const done = await other.replaceZips([square('3', 0, 0)]);
        await other.close();
        return done;
      })(),
    ]);
    const codes = (await store.zips()).areas.map(area => area.code).join();
    expect(['1,2', '3']).toContain(codes);
    expect(results.some(one => one.ok)).toBe(true);
    for (const one of results) if (!one.ok) expect(one.code).toBe(409);
  });

  it('are followed; garbage in the store leaves the old map where it was', async () => {
    const cell = regionId(cellOf(0.5, 0.5));
    expect(atlas.zipOf(cell)).toBeNull();
    await store.replaceZips([square('10001', 0, 0)]);
    await atlas.look();
    expect([atlas.zipOf(cell), atlas.zipOf(regionId(cellOf(5, 5)))]).toEqual(['10001', null]);
    expect([atlas.zipOf(''), atlas.zipOf('x'), atlas.zipOf('r999999999')]).toEqual([null, null, null]);
    expect(gauges.get('heyblue_zip_areas')).toBe(1);
    await store.replaceZips([square('10002', 0, 0)]);
    await atlas.look();
    expect(atlas.zipOf(cell)).toBe('10002');
    await store.replaceZips([square('10003', 0, 0)]);
    await town.database.sql(`update geo.zip set shape = '\\x00000001'`);
    await atlas.look();
    expect(atlas.zipOf(cell)).toBe('10002');
    await store.replaceZips([square('10004', 0, 0)]);
    await atlas.look();
    expect(atlas.zipOf(cell)).toBe('10004');
  });

  it('a map too large for a turn is indexed on a thread, with the same result', async () => {
    const many = Array.from({ length: 3_000 }, (_, i) =>
      square(`${i}`, (i % 300) - 150, Math.floor(i / 300)),
    );
    await store.replaceZips(many);
    await atlas.look();
    expect(atlas.versions.zips).toBe((await store.versions()).zips);
    for (const i of [0, 17, 1_234, 2_999]) {
      expect(atlas.zipOf(regionId(cellOf(Math.floor(i / 300) + 0.5, (i % 300) - 149.5)))).toBe(`${i}`);
    }
  });
});

describe('places', () => {
  it('are put, replaced and taken away, each with a number that stays and a version that rises', async () => {
    const first = await store.putPlace(HUB);
    if (!first.ok) throw new Error(first.message);
    expect(first.value).toMatchObject({ ...HUB, number: expect.any(Number) });
    const again = await store.putPlace({ ...HUB, name: 'Moved', radiusM: 80 });
    expect(again).toMatchObject({ ok: true, value: { name: 'Moved', number: first.value.number } });
    expect(again.ok && again.value.version > first.value.version).toBe(true);
    expect((await store.places()).places).toEqual([again.ok && again.value]);
    expect([await store.deletePlace(HUB.id), await store.deletePlace(HUB.id)]).toEqual([true, false]);
    expect((await store.places()).places).toEqual([]);
  });

  it('are followed, the active ones', async () => {
    const made = await store.putPlace(HUB);
    const number = made.ok ? made.value.number : 0;
    await store.putPlace({ ...HUB, id: HUB.id.replace('a1', 'a2'), active: false });
    await atlas.look();
    expect(atlas.fences.at(HUB.latE7, HUB.lngE7).map(place => place.id)).toEqual([HUB.id]);
    expect(atlas.fences.hubOf(number, 1)).toMatchObject({ id: HUB.id });
    const before = atlas.fences;
    await atlas.look();
    expect(atlas.fences).toBe(before);
    await store.deletePlace(HUB.id);
    await atlas.look();
    expect(atlas.fences.size).toBe(0);
  });

  it('are no more than they may be', async () => {
    await town.database.sql(
      `insert into geo.place (id, kind, name, lat_e7, lng_e7, radius_m, active, version, changed_at)
       select gen_random_uuid(), 'hub', 'one of many', 0, 0, 10, false, 0, now() from generate_series(1, $1)`,
      [PLACES_LIMITS.places - 1],
    );
    const [one, two] = [
      await store.putPlace(HUB),
      await store.putPlace({ ...HUB, id: HUB.id.replace('a1', 'a3') }),
    ];
    expect([one.ok, two.ok]).toEqual([true, false]);
    expect((await store.putPlace({ ...HUB, name: 'still changed' })).ok).toBe(true);
  });
});

describe('the zip code of an encounter', () => {
  it('is that of the middle of its cell when it is settled; a repeat is the same request under another map', async () => {
    const commits = new PgCommitStore({
      url: town.database.appUrl,
      log: silent,
      zipOf: cell => atlas.zipOf(cell),
    });
    await commits.tried();
    const person = async (kind: 'officer' | 'civilian', n: number) => {
      const made = await town.directory.createUser({
        kind,
        handle: `${kind}${n}${town.uuid().slice(-8)}`,
        passwordHash: 'x',
        deviceId: 'd',
        zip: null,
        badge: kind === 'officer' ? town.uuid() : null,
      });
      if (!made.ok) throw new Error(made.message);
      return made.value.userId;
    };
    const [officer, ...civilians] = await Promise.all([
      person('officer', 0),
      ...[1, 2, 3, 4].map(n => person('civilian', n)),
    ]);
    const met = (civilian: string, cell: string): EncounterOp => ({
      type: 'encounter',
      id: town.uuid(),
      officer: officer!,
      civilian,
      method: 'qr',
      cell,
      rule: { id: 'encounter', version: 1 },
      officerPoints: 1,
      civilianPoints: 1,
      cooldownS: 60,
      idempotency: null,
    });
    const commit = async (op: EncounterOp) => {
      const shard = shardOf('pair', pairId(op.officer, op.civilian));
      const [epoch] = await town.epochStore.mint([shard], 'n1');
      return (await commits.commit([{ shard, epoch: epoch!, op }]))[0]!.code;
    };
    const inside = regionId(cellOf(0.5, 0.5));
    const early = met(civilians[0]!, inside);
    expect(await commit(early)).toBe('created');
    await store.replaceZips([square('10001', 0, 0)]);
    await atlas.look();
    const [known, away, nowhere] = [
      met(civilians[1]!, inside),
      met(civilians[2]!, regionId(cellOf(5, 5))),
      met(civilians[3]!, ''),
    ];
    for (const op of [known, away, nowhere]) expect(await commit(op)).toBe('created');
    expect(await commit(early)).toBe('exists');
    const rows = await town.database.sql('select id, zip from meet.encounter where officer = $1', [officer]);
    expect(Object.fromEntries(rows.map(row => [row.id, row.zip]))).toEqual({
      [early.id]: null,
      [known.id]: '10001',
      [away.id]: null,
      [nowhere.id]: null,
    });
    const today = new Date().toISOString().slice(0, 10);
    const report = await store.zipReport(today, today, 100);
    expect(report).toEqual([
      { day: today, zip: '10001', encounters: 1, people: 2 },
      { day: today, zip: null, encounters: 3, people: 4 },
    ]);
    expect(await store.zipReport('2020-01-01', '2020-01-31', 100)).toEqual([]);
    expect((await store.zipReport(today, today, 1)).length).toBe(1);
    await commits.close();
  });
});
