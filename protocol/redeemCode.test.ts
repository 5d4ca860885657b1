import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exampleId } from './golden.ts';
import { readRedeemText, redeemCode, redeemText, typedCode } from './redeemCode.ts';

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const merchant = exampleId(1);

test('what is scanned is what was drawn, and what is typed as it sounds is the same', () => {
  fc.assert(
    fc.property(fc.uuid(), u32, u32, (id, one, two) => {
      const code = redeemCode(one, two);
      expect(readRedeemText(redeemText(id, code))).toEqual({ merchant: id, code });
      const spoken = ` ${code.slice(0, 4)}-${code.slice(4)} `.toLowerCase();
      expect(readRedeemText(spoken)).toEqual({ merchant: null, code });
    }),
  );
});

test('characters that look alike are one', () => {
  expect(typedCode('oO0iIlL1')).toBe('00011111');
});

test('every character of a code can be any of 32', () => {
  const seen = Array.from({ length: 8 }, () => new Set<string>());
  for (let n = 0; n < 32; n++) {
    const word = [0, 5, 10, 15, 20, 25].reduce((bits, shift) => (bits | (n << shift)) >>> 0, 0);
    for (const [i, character] of [...redeemCode(word, n | (n << 5))].entries()) seen[i]!.add(character);
  }
  expect(seen.map(set => set.size)).toEqual(new Array(8).fill(32));
});

test.each([
  ['nothing', ''],
  ['too short', '7K2MWX9'],
  ['too long', '7K2MWX9QQ'],
  ['a letter that is not one of them', '7K2MWXUU'],
  ['a code of a person', 'HB1:LC2QO9W953KSN5EP+0HFVZ6S96O200P7VQWK%U3F/F ET BAJX7SBJ'],
  ['no merchant', 'HBR1..7K2MWX9Q'],
  ['no code', `HBR1.${merchant}.`],
  ['more behind it', `HBR1.${merchant}.7K2MWX9Q.1`],
  ['letters of another alphabet that grow', 'ßßßß'],
])('%s is no code', (_what, text) => {
  expect(readRedeemText(text)).toBeNull();
});
