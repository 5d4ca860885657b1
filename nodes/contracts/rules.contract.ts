/** What everybody who answers for version 1 of the rules must say, whether a graph is behind it or plain TypeScript. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { Award, RuleKind, ScoreQuery } from '../../actors/scoring.ts';
import { ACCOUNT_KINDS, METHODS } from '../../protocol/catalogue.ts';
import { builtInRules } from '../rules/builtIn.ts';
import type { RulesPort } from '../rules/port.ts';

const asked = (kind: RuleKind, input: object): ScoreQuery => ({ type: 'score', kind, input }) as ScoreQuery;

/** Every question that a town with the first rules can ask, with some amounts. */
export function questions(): ScoreQuery[] {
  const amounts = [1, 7, 1_000_000_000];
  const gifts = ACCOUNT_KINDS.flatMap(payerKind =>
    ACCOUNT_KINDS.flatMap(payeeKind =>
      amounts.flatMap(points => [
        asked('donation', { points, payerKind, payeeKind }),
        asked('giveaway', { points, payerKind, payeeKind }),
      ]),
    ),
  );
  const prices = ACCOUNT_KINDS.flatMap(payerKind =>
    amounts.map(price =>
      asked('redemption.price', { price, quantity: 2, offerKind: 'goods', payerKind, merchant: 'm' }),
    ),
  );
  return [
    ...METHODS.map(method => asked('encounter.points', { method })),
    ...gifts,
    ...prices,
    ...ACCOUNT_KINDS.flatMap(userKind => [
      asked('proximity.notify', { userKind }),
      asked('earning.limit', { userKind }),
      asked('promotion', { of: 'encounter.points', points: 10, userKind }),
    ]),
  ];
}

/** Of the rule that is told, its trace is what each evaluation has of its own: which inputs it looked at. */
const withoutTrace = ({ rule: { id, version }, ...award }: Award) => ({ ...award, rule: { id, version } });

export function rulesContract(name: string, open: () => RulesPort): void {
  describe(`rules of version 1: ${name}`, () => {
    const plain = builtInRules(DEFAULT_RULES);

    it('say to every question what plain TypeScript says', async () => {
      const rules = open();
      for (const question of questions()) {
        const [said, expected] = [await rules.score(question), await plain.score(question)];
        expect(withoutTrace(said), JSON.stringify(question)).toEqual(withoutTrace(expected));
        expect(said.rule.trace).toMatch(/^[0-9a-f]{16}$/);
      }
    });

    it('say the same again, and leave the same trace', async () => {
      const [rules, others] = [open(), open()];
      for (const question of questions().slice(0, 40)) {
        const first = await rules.score(question);
        expect(await rules.score(question)).toBe(first);
        expect(await others.score(question)).toEqual(first);
      }
    });
  });
}
