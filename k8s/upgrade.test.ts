/** What is asked of the command; the way forward and back takes minutes and is the command's own. */
import { expect, it } from 'vitest';
import { readUpgrade } from './upgrade.ts';

it('has defaults, and a seed of its own', () => {
  expect(readUpgrade(['--from', 'v1'])).toEqual({
    from: 'v1',
    nodes: 3,
    phones: 300,
    rate: 10,
    seed: expect.any(Number),
  });
  expect(readUpgrade(['--help'])).toBe(null);
});

it.each([
  [['--nodes', '1'], '--nodes takes a whole number from 2 to 5, not "1".'],
  [['--phones', 'many'], '--phones takes a whole number from 10 to 5000, not "many".'],
  [['--rate', '1e9'], '--rate takes a whole number from 1 to 100, not "1e9".'],
  [['--fast'], "Unknown option '--fast'. Try --help."],
  [['v1'], "Unexpected argument 'v1'. Try --help."],
])('%j is a sentence', (args, sentence) => {
  expect(() => readUpgrade(args)).toThrow(sentence);
});
