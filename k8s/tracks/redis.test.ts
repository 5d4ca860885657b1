/**
 * Redis as a second oracle, which shares nothing with us: whom the regions find within a radius of whom, on every tick, beside
 * what GEOSEARCH says of the very same positions. Two reckon with other radii of the earth (3 in 10,000) and Redis keeps a
 * place in a cell of 52 bits, so pairs within a thousandth of the radius and half such a cell of it are counted and not
 * compared.
 */
import { describe, expect, it } from 'vitest';
import { boxOf, cellOf } from '../../actors/geo/grid.ts';
import { proximityRules } from '../../actors/geo/rules.ts';
import { command, type Redis, redisVersion, startRedis } from '../bench/redis.ts';
import { destination } from './crowd.ts';
import { seeded } from './seeded.ts';
import { Town } from './town.ts';

const SEED = 20_261_122;
const TOLERANCE = 1e-3;
/** Half of a cell of 52 bits, from corner to corner, at the equator: 0.30 m by 0.14 m. */
const CELL_M = 0.34;
const TICKS = 20;
const OFFICERS = 40;
const CIVILIANS = 160;
const SPREAD_M = 350;
const ENTERS_M = [10, 25, 60];
const NEARS_M = [50, 200, 500];

const corner = (lat: number, lng: number) => {
  const box = boxOf(cellOf(lat, lng));
  return { lat: box.north, lng: box.east };
};
const PLACES = {
  'the corner of four regions in New York': corner(40.73, -73.99),
  'the equator': { lat: 0.0001, lng: 37.3 },
  'the far north': corner(69.65, 18.96),
} as const;

const version = redisVersion();
if (version === null)
  console.log('Redis is skipped: no redis-server on PATH (apt-get install redis-server).');

interface Place {
  readonly id: string;
  readonly latE7: number;
  readonly lngE7: number;
}

/** What regions that know nobody yet find when all officers and then all civilians say where they are. */
function found(officers: readonly Place[], civilians: readonly Place[], enterM: number, nearM: number) {
  const rules = proximityRules({ enterM, enterMaxM: enterM, crowdCivilians: 1_000, nearM });
  const town = new Town(rules);
  const say = (role: 'officer' | 'civilian', { id, ...place }: Place): void => {
    const person = { userId: id, role, handle: id, instant: true };
    town.fix(person, { seq: 1, ...place, accuracyDm: 30, takenAtMs: 1_000 });
  };
  for (const one of officers) say('officer', one);
  for (const one of civilians) say('civilian', one);
  const pairs = (what: string): Set<string> =>
    new Set(
      town.happenings.flatMap(one => (one.what === what ? [`${one.officerId} ${one.civilianId}`] : [])),
    );
  return { entered: pairs('entered'), near: pairs('near') };
}

const degrees = (e7: number): string => (e7 / 1e7).toFixed(7);

/** Metres by pair, of all within so many. */
async function searched(
  redis: Redis,
  officers: readonly Place[],
  civilians: readonly Place[],
  radiusM: number,
): Promise<Map<string, number>> {
  const replies = await redis.say([
    command('FLUSHALL'),
    ...officers.map(({ id, latE7, lngE7 }) => command('GEOADD', 'o', degrees(lngE7), degrees(latE7), id)),
    ...civilians.map(({ latE7, lngE7 }) => {
      const from = ['FROMLONLAT', degrees(lngE7), degrees(latE7)];
      return command('GEOSEARCH', 'o', ...from, 'BYRADIUS', radiusM, 'm', 'WITHDIST');
    }),
  ]);
  const answers = replies.slice(1 + officers.length) as unknown as readonly (readonly [string, string][])[];
  return new Map(
    answers.flatMap((rows, i) =>
      rows.map(([id, metres]) => [`${id} ${civilians[i]!.id}`, Number(metres)] as const),
    ),
  );
}

describe.skipIf(version === null)(
  'regions against Redis (skipped where no redis-server is on the PATH)',
  () => {
    for (const [name, centre] of Object.entries(PLACES)) {
      it(`find the same pairs around ${name} on every tick (seed ${SEED})`, async () => {
        const chance = seeded(SEED);
        const people = Array.from({ length: OFFICERS + CIVILIANS }, (_, i) => ({
          id: `p${i}`,
          x: chance.between(-SPREAD_M, SPREAD_M),
          y: chance.between(-SPREAD_M, SPREAD_M),
        }));
        let compared = 0;
        let rims = 0;
        const redis = await startRedis();
        try {
          for (let tick = 0; tick < TICKS; tick++) {
            const places = people.map(one => {
              one.x += chance.between(-20, 20);
              one.y += chance.between(-20, 20);
              return { id: one.id, ...destination(centre, one.x, one.y) };
            });
            const [officers, civilians] = [places.slice(0, OFFICERS), places.slice(OFFICERS)];
            const [enterM, nearM] = [ENTERS_M[tick % 3]!, NEARS_M[tick % 3]!];
            const { entered, near } = found(officers, civilians, enterM, nearM);
            const metres = await searched(redis, officers, civilians, 2 * nearM);
            for (const [radiusM, pairs] of [
              [enterM, entered],
              [nearM, near],
            ] as const) {
              const rimM = TOLERANCE * radiusM + CELL_M;
              const isRim = (pair: string): boolean => Math.abs((metres.get(pair) ?? 1e9) - radiusM) <= rimM;
              const theirs = [...metres].flatMap(([pair, far]) => (far <= radiusM ? [pair] : []));
              rims += [...metres.keys()].filter(isRim).length;
              compared += theirs.length;
              const sharp = (all: Iterable<string>): string[] => [...all].filter(pair => !isRim(pair)).sort();
              expect(sharp(pairs), `tick ${tick}, ${radiusM} m`).toEqual(sharp(theirs));
            }
          }
        } finally {
          await redis.stop();
        }
        console.log(`${name}: ${compared} pairs as Redis finds them, ${rims} at a rim`);
        expect(compared).toBeGreaterThan(1_000);
        expect(rims).toBeLessThan(compared / 10);
      });
    }
  },
);
