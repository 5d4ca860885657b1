/** What stores are opened with in tests: the servers of the run, and nobody who looks. */
import { inject } from 'vitest';
import { systemScheduler } from '../clock.ts';
import type { StoresOptions } from './index.ts';
import { silent } from './testTown.ts';

export const storesOptions = (
  change: Partial<StoresOptions> & Pick<StoresOptions, 'databaseUrl'>,
): StoresOptions => ({
  appUrl: null,
  dynamodbEndpoint: inject('dynamodbEndpoint'),
  kinesisEndpoint: inject('kinesisEndpoint'),
  region: 'us-east-1',
  credentials: { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' },
  owner: 'test',
  log: silent,
  metrics: { count() {}, observe() {}, gauge() {} },
  scheduler: systemScheduler,
  ...change,
});
