/** What every directory of layouts must do. Run over memory and over NATS. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_LAYOUTS, regionsOf } from '../../actors/geo/layout.ts';
import { HEAT_LIMITS } from '../limits.ts';
import type { KvStore } from '../ports.ts';
import { KvRegionDirectory } from '../regionDirectory.ts';

export interface DirectoryTown {
  /** Two clients of one bucket, empty at first. */
  readonly one: KvStore;
  readonly two: KvStore;
  close(): Promise<void>;
}

const PATIENCE = { timeout: 20_000 };
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export function regionDirectoryContract(name: string, open: () => Promise<DirectoryTown>): void {
  describe(`directory of layouts: ${name}`, () => {
    let town: DirectoryTown;
    let nowMs = 1_000_000;
    let rubbish = 0;
    const opened: KvRegionDirectory[] = [];
    const directoryOn = async (kv: KvStore): Promise<KvRegionDirectory> => {
      const directory = new KvRegionDirectory({
        kv,
        clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
        scheduler: { after: () => () => {}, immediate: () => {} },
        log: { debug() {}, info() {}, warn() {}, error() {} },
        metrics: {
          count: metric => {
            if (metric === 'heyblue_region_layout_rubbish_total') rubbish++;
          },
          observe() {},
          gauge() {},
        },
      });
      opened.push(directory);
      await directory.start();
      return directory;
    };
    beforeAll(async () => {
      town = await open();
    });
    afterAll(async () => {
      for (const one of opened) one.stop();
      await town.close();
    });

    it('says nothing of a cell that was never divided', async () => {
      const directory = await directoryOn(town.one);
      expect(directory.of(7)).toBe(NO_LAYOUTS.of(7));
      expect(directory.changes).toBe(0);
    });

    it('what one divides and merges the others see, with a rising version', async () => {
      const [one, two] = [await directoryOn(town.one), await directoryOn(town.two)];
      expect(await one.divide(11, '', 3, 500)).toBe('written');
      expect(regionsOf(one.of(11)!)).toEqual(['0', '1', '2', '3']);
      await expect.poll(() => two.of(11)?.version, PATIENCE).toBe(1);
      expect(two.changes).toBeGreaterThan(0);
      nowMs += HEAT_LIMITS.windowMs;
      expect(await two.divide(11, '2', 3, 500)).toBe('written');
      await expect.poll(() => one.of(11)?.version, PATIENCE).toBe(2);
      expect(regionsOf(one.of(11)!)).toEqual(['0', '1', '3', '20', '21', '22', '23']);
      nowMs += HEAT_LIMITS.windowMs;
      expect(await one.merge(11, '2')).toBe('written');
      expect(regionsOf(one.of(11)!)).toEqual(['0', '1', '2', '3']);
      const later = await directoryOn(town.two);
      expect(later.of(11)).toEqual(one.of(11));
    });

    it('one change of a cell at a time, and none that makes no sense', async () => {
      const [one, two] = [await directoryOn(town.one), await directoryOn(town.two)];
      const outcomes = await Promise.all([one.divide(12, '', 3, 1), two.divide(12, '', 3, 1)]);
      expect([...outcomes].sort()).toEqual(['refused', 'written']);
      expect(await one.divide(12, '0', 3, 1)).toBe('refused');
      nowMs += HEAT_LIMITS.windowMs;
      expect(await one.divide(12, '', 3, 1)).toBe('refused');
      expect(await one.divide(12, '00', 3, 1)).toBe('refused');
      expect(await one.divide(12, '1', 1, 1)).toBe('refused');
      expect(await one.merge(12, '1')).toBe('refused');
      expect(await one.merge(13, '')).toBe('refused');
    });

    it('rubbish in the store is counted and changes nothing', async () => {
      const directory = await directoryOn(town.one);
      await directory.divide(14, '', 3, 1);
      const good = directory.of(14)!;
      let revision = (await town.two.get('layout.14'))!.revision;
      const before = rubbish;
      const wrong: unknown[] = [
        { ...good, version: 0 },
        { version: 9.5, divided: [], former: [] },
        { version: 2 ** 50, divided: [], former: [] },
        { version: 'x', divided: [], former: [] },
        // without its parent, twice the same, each the other's parent, too deep, no quad
        { version: 9, divided: [['0', 1]], former: [] },
        {
          version: 9,
          divided: [
            ['', 1],
            ['', 1],
          ],
          former: [],
        },
        {
          version: 9,
          divided: [
            ['01', 1],
            ['0', 1],
          ],
          former: [],
        },
        {
          version: 9,
          divided: [
            ['', 1],
            ['0', 1],
            ['00', 1],
            ['000', 1],
          ],
          former: [],
        },
        {
          version: 9,
          divided: [
            ['', 1],
            ['4', 1],
          ],
          former: [],
        },
        { version: 9, divided: null, former: [] },
        [],
        null,
      ];
      for (const value of wrong) revision = await town.two.put('layout.14', encode(value), revision);
      revision = await town.two.put('layout.14', Uint8Array.of(0xff, 0, 1), revision);
      for (const key of ['layout.x', 'layout.-1', 'layout.01', 'layout.999999999999', 'layout.1.2'])
        await town.two.put(key, encode({ version: 1, divided: [['', 1]], former: [] }), 0);
      await directory.look();
      expect(rubbish).toBeGreaterThan(before);
      expect(directory.of(14)).toEqual(good);
      expect(directory.all().every(({ cell }) => Number.isSafeInteger(cell) && cell >= 0)).toBe(true);
      // and the next change puts it right
      nowMs += HEAT_LIMITS.windowMs;
      expect(await directory.merge(14, '')).toBe('written');
      expect(directory.of(14)!.version).toBe(good.version + 1);
    });

    it('an older version is passed over, and what the store forgot is said again', async () => {
      const directory = await directoryOn(town.one);
      await directory.divide(15, '', 3, 1);
      const entry = (await town.two.get('layout.15'))!;
      nowMs += HEAT_LIMITS.windowMs;
      await directory.merge(15, '');
      const newest = (await town.two.get('layout.15'))!;
      const back = await town.two.put('layout.15', entry.value, newest.revision);
      await directory.look();
      expect(directory.of(15)!.version).toBe(2);
      await town.two.remove('layout.15', back);
      await directory.look();
      const said = await town.two.get('layout.15');
      expect(said?.value).toEqual(newest.value);
    });
  });
}
