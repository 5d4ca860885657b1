/**
 * What `npm run simulate` promises: clean seeds over all profiles, the same again for the same seed, sentences for people
 * who ask for what cannot be. The seeds that run here are the first 200.
 */
import { expect, test } from 'vitest';
import { CHECKERS } from '../../nodes/simulation/checkers/judge.ts';
import { runCommand } from '../testing/command.ts';
import { parseArguments } from './arguments.ts';

/** As long as all the tests: others go first. */
const TESTS_MS_MAX = 1_200_000;

/** Virtual time is late for nothing: real clusters that are tested meanwhile go first. */
async function simulate(...words: string[]) {
  return runCommand('k8s/simulate.ts', words, { yields: true });
}

test(
  'one seed twice is the same twice, to the last byte of what it says',
  async () => {
    const words = ['--seeds', '1', '--first', '11', '--profile', 'storm', '--tell', '4000'];
    const [one, two] = [await simulate(...words), await simulate(...words)];
    const story = (text: string): string => text.slice(0, text.indexOf('digest '));
    expect(one.json.digest).toMatch(/^[0-9a-f]{16}$/);
    expect(two.json.digest).toBe(one.json.digest);
    expect(story(two.stdout)).toBe(story(one.stdout));
    const other = await simulate('--seeds', '1', '--first', '12', '--profile', 'storm');
    expect(other.json.digest).not.toBe(one.json.digest);
  },
  TESTS_MS_MAX,
);

test(
  'without a safety mechanism a world is broken, and a checker says which promise',
  async () => {
    const { status, json } = await simulate('--mutants', '--only', 'mailbox bound', '--seeds', '20');
    expect(status).toBe(0);
    const [verdict] = json.verdicts;
    expect(verdict).toMatchObject({ mutant: 'mailbox bound', caught: true });
    expect(CHECKERS).toContain(verdict.checker);
  },
  TESTS_MS_MAX,
);

test.each([
  [['--nodes', '0'], '--nodes must be a whole number from 1 to 9, not "0".'],
  [['--seeds', 'many'], '--seeds must be a whole number from 1 to 10000000, not "many".'],
  [['--profile', 'hail'], 'There is no profile "hail"; there are calm, storm, swizzle.'],
  [['--only', 'x'], '--only goes with --mutants.'],
  [['--what'], "Unknown option '--what'"],
])('%j is told in one sentence', (words, sentence) => {
  expect(parseArguments(words)).toMatchObject({ k: 'wrong', sentence: expect.stringContaining(sentence) });
});

test('a wrong wish ends with 2, a wish for help with the help', async () => {
  const wrong = await simulate('--nodes', 'x');
  expect([wrong.status, wrong.stdout, wrong.stderr.trim().split('\n').length]).toEqual([2, '', 1]);
  const help = await simulate('--help');
  expect(help.status).toBe(0);
  expect(help.stdout).toContain('--profile NAME');
});

// the last, because it knows how to use more than one processor
test(
  'two hundred seeds over all profiles break no promise',
  async () => {
    const { status, told, json } = await simulate('--seeds', '200');
    expect(status, told).toBe(0);
    expect(json).toMatchObject({ simulate: 'seeds', seeds: 200, failing: [] });
    const { calm, storm, swizzle } = json.profiles;
    expect(calm.seeds + storm.seeds + swizzle.seeds).toBe(200);
    // people got something done, in every weather
    for (const profile of [calm, storm, swizzle]) expect(profile.effects).toBeGreaterThan(profile.seeds * 10);
  },
  TESTS_MS_MAX,
);
