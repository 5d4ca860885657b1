import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLocation, degreesToE7, e7ToDegrees, onGlobe } from './coordinates.ts';

describe('coordinates', () => {
  it('are whole numbers of 10^-7 degrees', () => {
    expect(degreesToE7(40.7127753)).toBe(407_127_753);
    expect(degreesToE7(-74.0059728)).toBe(-740_059_728);
    expect(e7ToDegrees(407_127_753)).toBe(40.7127753);
    expect(Object.is(degreesToE7(-1e-9), 0)).toBe(true);
    const e7 = fc.integer({ min: -1_800_000_000, max: 1_800_000_000 });
    fc.assert(fc.property(e7, n => void expect(degreesToE7(e7ToDegrees(n))).toBe(n)));
  });

  it('lie on the globe, its edges included', () => {
    expect(onGlobe(900_000_000, 1_800_000_000)).toBe(true);
    expect(onGlobe(-900_000_000, -1_800_000_000)).toBe(true);
    for (const [lat, lng] of [
      [900_000_001, 0],
      [-900_000_001, 0],
      [0, 1_800_000_001],
      [0, -1_800_000_001],
      [Number.NaN, 0],
      [0, Number.POSITIVE_INFINITY],
      [0.5, 0],
    ] as const) {
      expect(onGlobe(lat, lng)).toBe(false);
    }
  });

  it('of a position are refused by name', () => {
    const good = {
      seq: 1,
      latE7: 1,
      lngE7: 1,
      accuracyDm: 1,
      headingDeg: 360,
      speedDms: null,
      takenAtMs: null,
    };
    expect(checkLocation(good)).toBeNull();
    expect(checkLocation({ ...good, latE7: 900_000_001 })).toBe('position outside the globe');
    expect(checkLocation({ ...good, accuracyDm: 1_000_001 })).toBe('accuracy over 100 km');
    expect(checkLocation({ ...good, headingDeg: 361 })).toBe('heading over 360 degrees');
  });
});
