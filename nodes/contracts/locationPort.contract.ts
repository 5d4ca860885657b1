/** What every location service must do, whoever keeps the positions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Circle,
  type Crossing,
  type LocationPort,
  opinionOf,
  type PositionSample,
} from '../locationPort.ts';

export interface LocationTown {
  readonly port: LocationPort;
  /** Another one of the same service, as another node has it. */
  another(): LocationPort;
  uuid(): string;
  /** What the town clock says; it stands still. */
  readonly nowMs: number;
  /** Makes the service believe that this address is there. */
  locate(ipv4: string, point: { readonly latE7: number; readonly lngE7: number }): void;
  /** Everything that was logged and counted. */
  said(): string;
  close(): Promise<void>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CENTRAL_PARK = { latE7: 407_812_345, lngE7: -739_665_432 };
/** E7 of a metre northward, roughly. */
const NORTH_E7 = 90;

export function locationContract(name: string, open: () => Promise<LocationTown>): void {
  describe(`location service: ${name}`, () => {
    let town: LocationTown;
    let port: LocationPort;
    beforeAll(async () => {
      town = await open();
      port = town.port;
    });
    afterAll(() => town.close());

    const sampled = (userId: string, takenAtMs: number, northM = 0): PositionSample => ({
      userId,
      takenAtMs,
      latE7: CENTRAL_PARK.latE7 + Math.round(northM * NORTH_E7),
      lngE7: CENTRAL_PARK.lngE7,
      accuracyDm: 85,
    });
    const keep = async (...samples: PositionSample[]): Promise<void> => {
      for (const sample of samples) port.sample(sample);
      await port.settled();
    };
    const all = (userId: string) => port.history(userId, 0, town.nowMs + MINUTE_MS);
    const withoutUser = ({ userId: _, ...position }: PositionSample) => position;

    it('keeps what it was given and tells it oldest first, the person alone', async () => {
      const [anna, ben] = [town.uuid(), town.uuid()];
      const walk = [3, 2, 1].map(ago => sampled(anna, town.nowMs - ago * MINUTE_MS, ago * 10));
      for (const step of walk) await keep(step);
      await keep(sampled(ben, town.nowMs, 500));
      expect(await all(anna)).toEqual(walk.map(withoutUser));
      expect(await all(ben)).toHaveLength(1);
      expect(await all(town.uuid())).toEqual([]);
    });

    it('finds a person under the pseudonyms of several days, from every node, in pages', async () => {
      const userId = town.uuid();
      const times = Array.from({ length: 120 }, (_, i) => town.nowMs - 2 * DAY_MS + i * 24 * MINUTE_MS);
      for (const at of times) await keep(sampled(userId, at));
      const found = await town.another().history(userId, 0, town.nowMs);
      expect(found.map(one => one.takenAtMs)).toEqual(times);
    });

    it('reads many a day of one person, more than a page holds', async () => {
      const userId = town.uuid();
      const noonMs = Math.floor(town.nowMs / DAY_MS) * DAY_MS - DAY_MS / 2;
      const times = Array.from({ length: 130 }, (_, i) => noonMs + i * MINUTE_MS);
      for (const at of times) await keep(sampled(userId, at));
      expect((await all(userId)).map(one => one.takenAtMs)).toEqual(times);
      const some = await port.history(userId, noonMs + MINUTE_MS, noonMs + 3 * MINUTE_MS);
      expect(some.map(one => one.takenAtMs)).toEqual([noonMs + MINUTE_MS, noonMs + 2 * MINUTE_MS]);
    });

    it('takes one sample a minute and person', async () => {
      const userId = town.uuid();
      const from = town.nowMs - 10 * MINUTE_MS;
      await keep(sampled(userId, from));
      for (const lateMs of [0, 1, MINUTE_MS / 2, MINUTE_MS - 1]) await keep(sampled(userId, from + lateMs));
      await keep(sampled(userId, from - MINUTE_MS));
      await keep(sampled(userId, from + MINUTE_MS));
      expect((await all(userId)).map(one => one.takenAtMs)).toEqual([from, from + MINUTE_MS]);
    });

    it('takes a crowd at once', async () => {
      const people = Array.from({ length: 63 }, () => town.uuid());
      await keep(...people.map(one => sampled(one, town.nowMs)));
      for (const one of people) expect(await all(one)).toHaveLength(1);
    });

    it('what is no position on Earth is not kept and harms nobody', async () => {
      const [broken, well] = [town.uuid(), town.uuid()];
      for (const latE7 of [Number.NaN, Number.POSITIVE_INFINITY, 900_000_001, -1e9, 1.5])
        port.sample({ ...sampled(broken, town.nowMs), latE7 });
      await keep(sampled(well, town.nowMs));
      expect(await all(broken)).toEqual([]);
      expect(await all(well)).toHaveLength(1);
    });

    it('forgets a person whole, kept or waiting, and nobody else', async () => {
      const [gone, stays] = [town.uuid(), town.uuid()];
      for (const days of [2, 1, 0]) await keep(sampled(gone, town.nowMs - days * DAY_MS));
      for (let i = 1; i < 40; i++) await keep(sampled(gone, town.nowMs - 3_600_000 + i * MINUTE_MS));
      await keep(sampled(stays, town.nowMs));
      const late = town.uuid();
      port.sample(sampled(late, town.nowMs));
      await Promise.all([port.forget(gone), port.forget(late)]);
      await port.settled();
      expect(await all(gone)).toEqual([]);
      expect(await all(late)).toEqual([]);
      expect(await all(stays)).toHaveLength(1);
      await port.forget(gone);
      await keep(sampled(gone, town.nowMs));
      expect(await all(gone)).toHaveLength(1);
    });

    describe('circles', () => {
      const heard: Crossing[] = [];
      let stop: () => void;
      beforeAll(() => {
        stop = port.onCrossing(crossing => heard.push(crossing));
      });
      afterAll(() => stop());

      const circle = (id: string, change: Partial<Circle> = {}): Circle => ({
        id,
        ...CENTRAL_PARK,
        radiusM: 50,
        ...change,
      });
      /** Somebody's walk, by metres north of the park's middle; what is told of it, in order. */
      const walk = async (userId: string, norths: readonly number[]): Promise<string[]> => {
        const fromMs = town.nowMs - 60 * MINUTE_MS;
        for (const [i, north] of norths.entries())
          await port.evaluate([sampled(userId, fromMs + i * 1_000, north)]);
        return heard.filter(one => one.userId === userId).map(one => `${one.what} ${one.circleId}`);
      };

      it('tells who enters and leaves, once each, at the time of the position', async () => {
        await port.putCircles([circle('hub-1')]);
        const userId = town.uuid();
        expect(await walk(userId, [200, 49, 0, -49, -51, -200])).toEqual(['enter hub-1', 'exit hub-1']);
        const times = heard.filter(one => one.userId === userId).map(one => one.atMs);
        expect(times).toEqual([1, 4].map(i => town.nowMs - 60 * MINUTE_MS + i * 1_000));
        await port.deleteCircles(['hub-1']);
      });

      it('takes many, replaces, removes; ids that are not there are fine', async () => {
        const many = Array.from({ length: 23 }, (_, i) => circle(`m-${i}`, { radiusM: 10 + i }));
        expect(await port.putCircles(many)).toEqual([]);
        const near = (await walk(town.uuid(), [20])).sort();
        expect(near).toEqual(
          Array.from({ length: 23 }, (_, i) => i)
            .flatMap(i => (i >= 11 ? [`enter m-${i}`] : []))
            .sort(),
        );
        await port.putCircles([circle('m-22', { latE7: 0 })]);
        await port.deleteCircles([...many.slice(0, 21).map(one => one.id), 'never']);
        expect(await walk(town.uuid(), [5])).toEqual(['enter m-21']);
        await port.deleteCircles(['m-21', 'm-22']);
        expect(await walk(town.uuid(), [5])).toEqual([]);
      });

      it('lists what is there, in pages, as it was put', async () => {
        const many = Array.from({ length: 123 }, (_, i) => circle(`l-${i}`, { radiusM: 10 + i }));
        await port.putCircles(many);
        const byId = (circles: readonly Circle[]) => [...circles].sort((a, b) => (a.id < b.id ? -1 : 1));
        expect(byId(await port.circles())).toEqual(byId(many));
        await port.deleteCircles(many.map(one => one.id));
        expect(await port.circles()).toEqual([]);
      });

      it('knows the date line, the pole and large circles', async () => {
        await port.putCircles([
          circle('fiji', { latE7: -170_000_000, lngE7: 1_799_999_000, radiusM: 100 }),
          circle('pole', { latE7: 899_999_990, lngE7: 0, radiusM: 200 }),
          circle('county', { radiusM: 100_000 }),
        ]);
        const at = async (latE7: number, lngE7: number) => {
          const userId = town.uuid();
          await port.evaluate([{ userId, takenAtMs: town.nowMs, latE7, lngE7, accuracyDm: 50 }]);
          return heard.filter(one => one.userId === userId).map(one => one.circleId);
        };
        expect(await at(-170_000_000, -1_799_999_500)).toEqual(['fiji']);
        expect(await at(899_999_000, 1_790_000_000)).toEqual(['pole']);
        expect(await at(CENTRAL_PARK.latE7 + 8_000_000, CENTRAL_PARK.lngE7)).toEqual(['county']);
        await port.deleteCircles(['fiji', 'pole', 'county']);
      });

      it('says which circles are none, and takes the others', async () => {
        const refused = await port.putCircles([
          circle('zero', { radiusM: 0 }),
          circle('huge', { radiusM: 100_001 }),
          circle('with space'),
          circle('x'.repeat(101)),
          circle('nowhere', { lngE7: 1_800_000_001 }),
          circle('fine'),
        ]);
        expect(refused.map(one => one.id)).toEqual([
          'zero',
          'huge',
          'with space',
          'x'.repeat(101),
          'nowhere',
        ]);
        expect(await walk(town.uuid(), [0])).toEqual(['enter fine']);
        await port.deleteCircles(['fine']);
      });

      it('a listener that throws takes nothing from the others', async () => {
        const end = port.onCrossing(() => {
          throw new Error('of no account');
        });
        await port.putCircles([circle('hub-2')]);
        expect(await walk(town.uuid(), [0])).toEqual(['enter hub-2']);
        end();
        await port.deleteCircles(['hub-2']);
      });
    });

    it('finds a claim suspicious that lies far from what else is known', async () => {
      const userId = town.uuid();
      const ipv4 = '203.0.113.7';
      town.locate(ipv4, CENTRAL_PARK);
      for (const ago of [3, 2, 1]) await keep(sampled(userId, town.nowMs - ago * MINUTE_MS));
      const honest = await port.verify({ ...sampled(userId, town.nowMs, 80), ipv4 });
      expect(opinionOf(honest)).toBe('fits');
      const far = await port.verify({ ...sampled(userId, town.nowMs, 40_000), ipv4 });
      expect(far.deviationM).toBeGreaterThan(20_000);
      expect(opinionOf(far)).toBe('far');
    });

    it('holds nothing against a claim of which nothing is known', async () => {
      const claim = { ...sampled(town.uuid(), town.nowMs), ipv4: null };
      expect(opinionOf(await port.verify(claim))).toBe('unknown');
    });

    it('writes what waits when it is closed, and takes nothing after', async () => {
      const [before, after] = [town.uuid(), town.uuid()];
      const closing = town.another();
      closing.sample(sampled(before, town.nowMs));
      await closing.close(5_000);
      closing.sample(sampled(after, town.nowMs));
      expect(await all(before)).toHaveLength(1);
      expect(await all(after)).toEqual([]);
    });

    it('said no coordinate all the while', () => {
      for (const part of ['4078', '40.78', '7396', '73.96']) expect(town.said()).not.toContain(part);
    });
  });
}
