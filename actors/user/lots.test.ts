/** The closed form of lots, beside a model that knows every single point, when it came and what took it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expiredWith, type Lot, nextToGo, unspentLots } from './lots.ts';

type Deed =
  | { readonly type: 'credit' | 'refund' | 'debit' | 'hold'; readonly points: number }
  | { readonly type: 'void' | 'post'; readonly which: number; readonly share: number }
  | { readonly type: 'wait'; readonly steps: number }
  | { readonly type: 'expire' };

const points = fc.integer({ min: 1, max: 12 });
const which = fc.nat(7);
const share = fc.double({ min: 0, max: 1, noNaN: true });
const deed: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({ type: fc.constantFrom('credit' as const, 'refund' as const), points }),
  fc.record({ type: fc.constantFrom('debit' as const, 'hold' as const), points }),
  fc.record({ type: fc.constantFrom('void' as const, 'post' as const), which, share }),
  fc.record({ type: fc.constant('wait' as const), steps: fc.integer({ min: 1, max: 3 }) }),
  fc.constant<Deed>({ type: 'expire' }),
);

/**
 * Every point by itself. What was spent is told again from the beginning whenever it is asked who is left, and what was given
 * back is not told: so it was never spent.
 */
class Points {
  /** The step in which each point came. */
  readonly #came: number[] = [];
  readonly #debits: { points: number; isOpen: boolean; isVoid: boolean }[] = [];

  credit(step: number, count: number): void {
    for (let i = 0; i < count; i++) this.#came.push(step);
  }

  debit(count: number, isOpen = false): boolean {
    if (count === 0 || count > this.left().length) return false;
    this.#debits.push({ points: count, isOpen, isVoid: false });
    return true;
  }

  end(which: number, posted: (held: number) => number): void {
    const open = this.#debits.filter(one => one.isOpen);
    const one = open[which % Math.max(1, open.length)];
    if (!one) return;
    one.isOpen = false;
    one.points = posted(one.points);
    one.isVoid = one.points === 0;
  }

  /** The steps of those that are left, oldest first. */
  left(): number[] {
    const left = [...this.#came];
    for (const { points: count, isVoid } of this.#debits) if (!isVoid) left.splice(0, count);
    return left;
  }
}

const byStep = (steps: readonly number[]): Lot[] => {
  const lots = new Map<number, number>();
  for (const step of steps) lots.set(step, (lots.get(step) ?? 0) + 1);
  return [...lots].map(([step, count]) => ({ step, points: count }));
};

test('what is left, what has expired and what is next are what single points say', () => {
  const life = fc.integer({ min: 1, max: 6 });
  fc.assert(
    fc.property(life, fc.array(deed, { maxLength: 60 }), (lifeSteps, deeds) => {
      const model = new Points();
      const credits: Lot[] = [];
      let now = 0;
      for (const one of deeds) {
        if (one.type === 'wait') now += one.steps;
        else if (one.type === 'credit' || one.type === 'refund') {
          model.credit(now, one.points);
          credits.unshift({ step: now, points: one.points });
        } else if (one.type === 'debit') model.debit(one.points);
        else if (one.type === 'hold') model.debit(one.points, true);
        else if (one.type === 'void') model.end(one.which, () => 0);
        else if (one.type === 'post') model.end(one.which, held => Math.max(1, Math.round(held * one.share)));
        const left = model.left();
        const lots = unspentLots(left.length, credits);
        expect(lots).toEqual(byStep(left));
        const old = left.filter(step => now - step > lifeSteps);
        expect(expiredWith(lots, now, lifeSteps)).toBe(old.length);
        const young = left.filter(step => now - step <= lifeSteps);
        const next = young.filter(step => step === young[0]).length;
        const gone = { step: young[0]! + lifeSteps + 1, points: next };
        expect(nextToGo(lots, now, lifeSteps)).toEqual(young.length === 0 ? null : gone);
        if (one.type !== 'expire') continue;
        // taken away by an entry like any other: then nothing has expired, and what is young is whole
        model.debit(old.length);
        const after = unspentLots(model.left().length, credits);
        expect(expiredWith(after, now, lifeSteps)).toBe(0);
        expect(after).toEqual(byStep(young));
      }
    }),
    { numRuns: 500 },
  );
});

test('nobody has less than his whole steps', () => {
  const lots = unspentLots(5, [{ step: 10, points: 5 }]);
  expect([12, 13].map(step => expiredWith(lots, step, 2))).toEqual([0, 5]);
  expect(nextToGo(lots, 10, 2)).toEqual({ step: 13, points: 5 });
});

test('what was set aside and comes back is as old as it was; what was spent meanwhile took the older ones', () => {
  const credits = [
    { step: 9, points: 4 },
    { step: 1, points: 6 },
  ];
  // six are set aside, three are spent
  expect(unspentLots(1, credits)).toEqual([{ step: 9, points: 1 }]);
  // the six come back: the three are three of the old ones
  expect(unspentLots(7, credits)).toEqual([
    { step: 1, points: 3 },
    { step: 9, points: 4 },
  ]);
});
