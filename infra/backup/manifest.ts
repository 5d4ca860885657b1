/**
 * What stands in `backup.json` of a backup's folder: written last, so that a folder with it is a whole backup, and one without
 * it is none. Every file is named with its digest: a backup that was damaged is refused before anything is restored.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BackupFailure } from './failure.ts';
import { FORMAT } from './limits.ts';
import type { Sequence, Table } from './schema.ts';

export interface StoredFile {
  /** Below the folder of the backup. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly format: number;
  /** Of the package that made it. */
  readonly version: string;
  /** ISO 8601: PostgreSQL as of this moment, by its own clock. */
  readonly at: string;
  readonly migrations: readonly string[];
  readonly tables: readonly (Table & { readonly rows: number; readonly file: StoredFile })[];
  readonly sequences: readonly Sequence[];
  /** Tables of DynamoDB that cannot be made again from PostgreSQL. */
  readonly items: readonly { readonly table: string; readonly count: number; readonly file: StoredFile }[];
  /** Of the archive, in the order of their keys; null: it was left out. */
  readonly objects: readonly StoredFile[] | null;
  /** Of the data folder: keys and the roster. */
  readonly files: readonly StoredFile[];
}

const NAME = 'backup.json';

export const digestOf = async (path: string): Promise<Omit<StoredFile, 'path'>> => {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  });
  return { bytes, sha256: hash.digest('hex') };
};

export const writeManifest = async (folder: string, manifest: Manifest): Promise<void> => {
  const draft = join(folder, `.${NAME}`);
  const file = await open(draft, 'w', 0o600);
  await file.writeFile(`${JSON.stringify(manifest, null, 2)}\n`);
  await file.sync();
  await file.close();
  await rename(draft, join(folder, NAME));
};

/** Throws a sentence when there is no whole backup of a format that we know. */
export const readManifest = async (folder: string): Promise<Manifest> => {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(await readFile(join(folder, NAME), 'utf8')) as Manifest;
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it has no' : 'it has no readable';
    throw new BackupFailure(`${folder} is no whole backup: ${why} ${NAME}.`);
  }
  if (manifest.format !== FORMAT)
    throw new BackupFailure(`${folder} is a backup of format ${manifest.format}; this reads ${FORMAT}.`);
  return manifest;
};

export const filesOf = ({ tables, items, objects, files }: Manifest): StoredFile[] => [
  ...tables.map(({ file }) => file),
  ...items.map(({ file }) => file),
  ...(objects ?? []),
  ...files,
];

/** Throws a sentence that names the first file that is not what it was. */
export const verify = async (folder: string, manifest: Manifest): Promise<void> => {
  for (const { path, bytes, sha256 } of filesOf(manifest)) {
    if (path.split('/').includes('..') || path.startsWith('/'))
      throw new BackupFailure(`${folder} is no backup of ours: it names ${path}.`);
    const found = await digestOf(join(folder, path)).catch(() => null);
    if (found === null) throw new BackupFailure(`The backup is damaged: ${path} is missing.`);
    if (found.bytes !== bytes || found.sha256 !== sha256)
      throw new BackupFailure(`The backup is damaged: ${path} is not what was written.`);
  }
};

/** A folder of ours alone; throws a sentence when there is something in it already. */
export const newFolder = async (folder: string): Promise<void> => {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 }).catch(error => {
    throw new BackupFailure(`The folder ${folder} cannot be made: ${(error as Error).message}.`);
  });
  if (made === undefined) {
    if ((await readdir(folder)).length > 0)
      throw new BackupFailure(`The folder ${folder} is not empty: a backup begins in a new one.`);
  }
};
