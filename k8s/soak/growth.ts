/** Does what stays after collections grow? */
import { type Finding, mib, RULES } from './limits.ts';
import type { AtRest, FloorSample, Recording } from './recording.ts';
import { mannKendall, type Point, TREND_POINTS_MIN, theilSen } from './statistics.ts';

const DAY_S = 86_400;

export interface Growth {
  readonly node: string;
  readonly pid: number;
  readonly what: 'heap' | 'rss';
  readonly points: number;
  readonly perDayBytes: number;
  readonly p: number;
  readonly leak: boolean;
}

/**
 * Trend of what stayed after collections, of each life that was long enough and that nobody looked into, at equal numbers of
 * people: shards move between nodes, and who has more of them holds more. What a person takes is what the first collection of
 * the life left beyond what the node held at rest, by head.
 */
export const growthOf = (recording: Recording, start: readonly AtRest[]): Growth[] => {
  const lives = Map.groupBy(recording.floors, one => one.pid);
  return [...lives].flatMap(([pid, all]) => {
    if (!recording.isUntouched(pid)) return [];
    const some = all.filter(one => one.upS >= RULES.lifeSettlesS);
    if (some.length < TREND_POINTS_MIN || some.at(-1)!.tS - some[0]!.tS < RULES.lifeJudgedS) return [];
    const [first] = some as [FloorSample];
    const rest = start.find(one => one.node === first.node)?.heapUsed ?? first.heapUsed;
    const each = Math.max(0, first.heapUsed - rest) / Math.max(1, first.actors);
    return (['heap', 'rss'] as const).map(what => {
      const points = some.map((one): Point => {
        const bytes = what === 'heap' ? one.heapUsed : one.rss;
        return [one.tS, bytes - each * (one.actors - first.actors)];
      });
      const perDayBytes = theilSen(points) * DAY_S;
      const { p, z } = mannKendall(points);
      const leak = p < RULES.trendP && z > 0 && perDayBytes > RULES.dayGrowthShare * RULES.limitBytes;
      return { node: some[0]!.node, pid, what, points: points.length, perDayBytes, p, leak };
    });
  });
};

export const leaks = (grown: readonly Growth[]): Finding => {
  const bad = grown.filter(one => one.leak);
  const say = (one: Growth): string =>
    `${one.what} of ${one.node} ${one.perDayBytes < 0 ? 'falls' : 'grows'} by ${mib(Math.abs(one.perDayBytes))} a day (p ${one.p.toFixed(3)}, ${one.points} points)`;
  return {
    rule: 'no leak: what stays after collections does not grow by a quarter of a pod in a day',
    ok: grown.length === 0 ? null : bad.length === 0,
    words:
      grown.length === 0
        ? 'no life was long enough to say'
        : (bad.length > 0 ? bad : grown).map(say).join('; '),
  };
};
