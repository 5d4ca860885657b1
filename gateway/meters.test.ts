import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RATES } from './limits.ts';
import { type Counted, Meter, Spending } from './meters.ts';

/** A session with meters of its own. */
const someone = (): Counted => ({
  locationMs: 0,
  commandMs: 0,
  authMs: 0,
  qrMs: 0,
  otherMs: 0,
  userMeter: new Meter('user'),
  addressMeter: new Meter('address'),
});

test('a position is spent by its own way as by the general one', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 60 }), pausesMs => {
      const [plain, quick] = [someone(), someone()];
      const spending = new Spending(RATES.session, 2, () => {});
      let nowMs = 1_000;
      for (const pauseMs of pausesMs) {
        nowMs += pauseMs;
        expect(spending.spendLocation(quick, nowMs)).toBe(spending.spend(plain, 'location', nowMs));
        expect(quick).toEqual(plain);
      }
    }),
  );
});
