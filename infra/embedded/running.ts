/**
 * Where the servers of a town are that runs now, for commands beside it: the environment says so, else the folder in which
 * `npm start` keeps them. Nothing is started.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DATABASE } from './database.ts';
import { StartFailure } from './failure.ts';
import { LOOPBACK, readPorts } from './ports.ts';
import { OWNER_ROLE, SECRETS } from './postgres.ts';

export interface RunningTown {
  readonly databaseUrl: string;
  readonly dynamodbEndpoint: string;
  readonly kinesisEndpoint: string;
  /** What the embedded servers accept, where the environment names no others. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface TownAddresses {
  readonly dataDir: string;
  /** Empty: the embedded one. */
  readonly databaseUrl: string;
  readonly dynamodbEndpoint: string;
  readonly kinesisEndpoint: string;
  readonly awsAccessKeyId: string;
  readonly awsSecretAccessKey: string;
}

/** @throws StartFailure with one sentence when neither environment nor folder says where they are */
export const runningTown = (given: TownAddresses): RunningTown => {
  const ports = readPorts(given.dataDir);
  const at = (name: 'dynamodb' | 'kinesis'): string => {
    const port = ports[name];
    if (port === undefined) throw nowhere(given.dataDir);
    return `http://${LOOPBACK}:${port}`;
  };
  const embedded =
    given.dynamodbEndpoint === '' && given.kinesisEndpoint === '' && given.awsAccessKeyId === '';
  return {
    databaseUrl: given.databaseUrl || embeddedDatabase(given.dataDir, ports.postgres),
    dynamodbEndpoint: given.dynamodbEndpoint || at('dynamodb'),
    kinesisEndpoint: given.kinesisEndpoint || at('kinesis'),
    credentials: embedded
      ? { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' }
      : { accessKeyId: given.awsAccessKeyId, secretAccessKey: given.awsSecretAccessKey },
  };
};

const nowhere = (dataDir: string): StartFailure =>
  new StartFailure(
    `There is no town in ${dataDir}: set HEYBLUE_DATA_DIR to its folder, or DATABASE_URL, DYNAMODB_ENDPOINT and KINESIS_ENDPOINT.`,
  );

const embeddedDatabase = (dataDir: string, port: number | undefined): string => {
  if (port === undefined) throw nowhere(dataDir);
  const path = join(dataDir, 'postgres', SECRETS);
  try {
    const { password } = JSON.parse(readFileSync(path, 'utf8')) as { password: string };
    return `postgres://${OWNER_ROLE}:${encodeURIComponent(password)}@${LOOPBACK}:${port}/${DATABASE}`;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'no JSON';
    throw new StartFailure(`The password of PostgreSQL cannot be read from ${path} (${why}).`);
  }
};
