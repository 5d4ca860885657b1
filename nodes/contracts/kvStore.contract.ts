/** What every coordination store must do. Run against memory and NATS. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER_LIMITS } from '../limits.ts';
import type { KvEntry, KvStore } from '../ports.ts';

export interface KvTown {
  /** Two clients of one bucket, empty at first. */
  readonly one: KvStore;
  readonly two: KvStore;
  /** Somebody deletes the bucket. */
  deleteBucket(): Promise<void>;
  close(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (entry: KvEntry | null): string | null => entry && new TextDecoder().decode(entry.value);
const conflict = { name: 'KvError', fault: 'conflict' };
const unavailable = { name: 'KvError', fault: 'unavailable' };
/** A busy machine may take its time; nobody waits longer than needed. */
const PATIENCE = { timeout: 20_000 };

export function kvStoreContract(name: string, open: () => Promise<KvTown>): void {
  describe(`key-value store: ${name}`, () => {
    let town: KvTown;
    let made = 0;
    beforeAll(async () => {
      town = await open();
    });
    afterAll(() => town.close());
    const key = (): string => `node.k${++made}`;

    it('there is nothing under a key that nobody wrote', async () => {
      expect(await town.one.get(key())).toBe(null);
    });

    it('a record is there for everybody with the revision that its writer got', async () => {
      const at = key();
      const revision = await town.one.put(at, bytes('first'), 0);
      const found = await town.two.get(at);
      expect(found).toMatchObject({ key: at, revision });
      expect(text(found)).toBe('first');
    });

    it('bytes come back as they were, empty ones too', async () => {
      const at = key();
      const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      const revision = await town.one.put(at, all, 0);
      expect((await town.one.get(at))!.value).toEqual(all);
      const emptied = await town.one.put(at, new Uint8Array(), revision);
      expect(await town.two.get(at)).toMatchObject({ revision: emptied });
      expect((await town.two.get(at))!.value.length).toBe(0);
      expect((await town.two.list()).some(entry => entry.key === at)).toBe(true);
    });

    it('what a caller does with its bytes later changes nothing', async () => {
      const at = key();
      const mine = bytes('mine');
      await town.one.put(at, mine, 0);
      mine.fill(0);
      const read = await town.one.get(at);
      expect(text(read)).toBe('mine');
      read!.value.fill(0);
      expect(text(await town.one.get(at))).toBe('mine');
    });

    it('writes only on the exact revision', async () => {
      const at = key();
      const first = await town.one.put(at, bytes('a'), 0);
      const second = await town.two.put(at, bytes('b'), first);
      expect(second).toBeGreaterThan(first);
      await expect(town.one.put(at, bytes('c'), first)).rejects.toMatchObject(conflict);
      await expect(town.one.put(at, bytes('c'), second + 1)).rejects.toMatchObject(conflict);
      await expect(town.one.put(at, bytes('c'), 0)).rejects.toMatchObject(conflict);
      await expect(town.one.put(key(), bytes('c'), second)).rejects.toMatchObject(conflict);
      expect(text(await town.two.get(at))).toBe('b');
    });

    it('of many writers at once on one revision exactly one wins', async () => {
      const at = key();
      for (let round = 0, revision = 0; round < 5; round++) {
        const tries = Array.from({ length: 16 }, (_, one) =>
          (one % 2 ? town.one : town.two).put(at, bytes(`${round}:${one}`), revision),
        );
        const outcomes = await Promise.allSettled(tries);
        const won = outcomes.flatMap((outcome, one) =>
          outcome.status === 'fulfilled' ? [{ one, revision: outcome.value }] : [],
        );
        expect(won).toHaveLength(1);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(conflict);
        }
        expect(text(await town.one.get(at))).toBe(`${round}:${won[0]!.one}`);
        revision = won[0]!.revision;
      }
    });

    it('revisions rise over the whole bucket', async () => {
      const before = await town.one.lastRevision();
      const first = await town.one.put(key(), bytes('x'), 0);
      const second = await town.two.put(key(), bytes('y'), 0);
      expect(first).toBeGreaterThan(before);
      expect(second).toBeGreaterThan(first);
      expect(await town.one.lastRevision()).toBe(second);
      expect(await town.two.lastRevision()).toBe(second);
    });

    it('removes only on the exact revision, and the key may be made again', async () => {
      const at = key();
      const first = await town.one.put(at, bytes('a'), 0);
      const second = await town.one.put(at, bytes('b'), first);
      for (const other of [first, 0]) {
        await expect(town.two.remove(at, other)).rejects.toMatchObject(conflict);
      }
      await town.two.remove(key(), 0);
      await town.two.remove(at, second);
      expect(await town.one.get(at)).toBe(null);
      expect((await town.one.list()).some(entry => entry.key === at)).toBe(false);
      expect(await town.one.lastRevision()).toBeGreaterThan(second);
      await expect(town.one.put(at, bytes('c'), second)).rejects.toMatchObject(conflict);
      const third = await town.one.put(at, bytes('c'), 0);
      expect(third).toBeGreaterThan(second);
      await expect(town.two.put(at, bytes('d'), 0)).rejects.toMatchObject(conflict);
      expect(text(await town.two.get(at))).toBe('c');
    });

    it('lists every record as it is now, once', async () => {
      const keys = Array.from({ length: 40 }, key);
      for (const at of keys) await town.one.put(at, bytes('old'), 0);
      const revisions = new Map<string, number>();
      for (const at of keys) {
        revisions.set(at, await town.two.put(at, bytes(at), (await town.two.get(at))!.revision));
      }
      const listed = (await town.one.list()).filter(entry => revisions.has(entry.key));
      expect(listed.map(entry => entry.key).sort()).toEqual([...keys].sort());
      for (const entry of listed) {
        expect(text(entry)).toBe(entry.key);
        expect(entry.revision).toBe(revisions.get(entry.key));
      }
    });

    it('tells watchers of changes, in order per key, until they stop', async () => {
      const [at, gone] = [key(), key()];
      const seen: string[] = [];
      const revisions: number[] = [];
      const stop = town.two.watch(entry => {
        if (entry.key !== at && entry.key !== gone) return;
        seen.push(`${entry.key}=${text(entry)}`);
        revisions.push(entry.revision);
      });
      // a watch begins when it begins: write until it has told
      let revision = 0;
      await expect
        .poll(async () => {
          revision = await town.one.put(at, bytes('tick'), revision);
          return seen.length;
        }, PATIENCE)
        .toBeGreaterThan(0);
      const last = await town.one.put(at, bytes('last'), revision);
      await town.one.remove(gone, await town.one.put(gone, bytes('x'), 0));
      await expect.poll(() => seen.at(-1), PATIENCE).toBe(`${gone}=`);
      expect(seen.slice(-3)).toEqual([`${at}=last`, `${gone}=x`, `${gone}=`]);
      expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
      stop();
      const count = seen.length;
      const other: string[] = [];
      const stopOther = town.two.watch(entry => other.push(entry.key));
      revision = last;
      await expect
        .poll(async () => {
          revision = await town.one.put(at, bytes('after'), revision);
          return other.length;
        }, PATIENCE)
        .toBeGreaterThan(0);
      stopOther();
      expect(seen).toHaveLength(count);
    });

    it('a watcher may write', async () => {
      const [at, answer] = [key(), key()];
      const stop = town.one.watch(entry => {
        if (entry.key === at) town.one.put(answer, bytes('heard'), 0).catch(() => {});
      });
      let revision = 0;
      await expect
        .poll(async () => {
          revision = await town.two.put(at, bytes('ask'), revision);
          return text(await town.two.get(answer));
        }, PATIENCE)
        .toBe('heard');
      stop();
    });

    it('what is no key or too large is refused, proven not written', async () => {
      for (const bad of ['', '.', 'a b', 'node.', '.node', 'node.*', 'node.>', 'a..b', 'ä']) {
        await expect(town.one.put(bad, bytes('x'), 0), bad).rejects.toMatchObject(unavailable);
      }
      const at = key();
      const largest = new Uint8Array(CLUSTER_LIMITS.recordBytes);
      const revision = await town.one.put(at, largest, 0);
      const tooLarge = new Uint8Array(CLUSTER_LIMITS.recordBytes + 1);
      await expect(town.one.put(at, tooLarge, revision)).rejects.toMatchObject(unavailable);
      await expect(town.one.put(at, new Uint8Array(2 ** 21), revision)).rejects.toMatchObject(unavailable);
      expect(await town.two.get(at)).toMatchObject({ revision });
    });

    it('a deleted bucket is there again, empty, and its newest revision fell', async () => {
      const at = key();
      await town.one.put(at, bytes('lost'), 0);
      const before = await town.one.lastRevision();
      await town.deleteBucket();
      // the first call may find out and say so
      await expect.poll(() => town.one.get(at).catch(error => error.fault), PATIENCE).toBe(null);
      expect(await town.two.list()).toEqual([]);
      expect(await town.two.lastRevision()).toBeLessThan(before);
      await expect(town.two.put(at, bytes('x'), before)).rejects.toMatchObject(conflict);
      expect(await town.two.put(at, bytes('new'), 0)).toBeLessThan(before);
      expect(text(await town.one.get(at))).toBe('new');
    });
  });
}
