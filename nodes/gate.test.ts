/** The gate against its definition, for every order of operations, outputs and commits. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Gate } from './gate.ts';

type Step =
  | { readonly do: 'begin' }
  | { readonly do: 'say' }
  | { readonly do: 'commit'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constant<Step>({ do: 'begin' }),
  fc.constant<Step>({ do: 'say' }),
  fc.record({ do: fc.constant('commit' as const), which: fc.nat(20) }),
);

test('an output leaves exactly when no operation before it is under way, in the order of saying', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const gate = new Gate<number>();
      const underWay: number[] = [];
      const said: { readonly n: number; readonly needs: readonly number[] }[] = [];
      const left: number[] = [];
      for (const [at, one] of steps.entries()) {
        if (one.do === 'begin') underWay.push(gate.begin());
        else if (one.do === 'say') {
          said.push({ n: at, needs: [...underWay] });
          if (gate.open) left.push(at);
          else gate.hold(at);
        } else if (underWay.length > 0) {
          const [operation] = underWay.splice(one.which % underWay.length, 1);
          left.push(...gate.committed(operation as number));
        }
        const free = said.filter(output => output.needs.every(operation => !underWay.includes(operation)));
        expect(left).toEqual(free.map(output => output.n));
        expect(gate.open).toBe(underWay.length === 0);
      }
    }),
    { numRuns: 500 },
  );
});

test('after a failed commit nothing that was held leaves', () => {
  const gate = new Gate<string>();
  gate.begin();
  gate.hold('never');
  expect(gate.failed()).toEqual(['never']);
  expect([gate.open, gate.held]).toEqual([true, 0]);
});
