/** What must be heard is said until it is heard; what is said twice counts once. */
import { describe, expect, test } from 'vitest';
import { TurnCollector } from '../nodes/effects.ts';
import { seededRandom, VirtualTime } from '../nodes/simulation/virtualTime.ts';
import { SmallTown } from '../nodes/testing/smallTown.ts';
import { ERROR, ok, type Result, refuse } from '../protocol/index.ts';
import type { Committed } from './durable.ts';
import { fraudRules } from './fraud/rules.ts';
import { TRUST } from './fraud/trust.ts';
import { insist } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import type { SettledView } from './messages/user.ts';
import { type PairState, pairId } from './pair/state.ts';
import { pairBehaviour } from './pair.ts';
import type { UserRecord } from './queries.ts';
import { DEFAULT_RULES } from './rules.ts';
import type { Award } from './scoring.ts';
import { userBehaviour } from './user.ts';

const OFFICER = '00000000-0000-7000-8000-000000000001';
const CIVILIAN = '00000000-0000-7000-8000-000000000002';
const AWAY = refuse(ERROR.unavailable, 'away');

const NEVER_MET = { agesMs: [], officerDay: 0, civilianMet: 0, civilianOfficers: 0, knowsOfficer: false };

const NO_LIMIT: Award = {
  points: {},
  values: { pointsPerDay: 0 },
  rule: { id: 'earning.limit', version: 1 },
  limits: {},
};

/** One pair, turn by turn. */
class PairStory {
  readonly behaviour;
  readonly turn = new TurnCollector(new VirtualTime(), seededRandom(1), 1_000);
  state: PairState;
  award: Award = {
    points: { officer: 20, civilian: 20 },
    values: {},
    rule: { id: 'encounter.points', version: 7, trace: '00112233445566ff' },
    limits: {},
  };
  constructor(rules = DEFAULT_RULES) {
    this.behaviour = pairBehaviour(rules);
    const made = this.behaviour.create(pairId(OFFICER, CIVILIAN), null, this.#begin());
    if (!made.ok) throw new Error(made.message);
    this.state = made.value;
  }

  /** One turn, and nobody answers what it asked. */
  alone(message: object) {
    this.state = this.behaviour.receive(this.state, message as never, this.#begin());
    return this.collected();
  }

  say(message: object) {
    return this.#scored(this.alone(message));
  }

  /** What the rules are asked, they answer at once. */
  #scored(said: ReturnType<PairStory['collected']>): ReturnType<PairStory['collected']> {
    const asked = said.queries.find(({ query: { type } }) => type === 'scores' || type === 'score');
    if (asked === undefined) return said;
    const awards = asked.query.type === 'score' ? this.award : [this.award, NO_LIMIT, NO_LIMIT];
    const more = this.say({ type: 'queried', tag: asked.tag, result: ok(awards) });
    const queries = said.queries.filter(one => one !== asked);
    return { ...more, queries: [...queries, ...more.queries] };
  }

  collected() {
    const { outputs, inner, operations } = this.turn.take();
    const replies = outputs.flatMap(one => (one.k === 'reply' ? [one.result] : []));
    const asks = outputs.flatMap(one => (one.k === 'ask' ? [one] : []));
    const tells = outputs.flatMap(one => (one.k === 'tell' ? [one] : []));
    const timers = inner.flatMap(one => (one.k === 'timer' ? [one] : []));
    return {
      asks,
      tells,
      timers,
      operations,
      replies,
      queries: inner.flatMap(one => (one.k === 'query' ? [one] : [])),
    };
  }

  /** They met, and the store knows nothing of them. */
  settle(scannedAtMs: number | null = null) {
    const observed = this.observe(scannedAtMs);
    return scannedAtMs === null ? this.unknown(observed) : observed;
  }

  unknown({ queries }: ReturnType<PairStory['collected']>) {
    const [query] = queries;
    expect(query!.query.type).toBe('pairHistory');
    return this.say({ type: 'queried', tag: query!.tag, result: ok(NEVER_MET) });
  }

  observe(scannedAtMs: number | null) {
    const observe = {
      type: 'observe',
      evidence: { method: 'qr', id: 'x', cell: '', scannedAtMs },
      officer: { id: OFFICER, handle: 'o' },
      civilian: { id: CIVILIAN, handle: 'c' },
    };
    return this.say(observe);
  }

  committed(tag: string) {
    const postings = [OFFICER, CIVILIAN].map(account => ({ account, delta: 20, balance: 20, version: 1 }));
    const committed: Committed = { id: 'e', code: 'created', atMs: 5, postings };
    return this.say({ type: 'committed', tag, committed });
  }

  answer(tag: string, result: Result<unknown>) {
    return this.say({ type: 'answer', tag, result });
  }

  #begin(): TurnCollector {
    this.turn.begin({ kind: 'pair', id: pairId(OFFICER, CIVILIAN) }, { node: 'n', askId: 1 }, null);
    return this.turn;
  }
}

describe('a pair that settled', () => {
  const told = () => {
    const story = new PairStory();
    const [persist] = story.settle().operations;
    return { story, asks: story.committed(persist!.tag).asks };
  };

  test('asks both people until they have heard it, with growing pauses, and stays for that', () => {
    const { story, asks } = told();
    expect(asks.map(ask => [ask.to.id, ask.message.type])).toEqual([
      [OFFICER, 'encounterSettled'],
      [CIVILIAN, 'encounterSettled'],
    ]);
    const [toOfficer, toCivilian] = asks.map(ask => ask.tag) as [string, string];
    expect(story.answer(toCivilian, ok({})).timers).toEqual([]);
    let pauseMs = 0;
    for (let i = 0; i < 4; i++) {
      const [timer] = story.answer(toOfficer, AWAY).timers;
      expect(timer!.delayMs).toBeGreaterThan(pauseMs);
      pauseMs = timer!.delayMs;
      expect(story.behaviour.idleMs(story.state)).toBe(false);
      expect(story.say(timer!.message).asks.map(ask => ask.to.id)).toEqual([OFFICER]);
    }
    expect(story.answer(toOfficer, ok({})).timers).toEqual([]);
    expect(story.behaviour.idleMs(story.state)).toBe(ACTOR_LIMITS.pairIdleMs);
  });

  test('gives up in the end, and at once when the account is gone', () => {
    const { story, asks } = told();
    const [toOfficer, toCivilian] = asks.map(ask => ask.tag) as [string, string];
    expect(story.answer(toCivilian, refuse(ERROR.notFound, 'no such account')).timers).toEqual([]);
    let tries = 1;
    for (;;) {
      const [timer] = story.answer(toOfficer, AWAY).timers;
      if (!timer) break;
      tries++;
      story.say(timer.message);
    }
    expect(tries).toBe(ACTOR_LIMITS.insistTries);
    expect(story.state.telling.size).toBe(0);
  });

  test('goes on telling on the node it moves to', () => {
    const { story, asks } = told();
    story.answer(asks[0]!.tag, ok({}));
    const packed = story.behaviour.pack!(story.state);
    const next = new PairStory();
    const read = next.behaviour.unpack!(pairId(OFFICER, CIVILIAN), packed, next.turn);
    expect(read.ok).toBe(true);
    expect(next.collected().asks.map(ask => ask.to.id)).toEqual([CIVILIAN]);
  });
});

test('a person whose word is not heard yet stays in memory, and leaves it once it is', () => {
  const record: UserRecord = {
    ...{ id: CIVILIAN, kind: 'civilian', handle: 'c', number: 7, deviceId: 'd', deviceNumber: 1 },
    ...{ balance: 0, balanceVersion: 0, reserved: 0, encounterCount: 0, encounters: [] },
    ...{ commands: [], latestKey: null, timers: [] },
    stream: { town: 't', others: 0, after: 0, lineage: 0, movements: [], events: [], told: {} },
  };
  const behaviour = userBehaviour(DEFAULT_RULES, { newest: 1, masters: new Map([[1, new Uint8Array(32)]]) });
  const turn = new TurnCollector(new VirtualTime(), seededRandom(1), 1_000);
  const begin = () => turn.begin({ kind: 'user', id: CIVILIAN }, null, null);
  begin();
  const made = behaviour.create(CIVILIAN, record, turn);
  if (!made.ok) throw new Error(made.message);
  const what = { to: { kind: 'user', id: OFFICER }, message: { type: 'credited' } } as const;
  const telling = { ...made.value, crediting: insist(made.value.crediting, 'g', what, turn) };
  const [ask] = turn.take().outputs.flatMap(one => (one.k === 'ask' ? [one] : []));
  expect(behaviour.idleMs(telling)).toBe(false);
  begin();
  const heard = behaviour.receive(telling, { type: 'answer', tag: ask!.tag, result: ok({}) }, turn);
  expect(behaviour.idleMs(heard)).toBe(ACTOR_LIMITS.userIdleMs);
});

describe('a meeting that something speaks against', () => {
  const evidence = { method: 'qr', id: 'x', cell: '', trust: 1 } as const;
  const officer = { id: OFFICER, handle: 'o' };
  const civilian = { id: CIVILIAN, handle: 'c' };
  const hold = {
    encounterId: 'e',
    officer,
    civilian,
    method: 'qr',
    atMs: 5,
    officerPoints: 20,
    civilianPoints: 20,
    rule: DEFAULT_RULES.encounter,
    trust: 1,
    verdict: 'held',
  } as const;
  const review = (
    verdict: 'released' | 'rejected',
    found: object | null = hold,
    limits: Award['limits'] = {},
  ) => {
    const story = new PairStory();
    story.award = { ...story.award, limits };
    const [query] = story.say({ type: 'review', encounterId: 'e', verdict }).queries;
    return { story, said: story.say({ type: 'queried', tag: query!.tag, result: ok(found) }) };
  };

  test('asks nothing of the past when it is told not to', () => {
    const rules = { ...DEFAULT_RULES, fraud: fraudRules({ historyH: 0 }) };
    const story = new PairStory(rules);
    const { queries, operations } = story.say({ type: 'observe', evidence, officer, civilian });
    expect(queries).toEqual([]);
    expect(operations[0]!.op).toMatchObject({ type: 'encounter', trust: TRUST.simulated });
  });

  test('goes to the store with what both sides and the past say', () => {
    const story = new PairStory();
    const [query] = story.say({ type: 'observe', evidence, officer, civilian }).queries;
    const history = { ...NEVER_MET, officerDay: DEFAULT_RULES.fraud.officerDayMax };
    const { operations } = story.say({ type: 'queried', tag: query!.tag, result: ok(history) });
    expect(operations[0]!.op).toMatchObject({
      type: 'encounter',
      trust: TRUST.simulated | TRUST.busy_officer,
    });
    const committed: Committed = { id: 'e', code: 'held', atMs: 5, postings: [] };
    const { asks } = story.say({ type: 'committed', tag: operations[0]!.tag, committed });
    expect(asks.map(ask => [ask.to.id, ask.message])).toEqual([
      [
        OFFICER,
        { type: 'encounterHeld', held: { encounterId: 'e', method: 'qr', otherHandle: 'c', atMs: 5 } },
      ],
      [
        CIVILIAN,
        { type: 'encounterHeld', held: { encounterId: 'e', method: 'qr', otherHandle: 'o', atMs: 5 } },
      ],
    ]);
  });

  test('is not settled while the store cannot be read', () => {
    const story = new PairStory();
    const [query] = story.say({ type: 'observe', evidence, officer, civilian }).queries;
    expect(story.say({ type: 'queried', tag: query!.tag, result: AWAY }).operations).toEqual([]);
  });

  test('released, both are told of the points; rejected, that there are none', () => {
    const { story, said } = review('released');
    expect(said.operations[0]!.op).toMatchObject({
      type: 'review',
      id: 'e',
      verdict: 'released',
      civilianPoints: 20,
    });
    const told = story.committed(said.operations[0]!.tag).asks;
    expect(told.map(ask => ask.message)).toMatchObject([
      { type: 'encounterSettled', settled: { encounterId: 'e', points: 20, balance: 20, otherHandle: 'c' } },
      { type: 'encounterSettled', settled: { encounterId: 'e', points: 20, balance: 20, otherHandle: 'o' } },
    ]);
    const other = review('rejected');
    const committed: Committed = { id: 'e', code: 'rejected', atMs: 5, postings: [] };
    const { asks } = other.story.say({ type: 'committed', tag: other.said.operations[0]!.tag, committed });
    expect(asks.map(ask => ask.message.type)).toEqual(['encounterRejected', 'encounterRejected']);
  });

  test('released, its points come out of the budget of its rule, or it stays held', () => {
    const limits = { budget: { id: 'spring', points: 40 } };
    const used = review('released', hold, limits);
    expect(used.said.operations).toEqual([]);
    expect(used.said.asks).toMatchObject([{ message: { type: 'take', points: 40, of: 40 } }]);
    const usedUp = refuse(ERROR.conflict, 'used up');
    expect(used.story.answer(used.said.asks[0]!.tag, usedUp)).toMatchObject({
      operations: [],
      replies: [usedUp],
    });
    const { story, said } = review('released', hold, limits);
    const [persist] = story.answer(said.asks[0]!.tag, ok({})).operations;
    expect(persist!.op).toMatchObject({ type: 'review', verdict: 'released' });
    // another operator was faster: nothing was given by this one
    const committed: Committed = { id: 'e', code: 'not_held', atMs: 0, postings: [] };
    expect(story.say({ type: 'committed', tag: persist!.tag, committed }).tells).toMatchObject([
      { to: { kind: 'budget' }, message: { type: 'giveBack', points: 40 } },
    ]);
    // what was decided before, or is rejected, takes nothing
    for (const [verdict, found] of [
      ['rejected', hold],
      ['released', { ...hold, verdict: 'released' }],
    ] as const)
      expect(review(verdict, found, limits).said).toMatchObject({ asks: [], operations: [{}] });
  });

  test('of another pair, or none, is not reviewed here; decided before, nobody is told', () => {
    expect(review('released', null).said.operations).toEqual([]);
    expect(review('released', { ...hold, civilian: { id: 'x', handle: '' } }).said.operations).toEqual([]);
    const { story, said } = review('rejected');
    const committed: Committed = { id: 'e', code: 'not_held', atMs: 0, postings: [] };
    expect(story.say({ type: 'committed', tag: said.operations[0]!.tag, committed }).asks).toEqual([]);
  });
});

describe('what the rules say of a meeting', () => {
  test('is frozen with it: points, rule, trace and how soon the two may meet again', () => {
    const story = new PairStory();
    story.award = {
      ...story.award,
      points: { officer: 3, civilian: 4 },
      limits: { cooldownS: 60 },
    };
    const [persist] = story.settle().operations;
    expect(persist!.op).toMatchObject({
      officerPoints: 3,
      civilianPoints: 4,
      cooldownS: 60,
      rule: story.award.rule,
    });
  });

  test('is waited for: neither answer alone is enough, whichever comes first', () => {
    const story = new PairStory();
    const evidence = { method: 'qr', id: 'x', cell: '' };
    const observe = {
      type: 'observe',
      evidence,
      officer: { id: OFFICER, handle: 'o' },
      civilian: { id: CIVILIAN, handle: 'c' },
    };
    const { queries } = story.alone(observe);
    expect(queries.map(({ query }) => query.type).sort()).toEqual(['pairHistory', 'scores']);
    const tagOf = (type: string) => queries.find(({ query }) => query.type === type)!.tag;
    const known = story.alone({ type: 'queried', tag: tagOf('pairHistory'), result: ok(NEVER_MET) });
    expect(known.operations).toEqual([]);
    const scored = story.alone({
      type: 'queried',
      tag: tagOf('scores'),
      result: ok([story.award, NO_LIMIT, NO_LIMIT]),
    });
    expect(scored.operations).toHaveLength(1);
  });

  test('is a reason not to settle it, or to try again', () => {
    const story = new PairStory();
    story.award = { ...story.award, points: {}, refusal: 'not on Sundays' };
    const { operations, replies } = story.observe(null);
    expect(operations).toEqual([]);
    expect(replies).toMatchObject([{ code: ERROR.forbidden, message: 'not on Sundays' }]);
  });

  test('of a late scan also says how far around its own moment the two must not have met', () => {
    const story = new PairStory();
    story.award = { ...story.award, limits: { cooldownS: 60 } };
    expect(story.settle(1_000_000).queries[0]!.query).toMatchObject({
      type: 'pairMet',
      afterMs: 940_000,
      beforeMs: 1_060_000,
    });
  });
});

describe('a scan that was uploaded late', () => {
  test('is judged around its own moment before the store is asked to settle it', () => {
    const story = new PairStory();
    const day = DEFAULT_RULES.cooldownS * 1_000;
    const asked = story.settle(10 * day);
    expect(asked.operations).toEqual([]);
    expect(asked.queries[0]!.query).toMatchObject({ type: 'pairMet', afterMs: 9 * day, beforeMs: 11 * day });
    const { tag } = asked.queries[0]!;
    expect(story.unknown(story.say({ type: 'queried', tag, result: ok([]) })).operations).toHaveLength(1);
  });

  test('beside another meeting it is not settled; beside itself it is the same; unread it is neither', () => {
    for (const [found, operations] of [
      [ok(['another']), 0],
      [AWAY, 0],
    ] as const) {
      const story = new PairStory();
      const { tag } = story.settle(5).queries[0]!;
      expect(story.say({ type: 'queried', tag, result: found }).operations).toHaveLength(operations);
    }
    const story = new PairStory();
    const first = story.settle(5).queries[0]!;
    const [op] = story.unknown(story.say({ type: 'queried', tag: first.tag, result: ok([]) })).operations;
    const again = story.settle(5).queries[0]!;
    const result = ok(['another', op!.op.id]);
    expect(story.unknown(story.say({ type: 'queried', tag: again.tag, result })).operations).toHaveLength(1);
  });
});

describe('a movement that is told', () => {
  test('reaches the phone once, also when it is told again after twenty others, and after a kill', async () => {
    const town = new SmallTown();
    const phone = await town.phone('civilian');
    const view = (n: number): SettledView => ({
      encounterId: town.key(),
      method: 'hey',
      otherHandle: 'o',
      points: 10,
      balance: 10 * n,
      balanceVersion: n,
      atMs: town.time.nowMs(),
    });
    const views = Array.from({ length: 21 }, (_, i) => view(i + 1));
    for (const settled of views) {
      expect(await phone.ask({ type: 'encounterSettled', settled })).toMatchObject({ ok: true });
    }
    for (const settled of views) await phone.ask({ type: 'encounterSettled', settled });
    expect(phone.events('encounter.completed')).toHaveLength(21);
    await phone.command('state.get', {});
    expect(phone.events('snapshot').at(-1)).toMatchObject({ encounterCount: 21, balance: 210 });
    await town.move();
    await phone.ask({ type: 'encounterSettled', settled: views[0]! });
    expect(phone.events('encounter.completed')).toHaveLength(21);
  });
});
