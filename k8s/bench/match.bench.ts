/**
 * How many positions one core matches in a second of its time: 100,000 and 1,000,000 people who walk on 30 x 30 km, one in
 * fifteen an officer, through the matcher as the regions of a node run it. Beside it, on the same machine and in the same
 * run, what a Redis server does for the same question with GEOADD and GEOSEARCH, pipelined, when one is installed. An
 * update is one position of one person, with its copies to all regions in reach.
 *
 * It is the matcher with all that waits for it, as `matchCrowd.ts` says: each position is put to what waits for its
 * regions, and each region takes all of a tick. Its look-up of the person and the whole state machine (enter, dwell, exit)
 * count; the turn of the region's actor around it does not, nor what compares tracks there. Who is within 200 m of whom no
 * node asks (rule 10 of `actors/geo/rules.ts`); what that costs is said beside it (`updates_per_s_near`). A tick holds 100,000
 * positions, as many as 400,000 a second bring in 250 ms; what a core does with the ticks of 100,000 people who report
 * every 10 s, 2,500 positions each, is said beside it (`updates_per_s_calm`): a region then takes fifteen at a time, and
 * waits for memory. How many civilians have an officer within 40 m and 200 m, and so are no quick case, is said with the
 * figures.
 */
import type { MatchWatch } from '../../actors/geo/matcher.ts';
import { proximityRules } from '../../actors/geo/rules.ts';
import type { Bench } from '../bench.ts';
import { OFFICER_SHARE } from '../swarm/parts.ts';
import { numberArg } from './args.ts';
import { MatchCrowd, type Pace } from './matchCrowd.ts';
import { redisPace } from './redisGeo.ts';
import { figure, rounded, table } from './table.ts';

const EDGE_M = 30_000;
const SEED = 1;
const TICK = 100_000;
/** What 100,000 people who report every 10 s bring in 250 ms. */
const CALM_TICK = 2_500;
const perS = (count: number, ns: number): number => Math.round((count * 1e9) / ns);

interface Measured {
  readonly pace: Pace;
  readonly nears: number;
  readonly slots: number;
  /** Of the civilians: an officer within 200 m, and within 40 m. */
  readonly near: number;
  readonly close: number;
}

const SAMPLED = 2_000;

/** Everybody once to be known and once to be warm, then measured; the best of the runs, as the machine is shared. */
function measure(people: number, updates: number, runs: number, tick: number, hearsNear = false): Measured {
  let nears = 0;
  const watch: MatchWatch = { entered: () => {}, ended: () => {}, near: () => void nears++ };
  const ground = { people, edgeM: EDGE_M, officerShare: OFFICER_SHARE, tick };
  const crowd = new MatchCrowd(ground, proximityRules(), SEED, hearsNear ? watch : null);
  crowd.walk(2 * people);
  let best: Pace | null = null;
  for (let run = 0; run < runs; run++) {
    const pace = crowd.walk(updates);
    if (best === null || pace.cpuNs / pace.updates < best.cpuNs / best.updates) best = pace;
  }
  const { nearM, enterMaxM } = proximityRules();
  return {
    pace: best!,
    nears,
    slots: crowd.slots,
    near: crowd.shareNear(nearM, SAMPLED),
    close: crowd.shareNear(enterMaxM, SAMPLED),
  };
}

export const bench: Bench = {
  name: 'match',
  description:
    'positions matched per second of one core, 100,000 and 1,000,000 people on 30 x 30 km, beside Redis',
  run: async (report, args) => {
    const runs = numberArg(args, 'runs', 3);
    const small = measure(100_000, numberArg(args, 'updates', 600_000), runs, TICK);
    const near = measure(100_000, numberArg(args, 'updates', 600_000), runs, TICK, true);
    const calm = measure(100_000, 200_000, 1, CALM_TICK);
    const large = numberArg(args, 'million', 1) > 0 ? measure(1_000_000, 1_000_000, 1, TICK) : null;
    const redis = await redisPace(
      { people: 100_000, edgeM: EDGE_M, officerShare: OFFICER_SHARE, tick: TICK },
      report,
    );
    const row = ({ pace, slots, near, close }: Measured): string =>
      `${figure(perS(pace.updates, pace.cpuNs))} /s   ${figure(perS(pace.moves, pace.cpuNs))} into regions, ` +
      `${figure(pace.moves / pace.updates, 2)} copies, ${figure(pace.cpuNs / pace.updates)} ns, ${figure(slots)} slots, ` +
      `an officer within 200 m of ${figure(100 * near)} %, within 40 m of ${figure(100 * close)} %`;
    const rate = perS(small.pace.updates, small.pace.cpuNs);
    report(
      table([
        ['100,000 people', `${row(small)}  (goal 3,000,000)`],
        ['100,000 people, and who is near', `${row(near)}, ${figure(near.nears)} told`],
        ['100,000 people, calm', row(calm)],
        ['1,000,000 people', large === null ? 'not measured' : row(large)],
        [
          'Redis, 100,000 people',
          redis === null
            ? 'skipped: no redis-server on PATH'
            : `${figure(redis)} /s   ratio ${figure(rate / redis, 1)} (goal 20)`,
        ],
      ]),
    );
    return {
      updates_per_s_100k: rate,
      updates_per_s_calm: perS(calm.pace.updates, calm.pace.cpuNs),
      updates_per_s_1m: large === null ? null : perS(large.pace.updates, large.pace.cpuNs),
      moves_per_s_100k: perS(small.pace.moves, small.pace.cpuNs),
      redis_per_s: redis,
      ratio: redis === null ? null : rounded(rate / redis, 1),
      copies: rounded(small.pace.moves / small.pace.updates, 3),
      slots_100k: small.slots,
      updates_per_s_near: perS(near.pace.updates, near.pace.cpuNs),
      near_share_100k: rounded(small.near, 3),
    };
  },
};
