/**
 * A crowd grows past what one region may hold, on three nodes: the region is divided while people stand in it, everybody's
 * meetings come, each once, whether he came before, during or after it; and when they have gone it is one region again, in
 * which people meet as before.
 */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { boxOf, cellOf, regionId } from '../../../actors/geo/grid.ts';
import type { OpenedDurable } from '../../../protocol/index.ts';
import { type Cluster, startCluster } from '../../swarm/clusterTown.ts';
import { NEW_YORK, offset, type Point, positionAt } from '../../swarm/crowd.ts';
import { auditLedger } from '../../swarm/ledgerAudit.ts';
import { Phone } from '../../swarm/phone.ts';
import { type SeededPerson, seedPeople } from '../../swarm/seed.ts';
import { until } from '../testTown.ts';

/** More than this many people are too many for one region here. */
const HOT_PEOPLE = 10;
const PATIENCE_MS = 90_000;
/** As often as a socket may. */
const PERIOD_MS = 700;
/** The crowd around one officer: fewer than begin crowd mode, and than his automatic matches. */
const CIVILIANS = 3;
/** Before, during, after it was divided; when it is one again. */
const GROUPS = 6;

const box = boxOf(cellOf(NEW_YORK.lat, NEW_YORK.lng));
const CELL = regionId(cellOf(NEW_YORK.lat, NEW_YORK.lng));
const MIDDLE: Point = { lat: (box.south + box.north) / 2, lng: (box.west + box.east) / 2 };
/** Each quad's, and two more within one. */
const PLACES = [
  [-450, -450],
  [-450, 450],
  [450, -450],
  [450, 450],
  [450, 750],
  [450, -450],
].map(([north, east]) => offset(MIDDLE, north!, east!));

let cluster: Cluster;
let database: pg.Client;
beforeAll(async () => {
  cluster = await startCluster({
    nodes: 3,
    wires: false,
    natsServerBin: inject('natsServerBin'),
    env: {
      HEYBLUE_HOT_REGIONS: 'on',
      HEYBLUE_DWELL_S: '4',
      HEYBLUE_HOT_REGION_PEOPLE: String(HOT_PEOPLE),
      HEYBLUE_HOT_REGION_WINDOW_S: '0.5',
    },
  });
  await cluster.steady();
  database = new pg.Client({ connectionString: cluster.town.databaseUrl });
  await database.connect();
}, 120_000);
afterAll(async () => {
  await database?.end();
  await cluster?.stop();
});

/** Again while the server says that it may be tried again. */
const must = async (
  what: string,
  say: () => Promise<{ readonly ok: boolean; readonly retryable?: boolean }>,
): Promise<void> => {
  await until(
    what,
    async () => {
      const said = await say();
      if (!said.ok && said.retryable !== true) throw new Error(`${what}: ${JSON.stringify(said)}`);
      if (!said.ok) await pause(200);
      return said.ok;
    },
    PATIENCE_MS,
  );
};

/** An officer and those around him, each at another door, who report where they stand until they go. */
class Group {
  readonly phones: Phone[];
  readonly events: OpenedDurable[][];
  readonly #point: Point;
  #goes = false;
  #reporting: Promise<void> = Promise.resolve();

  constructor(people: readonly SeededPerson[], point: Point) {
    this.#point = point;
    this.events = people.map(() => []);
    this.phones = people.map(
      (identity, i) =>
        new Phone({
          identity,
          url: cluster.nodes[i % cluster.nodes.length]!.urls.realtime,
          onEvent: event => this.events[i]!.push(event),
        }),
    );
  }

  async come(): Promise<void> {
    for (const phone of this.phones) {
      await phone.connect();
      await must('share', () => phone.command('location.share', {}, crypto.randomUUID()));
      await must('switch instant match on', () =>
        phone.command('instant.set', { on: true }, crypto.randomUUID()),
      );
    }
    this.#reporting = this.#report();
  }

  async #report(): Promise<void> {
    while (!this.#goes) {
      for (const [i, phone] of this.phones.entries())
        if (phone.isConnected) phone.position(positionAt(offset(this.#point, 2 * i, 0), Date.now()));
      await pause(PERIOD_MS);
    }
  }

  /** Everybody's phone has said what is to be said: the officer's that he met each, each civilian's that he met him. */
  met(): Promise<void> {
    return until(
      `${CIVILIANS} meetings`,
      () => this.encounters().every((ids, i) => new Set(ids).size === (i === 0 ? CIVILIANS : 1)),
      PATIENCE_MS,
    ).then(() => {});
  }

  encounters(): string[][] {
    return this.events.map(heard =>
      heard.flatMap(one => (one.name === 'encounter.completed' ? [one.body.encounterId] : [])),
    );
  }

  async go(): Promise<void> {
    this.#goes = true;
    await this.#reporting;
    for (const phone of this.phones) {
      await phone.command('location.stop', {}, crypto.randomUUID());
      phone.drop();
    }
  }
}

interface Regions {
  readonly divided: readonly { readonly cell: string; readonly regions: readonly string[] }[];
}

/** Into how many regions each node thinks that the cell is divided; 1 for not at all. */
const regionsSeen = (): Promise<number[]> =>
  Promise.all(
    cluster.nodes.map(async node => {
      const { divided } = (await (await fetch(`${node.urls.admin}/admin/regions`)).json()) as Regions;
      return divided.find(one => one.cell === CELL)?.regions.length ?? 1;
    }),
  );

it('everybody meets once while a crowded region is divided and made one again', {
  timeout: 300_000,
}, async () => {
  const people = await seedPeople(cluster, { officers: GROUPS, civilians: GROUPS * CIVILIANS });
  const groups = people.officers.map(
    (officer, i) =>
      new Group([officer, ...people.civilians.slice(i * CIVILIANS, (i + 1) * CIVILIANS)], PLACES[i]!),
  );
  const [first, second, third, fourth, after, last] = groups as [Group, Group, Group, Group, Group, Group];
  expect(await regionsSeen()).toEqual([1, 1, 1]);
  await first.come();
  await second.come();
  await Promise.all([third.come(), fourth.come()]);
  await until(
    'the region to be divided',
    async () => (await regionsSeen()).every(count => count >= 4),
    PATIENCE_MS,
  );
  await after.come();
  await Promise.all([first, second, third, fourth, after].map(group => group.met()));

  for (const group of [first, second, third, fourth, after]) await group.go();
  await until(
    'the regions to be one',
    async () => (await regionsSeen()).every(count => count === 1),
    PATIENCE_MS,
  );
  await last.come();
  await last.met();
  await last.go();

  for (const { events } of groups)
    for (const heard of events)
      for (const one of heard)
        if (one.name === 'encounter.completed') expect(one.body.method).toBe('proximity');
  const { rows } = await database.query<{ pairs: number; all: number }>(
    'select count(distinct (officer, civilian))::int as pairs, count(*)::int as all from meet.encounter',
  );
  expect(rows[0]).toEqual({ pairs: GROUPS * CIVILIANS, all: GROUPS * CIVILIANS });
  expect(cluster.crashes).toEqual([]);
  expect(await auditLedger(cluster.town.databaseUrl)).toEqual([]);
});
