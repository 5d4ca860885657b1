import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ok } from '../../protocol/errors.ts';
import { uuidv7 } from '../../protocol/ids.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import { Answers } from './answers.ts';
import type { CommandDone } from './state.ts';

const done = (key: string, value = 0): CommandDone => ({ key, requestHash: 'h', result: ok(value) });

test('every version begins with all its newest, and forgets at most what fell out of a later one', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(40)), { maxLength: 300 }), steps => {
      const versions: [Answers, CommandDone[]][] = [[Answers.EMPTY, []]];
      for (const [i, [from, key]] of steps.entries()) {
        // mostly from the newest, now and then from an older one
        const [base] = versions[from % 4 > 0 ? versions.length - 1 : from % versions.length]!;
        const one = done(`key ${key}-${i}`, i);
        const plain = [...base.all(), one].slice(-ACTOR_LIMITS.commands);
        const answers = base.with(one);
        expect(answers.all()).toEqual(plain);
        versions.push([answers, plain]);
      }
      for (const [answers, plain] of versions) {
        // what a version knows no more may be what it has forgotten
        for (const one of plain)
          if (!answers.find(one.key)) expect(answers.mayHaveForgotten(one.key)).toBe(true);
        const all = answers.all();
        expect(all).toEqual(plain.slice(plain.length - all.length));
        for (const one of plain) expect(answers.find(one.key)).toBe(all.includes(one) ? one : undefined);
      }
      for (const [, later] of versions)
        for (const one of later.slice(-3)) expect(versions[0]![0].find(one.key)).toBeUndefined();
    }),
    { numRuns: 50 },
  );
});

test('what is remembered no more is gone from memory, too', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const all = Array.from({ length: ACTOR_LIMITS.commands + 10 }, (_, i) => done(`key ${i}`));
  const refs = all.map(one => new WeakRef(one));
  const answers = Answers.of(all);
  all.length = 0;
  // a reference holds on to what it was asked for, or made with, until the end of the job
  await new Promise(resolve => setImmediate(resolve));
  collect();
  expect(refs.filter(one => one.deref() !== undefined)).toHaveLength(ACTOR_LIMITS.commands);
  expect(answers.find('key 9')).toBeUndefined();
  expect(answers.find('key 10')).toBeDefined();
});

test('what may be forgotten is as old as what was', () => {
  const keyAt = (ms: number): string => uuidv7(ms, new Uint8Array(10));
  const undated = '00000000-0000-4000-8000-000000000000';
  // clocks of phones differ: the third was behind
  const times = [5_000, 9_000, 1_000, ...Array.from({ length: ACTOR_LIMITS.commands }, (_, i) => 20_000 + i)];
  const all = times.map(ms => done(keyAt(ms)));
  const full = Answers.of(all.slice(0, ACTOR_LIMITS.commands));
  expect([keyAt(0), undated].map(key => full.mayHaveForgotten(key))).toEqual([false, false]);
  const answers = Answers.of(all);
  const asked = [keyAt(1_000), keyAt(9_000), keyAt(9_001), undated];
  expect(asked.map(key => answers.mayHaveForgotten(key))).toEqual([true, true, false, true]);
  // the keys of an earlier life
  expect(Answers.of([], 7_000).mayHaveForgotten(keyAt(7_000))).toBe(true);
});

test('keys with the same number are told apart', () => {
  // 'Aa' and 'BB' are the same under the factor 31
  const answers = Answers.of([done('Aa', 1), done('BB', 2)]);
  expect(answers.find('Aa')?.result).toEqual(ok(1));
  expect(answers.find('BB')?.result).toEqual(ok(2));
  expect(answers.find('C#')).toBeUndefined();
  expect(Answers.of([done('Aa')]).find('BB')).toBeUndefined();
});
