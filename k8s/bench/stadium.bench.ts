/**
 * A stadium: 50,000 people on 300 x 300 m, one in a hundred an officer. Each officer has a thousand civilians within 25 m,
 * which is what crowd mode is for: both are measured, with crowd mode as it is, and without it, when a million pairs are
 * open at once. Who is together is compared with brute force over the same fixes: without crowd mode for a sample of the
 * civilians; with it, as a crowd is judged by all of them, everything that happens in a smaller crowd, which some officers
 * stand in the middle of and some at the edge.
 */
import type { ProximityRules } from '../../actors/geo/rules.ts';
import { proximityRules } from '../../actors/geo/rules.ts';
import type { FixMessage } from '../../actors/messages/region.ts';
import type { Bench } from '../bench.ts';
import { bruteForce, type OracleEvent } from '../tracks/oracle.ts';
import { numberArg } from './args.ts';
import { MatchCrowd, type Pace } from './matchCrowd.ts';
import { figure, table } from './table.ts';

const GROUND = { people: 50_000, edgeM: 300, officerShare: 0.01, tick: 1_250, inOneRegion: true };
const SEED = 2;
/** As dense around an officer as begins a crowd: eight and a half within 25 m. */
const SMALL_GROUND = { people: 450, edgeM: 300, officerShare: 0.1, tick: 50, inOneRegion: true };
const SMALL_ROUNDS = 30;
/** Rounds of 10 s: known, moving, and a crowd for 30 s. */
const WARM_ROUNDS = 5;

interface Measured {
  readonly pace: Pace;
  readonly slots: number;
  /** Pairs of sampled civilians that are together at the end: as the regions have it, and by brute force. */
  readonly pairs: readonly string[];
  readonly expected: readonly string[];
}

const eventOf = (fix: FixMessage): OracleEvent => ({
  type: 'fix',
  id: fix.userId,
  officer: fix.role === 'officer',
  instant: fix.instant,
  seq: fix.seq,
  latE7: fix.latE7,
  lngE7: fix.lngE7,
  accuracyDm: fix.accuracyDm,
  atMs: fix.takenAtMs,
});

function openPairs(events: readonly OracleEvent[], rules: ProximityRules): string[] {
  const open = new Set<string>();
  const endMs = Math.max(...events.map(event => (event.type === 'fix' ? event.atMs : 0)));
  for (const { what, officerId, civilianId, atMs } of bruteForce(events, rules).happenings) {
    const pair = `${officerId} ${civilianId}`;
    if (what === 'entered') open.add(pair);
    // the end of all that is still open is later than every fix
    if (what === 'ended' && atMs <= endMs) open.delete(pair);
  }
  return [...open].sort();
}

function measure(rules: ProximityRules, updates: number, sampled: number): Measured {
  const crowd = new MatchCrowd(GROUND, rules, SEED);
  const sample = new Set(
    crowd.people
      .filter(one => one.role === 'civilian')
      .slice(0, sampled)
      .map(one => one.id),
  );
  const events: OracleEvent[] = [];
  crowd.tap = fix => {
    if (fix.role === 'officer' || sample.has(fix.userId)) events.push(eventOf(fix));
  };
  crowd.walk(WARM_ROUNDS * GROUND.people);
  const pace = crowd.walk(updates);
  const pairs = new Set<string>();
  for (const matcher of crowd.matchers) {
    const { members, slots } = matcher.pack();
    for (const [officer, civilian] of slots) {
      if (sample.has(members[civilian]![0])) pairs.add(`${members[officer]![0]} ${members[civilian]![0]}`);
    }
  }
  const expected = sampled > 0 ? openPairs(events, rules) : [];
  return { pace, slots: crowd.slots, pairs: [...pairs].sort(), expected };
}

interface Small {
  /** Enters and exits, and of these by a crowd. */
  readonly happened: number;
  readonly crowds: number;
  readonly equal: boolean;
}

/** All that happens to pairs of a small crowd, in order, beside what brute force says. */
function compareSmall(rules: ProximityRules): Small {
  const happened: string[] = [];
  let crowds = 0;
  const note = (what: string, officerId: string, civilianId: string, atMs: number | null): void =>
    void happened.push(`${what} ${officerId} ${civilianId} ${atMs}`);
  const crowd = new MatchCrowd(SMALL_GROUND, rules, SEED, {
    entered: (officer, civilian, atMs) => note('entered', officer, civilian, atMs),
    ended: (officer, civilian, atMs, reason) => {
      note('ended', officer, civilian, atMs);
      if (reason === 'crowd') crowds++;
    },
  });
  const events: OracleEvent[] = [];
  let endMs = 0;
  crowd.tap = fix => {
    events.push(eventOf(fix));
    endMs = fix.takenAtMs;
  };
  crowd.walk(SMALL_ROUNDS * SMALL_GROUND.people);
  const expected = bruteForce(events, rules).happenings.flatMap(({ what, officerId, civilianId, atMs }) =>
    (what === 'entered' || what === 'ended') && atMs <= endMs
      ? [`${what} ${officerId} ${civilianId} ${atMs}`]
      : [],
  );
  // of several at one fix the order is nobody's business
  const equal = happened.sort().join() === expected.sort().join();
  return { happened: happened.length, crowds, equal };
}

export const bench: Bench = {
  name: 'stadium',
  description:
    '50,000 people in 300 x 300 m, 1 % officers: positions per second of one core, pairs beside brute force',
  run: async (report, args) => {
    const updates = numberArg(args, 'updates', 100_000);
    const sampled = numberArg(args, 'sample', 300);
    const crowded = measure(proximityRules(), updates, 0);
    const open = measure(proximityRules({ crowdCivilians: GROUND.people }), updates, sampled);
    const small = compareSmall(proximityRules());
    const rate = ({ pace }: Measured): number => Math.round((pace.updates * 1e9) / pace.cpuNs);
    const row = (one: Measured): string =>
      `${figure(rate(one))} /s   ${figure(one.pace.moves / one.pace.updates, 2)} copies, ${figure(one.slots)} pairs open`;
    const equal = open.pairs.join() === open.expected.join();
    report(
      table([
        ['crowd mode as it is', `${row(crowded)}  (goal 300,000)`],
        ['without crowd mode', row(open)],
        [
          `pairs of ${figure(sampled)} civilians`,
          `${figure(open.pairs.length)}, brute force ${figure(open.expected.length)}: ${equal ? 'the same' : 'NOT the same'}`,
        ],
        [
          `a crowd of ${figure(SMALL_GROUND.people)}`,
          `${figure(small.happened)} enters and exits, ${figure(small.crowds)} of them by a crowd; by brute force ${small.equal ? 'the same' : 'NOT the same'}`,
        ],
      ]),
    );
    if (!equal || !small.equal) throw new Error('the pairs are not those that brute force finds');
    if (small.crowds === 0) throw new Error('the small crowd is none');
    return {
      updates_per_s: rate(crowded),
      updates_per_s_no_crowd_mode: rate(open),
      pairs: open.pairs.length,
      pairs_brute_force: open.expected.length,
      pairs_equal: equal,
      pairs_open: open.slots,
      crowd_equal: small.equal,
      crowd_happened: small.happened,
    };
  },
};
