/** Where the archive is; plain values, so that they can be handed to a thread. */
import { join } from 'node:path';
import type { Config } from '../config/index.ts';

export interface ArchivePlace {
  readonly folder: string;
  /** Empty: the folder. */
  readonly bucket: string;
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export const archivePlace = (config: Config): ArchivePlace => ({
  folder: config.archiveDir || join(config.dataDir, 'archive'),
  bucket: config.s3Bucket,
  endpoint: config.s3Endpoint,
  region: config.awsRegion,
  credentials: { accessKeyId: config.awsAccessKeyId, secretAccessKey: config.awsSecretAccessKey },
});
