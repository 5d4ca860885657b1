/** `npm run backup -- --to DIR` and `npm run restore -- --from DIR`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { archivePlace } from '../archive/index.ts';
import { type Config, readConfig } from '../config/index.ts';
import { runningTown, StartFailure, startTown, type Town } from '../embedded/index.ts';
import { backUp } from './backup.ts';
import { BackupFailure } from './failure.ts';
import { filesOf, type Manifest } from './manifest.ts';
import { restore } from './restore.ts';

const HELP = `npm run backup -- --to DIR
npm run restore -- --from DIR

backup writes a town into a folder, while the town goes on: PostgreSQL as of one moment, the tables of DynamoDB that nothing
else knows (business rules, records put aside), the archive, the keys. Settings are those of \`npm start\`; without any, the
town in .data/ that runs now. The folder holds personal data and secrets: encrypt it where you keep it.

restore writes such a folder into a town in which there is nothing: into the servers that DATABASE_URL and the other settings
name, or into new embedded ones in HEYBLUE_DATA_DIR, which must be missing or empty. Start the town afterwards: it tells
DynamoDB and the streams what the ledger says. Then \`npm run audit\`.

  --to DIR        where the backup goes: a new or empty folder
  --from DIR      where it is
  --no-archive    leave the archive alone: it lies in a bucket that is safe by itself
  --no-keys       leave keys and roster alone: they are secrets of the cluster

The last line of the output is one JSON object. Exit code: 0 done, 1 not done, with one sentence.`;

interface Asked {
  readonly verb: 'backup' | 'restore';
  readonly folder: string;
  readonly archive: boolean;
  readonly keys: boolean;
}

/** Null for `--help`; throws one sentence. */
export const readArguments = (given: readonly string[]): Asked | null => {
  const options = {
    help: { type: 'boolean', short: 'h' },
    to: { type: 'string' },
    from: { type: 'string' },
    'no-archive': { type: 'boolean', default: false },
    'no-keys': { type: 'boolean', default: false },
  } as const;
  const parse = () => parseArgs({ args: [...given], options, allowPositionals: true });
  let read: ReturnType<typeof parse>;
  try {
    read = parse();
  } catch (error) {
    throw new BackupFailure(`${(error as Error).message.split('. ')[0]}. Try --help.`);
  }
  const { values, positionals } = read;
  if (values.help) return null;
  const [verb, ...more] = positionals;
  if ((verb !== 'backup' && verb !== 'restore') || more.length > 0)
    throw new BackupFailure(`Nobody knows "${positionals.join(' ')}". Try --help.`);
  const [wanted, other] = verb === 'backup' ? (['to', 'from'] as const) : (['from', 'to'] as const);
  const folder = values[wanted];
  if (!folder || values[other] !== undefined)
    throw new BackupFailure(`npm run ${verb} takes --${wanted} DIR. Try --help.`);
  return { verb, folder: resolve(folder), archive: !values['no-archive'], keys: !values['no-keys'] };
};

const say = (line: string): void => console.error(line);

const partsOf = (config: Config, asked: Asked, dynamodbEndpoint: string, credentials: Credentials) => ({
  dynamodb: { endpoint: dynamodbEndpoint, region: config.awsRegion, credentials },
  archive: asked.archive ? archivePlace(config) : null,
  dataDir: asked.keys ? config.dataDir : null,
  say,
});
interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const packageVersion = (): string => {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
};

const backUpTown = async (config: Config, asked: Asked): Promise<Manifest> => {
  const town = runningTown(config);
  const parts = partsOf(config, asked, town.dynamodbEndpoint, town.credentials);
  return backUp({ ...parts, databaseUrl: town.databaseUrl, version: packageVersion() }, asked.folder);
};

const restoreTown = async (config: Config, asked: Asked): Promise<Manifest> => {
  const { dataDir } = config;
  const isEmbedded = config.databaseUrl === '' || config.dynamodbEndpoint === '';
  if (isEmbedded && existsSync(dataDir) && readdirSync(dataDir).some(name => name !== 'nats-server'))
    throw new BackupFailure(
      `The folder ${dataDir} is not empty: set HEYBLUE_DATA_DIR to a new one, or move it away.`,
    );
  const abort = new AbortController();
  let town: Town | null = null;
  const stop = () => {
    abort.abort();
    void town?.stop().finally(() => process.exit(1));
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop);
  // what the settings name is used, what they do not name is started here, and stopped again
  town = await startTown({ dataDir, env: process.env, log: say, abort: abort.signal });
  try {
    const credentials = {
      accessKeyId: town.awsEnv.AWS_ACCESS_KEY_ID ?? config.awsAccessKeyId,
      secretAccessKey: town.awsEnv.AWS_SECRET_ACCESS_KEY ?? config.awsSecretAccessKey,
    };
    const parts = partsOf(config, asked, town.dynamodbEndpoint, credentials);
    return await restore({ ...parts, databaseUrl: town.databaseUrl }, asked.folder);
  } finally {
    await town.stop();
  }
};

const main = async (args: readonly string[]): Promise<void> => {
  const asked = readArguments(args);
  if (asked === null) return console.log(HELP);
  const read = readConfig(process.env);
  if (!read.ok) throw new BackupFailure(read.sentence);
  const config = { ...read.config, dataDir: resolve(read.config.dataDir) };
  const began = performance.now();
  const manifest = await (asked.verb === 'backup' ? backUpTown : restoreTown)(config, asked);
  const files = filesOf(manifest);
  const summary = {
    [asked.verb]: asked.folder,
    at: manifest.at,
    tables: manifest.tables.length,
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    items: manifest.items.reduce((sum, { count }) => sum + count, 0),
    objects: manifest.objects?.length ?? null,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    took_s: Number(((performance.now() - began) / 1_000).toFixed(1)),
  };
  console.log(JSON.stringify(summary));
};

if (import.meta.main) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    const known = error instanceof BackupFailure || error instanceof StartFailure;
    console.error(known ? error.message : error);
    process.exitCode = 1;
  });
}
