import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ok } from '../../protocol/errors.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import { Answers } from './answers.ts';
import type { CommandDone } from './state.ts';

const done = (key: string, value = 0): CommandDone => ({ key, requestHash: 'h', result: ok(value) });

test('every version remembers its newest, whatever was added to others', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(40)), { maxLength: 300 }), steps => {
      const versions: [Answers, CommandDone[]][] = [[Answers.EMPTY, []]];
      for (const [i, [from, key]] of steps.entries()) {
        // mostly from the newest, now and then from an older one
        const [answers, plain] = versions[from % 4 > 0 ? versions.length - 1 : from % versions.length]!;
        const one = done(`key ${key}-${i}`, i);
        versions.push([answers.with(one), [...plain, one].slice(-ACTOR_LIMITS.commands)]);
      }
      for (const [answers, plain] of versions) {
        expect(answers.all()).toEqual(plain);
        for (const one of plain) expect(answers.find(one.key)).toBe(one);
      }
      for (const [, later] of versions)
        for (const one of later.slice(-3)) expect(versions[0]![0].find(one.key)).toBeUndefined();
    }),
    { numRuns: 50 },
  );
});

test('keys with the same number are told apart', () => {
  // 'Aa' and 'BB' are the same under the factor 31
  const answers = Answers.of([done('Aa', 1), done('BB', 2)]);
  expect(answers.find('Aa')?.result).toEqual(ok(1));
  expect(answers.find('BB')?.result).toEqual(ok(2));
  expect(answers.find('C#')).toBeUndefined();
  expect(Answers.of([done('Aa')]).find('BB')).toBeUndefined();
});
