/** Nodes that follow the rules: two of them, one store, and a store that is away. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { ScoreQuery } from '../../actors/scoring.ts';
import { silent } from '../../infra/postgres/testTown.ts';
import { ZenRules } from '../../infra/rules/zenEngine.ts';
import { ERROR } from '../../protocol/errors.ts';
import { type MemoryBus, MemoryHub } from '../memory/memoryBus.ts';
import { MemoryRules } from '../memory/memoryRules.ts';
import { MemoryTeller } from '../memory/memoryTeller.ts';
import { VirtualTime } from '../simulation/virtualTime.ts';
import { checksumOf, type RuleDraft, type RuleVersion } from './envelope.ts';
import { type LastKnown, RuleFollower } from './follower.ts';
import { RuleKeeper } from './keeper.ts';
import { RULE_LIMITS } from './limits.ts';
import { RuleBook } from './ruleBook.ts';
import { seedRules } from './seeds.ts';
import type { RuleStore } from './store.ts';

const gauges = new Map<string, number>();
const metrics = {
  count() {},
  observe() {},
  gauge: (name: string, value: number) => void gauges.set(name, value),
};
const SEEDS = seedRules(DEFAULT_RULES);
const [MEETING] = SEEDS as [RuleVersion];
const HEY: ScoreQuery = { type: 'score', kind: 'encounter.points', input: { method: 'hey' } };

/** The rules of meetings, with other points for a hey. */
function worth(points: number): Pick<RuleDraft, 'content' | 'tests'> {
  const text = JSON.stringify(MEETING.content).replaceAll('"10"', `"${points}"`);
  const both = { officer: points, civilian: points };
  return {
    content: JSON.parse(text),
    tests: [{ name: 'hey', in: { method: 'hey' }, out: { points: both } }],
  };
}

let time: VirtualTime;
let hub: MemoryHub;
let stored: MemoryRules;
let teller: MemoryTeller;
let away: boolean;
/** The answer to the next pointer that is moved gets lost. */
let lost: boolean;
const running: RuleFollower[] = [];

/** The store as long as it is not away. */
const store = new Proxy({} as RuleStore, {
  get:
    (_target, name) =>
    async (...args: unknown[]) => {
      if (away) throw new Error('no connection');
      const methods = stored as unknown as Record<string, (...args: unknown[]) => unknown>;
      const answer = await methods[String(name)]!(...args);
      if (!lost || name !== 'point') return answer;
      lost = false;
      throw new Error('the answer was lost');
    },
});

const disk = (): LastKnown & { kept: readonly RuleVersion[] | null } => ({
  kept: null,
  read() {
    return this.kept;
  },
  write(versions) {
    this.kept = structuredClone(versions);
  },
});

function node(
  lastKnown: LastKnown = disk(),
  bus: MemoryBus | null = hub.connect(),
  { seeds = SEEDS, log = silent } = {},
) {
  const engine = new ZenRules();
  const book = new RuleBook({ engine, clock: time, log: silent, metrics, stateOf: async () => null });
  const world = { store, teller, scheduler: time, log, metrics };
  const follower = new RuleFollower({ ...world, book, seeds, lastKnown, bus, subject: 'rules' });
  const changed = () => follower.changed();
  const refused = (id: string) => follower.refused(id);
  const keeper = new RuleKeeper({ store, teller, engine, rules: book, refused, changed, wallMs: () => 5 });
  running.push(follower);
  const award = () => book.score(HEY);
  return { follower, keeper, award, points: async () => (await award()).points.officer };
}

beforeEach(() => {
  time = new VirtualTime();
  hub = new MemoryHub(time, silent);
  stored = new MemoryRules();
  teller = new MemoryTeller();
  away = false;
  lost = false;
});
afterEach(() => {
  for (const follower of running.splice(0)) follower.stop();
});

describe('nodes that follow the rules', () => {
  test('begin with the built-in ones, and write them where operators see them', async () => {
    const [one, two] = [node(), node()];
    await Promise.all([one.follower.start(), two.follower.start()]);
    expect(await one.points()).toBe(10);
    expect((await stored.pointers()).map(({ id, active }) => [id, active])).toEqual(
      SEEDS.map(({ id }) => [id, 1]).sort(),
    );
  });

  test('have what one of them published within a second', async () => {
    const [one, two] = [node(), node()];
    await Promise.all([one.follower.start(), two.follower.start()]);
    await one.keeper.patch('olga', MEETING.id, worth(11));
    expect(await one.points()).toBe(10);
    expect(await one.keeper.publish(MEETING.id, 2, null)).toMatchObject({ ok: true });
    expect(await one.points()).toBe(11);
    await time.advance(1_000);
    expect(await two.points()).toBe(11);
    await two.keeper.retire(MEETING.id, null);
    await time.advance(1_000);
    expect(await one.points()).toBeUndefined();
  });

  test('tell the world which versions count, once', async () => {
    const [one, two] = [node(), node()];
    await Promise.all([one.follower.start(), two.follower.start()]);
    await time.advance(1_000);
    expect(teller.told.splice(0).sort()).toEqual(SEEDS.map(({ id }) => `${id} 1`).sort());
    await one.keeper.patch('olga', MEETING.id, worth(11));
    await one.keeper.test(MEETING.id, 2);
    await one.keeper.publish(MEETING.id, 2, null);
    await two.keeper.retire(MEETING.id, null);
    await time.advance(2 * RULE_LIMITS.pollMs);
    expect(teller.told).toEqual([`${MEETING.id} 2`, `${MEETING.id} 0`]);
  });

  test('pass over no version that counted, though who published it is gone', async () => {
    const one = node();
    await one.follower.start();
    await time.advance(1_000);
    one.follower.stop();
    await one.keeper.patch('olga', MEETING.id, worth(11));
    const pointer = (await stored.pointer(MEETING.id))!;
    await stored.point(
      { ...pointer, active: 2, retired: [1], revision: pointer.revision + 1 },
      pointer.revision,
    );
    teller.told.length = 0;
    const two = node();
    await two.keeper.publish(MEETING.id, 1, null);
    await time.advance(1_000);
    expect(teller.told).toEqual([`${MEETING.id} 2`, `${MEETING.id} 1`]);
  });

  test('go on following when nobody can be told, and publish nothing meanwhile', async () => {
    const [one, two] = [node(), node()];
    await Promise.all([one.follower.start(), two.follower.start()]);
    await time.advance(1_000);
    await one.keeper.patch('olga', MEETING.id, worth(11));
    const pointer = (await stored.pointer(MEETING.id))!;
    teller.isAway = true;
    await expect(one.keeper.publish(MEETING.id, 2, null)).rejects.toThrow('away');
    expect(await stored.pointer(MEETING.id)).toEqual(pointer);
    await stored.point(
      { ...pointer, active: 2, retired: [1], revision: pointer.revision + 1 },
      pointer.revision,
    );
    await time.advance(RULE_LIMITS.pollMs);
    expect(await two.points()).toBe(11);
    teller.isAway = false;
    teller.told.length = 0;
    await time.advance(RULE_LIMITS.pollMs);
    expect(teller.told).toEqual([`${MEETING.id} 2`]);
  });

  test('find out by themselves when nobody tells them', async () => {
    const [one, two] = [node(), node(disk(), null)];
    await Promise.all([one.follower.start(), two.follower.start()]);
    await one.keeper.patch('olga', MEETING.id, worth(12));
    await one.keeper.publish(MEETING.id, 2, null);
    expect(await two.points()).toBe(10);
    await time.advance(RULE_LIMITS.pollMs);
    expect(await two.points()).toBe(12);
  });

  test('with other settings keep to version 1 as it was written, and say so once', async () => {
    const said: object[] = [];
    const log = { ...silent, warn: (what: object) => said.push(what) };
    const seeds = seedRules({ ...DEFAULT_RULES, cooldownS: 60 });
    const known = disk();
    const [one, two] = [node(), node(known, hub.connect(), { seeds, log })];
    expect((await two.award()).limits.cooldownS).toBe(60);
    await one.follower.start();
    await two.follower.start();
    await time.advance(3 * RULE_LIMITS.pollMs);
    for (const { award } of [one, two]) expect((await award()).limits.cooldownS).toBe(86_400);
    expect(await two.keeper.version(MEETING.id, 1)).toMatchObject({
      value: { limits: { cooldownS: 86_400 } },
    });
    expect(said).toEqual([{ rule: MEETING.id, version: 1, differs: ['limits'] }]);
    // and when it starts again while the store is away
    away = true;
    const again = node(known, null, { seeds, log });
    expect((await again.award()).limits.cooldownS).toBe(86_400);
  });

  test('start with what they knew last while the store is away, and follow when it is back', async () => {
    const known = disk();
    const one = node(known);
    await one.follower.start();
    await one.keeper.patch('olga', MEETING.id, worth(13));
    await one.keeper.publish(MEETING.id, 2, null);
    away = true;
    const [again, fresh] = [node(known), node()];
    await Promise.all([again.follower.start(), fresh.follower.start()]);
    expect(await again.points()).toBe(13);
    expect(await fresh.points()).toBe(10);
    away = false;
    await time.advance(RULE_LIMITS.retryMs);
    expect(await fresh.points()).toBe(13);
  });
});

describe('operators', () => {
  const olga = async () => {
    const one = node();
    await one.follower.start();
    return one.keeper;
  };

  test('go back to version 1 as an earlier release wrote it, with a number that nobody reads any more', async () => {
    const now = SEEDS.find(({ kind }) => kind === 'proximity.notify')!;
    const before = JSON.parse(JSON.stringify(now).replaceAll('dwellFixes', 'nearM')) as RuleVersion;
    const { follower, keeper } = node(disk(), null, { seeds: [before] });
    await follower.start();
    expect(await keeper.patch('olga', now.id, { title: 'mine' })).toMatchObject({
      ok: false,
      message: expect.stringContaining('values.nearM: nobody reads it'),
    });
    expect(await keeper.patch('olga', now.id, { content: now.content, tests: now.tests })).toMatchObject({
      ok: true,
    });
    expect(await keeper.publish(now.id, 2, null)).toMatchObject({ ok: true });
    expect(await keeper.publish(now.id, 1, null)).toMatchObject({ ok: true });
  });

  test('who publish at once: one of them wins, the other is told', async () => {
    const [one, two] = [await olga(), await olga()];
    await one.patch('olga', MEETING.id, worth(11));
    await two.patch('otto', MEETING.id, worth(12));
    const outcomes = await Promise.all([one.publish(MEETING.id, 2, null), two.publish(MEETING.id, 3, null)]);
    const won = outcomes.findIndex(({ ok }) => ok);
    expect(outcomes[1 - won]).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(await stored.pointer(MEETING.id)).toMatchObject({ active: won + 2, retired: [1], revision: 2 });
    expect(await two.publish(MEETING.id, 3, 1)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(await two.publish(MEETING.id, 3, 2)).toMatchObject({ ok: true });
  });

  test('whose answer is lost have published all the same, and the others follow at once', async () => {
    const [one, two] = [node(), node()];
    await Promise.all([one.follower.start(), two.follower.start()]);
    await one.keeper.patch('olga', MEETING.id, worth(11));
    lost = true;
    expect(await one.keeper.publish(MEETING.id, 2, 1)).toMatchObject({
      ok: true,
      value: { pointer: { active: 2 } },
    });
    await time.advance(1_000);
    expect(await two.points()).toBe(11);
    lost = true;
    expect(await one.keeper.retire(MEETING.id, 2)).toMatchObject({ ok: true, value: { active: 0 } });
    await time.advance(1_000);
    expect(await two.points()).toBeUndefined();
  });

  test('who write the next version at once: one of them has to look again', async () => {
    const [one, two] = [await olga(), await olga()];
    const outcomes = await Promise.all([
      one.patch('olga', MEETING.id, worth(11)),
      two.patch('otto', MEETING.id, worth(12)),
    ]);
    expect(outcomes.map(({ ok }) => ok).sort()).toEqual([false, true]);
    expect((await stored.versions(MEETING.id)).map(({ version }) => version)).toEqual([1, 2]);
  });

  test('see what differs when a rule does not keep its own tests, and nothing changes', async () => {
    const one = await olga();
    const { tests } = worth(12);
    await one.patch('olga', MEETING.id, { ...worth(11), tests });
    const refused = await one.publish(MEETING.id, 2, null);
    expect(refused).toMatchObject({
      ok: false,
      code: ERROR.invalid,
      differences: [
        {
          test: 'hey',
          expected: { points: { officer: 12 } },
          got: { points: { officer: 11, civilian: 11 } },
        },
      ],
    });
    expect(await stored.pointer(MEETING.id)).toMatchObject({ active: 1, revision: 1, tested: [1] });
  });

  test('do not publish what gives points to nobody, or brings no test', async () => {
    const one = await olga();
    await one.patch('olga', MEETING.id, worth(0));
    expect(await one.publish(MEETING.id, 2, null)).toMatchObject({ ok: false, code: ERROR.invalid });
    await one.patch('olga', MEETING.id, { ...worth(5), tests: [] });
    expect(await one.publish(MEETING.id, 3, null)).toMatchObject({ ok: false, code: ERROR.invalid });
  });

  test('see a version live: draft, tested, active, retired', async () => {
    const one = await olga();
    const states = async () => {
      const rule = await one.look('double');
      return rule.ok && rule.value.versions.map(({ version, state }) => `${version} ${state}`);
    };
    const draft: RuleDraft = { ...MEETING, ...worth(20), priority: 5 };
    expect(await one.create('olga', 'double', draft)).toMatchObject({ ok: true });
    expect(await one.create('otto', 'double', draft)).toMatchObject({ ok: false, code: ERROR.conflict });
    expect(await states()).toEqual(['1 draft']);
    expect(await one.test('double', 1)).toMatchObject({ ok: true, value: { passed: true, tests: 1 } });
    expect(await states()).toEqual(['1 tested']);
    await one.publish('double', 1, null);
    await one.patch('olga', 'double', worth(30));
    expect(await states()).toEqual(['1 active', '2 draft']);
    await one.publish('double', 2, null);
    expect(await states()).toEqual(['1 retired', '2 active']);
    expect((await one.evaluate(HEY)).rule).toMatchObject({ id: 'double', version: 2 });
    await one.retire('double', null);
    expect(await states()).toEqual(['1 retired', '2 retired']);
    expect((await one.evaluate(HEY)).rule).toMatchObject({ id: MEETING.id, version: 1 });
    expect(await one.evaluateVersion('double', 1, { method: 'hey' })).toMatchObject({
      ok: true,
      value: { said: { points: { officer: 20 } } },
    });
  });
});

describe('a version that was published when more was let through, and would end the process', () => {
  const DEADLY = '5 % 0';
  /** As a node of before left it: written and pointed to, unread. */
  async function published(
    version: number,
    part: Pick<RuleDraft, 'content' | 'tests'>,
  ): Promise<RuleVersion> {
    const draft = { ...MEETING, ...part };
    const rule = { ...draft, version, checksum: checksumOf(draft), createdBy: 'olga' };
    await stored.add(rule);
    const { active, retired, revision, ...pointer } = (await stored.pointer(MEETING.id))!;
    const next = { ...pointer, active: version, retired: [...retired, active], revision: revision + 1 };
    await stored.point(next, revision);
    return rule;
  }
  const deadly = {
    ...worth(1),
    content: JSON.parse(JSON.stringify(worth(1).content).replaceAll('"1"', `"${DEADLY}"`)),
  };
  const told: object[] = [];
  const log = { ...silent, error: (what: object) => told.push(what) };
  beforeEach(async () => {
    told.length = 0;
    await node().follower.start();
  });

  test('does not count: the one before it does, on nodes that run and on those that start', async () => {
    const running = node(disk(), hub.connect(), { log });
    await running.follower.start();
    await published(2, worth(11));
    await published(3, deadly);
    await running.follower.look();
    expect([await running.points(), gauges.get('heyblue_rules_refused')]).toEqual([11, 1]);
    const later = node();
    await later.follower.start();
    expect(await later.points()).toBe(11);
    await time.advance(3 * RULE_LIMITS.pollMs);
    const why = expect.stringContaining('rest of a division');
    expect(told).toEqual([{ rule: MEETING.id, version: 3, instead: 2, why }]);
    const shown = (await later.keeper.pointers()).find(({ id }) => id === MEETING.id);
    expect(shown).toMatchObject({ active: 3, refused: { version: 3, instead: 2, why } });
    expect(await later.keeper.evaluateVersion(MEETING.id, 3, { method: 'hey' })).toMatchObject({ ok: false });
    // a mended one counts, and nothing is refused any more
    await running.keeper.patch('olga', MEETING.id, worth(12));
    await running.keeper.publish(MEETING.id, 4, null);
    expect([await running.points(), gauges.get('heyblue_rules_refused')]).toEqual([12, 0]);
  });

  test('leaves the built-in one, or nobody where there is none', async () => {
    await published(2, deadly);
    const one = node();
    await one.follower.start();
    expect(await one.points()).toBe(10);
    await stored.add({ ...(await stored.version(MEETING.id, 2))!, id: 'mine', version: 1, priority: 9 });
    await stored.point(
      { id: 'mine', kind: MEETING.kind, active: 1, retired: [], tested: [1], revision: 1 },
      0,
    );
    await one.follower.look();
    expect([await one.points(), one.follower.refused('mine')?.instead]).toEqual([10, 0]);
  });

  test('is not taken from the disk either, while the store is away', async () => {
    const known = disk();
    known.write([await published(2, deadly), ...SEEDS.slice(1)]);
    away = true;
    const one = node(known);
    await one.follower.start();
    expect(await one.points()).toBe(10);
  });
});
