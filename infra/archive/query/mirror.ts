/**
 * The objects of a bucket as files, so that DuckDB reads them where it reads those of a folder. They never change, so what
 * was fetched once is not fetched again; what retention removed from the bucket is removed here, too.
 */
import { FolderStore } from '../folderStore.ts';
import { ARCHIVE } from '../layout.ts';
import type { ObjectStore } from '../objectStore.ts';

/** Objects fetched at once. */
const SIDE_BY_SIDE = 8;

/** @returns how many objects were fetched */
export async function mirror(from: ObjectStore, folder: string): Promise<number> {
  const to = new FolderStore(folder);
  const prefix = `${ARCHIVE}/`;
  const there = new Map((await from.list(prefix)).map(({ key, bytes }) => [key, bytes]));
  const here = new Map((await to.list(prefix)).map(({ key, bytes }) => [key, bytes]));
  for (const key of here.keys()) if (!there.has(key)) await to.remove(key);
  const missing = [...there].filter(([key, bytes]) => here.get(key) !== bytes).map(([key]) => key);
  const fetchOne = async (): Promise<void> => {
    for (let key = missing.pop(); key !== undefined; key = missing.pop()) {
      const body = await from.get(key);
      if (body !== null) await to.put(key, body);
    }
  };
  const count = missing.length;
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, fetchOne));
  return count;
}
