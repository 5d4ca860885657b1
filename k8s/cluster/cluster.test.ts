import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readArguments } from './arguments.ts';
import type { Figures } from './load.ts';
import { judgeFigures, type Run, renderReport } from './report.ts';

const FINE: Figures = {
  commands: 1_000,
  acknowledged: 120,
  lost: 0,
  doubled: 0,
  failed: 0,
  saidAgain: 3,
  resumed: 90,
  fromSnapshot: 1,
  socketGapP50S: 0.1,
  socketGapP99S: 0.4,
  commandP99Ms: 200,
  commandMaxMs: 900,
  seconds: 80,
  problems: [],
  failures: [],
  generatorSaturated: false,
};

test.each([
  [['--phones', 'many'], '--phones takes a whole number up to 5000, not "many".'],
  [['--phones', '2'], '--phones takes 5 or more: officers and civilians.'],
  [['--trials', 'earthquake'], /^There is no trial "earthquake"; there are rolling-update, .*\.$/],
  [['--fast'], /^Unknown option '--fast'\. Try --help\.$/],
])('%j is answered with one sentence', (args, sentence) => {
  expect(readArguments(args)).toEqual(
    sentence instanceof RegExp ? expect.stringMatching(sentence) : sentence,
  );
});

test('without arguments all trials run, with a seed that can be given again', () => {
  const asked = readArguments([]);
  expect(asked).toMatchObject({ trials: ['rolling-update', 'pod-deletion', 'pod-kill', 'node-drain'] });
  expect(readArguments(['--seed', '7', '--trials', 'pod-kill'])).toMatchObject({
    seed: 7,
    trials: ['pod-kill'],
  });
  expect(readArguments(['--help'])).toBeNull();
});

test('nothing may be lost or doubled; commands may fail only where somebody was killed', () => {
  expect(judgeFigures(FINE, false)).toEqual([]);
  expect(judgeFigures({ ...FINE, failed: 2, failures: ['timeout'] }, true)).toEqual([]);
  expect(judgeFigures({ ...FINE, failed: 2, failures: ['timeout'] }, false)).toEqual([
    '2 failed, first timeout',
  ]);
  expect(judgeFigures({ ...FINE, lost: 1 }, true)).toEqual(['1 lost']);
  expect(judgeFigures({ ...FINE, doubled: 1 }, true)).toEqual(['1 doubled']);
  expect(judgeFigures({ ...FINE, commands: 0 }, true)).toEqual(['nobody asked anything']);
  expect(judgeFigures({ ...FINE, problems: ['the books differ'] }, true)).toEqual(['the books differ']);
});

test('the report says how it was made, and each trial has a row', () => {
  const tried = {
    name: 'pod-kill',
    what: 'one pod is killed',
    mayFail: true,
    figures: FINE,
    saw: { ready_min: 2 },
    wrong: [],
  };
  const run: Run = {
    commit: 'abc1234',
    date: '2026-11-21',
    seed: 7,
    phones: 100,
    perS: 4,
    asksPerS: 20,
    machine: '2 cores, 23 GiB',
    versions: ['v1.20.2'],
    images: [{ name: 'heyblue:dev', sizeMb: 500 }],
    upS: { control: 10, machines: 20, town: 60 },
    objects: ['Deployment heyblue'],
    memoryMb: { etcd: 40 },
    tried: [tried, { ...tried, name: 'node-drain', wrong: ['1 lost'] }],
    verdict: 'fail',
  };
  const page = renderReport(run);
  expect(page).toContain('--seed 7` on 2026-11-21, commit `abc1234`: **fail**');
  expect(page).toMatch(/\| `pod-kill` \| 80 \| 1000 \|.*\| pass \|/);
  expect(page).toMatch(/\| `node-drain` \|.*\| fail \|/);
  expect(page).toContain('WRONG: 1 lost');
  expect(page).toContain('ready min 2');
});

test.each(['fetch.sh', 'box.sh'])('%s is right for the shell that runs it', name => {
  const file = fileURLToPath(new URL(name, import.meta.url));
  expect(spawnSync('bash', ['-n', file], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
