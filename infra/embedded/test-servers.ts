/**
 * The real servers behind every test run: started once before the first test file, stopped after the last.
 *
 * They live in `.data-test/`, or in a temporary folder when another run is using that, always on their own ports, so
 * tests run beside each other and beside a running `npm start`. Tests ask for them by `inject('databaseUrl')` and take a
 * database of their own with `temporaryDatabase`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type {} from 'vitest';
import type { TestProject } from 'vitest/node';
import { StartFailure, startTown, type Town } from './index.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseUrl: string;
    dynamodbEndpoint: string;
    kinesisEndpoint: string;
    awsEnv: Record<string, string>;
    /** A nats-server for everybody: take subjects and buckets of your own. */
    natsUrl: string;
    /** The program, for tests that want a server of their own to kill. */
    natsServerBin: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let town: Town;
  let temporary: string | undefined;
  const dataDir = resolve('.data-test');
  const env = { NATS_SERVER_BIN: process.env.NATS_SERVER_BIN };
  try {
    town = await startTown({ dataDir, fresh: true, nats: true, env, log: console.log });
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    temporary = mkdtempSync(join(tmpdir(), 'heyblue-test-'));
    town = await startTown({ dataDir: temporary, nats: true, natsServerDir: dataDir, env, log: console.log });
  }
  project.provide('databaseUrl', town.databaseUrl);
  project.provide('dynamodbEndpoint', town.dynamodbEndpoint);
  project.provide('kinesisEndpoint', town.kinesisEndpoint);
  project.provide('awsEnv', town.awsEnv);
  project.provide('natsUrl', town.natsUrl!);
  project.provide('natsServerBin', town.natsServerBin!);
  Object.assign(process.env, town.awsEnv);
  return async () => {
    await town.stop();
    if (temporary) rmSync(temporary, { recursive: true, force: true });
  };
}
