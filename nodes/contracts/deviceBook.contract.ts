/** What every book of devices must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DeviceBook, SEEN_DEVICES_MAX } from '../devicePort.ts';

export interface DeviceTown {
  /** Two nodes with the same store. */
  readonly one: DeviceBook;
  readonly two: DeviceBook;
  /** An account that exists. */
  person(): Promise<string>;
  /** Both nodes' clock goes on. */
  advance(ms: number): void;
  nowMs(): number;
  close(): Promise<void>;
}

const MINUTE_MS = 60_000;

export function deviceBookContract(name: string, open: () => Promise<DeviceTown>): void {
  describe(`book of devices: ${name}`, () => {
    let town: DeviceTown;
    beforeAll(async () => {
      town = await open();
    });
    afterAll(() => town.close());
    const written = () => Promise.all([town.one.written(), town.two.written()]);

    it('tells each device once, the newest first, with the version that it had last', async () => {
      const [anna, ben] = [await town.person(), await town.person()];
      const startMs = town.nowMs();
      town.one.saw(anna, 'old phone', 'heyblue/1.0');
      town.one.saw(ben, 'old phone', null);
      await written();
      town.advance(MINUTE_MS);
      town.two.saw(anna, 'new phone', 'heyblue/1.1 "\u00e9\\');
      await written();
      town.advance(MINUTE_MS);
      town.two.saw(anna, 'old phone', 'heyblue/1.2');
      await written();
      expect(await town.one.devices(anna)).toEqual([
        {
          deviceId: 'old phone',
          app: 'heyblue/1.2',
          firstSeenMs: startMs,
          lastSeenMs: startMs + 2 * MINUTE_MS,
        },
        {
          deviceId: 'new phone',
          app: 'heyblue/1.1 "\u00e9\\',
          firstSeenMs: startMs + MINUTE_MS,
          lastSeenMs: startMs + MINUTE_MS,
        },
      ]);
      expect(await town.two.devices(ben)).toMatchObject([{ app: null }]);
    });

    it('a device is written once a minute', async () => {
      const anna = await town.person();
      const startMs = town.nowMs();
      town.one.saw(anna, 'phone', 'a/1');
      await written();
      town.advance(MINUTE_MS - 1);
      town.one.saw(anna, 'phone', 'a/2');
      await written();
      expect(await town.one.devices(anna)).toMatchObject([{ app: 'a/1', lastSeenMs: startMs }]);
      town.advance(1);
      town.one.saw(anna, 'phone', null);
      await written();
      expect(await town.one.devices(anna)).toMatchObject([{ app: 'a/1', lastSeenMs: startMs + MINUTE_MS }]);
    });

    it('nobody is known by nothing; a long list ends', async () => {
      const anna = await town.person();
      expect(await town.one.devices(anna)).toEqual([]);
      for (let i = 0; i < SEEN_DEVICES_MAX + 5; i++) {
        town.advance(1);
        town.one.saw(anna, `till ${i}`, null);
      }
      await written();
      const seen = await town.one.devices(anna);
      expect(seen).toHaveLength(SEEN_DEVICES_MAX);
      expect(seen[0]?.deviceId).toBe(`till ${SEEN_DEVICES_MAX + 4}`);
    });
  });
}
