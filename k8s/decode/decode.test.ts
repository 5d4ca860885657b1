/** Pictures of codes are read by readers that know nothing of us, also small, bare, noisy, blurred and spotted. */
import { describe, expect, it } from 'vitest';
import { qrPng } from '../../protocol/qrImage.ts';
import { Random } from '../swarm/random.ts';
import { blur, noise, spot } from './damage.ts';
import { codeOf, hubCodeOf, readRate } from './rates.ts';
import { jsqrReader, pictureOf, zbarReader } from './readers.ts';

const SEED = 20_261_121;
const zbar = zbarReader();
if (!zbar) console.log('zbarimg is not installed: codes are read by jsqr alone');

describe.each(zbar ? [jsqrReader, zbar] : [jsqrReader])('$name', reader => {
  const quick = reader === jsqrReader ? 8 : 2;

  it.each([
    [4, 4],
    [4, 1],
    [8, 4],
    [8, 2],
    [16, 4],
  ])('reads codes of people and of hubs at %d pixels a module with a margin of %d', async (scale, margin) => {
    const random = new Random(SEED);
    for (let i = 0; i < quick; i++) {
      for (const text of [codeOf(random), hubCodeOf(random)]) {
        const picture = pictureOf(await qrPng(text, scale, { margin }));
        expect(reader.read(picture)).toBe(text);
      }
    }
  });

  it('reads what noise and blur leave', async () => {
    for (const damage of [noise(20), blur(1)])
      expect(await readRate(reader, {}, () => damage, quick, new Random(SEED))).toBe(quick);
  });

  it('reads most codes of level M behind a spot on 10 % of them, where of level L most are lost', async () => {
    const many = 30;
    const spotted = (side: number) => spot(0.1, 4 / (side + 8), 8 / side);
    const [low, middle] = [
      await readRate(reader, { level: 'L' }, spotted, many, new Random(SEED)),
      await readRate(reader, { level: 'M' }, spotted, many, new Random(SEED)),
    ];
    expect(middle).toBeGreaterThan(low);
  });
});
