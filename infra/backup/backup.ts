/**
 * A whole town into a folder, while it goes on: PostgreSQL as of one moment, what only DynamoDB knows, the archive, the keys.
 *
 * The archive is copied before PostgreSQL is looked at: it may then lack what the ledger has, which the restored town tells it
 * again; the other way round it would know of movements that never were.
 */
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArchivePlace } from '../archive/place.ts';
import type { AwsOptions } from '../outbox/awsClient.ts';
import { dumpDatabase } from './database.ts';
import { dumpItems, KEPT_TABLES } from './items.ts';
import { FORMAT } from './limits.ts';
import { digestOf, type Manifest, newFolder, type StoredFile, writeManifest } from './manifest.ts';
import { copyOutObjects } from './objects.ts';

/** Of the data folder: what signs tokens and codes, and the badges of the first start. */
const KEPT_FILES = ['keys/keys.json', 'roster.txt'] as const;

export interface BackupOptions {
  /** As the role that owns the tables. */
  readonly databaseUrl: string;
  readonly dynamodb: AwsOptions;
  /** Null: it is left out, because it lies in a store that is safe by itself. */
  readonly archive: ArchivePlace | null;
  /** Null: there is none, as in a cluster whose keys are secrets of its own. */
  readonly dataDir: string | null;
  /** Of the package. */
  readonly version: string;
  /** Default: the tables of the town. */
  readonly tables?: readonly string[];
  readonly say: (line: string) => void;
}

/**
 * @param folder made when missing, empty when there
 * @throws BackupFailure
 */
export const backUp = async (options: BackupOptions, folder: string): Promise<Manifest> => {
  const { databaseUrl, dynamodb, archive, dataDir, version, say } = options;
  await newFolder(folder);
  for (const name of ['postgres', 'dynamodb']) await mkdir(join(folder, name), { mode: 0o700 });
  const objects = archive === null ? null : await copyOutObjects(archive, folder);
  if (objects !== null) say(`archive: ${objects.length} objects`);
  const database = await dumpDatabase(databaseUrl, folder, say);
  const items = await dumpItems(dynamodb, folder, options.tables ?? KEPT_TABLES);
  const files = dataDir === null ? [] : await copyFiles(dataDir, folder);
  const manifest: Manifest = { format: FORMAT, version, ...database, items, objects, files };
  await writeManifest(folder, manifest);
  return manifest;
};

const copyFiles = async (dataDir: string, folder: string): Promise<StoredFile[]> => {
  const done: StoredFile[] = [];
  for (const name of KEPT_FILES) {
    const path = `files/${name}`;
    await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
    try {
      await copyFile(join(dataDir, name), join(folder, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error;
    }
    done.push({ path, ...(await digestOf(join(folder, path))) });
  }
  return done;
};
