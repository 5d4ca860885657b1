import { expect, test } from 'vitest';
import type { MatchWatch } from '../../../actors/geo/happenings.ts';
import type { Turn } from '../../../actors/turn.ts';
import type { AnyBehaviour } from '../../effects.ts';
import { Chronicle } from '../chronicle.ts';
import { VirtualTime } from '../virtualTime.ts';
import { Crossings } from './crossings.ts';

/** In one region an officer and a civilian came together, each by the first life of the actor. */
function together() {
  const said: string[] = [];
  const lives: Record<string, number> = { officer: 1, civilian: 1 };
  const judge = { fail: (_checker: string, words: string) => void said.push(words) };
  const crossings = new Crossings(judge, new Chronicle(new VirtualTime()), id => lives[id]!);
  let tell!: MatchWatch;
  const region = crossings.watch('n1#1', watch => {
    tell = watch;
    return { kind: 'region', create: () => null } as unknown as AnyBehaviour;
  });
  region.create('r1', null, {} as Turn);
  tell.entered('officer', 'civilian', 0);
  const judged = (isLater: boolean): string[] => {
    said.length = 0;
    crossings.judge(() => true, isLater);
    return [...said];
  };
  return { lives, judged };
}

test('a pair that is left is a wrong as long as the actor of one of them knows the region', () => {
  const { lives, judged } = together();
  const words = ['r1 on n1#1: officer|civilian never ended'];
  expect(judged(false)).toEqual(words);
  lives.officer = 2;
  expect(judged(false)).toEqual(words);
});

test('a pair of whom both began anew ends by silence, and so later', () => {
  const { lives, judged } = together();
  lives.officer = 2;
  lives.civilian = 3;
  expect(judged(false)).toEqual([]);
  expect(judged(true)).toHaveLength(1);
});
