/** What every epoch store must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StoreTown } from './town.ts';

export function epochStoreContract(name: string, open: () => Promise<StoreTown>): void {
  describe(`epoch store: ${name}`, () => {
    let town: StoreTown;
    beforeAll(async () => {
      town = await open();
    });
    afterAll(() => town.close());

    it('answers in the order of the question, strictly rising', async () => {
      const first = await town.epochStore.mint([511, 3, 0], 'a');
      const second = await town.epochStore.mint([0, 3, 511], 'b');
      expect(second).toEqual([...first].reverse().map(epoch => epoch + 1));
    });

    it('two owners at once get different epochs', async () => {
      const shards = Array.from({ length: 512 }, (_, shard) => shard);
      const minted = await Promise.all(['a', 'b', 'c'].map(owner => town.epochStore.mint(shards, owner)));
      for (const shard of shards) expect(new Set(minted.map(one => one[shard])).size).toBe(3);
    });
  });
}
