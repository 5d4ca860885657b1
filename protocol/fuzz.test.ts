import { randomInt } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fuzzer, newTally } from './fuzzing.ts';
import { dice } from './mutate.ts';
import { DECODE_WHYS } from './walker.ts';

/** `npm run fuzz` does ten million of them. */
const FRAMES = 200_000;

describe('damaged frames', () => {
  const random = randomInt(2 ** 31);
  it.each([7, random])(
    'of seed %i are answered with a frame or the one error, for every reason there is',
    seed => {
      const tally = newTally();
      expect(fuzzer(seed)(FRAMES / 2, tally).broken).toBeNull();
      expect(Object.values(tally).reduce((sum, count) => sum + count, 0)).toBe(FRAMES / 2);
      for (const reached of ['opened', 'refused', 'frame', ...DECODE_WHYS]) {
        expect(tally[reached], reached).toBeGreaterThan(0);
      }
    },
  );

  it('are the same for the same seed', () => {
    const again = () => fuzzer(3)(5_000, newTally()).tally;
    expect(again()).toEqual(again());
    const roll = dice(1);
    expect(Array.from({ length: 5 }, () => roll(1000))).toEqual([67, 833, 787, 821, 403]);
  });
});
