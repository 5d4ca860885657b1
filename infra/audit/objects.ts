/** The objects of the archive, in a folder or a bucket, by a reader of our own. */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { parquetReadObjects } from 'hyparquet';
import { type ArchiveAt, clientConfig } from './stores.ts';

export interface ArchivedObjects {
  /** Keys that begin so, in their order. */
  list(prefix: string): Promise<string[]>;
  get(key: string): Promise<Uint8Array>;
  close(): void;
}

export const openObjects = (at: ArchiveAt): ArchivedObjects =>
  at.kind === 'folder' ? inFolder(at.path) : inBucket(at);

const inFolder = (path: string): ArchivedObjects => ({
  async list(prefix) {
    const names = await readdir(join(path, prefix), { recursive: true, withFileTypes: true }).catch(error => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    });
    return names
      .filter(one => one.isFile())
      .map(one => relative(path, join(one.parentPath, one.name)).split(sep).join('/'))
      .sort();
  },
  get: key => readFile(join(path, key)),
  close() {},
});

const inBucket = (at: ArchiveAt & { kind: 's3' }): ArchivedObjects => {
  const client = new S3Client({ ...clientConfig(at), forcePathStyle: at.endpoint !== '' });
  const Bucket = at.bucket;
  return {
    async list(prefix) {
      const keys: string[] = [];
      const pages = paginateListObjectsV2({ client }, { Bucket, Prefix: at.prefix + prefix });
      for await (const { Contents = [] } of pages) {
        for (const { Key } of Contents) if (Key !== undefined) keys.push(Key.slice(at.prefix.length));
      }
      return keys.sort();
    },
    async get(key) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: at.prefix + key }));
      return (await Body?.transformToByteArray()) ?? new Uint8Array();
    },
    close: () => client.destroy(),
  };
};

/** What the auditor wants of an archived event. */
export interface ArchivedRow {
  readonly event_id: string;
  readonly type: string;
  readonly time: Date;
  readonly causation: string | null;
  readonly payload: string;
}

export const rowsOf = async (object: Uint8Array): Promise<ArchivedRow[]> => {
  const rows = await parquetReadObjects({
    file: new Uint8Array(object).buffer,
    columns: ['event_id', 'type', 'time', 'causation', 'payload'],
    compressors: {
      ZSTD: (input, length) => new Uint8Array(zstdDecompressSync(input)).subarray(0, length),
    },
  });
  return rows as unknown as ArchivedRow[];
};
