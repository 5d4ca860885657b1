/** Where the auditor reads; plain values, so that they can be handed to a thread. */
import { join } from 'node:path';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { Config } from '../config/index.ts';
import { ARCHIVE_SLACK_S, CONNECT_MS_MAX } from './limits.ts';
import type { StoreName } from './report.ts';

export interface AwsAt {
  readonly endpoint: string;
  readonly region: string;
  /** Empty texts leave it to the standard chain (roles, profiles). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** A folder, or a bucket that speaks S3; `prefix` ends with a slash or is empty. */
export type ArchiveAt =
  | { readonly kind: 'folder'; readonly path: string }
  | ({ readonly kind: 's3'; readonly bucket: string; readonly prefix: string } & AwsAt);

export interface AuditedStores {
  /** As a role that reads and nothing else. */
  readonly databaseUrl: string;
  /** Null: not looked at. */
  readonly dynamodb: AwsAt | null;
  readonly kinesis: AwsAt | null;
  readonly archive: ArchiveAt | null;
  /** Other names than those of the town, for tests that share a server. */
  readonly names?: {
    readonly transactions?: string;
    readonly userEvents?: string;
    readonly balances?: string;
    readonly catalogs?: string;
    readonly rules?: string;
  };
}

const REQUEST_MS_MAX = 30_000;
/** Whoever reads a whole stream or table is throttled now and then, and waits. */
const ATTEMPTS_MAX = 8;

export function clientConfig({ endpoint, region, credentials }: AwsAt) {
  return {
    ...(endpoint !== '' && { endpoint }),
    region,
    maxAttempts: ATTEMPTS_MAX,
    // the embedded Kinesis does not speak HTTP/2, which its client would choose
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECT_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      throwOnRequestTimeout: true,
      socketTimeout: REQUEST_MS_MAX,
    }),
    ...(credentials.accessKeyId !== '' && { credentials: { ...credentials } }),
  };
}

/** A check of one store needed another one, which cannot be read. */
export class Unreadable extends Error {
  readonly store: StoreName;

  constructor(store: StoreName, why: unknown) {
    super(String((why as Error).message || why), { cause: why });
    this.store = store;
  }
}

export const isMissing = (error: unknown): boolean =>
  (error as { name?: string }).name === 'ResourceNotFoundException';

/** Where the archive is, by the settings. */
export const archiveOf = (
  config: Pick<
    Config,
    | 'dataDir'
    | 'archiveDir'
    | 's3Bucket'
    | 's3Endpoint'
    | 'awsRegion'
    | 'awsAccessKeyId'
    | 'awsSecretAccessKey'
  >,
): ArchiveAt => {
  const { s3Bucket: bucket, s3Endpoint: endpoint, awsRegion: region } = config;
  if (bucket === '') return { kind: 'folder', path: config.archiveDir || join(config.dataDir, 'archive') };
  const credentials = { accessKeyId: config.awsAccessKeyId, secretAccessKey: config.awsSecretAccessKey };
  return { kind: 's3', bucket, prefix: '', endpoint, region, credentials };
};

/** What came into a stream so long ago is archived: a flush may be missed, and the one after it takes its time. */
export const archiveBoundS = ({ archiveFlushS }: Pick<Config, 'archiveFlushS'>): number =>
  2 * archiveFlushS + ARCHIVE_SLACK_S;
