/** Operators change the numbers of meeting while people stand beside each other. */
import { expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { Award } from '../../actors/scoring.ts';
import { VirtualTime } from '../simulation/virtualTime.ts';
import { refusedDraft } from './checks.ts';
import { MeetingRules } from './meetingRules.ts';
import { MEETING_VALUES, meetingOf } from './meetingValues.ts';
import { seedRules } from './seeds.ts';

const awardOf = (values: Award['values'], version = 1): Award => ({
  points: {},
  values,
  rule: { id: 'proximity.notify', version },
  limits: {},
});

test('what a rule sets is followed within a second, what it leaves out stays, and nonsense changes nothing', async () => {
  const time = new VirtualTime();
  let award = awardOf({});
  const told: object[] = [];
  const silent = () => {};
  const log = {
    debug: silent,
    info: silent,
    warn: silent,
    error: (fields: object) => void told.push(fields),
  };
  const rules = { score: async () => award };
  const meeting = new MeetingRules({ first: DEFAULT_RULES, rules, scheduler: time, log });
  await meeting.start();
  expect(meeting.now()).toEqual(DEFAULT_RULES);
  const before = meeting.now();
  await time.advance(5_000);
  expect(meeting.now()).toBe(before);

  award = awardOf({ enterM: 10, exitM: 30, dwellS: 5, shareS: 60 }, 2);
  await time.advance(1_000);
  expect(meeting.now()).toMatchObject({ shareS: 60, redeemS: DEFAULT_RULES.redeemS });
  expect(meeting.now().proximity).toMatchObject({
    ...{ enterM: 10, exitMarginM: 20, dwellMs: 5_000 },
    rule: { id: 'proximity.notify', version: 2 },
  });

  award = awardOf(
    { enterM: 10, dwellFixes: 5, capMatches: 2, capS: 60, vehicleMps: 9, crowdCivilians: 20 },
    3,
  );
  await time.advance(1_000);
  expect(meeting.now().proximity).toMatchObject({
    ...{ enterM: 10, exitMarginM: 25, dwellMs: 60_000, dwellFixes: 5, capMatches: 2, capMs: 60_000 },
    ...{ vehicleMps: 9, crowdCivilians: 20, rule: { version: 3 } },
  });

  award = awardOf({ enterM: 10, nearAgainS: 3_600, nearRadiusM: 4_096, nearSpeedMps: 3 }, 4);
  await time.advance(1_000);
  expect(meeting.now().area).toEqual({
    ...DEFAULT_RULES.area,
    ...{ nearAgainMs: 3_600_000, nearRadiusM: 4_096, nearSpeedMps: 3 },
  });

  const nonsenses: Award['values'][] = [
    { enterM: 500 },
    { enterM: 30, exitM: 20 },
    { shareS: 0 },
    { dwellS: -1 },
    { dwellFixes: 2.5 },
    { walkMps: -1 },
    { silenceS: 10 },
    { nearRadiusM: 500 },
    { nearSpeedMps: -1 },
  ];
  for (const nonsense of nonsenses) {
    award = awardOf(nonsense, 5);
    await time.advance(1_000);
    expect(meeting.now().proximity.enterM).toBe(10);
  }
  expect(told).toHaveLength(nonsenses.length);
  meeting.stop();
});

test('the reach of positions is not for a rule to change', () => {
  expect(meetingOf(DEFAULT_RULES, awardOf({ enterM: 190 }))).toMatch(/reach/);
});

test('version 1 sets every number there is, and a distance that nobody goes by is refused when it is written', () => {
  const seed = seedRules(DEFAULT_RULES).find(({ kind }) => kind === 'proximity.notify')!;
  const { values = {} } = seed.tests[0]!.out;
  expect(Object.keys(values).sort()).toEqual([...MEETING_VALUES].sort());
  expect(meetingOf(DEFAULT_RULES, awardOf(values))).toEqual(DEFAULT_RULES);
  expect(refusedDraft(seed)).toBeNull();
  const near = { id: 'near', key: 'values.nearM', value: '100' };
  const nodes = seed.content.nodes.map(node =>
    node.type === 'expressionNode' ? { ...node, content: { expressions: [near] } } : node,
  );
  const refused = refusedDraft({ ...seed, content: { ...seed.content, nodes } });
  expect(refused?.message).toMatch(/^values.nearM: nobody reads it/);
});
