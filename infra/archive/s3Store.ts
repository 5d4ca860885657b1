/**
 * Objects in a bucket of S3 or of any store that speaks its protocol.
 *
 * That only one of two puts a new object is asked of the store itself (`If-None-Match: *`, which S3 has since August
 * 2024 and the usual stores after it). Encryption, retention and cold tiers are the bucket's business
 * (`bucket/`): what writes here may neither weaken nor remove them.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ServiceException,
} from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { CONNECT_MS_MAX } from '../outbox/limits.ts';
import { STORE_REQUEST_MS_MAX } from './limits.ts';
import {
  assertKey,
  type ByteRange,
  byKey,
  type ObjectStore,
  StoreAway,
  type StoredObject,
} from './objectStore.ts';

export interface S3Options {
  readonly bucket: string;
  /** Empty takes the public one of the region. */
  readonly endpoint: string;
  readonly region: string;
  /** Empty texts leave it to the standard chain (roles, profiles). */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** Tiers that answer after hours; GLACIER_IR answers at once. */
const COLD = new Set(['GLACIER', 'DEEP_ARCHIVE']);

const statusOf = (error: unknown): number =>
  (error as Partial<S3ServiceException>).$metadata?.httpStatusCode ?? 0;

export class S3Store implements ObjectStore {
  readonly name: string;
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor({ bucket, endpoint, region, credentials }: S3Options) {
    this.name = `the bucket ${bucket}`;
    this.#bucket = bucket;
    this.#client = new S3Client({
      region,
      // the archiver has its own patience
      maxAttempts: 1,
      // other stores than Amazon's do not know the newer checksums; the body is signed anyway
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: new NodeHttpHandler({
        connectionTimeout: CONNECT_MS_MAX,
        requestTimeout: STORE_REQUEST_MS_MAX,
        throwOnRequestTimeout: true,
        socketTimeout: STORE_REQUEST_MS_MAX,
      }),
      ...(endpoint !== '' && { endpoint, forcePathStyle: true }),
      ...(credentials.accessKeyId !== '' && { credentials: { ...credentials } }),
    });
  }

  async putNew(key: string, body: Uint8Array): Promise<boolean> {
    assertKey(key);
    try {
      await this.#client.send(
        new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body, IfNoneMatch: '*' }),
      );
      return true;
    } catch (error) {
      if (statusOf(error) === 412) return false;
      throw this.#away(error);
    }
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    assertKey(key);
    try {
      await this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key: key, Body: body }));
    } catch (error) {
      throw this.#away(error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    assertKey(key);
    if (range !== undefined && range.end <= range.start) return new Uint8Array();
    try {
      const { Body } = await this.#client.send(
        new GetObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...(range !== undefined && { Range: `bytes=${range.start}-${range.end - 1}` }),
        }),
      );
      return (await Body?.transformToByteArray()) ?? new Uint8Array();
    } catch (error) {
      if (statusOf(error) === 404 && (error as Error).name !== 'NoSuchBucket') return null;
      // beyond its end, or an empty object
      if (statusOf(error) === 416) return new Uint8Array();
      throw this.#away(error);
    }
  }

  async list(prefix: string): Promise<StoredObject[]> {
    const found: StoredObject[] = [];
    try {
      for (let after: string | undefined; ; ) {
        const page = await this.#client.send(
          new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, ContinuationToken: after }),
        );
        for (const { Key = '', Size = 0, StorageClass = '' } of page.Contents ?? []) {
          found.push({ key: Key, bytes: Size, ...(COLD.has(StorageClass) && { isCold: true }) });
        }
        after = page.NextContinuationToken;
        if (after === undefined) return found.sort(byKey);
      }
    } catch (error) {
      throw this.#away(error);
    }
  }

  async remove(key: string): Promise<void> {
    assertKey(key);
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }));
    } catch (error) {
      throw this.#away(error);
    }
  }

  close(): void {
    this.#client.destroy();
  }

  #away(error: unknown): StoreAway {
    const { name = '', message = String(error) } = error as Error;
    return new StoreAway(`${this.name} cannot be used: ${name}: ${message}`, { cause: error });
  }
}
