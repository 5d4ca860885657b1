/**
 * `npx node k8s/devServers.ts`: the servers of a town in one pod, for clusters of development and tests (components/servers):
 * PostgreSQL, DynamoDB, Kinesis and NATS on their usual ports. The embedded ones speak on the loopback only, which is right
 * everywhere else; here each has a door in front of it. PostgreSQL and NATS take one password, that of
 * a file; the emulators take anybody, so only a network policy keeps people out.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { startTown } from '../infra/embedded/index.ts';

const PASSWORD_FILE = '/run/secrets/heyblue/password';
/** Who PostgreSQL knows beside its own owner, whose password nobody else is to know. */
export const POSTGRES_USER = 'heyblue_dev';
export const NATS_USER = 'heyblue';

const HELP = `npx node k8s/devServers.ts

  PostgreSQL on 5432, NATS on 4222, DynamoDB on 8000 and Kinesis on 4567, on every address of this machine, until SIGTERM.
  HEYBLUE_DATA_DIR               folder of their files; default /var/lib/heyblue
  HEYBLUE_SERVERS_PASSWORD_FILE  file with the password of PostgreSQL (${POSTGRES_USER}) and NATS (${NATS_USER}); default ${PASSWORD_FILE}
`;

/** Whatever comes to this port of every address goes to that server of the loopback. */
const door = (port: number, to: URL): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true }, outside => {
      const inside = connect({ host: to.hostname, port: Number(to.port), noDelay: true });
      for (const [from, other] of [
        [outside, inside],
        [inside, outside],
      ] as const) {
        from.pipe(other);
        from.on('error', () => other.destroy());
        from.on('close', () => other.destroy());
      }
    });
    server.once('error', reject);
    server.listen(port, '0.0.0.0', () => resolve(server));
  });

/** A user that others may know the password of; the embedded one's is the server's own secret. */
const letIn = async (databaseUrl: string, password: string): Promise<void> => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_roles where rolname = $1', [POSTGRES_USER]);
    const verb = rowCount === 0 ? 'create' : 'alter';
    await client.query(
      `${verb} role ${POSTGRES_USER} superuser login password ${client.escapeLiteral(password)}`,
    );
  } finally {
    await client.end();
  }
};

async function main(): Promise<void> {
  const dataDir = process.env.HEYBLUE_DATA_DIR || '/var/lib/heyblue';
  const password = readFileSync(process.env.HEYBLUE_SERVERS_PASSWORD_FILE || PASSWORD_FILE, 'utf8').trim();
  // the file of the embedded server's own password, which the first start would make up
  mkdirSync(join(dataDir, 'nats'), { recursive: true, mode: 0o700 });
  writeFileSync(join(dataDir, 'nats', 'heyblue-secrets.json'), JSON.stringify({ password }), { mode: 0o600 });
  const town = await startTown({ dataDir, nats: true, log: line => console.log(line) });
  const stop = async () => {
    await town.stop();
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop());
  process.on('SIGINT', () => void stop());
  await letIn(town.databaseUrl, password);
  await Promise.all([
    door(8000, new URL(town.dynamodbEndpoint)),
    door(4567, new URL(town.kinesisEndpoint)),
    door(4222, new URL(town.natsUrl!)),
  ]);
  // last: whoever reaches PostgreSQL reaches all of them
  await door(5432, new URL(town.databaseUrl));
  console.log('PostgreSQL on 5432, NATS on 4222, DynamoDB on 8000, Kinesis on 4567');
}

if (import.meta.main && process.argv.includes('--help')) console.log(HELP);
else if (import.meta.main)
  main().catch(error => {
    console.error(`The servers did not start: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  });
