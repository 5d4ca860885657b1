/**
 * How many evaluations of a business rule one core makes in a second: as actors ask (the seven rules of a town, awards
 * remembered), the same when every question is new (the graph is evaluated), and json-rules-engine with the same
 * conditions. Questions come in waves, as actors ask them. What GoRules computes on threads of its own counts as well, so
 * rates are per second of processor time of the whole process.
 */
import { Engine } from 'json-rules-engine';
import { ENCOUNTER_POINTS } from '../../actors/ruleNumbers.ts';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { ScoreQuery } from '../../actors/scoring.ts';
import { ZenRules } from '../../infra/rules/zenEngine.ts';
import { RuleBook } from '../../nodes/rules/ruleBook.ts';
import { seedRules } from '../../nodes/rules/seeds.ts';
import { METHODS } from '../../protocol/catalogue.ts';
import type { Bench } from '../bench.ts';
import { numberArg } from './args.ts';
import { median } from './median.ts';
import { figure, rounded, table } from './table.ts';

const CACHED = 500_000;
const EVALUATED = 10_000;
const PEER = 10_000;
const ROUNDS = 3;
/** As many actors ask at once. */
const WAVE = 64;
const GOAL = 500_000;

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const unmeasured = { count() {}, observe() {}, gauge() {} };

const bookOf = (): RuleBook => {
  const book = new RuleBook({
    engine: new ZenRules(),
    clock: { nowMs: () => 1 },
    log: silent,
    metrics: unmeasured,
    stateOf: async () => null,
  });
  book.replace(seedRules(DEFAULT_RULES));
  return book;
};

const MEETINGS: readonly ScoreQuery[] = METHODS.map(method => ({
  type: 'score',
  kind: 'encounter.points',
  input: { method },
}));

/** A price that nobody asked for yet: its graph has two rows. */
const price = (points: number): ScoreQuery => ({
  type: 'score',
  kind: 'redemption.price',
  input: { price: points, quantity: 1, offerKind: 'goods', payerKind: 'civilian', merchant: 'm' },
});

const peer = (): Engine =>
  new Engine(
    Object.entries(ENCOUNTER_POINTS).map(([method, points]) => ({
      conditions: { all: [{ fact: 'method', operator: 'equal', value: method }] },
      event: { type: 'points', params: points },
    })),
  );

/** A second of processor time has so many of `work`. */
async function pace(times: number, work: (i: number) => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < times; ) {
    const wave: Promise<unknown>[] = [];
    while (wave.length < WAVE && i < times) wave.push(work(i++));
    await Promise.all(wave);
  }
  const { user, system } = process.cpuUsage(before);
  return (times * 1e6) / (user + system);
}

export const bench: Bench = {
  name: 'rules',
  description:
    'evaluations of business rules per second of one core, remembered and not, beside json-rules-engine',
  help: [
    `--cached N      questions whose award is remembered, a round (default ${CACHED})`,
    `--evaluated N   questions that are new, a round (default ${EVALUATED})`,
    `--peer N        questions to json-rules-engine, a round (default ${PEER})`,
    `--rounds N      rounds of each; the figures are the middle ones (default ${ROUNDS})`,
  ],
  run: async (report, args) => {
    const rounds = Math.max(1, numberArg(args, 'rounds', ROUNDS));
    const [cachedTimes, freshTimes, peerTimes] = [
      numberArg(args, 'cached', CACHED),
      numberArg(args, 'evaluated', EVALUATED),
      numberArg(args, 'peer', PEER),
    ];
    const book = bookOf();
    const engine = peer();
    const asked = (i: number) => book.score(MEETINGS[i % MEETINGS.length]!);
    let next = 0;
    const fresh = () => book.score(price(++next));
    const run = (i: number) => engine.run({ method: METHODS[i % METHODS.length]! });
    await pace(Math.min(cachedTimes, 100_000), asked);
    await pace(Math.min(freshTimes, 1_000), fresh);
    await pace(Math.min(peerTimes, 1_000), run);
    const paces: Record<'cached' | 'fresh' | 'peer', number[]> = { cached: [], fresh: [], peer: [] };
    for (let round = 0; round < rounds; round++) {
      paces.cached.push(await pace(cachedTimes, asked));
      paces.fresh.push(await pace(freshTimes, fresh));
      paces.peer.push(await pace(peerTimes, run));
    }
    const [cached, perS, peerPerS] = [median(paces.cached), median(paces.fresh), median(paces.peer)];
    report(
      table([
        ['remembered', `${figure(cached)} /s  (goal ${figure(GOAL)})`],
        ['evaluated', `${figure(perS)} /s   ${figure(perS / peerPerS, 2)} of json-rules-engine`],
        ['json-rules-engine', `${figure(peerPerS)} /s, three rules of one condition`],
      ]),
    );
    return {
      per_s: Math.round(perS),
      cached_per_s: Math.round(cached),
      peer_per_s: Math.round(peerPerS),
      ratio: rounded(perS / peerPerS, 2),
      cached_ratio: rounded(cached / peerPerS, 1),
    };
  },
};
