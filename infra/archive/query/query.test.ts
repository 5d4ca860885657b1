import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MINT_ACCOUNT } from '../../../actors/durable.ts';
import { isEventType, schemaOf } from '../../events/catalogue.ts';
import { FolderStore } from '../folderStore.ts';
import { makeFolder } from '../makeFolder.ts';
import { S3Store } from '../s3Store.ts';
import { ShardArchiver } from '../shardArchiver.ts';
import { athenaTables } from '../tables.ts';
import { testS3 } from '../testS3Server.ts';
import { type TownEvent, townEvents } from '../townEvents.ts';
import { chartFrom, drawn } from './chart.ts';
import { run } from './main.ts';
import { csvOf, tableOf } from './printed.ts';
import { chartOf, standardQueries } from './queries.ts';
import { svgOf } from './svg.ts';
import { type Answer, openWarehouse, type Warehouse } from './warehouse.ts';

const folder = mkdtempSync(join(tmpdir(), 'heyblue-query-'));
const data = join(folder, 'archive');
const events = [
  ...townEvents({ events: 3_000, startMs: Date.UTC(2026, 10, 1), days: 3, hoursADay: 1, seed: 11 }),
];
/** Two who lived somewhere: one is erased in the end, and one's account is closed. */
const [gone, shut] = events.filter(
  ({ event }) => event.type === 'user.registered' && (event.data as Data).zip !== null,
);
for (const [n, one, because] of [
  [1, gone!, 'erased'],
  [2, shut!, 'closed'],
] as const) {
  const told = { id: `01900000-0000-7000-8000-00000000000${n}`, seq: 1_000_000 + n };
  const data = { userId: one.key, because };
  const event = { ...one.event, ...told, type: 'user.deactivated', detailType: 'user.deactivated.v1', data };
  events.push({ ...one, event });
}
let warehouse: Warehouse;

/** As it goes in life: two shards, several flushes, records that came twice. */
async function archive(store: FolderStore | S3Store, published: readonly TownEvent[]): Promise<void> {
  const shards = new Map<string, ShardArchiver>();
  for (const [i, { stream, key, event }] of published.entries()) {
    const shard = `shardId-00000000000${key.charCodeAt(35) % 2}`;
    const name = `${stream}/${shard}`;
    const archiver = shards.get(name) ?? new ShardArchiver({ store, stream, shard });
    shards.set(name, archiver);
    const body = Buffer.from(JSON.stringify(event));
    archiver.take([{ seq: String(1_000 + 2 * i), key, data: body }]);
    if (i % 9 === 0) archiver.take([{ seq: String(1_001 + 2 * i), key, data: body }]);
    if (i % 1_000 === 999) for (const one of shards.values()) await one.flush();
  }
  for (const one of shards.values()) await one.flush();
}

beforeAll(async () => {
  const store = new FolderStore(data);
  await archive(store, events);
  // the first ones once more, far away from their first copies
  const late = events.slice(0, 50).map(({ event, ...rest }, i) => ({ ...rest, event, seq: i }));
  for (const stream of ['user-events', 'transactions'] as const) {
    const archiver = new ShardArchiver({ store, stream, shard: 'shardId-000000000002' });
    archiver.take(
      late
        .filter(one => one.stream === stream)
        .map(({ key, event, seq }) => ({ seq: String(seq), key, data: Buffer.from(JSON.stringify(event)) })),
    );
    await archiver.flush();
  }
  warehouse = await openWarehouse({ folder: data, threads: 2 });
});
afterAll(() => {
  warehouse.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Data {
  kind: string;
  zip: string | null;
  officer: string;
  civilian: string;
  offer: string;
  merchant: string;
  quantity: number;
  points: number;
  delta: number;
  restock?: boolean;
  legs: { account: string; delta: number }[];
}
const all = events.map(({ event }) => ({
  type: String(event.type),
  day: String(event.time).slice(0, 10),
  subject: String(event.subject),
  data: event.data as Data,
}));
const of = (...types: string[]) => all.filter(({ type }) => types.includes(type));
const sumBy = <T>(
  list: readonly T[],
  key: (one: T) => string,
  value: (one: T) => number,
): Record<string, number> => {
  const sums: Record<string, number> = {};
  for (const one of list) sums[key(one)] = (sums[key(one)] ?? 0) + value(one);
  return sums;
};
const asked = async (name: string): Promise<Record<string, unknown>[]> => {
  const answer = await warehouse.ask(standardQueries().find(query => query.name === name)!.sql);
  return answer.rows.map(row => Object.fromEntries(answer.columns.map((column, i) => [column, row[i]])));
};
const column = (rows: Record<string, unknown>[], key: string, value: string): Record<string, unknown> =>
  Object.fromEntries(rows.map(row => [String(row[key]), row[value]]));
const nonZero = (sums: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(sums).filter(([, value]) => value !== 0));

it('the events of these tests are as the catalogue says', () => {
  const types = new Set(all.map(({ type }) => type));
  expect(types.size).toBe(12);
  for (const type of types) {
    if (!isEventType(type)) throw new Error(`${type} is not in the catalogue`);
    const one = events.find(({ event }) => event.type === type)!.event;
    expect([...Value.Errors(schemaOf(type), one)]).toEqual([]);
  }
});

describe('each event is seen once', () => {
  it.each(['user-events', 'transactions'] as const)('of %s', async stream => {
    const view = stream.replace('-', '_');
    const { rows } = await warehouse.ask(
      `select cast(event_id as varchar), type, subject, seq, payload from ${view} order by seq`,
    );
    const expected = events
      .filter(one => one.stream === stream)
      .map(({ event }) => [event.id, event.type, event.subject, event.seq, JSON.stringify(event.data)]);
    // no difference of thousands of rows is ever printed
    expect(rows.map(row => row.join()).join('\n') === expected.map(row => row.join()).join('\n')).toBe(true);
    const raw = await warehouse.ask(`select count(*) from ${view}_raw`);
    expect(Number(raw.rows[0]![0])).toBeGreaterThan(expected.length);
  });
});

describe('the standard queries answer as a naive reckoning does', () => {
  const movements = all.filter(({ type }) => /^(encounter|points)\./.test(type));
  const credited = ({ legs }: Data): number =>
    legs.reduce((sum, { account, delta }) => sum + (account !== MINT_ACCOUNT && delta > 0 ? delta : 0), 0);
  const people = new Map(of('user.registered').map(({ subject, data }) => [subject, data]));
  people.set(gone!.key, { ...people.get(gone!.key)!, zip: null });

  it('points-per-day', async () => {
    const rows = await asked('points-per-day');
    const expected = sumBy(
      movements,
      one => `${one.day} ${one.type}`,
      one => credited(one.data),
    );
    expect(Object.fromEntries(rows.map(row => [`${row.day} ${row.type}`, row.points]))).toEqual(expected);
  });

  it('participation-by-zip', async () => {
    const rows = await asked('participation-by-zip');
    const civilians = [...people].filter(([, { kind }]) => kind === 'civilian');
    const met = new Set(of('encounter.recorded').map(({ data }) => data.civilian));
    const zipOf = (zip: string | null): string => zip ?? 'unknown';
    expect(column(rows, 'zip', 'civilians')).toEqual(
      sumBy(
        civilians,
        ([, { zip }]) => zipOf(zip),
        () => 1,
      ),
    );
    expect(column(rows, 'zip', 'participants')).toEqual(
      sumBy(
        civilians,
        ([, { zip }]) => zipOf(zip),
        ([id]) => (met.has(id) ? 1 : 0),
      ),
    );
    const encounters = sumBy(
      of('encounter.recorded'),
      ({ data }) => zipOf(people.get(data.civilian)!.zip),
      () => 1,
    );
    expect(
      column(
        rows.filter(row => row.encounters !== 0),
        'zip',
        'encounters',
      ),
    ).toEqual(encounters);
  });

  it('encounters-per-precinct', async () => {
    const rows = await asked('encounters-per-precinct');
    const met = of('encounter.recorded');
    expect(column(rows, 'precinct', 'encounters')).toEqual(
      sumBy(
        met,
        ({ data }) => data.zip ?? 'unknown',
        () => 1,
      ),
    );
    const [first] = rows;
    const officers = new Set(
      met.filter(({ data }) => (data.zip ?? 'unknown') === first!.precinct).map(({ data }) => data.officer),
    );
    expect(first!.officers).toBe(officers.size);
  });

  it('redemptions-by-merchant', async () => {
    const rows = await asked('redemptions-by-merchant');
    const sold = of('redemption.confirmed');
    const back = of('redemption.refunded');
    const positive = (name: string) => nonZero(column(rows, 'offer', name) as Record<string, number>);
    expect(positive('points')).toEqual(
      sumBy(
        sold,
        ({ data }) => data.offer,
        ({ data }) => data.points,
      ),
    );
    expect(positive('units')).toEqual(
      sumBy(
        sold,
        ({ data }) => data.offer,
        ({ data }) => data.quantity,
      ),
    );
    expect(positive('redemptions')).toEqual(
      sumBy(
        sold,
        ({ data }) => data.offer,
        () => 1,
      ),
    );
    expect(positive('refunded_points')).toEqual(
      sumBy(
        back,
        ({ data }) => data.offer,
        ({ data }) => data.points,
      ),
    );
    expect(positive('expired')).toEqual(
      sumBy(
        of('redemption.expired'),
        ({ data }) => data.offer,
        () => 1,
      ),
    );
    expect(positive('cancelled')).toEqual(
      sumBy(
        of('redemption.cancelled'),
        ({ data }) => data.offer,
        () => 1,
      ),
    );
  });

  it('stock-over-time', async () => {
    const rows = await asked('stock-over-time');
    const changes = [
      ...of('stock.adjusted').map(({ data, day }) => ({ day, offer: data.offer, units: data.delta })),
      ...of('redemption.confirmed').map(({ data, day }) => ({
        day,
        offer: data.offer,
        units: -data.quantity,
      })),
      ...of('redemption.refunded')
        .filter(({ data }) => data.restock)
        .map(({ data, day }) => ({ day, offer: data.offer, units: data.quantity })),
    ];
    for (const row of rows) {
      const until = changes.filter(one => one.offer === row.offer && one.day <= String(row.day));
      expect(row.on_hand).toBe(until.reduce((sum, { units }) => sum + units, 0));
    }
    expect(new Set(rows.map(row => `${row.day} ${row.offer}`))).toEqual(
      new Set(changes.map(({ day, offer }) => `${day} ${offer}`)),
    );
  });

  it('donations-by-family', async () => {
    const rows = await asked('donations-by-family');
    const parts = of('points.donated').flatMap(({ data }) => data.legs.filter(({ delta }) => delta > 0));
    const families = parts.filter(({ account }) => people.get(account)!.kind === 'family');
    expect(families.length).toBeLessThan(parts.length);
    expect(column(rows, 'family', 'points')).toEqual(
      sumBy(
        families,
        one => one.account,
        one => one.delta,
      ),
    );
    expect(column(rows, 'family', 'donations')).toEqual(
      sumBy(
        families,
        one => one.account,
        () => 1,
      ),
    );
  });

  it('unspent-points', async () => {
    const rows = await asked('unspent-points');
    const isSeller = (account: string): boolean => people.get(account)?.kind === 'merchant';
    let unspent = 0;
    const byDay: Record<string, number> = {};
    for (const { day, type, data } of movements) {
      unspent -= data.legs.find(({ account }) => account === MINT_ACCOUNT)?.delta ?? 0;
      if (type === 'points.transferred') unspent -= data.legs.find(one => isSeller(one.account))?.delta ?? 0;
      byDay[day] = unspent;
    }
    expect(column(rows, 'day', 'unspent')).toEqual(byDay);
  });

  it('each has a title, and a chart that it can draw', async () => {
    for (const { name, title, chart, sql } of standardQueries()) {
      expect(title).not.toBe(name);
      expect(chartFrom(await warehouse.ask(sql), chart!, title)).toMatchObject({ title });
    }
  });
});

it('objects from before a column was there have none of it', async () => {
  const old = join(folder, 'old');
  const place = join(old, 'archive/transactions/year=2026/month=11/day=01/hour=00');
  await makeFolder(place);
  await warehouse.ask(
    `copy (select event_id, type, time, payer, payee, points from transactions_raw where type = 'points.donated'
     and payee is not null) to '${place}/shardId-000000000000-1.parquet' (format parquet)`,
  );
  const before = await openWarehouse({ folder: old });
  expect((await before.ask('select * from donations')).rows.length).toBeGreaterThan(0);
  expect((await before.ask('select * from stock')).rows).toEqual([]);
  before.close();
});

it('the tables of Athena are those of the columns', () => {
  const written = readFileSync(new URL('../sql/athena/tables.sql', import.meta.url), 'utf8');
  expect(written).toBe(athenaTables());
});

describe('npm run query', () => {
  const ask = async (args: string[], env: Record<string, string> = {}) => {
    const lines: string[] = [];
    const settings = { HEYBLUE_DATA_DIR: folder, ...env };
    const code = await run(args, settings, line => lines.push(line));
    return { code, said: lines.join('\n') };
  };

  it('prints a table, writes CSV, and draws it when asked to', async () => {
    const { code, said } = await ask(['participation-by-zip', '--chart']);
    expect(code).toBe(0);
    expect(said).toMatch(
      /^Participation by zip code.*\n\nzip +civilians +participants +percent +encounters\n─+/,
    );
    expect(said).toMatch(/participants by zip\n\d{5} +█/);
    const csv = readFileSync(join(folder, 'reports/participation-by-zip.csv'), 'utf8');
    expect(csv.split('\r\n')[0]).toBe('zip,civilians,participants,percent,encounters');
    expect(readFileSync(join(folder, 'reports/participation-by-zip.svg'), 'utf8')).toMatch(/^<svg .*<rect/s);
  });

  it('asks what a file says', async () => {
    const file = join(folder, 'own.sql');
    writeFileSync(
      file,
      '-- title: Mine\n-- chart: bar x=type y=n\nselect type, count(*) as n from movements group by type order by n desc',
    );
    const { code, said } = await ask(['--sql', file, '--out', join(folder, 'mine'), '--chart']);
    expect([code, said]).toEqual([0, expect.stringMatching(/^Mine\n\ntype +n\n/)]);
    expect(readFileSync(join(folder, 'mine/own.csv'), 'utf8')).toContain('encounter.recorded,');
  });

  it('reads a bucket, and fetches each object once', async () => {
    const server = await testS3('heyblue-archive');
    const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
    const store = new S3Store({
      bucket: 'heyblue-archive',
      endpoint: server.endpoint,
      region: 'us-east-1',
      credentials,
    });
    await archive(store, events.slice(0, 300));
    store.close();
    const env = {
      S3_BUCKET: 'heyblue-archive',
      S3_ENDPOINT: server.endpoint,
      AWS_ACCESS_KEY_ID: 'heyblue',
      AWS_SECRET_ACCESS_KEY: 'heyblue',
    };
    const first = await ask(['points-per-day'], env);
    expect(first.said).toMatch(/^\d+ objects fetched from the bucket heyblue-archive\n\nPoints per day/);
    server.objects.delete([...server.objects.keys()].find(key => key.startsWith('archive/user-events'))!);
    expect((await ask(['points-per-day'], env)).said).toMatch(/^Points per day/);
    const [late = ''] = server.objects.keys();
    server.objects.set(late.replace('hour=00', 'hour=23'), server.objects.get(late)!);
    server.cold.add(late.replace('hour=00', 'hour=23'));
    expect((await ask(['points-per-day'], env)).said).toMatch(
      /^1 objects lie in a cold tier and are not asked/,
    );
    await server.close();
    expect((await ask(['points-per-day'], env)).code).toBe(1);
  });

  it.each([
    [['--help'], 0, /^npm run query -- NAME/],
    [['--list'], 0, /participation-by-zip .*\n/],
    [[], 2, /^npm run query -- NAME/],
    [['nonsense'], 2, /^There is no query nonsense: npm run query -- --list/],
    [['../views'], 2, /^There is no query/],
    [['--nonsense'], 2, /Unknown option '--nonsense'/],
    [['points-per-day', 'stock-over-time'], 2, /^One query at a time/],
    [['--sql', '/nowhere.sql'], 2, /^The file \/nowhere.sql cannot be read \(ENOENT\)/],
    [['points-per-day', '--data', '/nowhere'], 1, /^There is no archive in \/nowhere yet/],
    [['points-per-day', '--out', '/proc/nowhere'], 1, /The report cannot be written to \/proc\/nowhere/],
  ])('%j ends with %i', async (args, expected, words) => {
    const { code, said } = await ask(args);
    expect([code, said]).toEqual([expected, expect.stringMatching(words)]);
  });

  it('says what DuckDB says of SQL that is wrong', async () => {
    const file = join(folder, 'wrong.sql');
    writeFileSync(file, 'select nothing from nowhere');
    expect(await ask(['--sql', file])).toEqual({
      code: 1,
      said: expect.stringContaining('nowhere does not exist'),
    });
  });
});

describe('an answer is shown', () => {
  const answer: Answer = {
    columns: ['name', 'n'],
    isNumber: [false, true],
    rows: [
      ['a "b", c', 1_234],
      ['\u001b[31mred', null],
      ['<script>', -5.5],
    ],
  };

  it('as a table that moves no cursor', () => {
    expect(tableOf(answer)).toBe(
      [
        'name          n',
        '────────  ─────',
        'a "b", c  1,234',
        ' [31mred',
        '<script>   -5.5',
        '',
        '3 rows',
      ].join('\n'),
    );
  });

  it('as CSV that others can read', () => {
    expect(csvOf(answer)).toBe('name,n\r\n"a ""b"", c",1234\r\n\u001b[31mred,\r\n<script>,-5.5\r\n');
  });

  it('as a chart whose words are no markup', () => {
    const chart = chartFrom(answer, { kind: 'bar', x: 'name', y: 'n', series: null }, 'T & <t>');
    if (typeof chart === 'string') throw new Error(chart);
    expect(drawn(chart)).toContain('a "b", c');
    expect(svgOf(chart)).toContain('&lt;script>');
    expect(svgOf(chart)).toContain('<title>T &amp; &lt;t></title>');
    expect(svgOf(chart)).not.toContain('\u001b');
  });

  it.each([
    [
      { kind: 'line', x: 'day', y: 'n', series: null },
      'The chart asks for the column day, and there is none.',
    ],
    [{ kind: 'bar', x: 'n', y: 'name', series: null }, 'There is nothing to draw.'],
  ] as const)('not when %j', (chart, words) => {
    expect(chartFrom(answer, chart, '')).toBe(words);
  });

  it('only as charts that we know', () => {
    expect(chartOf('-- chart: pie x=a y=b')).toBeNull();
    expect(chartOf('-- chart: bar x=a')).toBeNull();
    expect(chartOf('select 1')).toBeNull();
  });
});
