/**
 * What Redis does for the matcher's question: each fix is a GEOADD of the mover and a GEOSEARCH of the other role around
 * him, over a plain socket, many commands in flight, which were made before; in the order in which a tick is matched
 * here, region by region. What counts is the time of the server's own thread, as the matcher is measured by its thread's:
 * what the socket makes it wait for does not count.
 */
import { cellOf } from '../../actors/geo/grid.ts';
import type { Report } from '../bench.ts';
import { seeded } from '../tracks/seeded.ts';
import type { Ground } from './matchCrowd.ts';
import { CENTRE } from './matchCrowd.ts';
import { command, type Redis, redisVersion, startRedis } from './redis.ts';

const SEARCH_M = 40;
const PIPELINE = 500;
const STEP_M = 14;
const METRES_PER_DEGREE = 111_195;

/** Seconds of the server's own thread so far. */
async function cpuS(redis: Redis): Promise<number> {
  const [text] = await redis.say([command('INFO', 'cpu')]);
  const named = (name: string): number => Number(new RegExp(`${name}:([0-9.]+)`).exec(String(text))![1]);
  return named('used_cpu_sys_main_thread') + named('used_cpu_user_main_thread');
}

async function drive(redis: Redis, ground: Ground): Promise<number> {
  const chance = seeded(1);
  const say = async (commands: readonly string[]): Promise<void> => {
    for (let i = 0; i < commands.length; i += PIPELINE) await redis.say(commands.slice(i, i + PIPELINE));
  };
  const lngScale = Math.cos((CENTRE.lat * Math.PI) / 180);
  const people = Array.from({ length: ground.people }, (_, i) => {
    const lat = CENTRE.lat + chance.between(0, ground.edgeM) / METRES_PER_DEGREE;
    const lng = CENTRE.lng + chance.between(0, ground.edgeM) / METRES_PER_DEGREE / lngScale;
    const isOfficer = chance.next() < ground.officerShare;
    return { name: `p${i}`, lat, lng, isOfficer, region: cellOf(lat, lng) };
  });
  people.sort((a, b) => a.region - b.region);
  const keyOf = (officers: boolean): string => (officers ? 'officers' : 'civilians');
  await say(
    people.map(({ isOfficer, lat, lng, name }) =>
      command('GEOADD', keyOf(isOfficer), lng.toFixed(7), lat.toFixed(7), name),
    ),
  );
  const moves = people.flatMap(({ name, isOfficer, ...at }) => {
    const lat = (at.lat + chance.between(-STEP_M, STEP_M) / METRES_PER_DEGREE).toFixed(7);
    const lng = (at.lng + chance.between(-STEP_M, STEP_M) / METRES_PER_DEGREE / lngScale).toFixed(7);
    const search = ['FROMLONLAT', lng, lat, 'BYRADIUS', SEARCH_M, 'm', 'WITHDIST'];
    return [
      command('GEOADD', keyOf(isOfficer), lng, lat, name),
      command('GEOSEARCH', keyOf(!isOfficer), ...search),
    ];
  });
  const beganS = await cpuS(redis);
  await say(moves);
  const tookS = (await cpuS(redis)) - beganS;
  return Math.round(people.length / tookS);
}

/** Updates per second of the server's own time (GEOADD and GEOSEARCH each); null when there is no redis-server. */
export async function redisPace(ground: Ground, report: Report): Promise<number | null> {
  const version = redisVersion();
  if (version === null) {
    report('Redis is skipped: no redis-server on PATH (apt-get install redis-server).');
    return null;
  }
  report(version);
  const redis = await startRedis();
  try {
    return await drive(redis, ground);
  } finally {
    await redis.stop();
  }
}
