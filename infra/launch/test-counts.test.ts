import { expect, test } from 'vitest';
import { countsOf } from './test-counts.ts';

const check = (ok: boolean) => ({ name: 'types', ok, output: '' });
const report = (numPassedTests: number, numFailedTests: number, success = numFailedTests === 0) => ({
  numPassedTests,
  numFailedTests,
  success,
  testResults: [
    {
      status: numFailedTests ? 'failed' : 'passed',
      assertionResults: [{ status: numFailedTests ? 'failed' : 'passed' }],
    },
  ],
});

test('checks and tests add up', () => {
  expect(countsOf([check(true), check(true)], report(10, 0))).toEqual({ passed: 12, failed: 0 });
  expect(countsOf([check(true), check(false)], report(10, 2))).toEqual({ passed: 11, failed: 3 });
});

test('a file that broke before its first test counts as one failure', () => {
  const broken = { ...report(3, 0, false), testResults: [{ status: 'failed', assertionResults: [] }] };
  expect(countsOf([], broken)).toEqual({ passed: 3, failed: 1 });
});

test('a runner that died, a run cut short, and an unhandled error are never a success', () => {
  expect(countsOf([check(true)], null)).toEqual({ passed: 1, failed: 1 });
  expect(countsOf([check(true)], report(5, 0), true)).toEqual({ passed: 6, failed: 1 });
  expect(countsOf([check(true)], report(5, 0, false))).toEqual({ passed: 6, failed: 1 });
});
