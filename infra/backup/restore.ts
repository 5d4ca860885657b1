/**
 * A backup into a town in which there is nothing. Everything is looked at before anything is written: the backup is whole and
 * undamaged, of a schema that this release knows, and every store is empty. What follows from the ledger (balances in DynamoDB,
 * catalogues, the streams of the last day) is told again by the outbox when a node starts.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArchivePlace } from '../archive/place.ts';
import type { AwsOptions } from '../outbox/awsClient.ts';
import { checkTarget, loadDatabase } from './database.ts';
import { BackupFailure } from './failure.ts';
import { checkNoItems, loadItems } from './items.ts';
import { type Manifest, readManifest, verify } from './manifest.ts';
import { checkNoObjects, copyInObjects } from './objects.ts';
import { tellAgain } from './toldAgain.ts';

export interface RestoreOptions {
  /** As a role that may create schemas; the database exists and is empty. */
  readonly databaseUrl: string;
  readonly dynamodb: AwsOptions;
  /** Null: its objects are not put back. */
  readonly archive: ArchivePlace | null;
  /** Null: its files are not put back. */
  readonly dataDir: string | null;
  /** Which table takes what was in one, for tests. */
  readonly named?: (table: string) => string;
  readonly say: (line: string) => void;
}

/**
 * Tables of DynamoDB that must be empty, too: what is made again from the ledger, for it only ever goes upwards, and how far
 * readers had come in streams that were others.
 */
const FOLLOWING = ['balances', 'catalogs', 'kinesis_checkpoints'];

/** @throws BackupFailure */
export const restore = async (options: RestoreOptions, folder: string): Promise<Manifest> => {
  const { databaseUrl, dynamodb, archive, dataDir, say } = options;
  const named = options.named ?? (table => table);
  const manifest = await readManifest(folder);
  await verify(folder, manifest);
  await checkTarget(databaseUrl, manifest);
  await checkNoItems(dynamodb, [...manifest.items.map(({ table }) => table), ...FOLLOWING].map(named));
  if (archive !== null) await checkNoObjects(archive);
  // the archive first: should the database fail, this may simply be tried again after the folder is emptied
  if (archive !== null && manifest.objects !== null) {
    await copyInObjects(archive, folder, manifest.objects);
    say(`archive: ${manifest.objects.length} objects`);
  }
  if (dataDir !== null) await putFiles(manifest, folder, dataDir);
  await loadItems(dynamodb, folder, manifest.items, named);
  await loadDatabase(databaseUrl, folder, manifest, client => tellAgain(client, manifest.at), say);
  return manifest;
};

const putFiles = async ({ files }: Manifest, folder: string, dataDir: string): Promise<void> => {
  for (const { path } of files) {
    const to = join(dataDir, path.slice('files/'.length));
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    try {
      await copyFile(join(folder, path), to);
    } catch (error) {
      throw new BackupFailure(`${to} cannot be written: ${(error as Error).message}.`);
    }
  }
};
