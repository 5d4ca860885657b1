import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderStore } from './folderStore.ts';
import { type ObjectStore, StoreAway } from './objectStore.ts';
import { S3Store } from './s3Store.ts';
import { MemoryStore } from './testArchive.ts';
import { type TestS3, testS3 } from './testS3Server.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (body: Uint8Array | null): string | null => body && new TextDecoder().decode(body);

interface Home {
  store: ObjectStore;
  close(): Promise<void>;
}

const folderHome = async (): Promise<Home & { path: string }> => {
  const path = mkdtempSync(join(tmpdir(), 'heyblue-objects-'));
  const store = new FolderStore(join(path, 'archive'));
  return { store, path, close: async () => rmSync(path, { recursive: true, force: true }) };
};

const BUCKET = 'heyblue-archive';
const s3Home = async (): Promise<Home & { server: TestS3 }> => {
  const server = await testS3(BUCKET);
  const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
  const store = new S3Store({ bucket: BUCKET, endpoint: server.endpoint, region: 'us-east-1', credentials });
  server.pageKeys = 2;
  const close = async () => {
    store.close();
    await server.close();
  };
  return { store, server, close };
};

describe.each<[string, () => Promise<Home>]>([
  ['a folder', folderHome],
  ['a bucket', s3Home],
  ['the memory of tests', async () => ({ store: new MemoryStore(), close: async () => {} })],
])('%s keeps objects', (_, open) => {
  let home: Home;
  beforeEach(async () => {
    home = await open();
  });
  afterEach(() => home.close());

  it('gives back what was put, whole or in part', async () => {
    await home.store.put('a/b/one.txt', bytes('one two three'));
    expect(text(await home.store.get('a/b/one.txt'))).toBe('one two three');
    expect(text(await home.store.get('a/b/one.txt', { start: 4, end: 7 }))).toBe('two');
    expect(text(await home.store.get('a/b/one.txt', { start: 8, end: 100 }))).toBe('three');
    expect(text(await home.store.get('a/b/one.txt', { start: 50, end: 60 }))).toBe('');
    await home.store.put('a/b/one.txt', bytes('four'));
    expect(text(await home.store.get('a/b/one.txt'))).toBe('four');
  });

  it('has no object that nobody put, and forgets what is removed', async () => {
    expect(await home.store.get('a/nothing')).toBeNull();
    expect(await home.store.list('a/')).toEqual([]);
    await home.store.put('a/one', bytes('1'));
    expect(await home.store.get('a/one/under')).toBeNull();
    await home.store.remove('a/one');
    await home.store.remove('a/one');
    expect(await home.store.get('a/one')).toBeNull();
  });

  it('lets one of many put a new object, and only that one', async () => {
    const told = await Promise.all(
      Array.from({ length: 8 }, (_, i) => home.store.putNew('race/object', bytes(`by ${i}`))),
    );
    expect(told.filter(Boolean)).toHaveLength(1);
    expect(text(await home.store.get('race/object'))).toBe(`by ${told.indexOf(true)}`);
    expect(await home.store.putNew('race/object', bytes('late'))).toBe(false);
  });

  it('lists by the beginning of the key, in order, with sizes, over all pages', async () => {
    const keys = ['x/b-2', 'x/a=1/z', 'x/b-10', 'y/b', 'x/b-1', 'x/c'];
    for (const [i, key] of keys.entries()) await home.store.put(key, bytes('#'.repeat(i)));
    expect(await home.store.list('x/')).toEqual([
      { key: 'x/a=1/z', bytes: 1 },
      { key: 'x/b-1', bytes: 4 },
      { key: 'x/b-10', bytes: 2 },
      { key: 'x/b-2', bytes: 0 },
      { key: 'x/c', bytes: 5 },
    ]);
    expect((await home.store.list('x/b-1')).map(({ key }) => key)).toEqual(['x/b-1', 'x/b-10']);
    expect((await home.store.list('')).map(({ key }) => key)).toContain('y/b');
  });

  it.each([
    '',
    '/a',
    'a/',
    'a//b',
    '../a',
    'a/../b',
    '.unnamed/a',
    'a b',
    'ä',
    'a\\b',
    `a/${'x'.repeat(600)}`,
  ])('takes no key %j', async key => {
    await expect(home.store.put(key, bytes('x'))).rejects.toThrow('is no key');
    await expect(home.store.get(key)).rejects.toThrow('is no key');
  });
});

describe('a folder', () => {
  it('says in words that it cannot be used, and goes on when it can again', async () => {
    const home = await folderHome();
    writeFileSync(join(home.path, 'archive'), 'a file where the folder should be');
    await expect(home.store.putNew('a/b', bytes('1'))).rejects.toThrow(StoreAway);
    rmSync(join(home.path, 'archive'));
    expect(await home.store.putNew('a/b', bytes('1'))).toBe(true);
    rmSync(join(home.path, 'archive', 'a'), { recursive: true });
    await home.store.putNew('a/c', bytes('1')).catch(() => {});
    expect(await home.store.putNew('a/d', bytes('1'))).toBe(true);
    await expect(new FolderStore('/proc/nowhere').put('a/b', bytes('1'))).rejects.toThrow(StoreAway);
    await home.close();
  });

  it('sweeps what a killed process left, and nothing that somebody may still write', async () => {
    const home = await folderHome();
    const unnamed = join(home.path, 'archive', '.unnamed');
    mkdirSync(unnamed, { recursive: true });
    writeFileSync(join(unnamed, 'old'), 'half');
    utimesSync(join(unnamed, 'old'), 1, 1);
    writeFileSync(join(unnamed, 'new'), 'half');
    await home.store.put('a', bytes('1'));
    expect(readdirSync(unnamed)).toEqual(['new']);
    expect((await home.store.list('')).map(({ key }) => key)).toEqual(['a']);
    await home.close();
  });
});

describe('a bucket', () => {
  it.each([503, 403, 500])(
    'answering %i is away: nothing is known, and asking again is right',
    async status => {
      const home = await s3Home();
      home.server.failing.push(status, status, status);
      await expect(home.store.putNew('a', bytes('1'))).rejects.toThrow(StoreAway);
      await expect(home.store.get('a')).rejects.toThrow(StoreAway);
      await expect(home.store.list('a')).rejects.toThrow(StoreAway);
      expect(await home.store.putNew('a', bytes('1'))).toBe(true);
      await home.close();
    },
  );

  it('says what lies in a cold tier', async () => {
    const home = await s3Home();
    await home.store.put('warm', bytes('1'));
    await home.store.put('cold', bytes('1'));
    home.server.cold.add('cold');
    expect(await home.store.list('')).toEqual([
      { key: 'cold', bytes: 1, isCold: true },
      { key: 'warm', bytes: 1 },
    ]);
    await expect(home.store.get('cold')).rejects.toThrow('InvalidObjectState');
    await home.close();
  });

  it('that is not there is away', async () => {
    const home = await s3Home();
    const credentials = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
    const other = new S3Store({
      bucket: 'other',
      endpoint: home.server.endpoint,
      region: 'us-east-1',
      credentials,
    });
    await expect(other.putNew('a', bytes('1'))).rejects.toThrow('the bucket other cannot be used');
    await home.close();
    await expect(other.put('a', bytes('1'))).rejects.toThrow(StoreAway);
    other.close();
  });
});
