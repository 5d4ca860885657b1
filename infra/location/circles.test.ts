/** Circles in memory against every circle looked at, all over the Earth. */
import { expect, it } from 'vitest';
import type { Circle } from '../../nodes/locationPort.ts';
import { Circles } from './circles.ts';
import { metres } from './testLocationState.ts';

const SEED = 20_261_121;

/** xorshift32. */
function dice(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** How far the two formulas may be apart, relative; their radii of the Earth are 8.8 m apart. */
const RIM = 1e-5;

it(`finds what brute force finds, at the poles and the date line too (seed ${SEED})`, () => {
  const random = dice(SEED);
  const places = [
    [0, 0],
    [40.78, -73.97],
    [-17, 180],
    [0, -180],
    [84.99, 10],
    [85.01, -10],
    [89.999, 0],
    [-90, 0],
  ] as const;
  const near = ([lat, lng]: readonly [number, number]) => {
    const [north, east] = [(random() - 0.5) * 0.3, (random() - 0.5) * 0.3];
    const wide = Math.max(0.02, Math.cos((lat * Math.PI) / 180));
    const latE7 = Math.round(Math.max(-90, Math.min(90, lat + north)) * 1e7);
    const lngE7 = Math.round(((((lng + east / wide + 540) % 360) + 360) % 360) * 1e7) - 1_800_000_000;
    return { latE7, lngE7 };
  };
  const circles = new Circles();
  const all: Circle[] = [];
  for (const place of places)
    for (let i = 0; i < 60; i++) {
      const radiusM = 10 ** (1 + random() * 4);
      const circle = { id: `${all.length}`, ...near(place), radiusM: Math.min(radiusM, 100_000) };
      all.push(circle);
      circles.put(circle);
    }
  let inside = 0;
  let rim = 0;
  const wrong: string[] = [];
  for (const place of places)
    for (let i = 0; i < 300; i++) {
      const point = near(place);
      const { entered } = circles.move(`${place} ${i}`, point);
      const found = new Set(entered);
      for (const { id, latE7, lngE7, radiusM } of all) {
        const away = metres([point.lngE7 / 1e7, point.latE7 / 1e7], [lngE7 / 1e7, latE7 / 1e7]);
        if (Math.abs(away - radiusM) <= RIM * radiusM) rim++;
        else if (found.has(id) !== away < radiusM) wrong.push(`circle ${id} of ${radiusM} m at ${away} m`);
      }
      inside += found.size;
    }
  expect(wrong).toEqual([]);
  expect(inside).toBeGreaterThan(1_000);
  expect(rim).toBeLessThan(inside / 100);
});

it('a circle that was taken away or moved stands nowhere any more', () => {
  const circles = new Circles();
  const circle = { id: 'hub', latE7: 0, lngE7: 0, radiusM: 100 };
  const at = { latE7: 0, lngE7: 0 };
  circles.put(circle);
  expect(circles.move('a', at).entered).toEqual(['hub']);
  circles.put({ ...circle, latE7: 500_000_000 });
  expect(circles.move('a', at)).toEqual({ entered: [], left: ['hub'] });
  circles.put({ ...circle, radiusM: 50_000 });
  expect(circles.move('a', at).entered).toEqual(['hub']);
  circles.delete('hub');
  expect(circles.move('a', at)).toEqual({ entered: [], left: [] });
  expect(circles.size).toBe(0);
});
