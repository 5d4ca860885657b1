/**
 * The objects of a bucket as files, so that DuckDB reads them where it reads those of a folder. They never change, so what
 * was fetched once is not fetched again; what retention removed from the bucket is removed here, too.
 */
import { FolderStore } from '../folderStore.ts';
import { ARCHIVE, SEALS } from '../layout.ts';
import type { ObjectStore } from '../objectStore.ts';

/** Objects fetched at once. */
const SIDE_BY_SIDE = 8;

export interface Mirrored {
  /** Objects that were fetched now. */
  readonly fetched: number;
  /** Objects that cannot be, unless they are called back from their tier. */
  readonly cold: number;
}

export async function mirror(from: ObjectStore, folder: string): Promise<Mirrored> {
  const to = new FolderStore(folder);
  const listed = async (store: ObjectStore) => [
    ...(await store.list(`${ARCHIVE}/`)),
    ...(await store.list(`${SEALS}/`)),
  ];
  const objects = await listed(from);
  const there = new Map(objects.map(({ key, bytes }) => [key, bytes]));
  const cold = new Set(objects.filter(({ isCold }) => isCold).map(({ key }) => key));
  const here = new Map((await listed(to)).map(({ key, bytes }) => [key, bytes]));
  for (const key of here.keys()) if (!there.has(key)) await to.remove(key);
  const wanted = [...there].filter(([key, bytes]) => here.get(key) !== bytes).map(([key]) => key);
  const missing = wanted.filter(key => !cold.has(key));
  const fetchOne = async (): Promise<void> => {
    for (let key = missing.pop(); key !== undefined; key = missing.pop()) {
      const body = await from.get(key);
      if (body !== null) await to.put(key, body);
    }
  };
  const fetched = missing.length;
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, fetchOne));
  return { fetched, cold: wanted.length - fetched };
}
