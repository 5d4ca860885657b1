import { expect, test } from 'vitest';
import { dice } from '../../protocol/mutate.ts';
import { Accounts } from './accounts.ts';
import { ACCOUNT, NIL, NUMBERS } from './record.ts';

const PEOPLE = 400;

/** Numbers that lie close together, far apart, and beyond 32 bits. */
const accountOf = (n: number, kind: number): number => [n, n * 32, n * 0x1_0000_0000 + 7, n * 65_536][kind]!;

test.each([0, 1, 2, 3])(
  'finds who is in it and nobody else, whoever comes and goes (numbers of kind %i)',
  kind => {
    const seed = 20_261_121 + kind;
    const roll = dice(seed);
    const accounts = new Accounts();
    const numbers = new Float64Array(NUMBERS * PEOPLE);
    const known = new Map<number, number>();
    const free = Array.from({ length: PEOPLE }, (_, index) => index);
    for (let step = 0; step < 20_000; step++) {
      const account = accountOf(roll(3 * PEOPLE), kind);
      const where = `seed ${seed}, step ${step}`;
      expect(accounts.find(account, numbers), where).toBe(known.get(account) ?? NIL);
      const index = known.get(account);
      if (index !== undefined) {
        accounts.delete(index, numbers);
        known.delete(account);
        free.push(index);
      } else if (free.length > 0 && roll(3) > 0) {
        const place = free.splice(roll(free.length), 1)[0]!;
        numbers[NUMBERS * place + ACCOUNT] = account;
        accounts.add(place, numbers);
        known.set(account, place);
      }
    }
    for (const [account, index] of known) expect(accounts.find(account, numbers)).toBe(index);
  },
);

test('to take out who is not in it changes nothing', () => {
  const accounts = new Accounts();
  const numbers = new Float64Array(NUMBERS * 2);
  numbers[ACCOUNT] = 5;
  numbers[NUMBERS + ACCOUNT] = 5 + 32;
  accounts.add(0, numbers);
  accounts.delete(1, numbers);
  expect(accounts.find(5, numbers)).toBe(0);
});
