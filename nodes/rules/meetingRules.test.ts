/** Operators change the numbers of meeting while people stand beside each other. */
import { expect, test } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { Award } from '../../actors/scoring.ts';
import { VirtualTime } from '../simulation/virtualTime.ts';
import { MeetingRules, meetingOf } from './meetingRules.ts';

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
  expect(meeting.now().proximity).toMatchObject({ enterM: 10, exitMarginM: 20, dwellMs: 5_000, nearM: 200 });

  const nonsenses: Award['values'][] = [
    { enterM: 500 },
    { enterM: 30, exitM: 20 },
    { shareS: 0 },
    { dwellS: -1 },
    { nearM: 9_000 },
  ];
  for (const nonsense of nonsenses) {
    award = awardOf(nonsense, 3);
    await time.advance(1_000);
    expect(meeting.now().proximity.enterM).toBe(10);
  }
  expect(told).toHaveLength(5);
  meeting.stop();
});

test('the reach of positions is not for a rule to change', () => {
  expect(meetingOf(DEFAULT_RULES, { enterM: 190 })).toMatch(/reach/);
});
