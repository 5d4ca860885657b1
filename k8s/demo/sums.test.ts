import { describe, expect, it } from 'vitest';
import type { Stroller } from './people.ts';
import { checkSums } from './sums.ts';

const meeting = (points: number, method: 'hey' | 'qr' = 'hey') => ({ points, method });
const phone = (handle: string, isOfficer: boolean, meetings: Record<string, object>): Stroller =>
  ({ handle, isOfficer, meetings: new Map(Object.entries(meetings)) }) as unknown as Stroller;

describe('the sums of a demo', () => {
  const officer = phone('o', true, { e1: meeting(10), e2: meeting(20, 'qr') });
  const one = phone('a', false, { e1: meeting(10) });
  const two = phone('b', false, { e2: meeting(20, 'qr') });
  const right = new Map([
    ['o', 30],
    ['a', 10],
    ['b', 20],
  ]);

  it('are right when each meeting is on two phones and each balance is what its phone heard', () => {
    const sums = checkSums([officer, one, two], right);
    expect(sums).toMatchObject({ encounters: 2, points: 60, problems: [] });
    expect([...sums.byMethod]).toEqual([
      ['hey', 1],
      ['qr', 1],
    ]);
  });

  it.each([
    ['a balance is too high', [officer, one, two], new Map(right).set('a', 20)],
    ['a balance is missing', [officer, one, two], new Map([...right].slice(0, 2))],
    ['one side never heard', [officer, one, phone('b', false, {})], new Map(right).set('b', 0)],
    [
      'two civilians share a meeting',
      [phone('o', false, { e1: meeting(10) }), one],
      new Map(right).set('o', 10),
    ],
    ['the proofs differ', [phone('o', true, { e1: meeting(10, 'qr') }), one], new Map(right).set('o', 10)],
  ])('are wrong when %s', (_what, people, balances) => {
    expect(checkSums(people, balances).problems).not.toEqual([]);
  });
});
