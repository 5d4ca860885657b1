import { expect, it } from 'vitest';
import { boxOf, cellOf } from '../actors/geo/grid.ts';
import { REGION_EDGE_M } from '../actors/geo/limits.ts';
import { seededRandom } from '../nodes/simulation/virtualTime.ts';
import { COARSE_EDGE_M, coarseOf } from './coarse.ts';

const SEED = 20_261_121;

it('phones snap to the cells of the server, everywhere, and once snapped is snapped', () => {
  expect(COARSE_EDGE_M).toBe(REGION_EDGE_M);
  const random = seededRandom(SEED);
  const draw = (max: number): number => Math.round((random.uint32() / 2 ** 31 - 1) * max * 1e7);
  const points = Array.from({ length: 20_000 }, (_, i) => ({
    // also poles, where columns are few, and the seam
    latE7: draw(i % 3 === 0 ? 0.1 : 90) + (i % 3 === 0 ? (i % 2 === 0 ? 899_000_000 : -899_000_000) : 0),
    lngE7: i % 5 === 0 ? Math.sign(draw(1) || 1) * (1_800_000_000 - (i % 7)) : draw(180),
  }));
  const ends = [-900_000_000, 0, 900_000_000].flatMap(latE7 =>
    [-1_800_000_000, 0, 1_800_000_000].map(lngE7 => ({ latE7, lngE7 })),
  );
  for (const point of [...points, ...ends]) {
    const { south, north, west, east } = boxOf(cellOf(point.latE7 / 1e7, point.lngE7 / 1e7));
    const middle = { latE7: Math.round((south + north) * 5e6), lngE7: Math.round((west + east) * 5e6) };
    const snapped = coarseOf(point);
    // two ways to the same middle may round the last digit apart: a centimetre
    for (const key of ['latE7', 'lngE7'] as const)
      expect(Math.abs(snapped[key] - middle[key]), JSON.stringify([SEED, point])).toBeLessThanOrEqual(1);
    expect(coarseOf(snapped)).toEqual(snapped);
  }
});
