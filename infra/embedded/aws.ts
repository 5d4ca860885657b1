/**
 * The process that plays DynamoDB and Kinesis (dynalite and kinesalite, both with the real wire protocol).
 *
 * A process of its own, because both keep their event loop busy and hold LevelDB files that only one may open. Its
 * parent tells it by ipc what to serve; when the parent vanishes (`kill -9`), it closes its files and ends, and takes
 * the orphaned PostgreSQL along, which has no parent to notice.
 */
import { createRequire } from 'node:module';
import { makeOpenable } from './leveldb.ts';
import { AWS_STOP_MS_MAX } from './limits.ts';
import { LOOPBACK, tryPort } from './ports.ts';
import { signal } from './processes.ts';

/** What the parent sends: files and wanted ports; a server that is not named is not started. */
export interface AwsOrder {
  type: 'serve';
  /** Fail rather than take other ports than the wanted ones. */
  samePorts: boolean;
  dynamodb?: { path: string; port: number };
  kinesis?: { path: string; port: number };
}

/** PostgreSQL's pid, to be ended when the parent dies. */
export interface AwsGuard {
  type: 'guard';
  postgresPid: number;
}

/** What comes back once it listens. */
export interface AwsReady {
  type: 'ready';
  dynamodbPort?: number;
  kinesisPort?: number;
}

interface Listening {
  listen(port: number, host: string, done: () => void): void;
  close(done: () => void): void;
  closeAllConnections(): void;
  once(event: 'error', listener: (error: Error) => void): void;
}
type Create = (options: Record<string, string | number>) => Listening;

/** Neither server has to imitate how long the cloud takes. */
const CREATE_MS = 5;
const SHARDS_MAX = 100;

const load = createRequire(import.meta.url);
const servers: Listening[] = [];
let postgresPid = 0;

async function serve(
  create: Create,
  wanted: { path: string; port: number },
  samePorts: boolean,
): Promise<number> {
  if (await makeOpenable(wanted.path))
    console.error(`The files in ${wanted.path} were damaged and are repaired.`);
  const port = (await tryPort(wanted.port)) ?? (samePorts ? null : await tryPort(0));
  if (port === null) throw new Error(`port ${wanted.port} is taken`);
  const server = create({
    path: wanted.path,
    createTableMs: CREATE_MS,
    updateTableMs: CREATE_MS,
    deleteTableMs: CREATE_MS,
    createStreamMs: CREATE_MS,
    updateStreamMs: CREATE_MS,
    deleteStreamMs: CREATE_MS,
    shardLimit: SHARDS_MAX,
  });
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
  return port;
}

let closing = false;
function close(): void {
  if (closing) return;
  closing = true;
  setTimeout(() => process.exit(0), AWS_STOP_MS_MAX / 2);
  let open = servers.length;
  if (open === 0) process.exit(0);
  for (const server of servers) {
    server.close(() => {
      open--;
      if (open === 0) process.exit(0);
    });
    server.closeAllConnections();
  }
}

async function begin(order: AwsOrder): Promise<void> {
  const ready: AwsReady = { type: 'ready' };
  if (order.dynamodb)
    ready.dynamodbPort = await serve(load('dynalite') as Create, order.dynamodb, order.samePorts);
  if (order.kinesis)
    ready.kinesisPort = await serve(load('kinesalite') as Create, order.kinesis, order.samePorts);
  process.send?.(ready);
}

process.on('message', (message: AwsOrder | AwsGuard) => {
  if (message.type === 'guard') postgresPid = message.postgresPid;
  else
    begin(message).catch(error => {
      process.send?.({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
      process.exit(1);
    });
});
process.on('disconnect', () => {
  if (postgresPid !== 0) signal(postgresPid, 'SIGINT');
  close();
});
process.on('SIGTERM', close);
process.on('SIGINT', close);
