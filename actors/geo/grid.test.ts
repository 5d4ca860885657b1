/** The grid misses nobody: not at borders, not at the antimeridian, not at the poles. */
import { describe, expect, it } from 'vitest';
import { destination } from '../../k8s/tracks/crowd.ts';
import { type Seeded, seeded } from '../../k8s/tracks/seeded.ts';
import { distanceM } from './distance.ts';
import { boxOf, CELL_COUNT, cellOf, cellOfRegion, cover, regionId } from './grid.ts';

const PAIRS = 50_000;

/** Two points up to `radiusM` apart; the second one is where the first must be known. */
function misses(
  chance: Seeded,
  pick: () => { lat: number; lng: number },
): { missed: string[]; average: number } {
  const missed: string[] = [];
  let cells = 0;
  for (let i = 0; i < PAIRS; i++) {
    const a = pick();
    const radiusM = chance.between(10, 200);
    const far = chance.next() < 0.3 ? radiusM * 0.999_999 : chance.between(0, radiusM);
    const bearing = chance.between(0, 2 * Math.PI);
    const b = destination(a, far * Math.sin(bearing), far * Math.cos(bearing));
    const known = cover(a.lat, a.lng, radiusM);
    cells += known.length;
    if (distanceM(a.lat * 1e7, a.lng * 1e7, b.latE7, b.lngE7) > radiusM) continue;
    if (!known.includes(cellOf(b.latE7 / 1e7, b.lngE7 / 1e7))) missed.push(JSON.stringify({ a, b, radiusM }));
    if (new Set(known).size !== known.length) missed.push(`twice ${JSON.stringify(a)}`);
  }
  return { missed, average: cells / PAIRS };
}

describe('cover holds the cell of every point in reach', () => {
  const chance = seeded(20_261_120);
  it('anywhere on the globe', () => {
    const pick = () => ({
      lat: Math.asin(chance.between(-1, 1)) * (180 / Math.PI),
      lng: chance.between(-180, 180),
    });
    const { missed, average } = misses(chance, pick);
    expect(missed).toEqual([]);
    // (1 + 2 * 105 / 2048)^2 for radii of 10 to 200 m, 105 on average.
    expect(average).toBeGreaterThan(1.18);
    expect(average).toBeLessThan(1.28);
  });
  it('at the antimeridian', () => {
    const pick = () => ({ lat: chance.between(-80, 80), lng: 180 - chance.between(-0.002, 0.002) });
    const wrapped = () => {
      const { lat, lng } = pick();
      return { lat, lng: lng >= 180 ? lng - 360 : lng };
    };
    expect(misses(chance, wrapped).missed).toEqual([]);
  });
  it('at the poles', () => {
    const pick = () => {
      const lat = 90 - chance.next() ** 3 * 0.2;
      return { lat: chance.next() < 0.5 ? lat : -lat, lng: chance.between(-180, 180) };
    };
    expect(misses(chance, pick).missed).toEqual([]);
  });
  it('at the corners of cells', () => {
    const pick = () => {
      const box = boxOf(chance.int(CELL_COUNT));
      return { lat: Math.min(90, box.north), lng: box.east >= 180 ? -180 : box.east };
    };
    expect(misses(chance, pick).missed).toEqual([]);
  });
});

describe('cells', () => {
  it('are counted, named and found again', () => {
    const chance = seeded(7);
    for (let i = 0; i < 20_000; i++) {
      const cell = i === 0 ? 0 : i === 1 ? CELL_COUNT - 1 : chance.int(CELL_COUNT);
      const box = boxOf(cell);
      expect(cellOf((box.south + box.north) / 2, (box.west + box.east) / 2)).toBe(cell);
      expect(cellOfRegion(regionId(cell))).toBe(cell);
      expect(regionId(cell).length).toBeLessThanOrEqual(10);
    }
    for (const text of ['', 'r', 'r-1', 'x12', 'r1e3', `r${CELL_COUNT}`])
      expect(cellOfRegion(text)).toBeNull();
  });
  it('are at least 2,048 m high and wide at their narrow edge, but for the two at the poles', () => {
    const chance = seeded(8);
    for (let i = 0; i < 5_000; i++) {
      const box = boxOf(1 + chance.int(CELL_COUNT - 2));
      const narrow = Math.max(Math.abs(box.south), Math.abs(box.north));
      const wide = ((box.east - box.west) * Math.PI * 6_371_008.8 * Math.cos((narrow * Math.PI) / 180)) / 180;
      const high = ((box.north - box.south) * Math.PI * 6_371_008.8) / 180;
      expect(Math.min(wide, high)).toBeGreaterThan(2_047.999);
    }
  });
  it('take longitude 180 for -180', () => {
    for (const lat of [-90, -45, 0, 60, 90]) expect(cellOf(lat, 180)).toBe(cellOf(lat, -180));
  });
  it('lie mirrored about the equator', () => {
    const chance = seeded(9);
    for (let i = 0; i < 5_000; i++) {
      const [lat, lng] = [chance.between(0.01, 90), chance.between(-180, 180)];
      const north = boxOf(cellOf(lat, lng));
      const south = boxOf(cellOf(-lat, lng));
      expect(south.west).toBe(north.west);
      expect(south.south).toBeCloseTo(-north.north, 9);
    }
  });
});
