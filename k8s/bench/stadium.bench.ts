/**
 * A stadium: 50,000 people on 300 x 300 m, one in a hundred an officer. Each officer has a thousand civilians within 25 m,
 * which is what crowd mode is for: both are measured, with crowd mode as it is, and without it, when half a million pairs
 * are open at once. Who is together is compared, for a sample of the civilians, with brute force over the same fixes.
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
  // a crowd is judged by all civilians, not by a sample: brute force is for the run without crowd mode
  const expected = sampled > 0 ? openPairs(events, rules) : [];
  return { pace, slots: crowd.slots, pairs: [...pairs].sort(), expected };
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
      ]),
    );
    if (!equal) throw new Error('the pairs are not those that brute force finds');
    return {
      updates_per_s: rate(crowded),
      updates_per_s_no_crowd_mode: rate(open),
      pairs: open.pairs.length,
      pairs_brute_force: open.expected.length,
      pairs_equal: equal,
      pairs_open: open.slots,
    };
  },
};
