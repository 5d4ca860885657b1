/**
 * The servers behind a town, embedded: PostgreSQL, DynamoDB and Kinesis in one folder on one machine.
 *
 * `npm start`, the tests, the benchmarks and the demo all start them here, each in a folder of its own. Every server can
 * be replaced by a URL in the environment; then nothing is started in its place.
 */
import { accessSync, constants, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { lockFolder } from '../launch/folder-lock.mjs';
import { type Aws, startAws } from './aws-process.ts';
import { DATABASE, dropTemporaryDatabases, ensureDatabase } from './database.ts';
import { StartFailure } from './failure.ts';
import { type Nats, startNats } from './nats-process.ts';
import { findNatsServer } from './nats-server.ts';
import { LOOPBACK } from './ports.ts';
import { OWNER_ROLE, type Postgres, startPostgres } from './postgres.ts';
import { Kept } from './restart.ts';

export { temporaryDatabase, withDatabase } from './database.ts';
export { StartFailure, sentenceOf } from './failure.ts';
export { type RunningTown, runningTown } from './running.ts';

export interface TownOptions {
  /** Where the servers keep their files; made when missing; one town at a time. */
  dataDir: string;
  /** DATABASE_URL, DYNAMODB_ENDPOINT, KINESIS_ENDPOINT, NATS_* and AWS_* are read from here. Default: nothing is set. */
  env?: NodeJS.ProcessEnv;
  /** Several nodes: a nats-server as well (fetched when the machine has none), unless NATS_URL names one. */
  nats?: boolean;
  /** In whose `nats-server/` a fetched nats-server lies. Default: `dataDir`. */
  natsServerDir?: string;
  /** One line of progress for people. */
  log?: (line: string) => void;
  /** A server died again and again and stays away. */
  onGiveUp?: (sentence: string) => void;
  /** Somebody wants to stop before it is up. */
  abort?: AbortSignal;
  /** For tests: DynamoDB, Kinesis and NATS begin empty, and databases of killed tests are dropped. */
  fresh?: boolean;
}

export interface Town {
  databaseUrl: string;
  dynamodbEndpoint: string;
  kinesisEndpoint: string;
  /** Region and credentials for the AWS clients, as environment variables. */
  awsEnv: Record<string, string>;
  /** With user and password, of who may do everything there; `env.NATS_URL` is a node's. Null without `nats`. */
  natsUrl: string | null;
  /** The nats-server that we run, for tests that start more of them; null when we run none. */
  natsServerBin: string | null;
  /** All of the above as the environment of a node. */
  env: Record<string, string>;
  /** The servers we started: what people call them, their pids right now. */
  processes(): { name: string; pid: number }[];
  stop(): Promise<void>;
}

const DEFAULT_REGION = 'us-east-1';

/** The embedded servers accept any credentials, the AWS clients insist on some. Servers elsewhere need real ones. */
function awsEnvironment(env: NodeJS.ProcessEnv, endpoints: string[]): Record<string, string> {
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || DEFAULT_REGION;
  const local = endpoints.every(url => ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname));
  const given = env.AWS_ACCESS_KEY_ID && env.AWS_SECRET_ACCESS_KEY;
  if (given || !local) return { AWS_REGION: region };
  return { AWS_REGION: region, AWS_ACCESS_KEY_ID: 'heyblue', AWS_SECRET_ACCESS_KEY: 'heyblue' };
}

/** As `mkdir -p`. Node's own one never returns where nobody can make folders, such as /proc. */
function makeFolder(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
    makeFolder(dirname(path), mode);
    mkdirSync(path, { mode });
  }
}

function prepareFolder(dataDir: string): void {
  try {
    // whoever runs PostgreSQL must walk through; nobody else needs to look around
    makeFolder(dataDir, 0o711);
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new StartFailure(
      `The data folder ${dataDir} cannot be written (${code}): set HEYBLUE_DATA_DIR to another one.`,
    );
  }
}

/**
 * Starts what the environment does not name.
 *
 * @throws StartFailure with one sentence: the folder is in use or cannot be written, or a server does not come up
 */
export async function startTown(options: TownOptions): Promise<Town> {
  const dataDir = resolve(options.dataDir);
  const env = options.env ?? {};
  const log = options.log ?? (() => {});
  const onGiveUp = options.onGiveUp ?? log;
  if (!env.DATABASE_URL && env.DATABASE_APP_URL) {
    throw new StartFailure(
      'DATABASE_APP_URL needs DATABASE_URL beside it here: the embedded PostgreSQL makes its own role.',
    );
  }
  prepareFolder(dataDir);
  const lock = await lockFolder(join(dataDir, 'lock'));
  if (!lock.ok) throw new StartFailure(`Another town (pid ${lock.pid}) already runs in ${dataDir}.`);
  if (options.fresh) {
    for (const name of ['dynamodb', 'kinesis']) rmSync(join(dataDir, name), { recursive: true, force: true });
  }

  let postgres: Kept<Postgres> | undefined;
  let aws: Kept<Aws> | undefined;
  let nats: Kept<Nats> | undefined;
  let natsServerBin: string | null = null;
  const stop = async () => {
    await Promise.all([aws?.stop(), nats?.stop()]);
    await postgres?.stop();
    lock.release();
  };
  const startingPostgres = async () => {
    if (env.DATABASE_URL) return;
    const { abort } = options;
    postgres = new Kept({
      name: 'PostgreSQL',
      first: await startPostgres(dataDir, log, { abort }),
      start: () => startPostgres(dataDir, log, { abort, samePort: true }),
      log,
      onGiveUp,
      onRestart: running => aws?.current.guard(running.pid),
    });
  };
  const startingAws = async () => {
    const wanted = { dynamodb: !env.DYNAMODB_ENDPOINT, kinesis: !env.KINESIS_ENDPOINT };
    if (!wanted.dynamodb && !wanted.kinesis) return;
    aws = new Kept({
      name: 'The DynamoDB and Kinesis process',
      first: await startAws(dataDir, wanted),
      start: () => startAws(dataDir, wanted, true),
      log,
      onGiveUp,
      onRestart: running => postgres && running.guard(postgres.current.pid),
    });
  };
  const startingNats = async () => {
    if (!options.nats || env.NATS_URL) return;
    const { abort } = options;
    const where = { dataDir: options.natsServerDir ?? dataDir, env: { ...process.env, ...env }, log, abort };
    const { path } = await findNatsServer(where);
    natsServerBin = path;
    nats = new Kept({
      name: 'nats-server',
      first: await startNats(path, dataDir, log, { abort, fresh: options.fresh }),
      start: () => startNats(path, dataDir, log, { abort, samePort: true }),
      log,
      onGiveUp,
    });
  };
  const begun = await Promise.allSettled([startingPostgres(), startingAws(), startingNats()]);
  const failed = begun.find(one => one.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  if (postgres) aws?.current.guard((postgres as Kept<Postgres>).current.pid);

  const databaseUrl = env.DATABASE_URL || embeddedUrl(postgres!.current);
  if (postgres) await ensureDatabase(databaseUrl);
  if (postgres && options.fresh) await dropTemporaryDatabases(databaseUrl);
  const dynamodbEndpoint = env.DYNAMODB_ENDPOINT || aws!.current.dynamodbEndpoint!;
  const kinesisEndpoint = env.KINESIS_ENDPOINT || aws!.current.kinesisEndpoint!;
  const awsEnv = awsEnvironment(env, [dynamodbEndpoint, kinesisEndpoint]);
  const ownNats = (nats as Kept<Nats> | undefined)?.current;
  const natsUrl = options.nats ? env.NATS_URL || ownNats!.url : null;
  const nodeNatsUrl = options.nats ? env.NATS_URL || ownNats!.nodeUrl : null;
  return {
    databaseUrl,
    dynamodbEndpoint,
    kinesisEndpoint,
    awsEnv,
    natsUrl,
    natsServerBin,
    env: {
      DATABASE_URL: databaseUrl,
      DYNAMODB_ENDPOINT: dynamodbEndpoint,
      KINESIS_ENDPOINT: kinesisEndpoint,
      ...awsEnv,
      ...(nodeNatsUrl && { NATS_URL: nodeNatsUrl }),
    },
    processes: () => [
      ...(postgres ? [{ name: 'PostgreSQL', pid: postgres.current.pid }] : []),
      ...(aws ? [{ name: 'DynamoDB and Kinesis', pid: aws.current.pid }] : []),
      ...(nats ? [{ name: 'nats-server', pid: nats.current.pid }] : []),
    ],
    stop,
  };
}

function embeddedUrl(postgres: Postgres): string {
  return `postgres://${OWNER_ROLE}:${encodeURIComponent(postgres.password)}@${LOOPBACK}:${postgres.port}/${DATABASE}`;
}
