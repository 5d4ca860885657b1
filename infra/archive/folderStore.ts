/**
 * Objects as files under a folder: the default, and what the other stores are measured against.
 *
 * A file is written and synced under a name that nobody reads, then linked to its own: linking is atomic and refuses when
 * the name is taken. A kill leaves such a nameless file at worst; the next start sweeps old ones away.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { STRAY_MS } from './limits.ts';
import { makeFolder } from './makeFolder.ts';
import {
  assertKey,
  type ByteRange,
  byKey,
  type ObjectStore,
  StoreAway,
  type StoredObject,
} from './objectStore.ts';

/** Files on their way; no key begins with a dot. */
const UNNAMED = '.unnamed';

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? '';
const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error));

export class FolderStore implements ObjectStore {
  readonly name: string;
  readonly #root: string;
  #swept = false;
  /** Folders that are known to be there, and durable. */
  readonly #made = new Map<string, Promise<void>>();

  /** @param folder made when missing, at the first write */
  constructor(folder: string) {
    this.#root = resolve(folder);
    this.name = `the folder ${folder}`;
  }

  putNew(key: string, body: Uint8Array): Promise<boolean> {
    return this.#place(key, body, async (from, to) => {
      try {
        await link(from, to);
        return true;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      }
    });
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#place(key, body, async (from, to) => {
      await rename(from, to);
      return true;
    });
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    assertKey(key);
    let file: FileHandle | undefined;
    try {
      file = await open(join(this.#root, key));
      if (range === undefined) return await file.readFile();
      const part = new Uint8Array(Math.max(0, range.end - range.start));
      const { bytesRead } = await file.read(part, 0, part.length, range.start);
      return part.subarray(0, bytesRead);
    } catch (error) {
      if (isGone(error)) return null;
      throw this.#away(error);
    } finally {
      await file?.close();
    }
  }

  async list(prefix: string): Promise<StoredObject[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    try {
      const entries = await readdir(join(this.#root, folder), { recursive: true, withFileTypes: true });
      const found: StoredObject[] = [];
      for (const entry of entries) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const key = path.slice(this.#root.length + 1).replaceAll(sep, '/');
        if (!key.startsWith(prefix) || key.startsWith(`${UNNAMED}/`)) continue;
        const bytes = await stat(path).then(
          ({ size }) => size,
          () => null,
        );
        if (bytes !== null) found.push({ key, bytes });
      }
      return found.sort(byKey);
    } catch (error) {
      if (isGone(error)) return [];
      throw this.#away(error);
    }
  }

  async remove(key: string): Promise<void> {
    assertKey(key);
    try {
      await unlink(join(this.#root, key));
    } catch (error) {
      if (!isGone(error)) throw this.#away(error);
    }
  }

  close(): void {}

  /** Writes the file where nobody looks, then gives it its name by `name`; durable when it returns. */
  async #place(
    key: string,
    body: Uint8Array,
    name: (from: string, to: string) => Promise<boolean>,
  ): Promise<boolean> {
    assertKey(key);
    const unnamed = join(this.#root, UNNAMED, randomUUID());
    const path = join(this.#root, key);
    try {
      await this.#folder(dirname(unnamed));
      await this.#sweep();
      await this.#folder(dirname(path));
      const file = await open(unnamed, 'wx');
      try {
        await file.writeFile(body);
        await file.sync();
      } finally {
        await file.close();
      }
      const named = await name(unnamed, path);
      await syncFolder(dirname(path));
      return named;
    } catch (error) {
      // somebody removed a folder behind our back: the next try makes it again
      if (isGone(error)) this.#made.clear();
      throw this.#away(error);
    } finally {
      await rm(unnamed, { force: true }).catch(() => {});
    }
  }

  /** Makes a folder and those above it, and their names durable. */
  #folder(path: string): Promise<void> {
    const known = this.#made.get(path);
    if (known !== undefined) return known;
    const making = makeFolder(path).then(async made => {
      for (const one of made) await syncFolder(dirname(one));
    });
    this.#made.set(path, making);
    making.catch(() => this.#made.delete(path));
    return making;
  }

  /** What a killed process left behind; only what is old, as others may be at work on this folder. */
  async #sweep(): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    const folder = join(this.#root, UNNAMED);
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      const age = await stat(path).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      );
      if (age > STRAY_MS) await rm(path, { force: true });
    }
  }

  #away(error: unknown): StoreAway {
    const code = codeOf(error);
    const why = code === 'ENOSPC' ? 'the disk is full' : code || String(error);
    return new StoreAway(`${this.name} cannot be used: ${why}`, { cause: error });
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
