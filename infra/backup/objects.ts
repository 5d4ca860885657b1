/**
 * The archive, object by object: they never change, so a copy is a copy. How far the archiver had come in its streams is left
 * out: it belongs to streams that the restored town does not have.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ObjectStore } from '../archive/objectStore.ts';
import { openObjects } from '../archive/openObjects.ts';
import type { ArchivePlace } from '../archive/place.ts';
import { BackupFailure } from './failure.ts';
import type { StoredFile } from './manifest.ts';

const KEPT = ['archive/', 'errors/'];
/** Below the folder of the backup. */
const FOLDER = 'objects';

const within = async <T>(place: ArchivePlace, work: (store: ObjectStore) => Promise<T>): Promise<T> => {
  const store = openObjects(place);
  try {
    return await work(store);
  } catch (error) {
    if (error instanceof BackupFailure) throw error;
    throw new BackupFailure(`The archive in ${store.name} cannot be used: ${(error as Error).message}.`);
  } finally {
    store.close();
  }
};

export const copyOutObjects = (place: ArchivePlace, folder: string): Promise<StoredFile[]> =>
  within(place, async store => {
    const done: StoredFile[] = [];
    for (const prefix of KEPT) {
      for (const { key, isCold } of await store.list(prefix)) {
        if (isCold)
          throw new BackupFailure(
            `${key} lies in a cold tier of ${store.name}: such an archive is its own backup, use --no-archive.`,
          );
        const body = await store.get(key);
        if (body === null) continue; // let go by its lifecycle meanwhile
        const path = `${FOLDER}/${key}`;
        await mkdir(dirname(join(folder, path)), { recursive: true, mode: 0o700 });
        await writeFile(join(folder, path), body, { mode: 0o600 });
        done.push({ path, bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') });
      }
    }
    return done;
  });

/** Throws a sentence when there is an archive already. */
export const checkNoObjects = (place: ArchivePlace): Promise<void> =>
  within(place, async store => {
    for (const prefix of KEPT) {
      const [first] = await store.list(prefix);
      if (first !== undefined)
        throw new BackupFailure(`The archive in ${store.name} is not empty: it has ${first.key}.`);
    }
  });

export const copyInObjects = (
  place: ArchivePlace,
  folder: string,
  objects: readonly StoredFile[],
): Promise<void> =>
  within(place, async store => {
    for (const { path } of objects) {
      await store.putNew(path.slice(FOLDER.length + 1), await readFile(join(folder, path)));
    }
  });
