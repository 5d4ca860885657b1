/**
 * `npm run query`: questions to the archive. Prints a table, writes it as CSV, draws it when asked to. Exit codes: 0
 * answered, 1 it could not be, 2 asked for something that does not exist.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../config/index.ts';
import { makeFolder } from '../makeFolder.ts';
import { StoreAway } from '../objectStore.ts';
import { openObjects } from '../openObjects.ts';
import { type ArchivePlace, archivePlace } from '../place.ts';
import { chartFrom, drawn } from './chart.ts';
import { mirror } from './mirror.ts';
import { csvOf, tableOf } from './printed.ts';
import { queryOf, type StandardQuery, standardQueries } from './queries.ts';
import { svgOf } from './svg.ts';
import { openWarehouse, QueryFailed } from './warehouse.ts';

export const HELP = `npm run query -- NAME [options]

Asks the archive of the streams: prints a table and writes it as CSV.

  NAME             one of the standard queries; --list says which there are
  --list           the standard queries, and the views that queries of your own may ask
  --sql FILE       the SQL in this file instead; a line "-- chart: line x=day y=points" says how to draw it
  --chart          draws it, here and as SVG
  --out FOLDER     where the files go (reports in the data folder)
  --data FOLDER    the folder of the archive (HEYBLUE_ARCHIVE_DIR, else archive in the data folder); with S3_BUCKET the
                   bucket is asked, and what was fetched is kept in archive-cache in the data folder
  --help           this`;

const VIEWS = `Views, each event once:
  movements     event_id, type, time, subject, seq, reason, rule_id, rule_version, rule_trace, payer, payee, points, issued
  encounters    event_id, time, method, officer, civilian, zip, points, rule_id, rule_version
  redemptions   event_id, type, time, redemption, buyer, merchant, offer, quantity, points, restock
  stock         event_id, type, time, merchant, offer, delta, kind, on_hand, reserved
  transfers     event_id, type, time, payer, payee, points
  donations     event_id, time, payer, beneficiary, points
  people        account, kind, zip, time
  transactions, user_events: every column, payload (the data as JSON) among them`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

interface Wish {
  readonly query: StandardQuery;
  readonly chart: boolean;
  readonly out: string;
  readonly place: ArchivePlace;
  readonly dataDir: string;
}
type Read =
  | { readonly ok: true; readonly wish: Wish }
  | { readonly ok: false; readonly said: string; readonly code: number };

const no = (said: string, code = EXIT_USAGE): Read => ({ ok: false, said, code });

const OPTIONS = {
  list: { type: 'boolean' },
  sql: { type: 'string' },
  chart: { type: 'boolean' },
  out: { type: 'string' },
  data: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const listed = (): string => {
  const queries = standardQueries();
  const width = Math.max(...queries.map(({ name }) => name.length));
  const lines = queries.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`);
  return `Queries (npm run query -- NAME):\n${lines.join('\n')}\n\n${VIEWS}`;
};

function own(file: string): StandardQuery | string {
  try {
    return queryOf(basename(file).replace(/\.sql$/, ''), readFileSync(file, 'utf8'));
  } catch (error) {
    return `The file ${file} cannot be read (${(error as { code?: string }).code}).`;
  }
}

function standard(name: string): StandardQuery | string {
  const found = standardQueries().find(query => query.name === name);
  return found ?? `There is no query ${name}: npm run query -- --list says which there are.`;
}

function read(args: readonly string[], env: NodeJS.ProcessEnv): Read {
  let parsed: ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    return no(`${(error as Error).message}\n\n${HELP}`);
  }
  const { values, positionals } = parsed;
  if (values.help) return no(HELP, 0);
  if (values.list) return no(listed(), 0);
  const [name, more] = positionals;
  if (name === undefined && values.sql === undefined) return no(`${HELP}\n\n${listed()}`);
  if (more !== undefined || (name !== undefined && values.sql !== undefined)) {
    return no('One query at a time: a name or --sql FILE.');
  }
  const query = values.sql !== undefined ? own(values.sql) : standard(name!);
  if (typeof query === 'string') return no(query);
  const settings = readConfig(env);
  if (!settings.ok) return no(settings.sentence);
  const { config } = settings;
  const place = archivePlace(config);
  return {
    ok: true,
    wish: {
      query,
      chart: values.chart ?? false,
      out: values.out ?? join(config.dataDir, 'reports'),
      place: values.data === undefined ? place : { ...place, folder: values.data, bucket: '' },
      dataDir: config.dataDir,
    },
  };
}

/** The folder that holds the archive: its own, or that of the copies. */
async function folderOf({ place, dataDir }: Wish, say: (line: string) => void): Promise<string> {
  if (place.bucket === '') return place.folder;
  const folder = join(dataDir, 'archive-cache');
  const store = openObjects(place);
  try {
    const { fetched, cold } = await mirror(store, folder);
    if (fetched > 0) say(`${fetched} objects fetched from ${store.name}\n`);
    if (cold > 0)
      say(`${cold} objects lie in a cold tier and are not asked: restore them in ${store.name} first\n`);
  } finally {
    store.close();
  }
  return folder;
}

/** @returns the exit code */
export async function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<number> {
  const asked = read(args, env);
  if (!asked.ok) {
    say(asked.said);
    return asked.code;
  }
  const { wish } = asked;
  const { query, out } = wish;
  try {
    const warehouse = await openWarehouse({ folder: await folderOf(wish, say) });
    try {
      const answer = await warehouse.ask(query.sql);
      say(`${query.title}\n\n${tableOf(answer)}\n`);
      await makeFolder(resolve(out));
      const csv = join(out, `${query.name}.csv`);
      writeFileSync(csv, csvOf(answer));
      if (wish.chart) {
        const chart =
          query.chart === null
            ? 'The query does not say how to draw it.'
            : chartFrom(answer, query.chart, query.title);
        if (typeof chart === 'string') say(`${chart}\n`);
        else {
          const svg = join(out, `${query.name}.svg`);
          writeFileSync(svg, svgOf(chart));
          say(`${drawn(chart)}\n\nWritten to ${svg}`);
        }
      }
      say(`Written to ${csv}`);
      return 0;
    } finally {
      warehouse.close();
    }
  } catch (error) {
    const { code } = error as { code?: string };
    if (error instanceof QueryFailed || error instanceof StoreAway) say(error.message);
    else if (code !== undefined) say(`The report cannot be written to ${out} (${code}).`);
    else throw error;
    return EXIT_FAILED;
  }
}

if (import.meta.main)
  process.exitCode = await run(process.argv.slice(2), process.env, line => console.log(line));
