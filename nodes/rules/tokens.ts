/** The words and signs of an expression, as the engine reads them (`bounds.ts` follows what they compute). */

/** Why an expression is refused: words that go behind the name of its node. */
export class Unbounded extends Error {}

const TOKEN =
  /\s*(?:(?<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w]))|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<name>[A-Za-z_$#][\w$]*)|(?<sign>\.\.|==|!=|>=|<=|\?\?|[-+*/%^<>?:,()[\].]))/gy;
export interface Token {
  readonly is: 'number' | 'text' | 'name' | 'sign' | 'end';
  readonly text: string;
}

export function tokensOf(expression: string): Token[] {
  const tokens: Token[] = [];
  let read = 0;
  for (const match of expression.matchAll(TOKEN)) {
    const [is, text] = Object.entries(match.groups!).find(([, value]) => value !== undefined)!;
    tokens.push({ is: is as Token['is'], text });
    read = match.index + match[0].length;
  }
  if (expression.slice(read).trim() !== '') throw mistaken(expression);
  return [...tokens, { is: 'end', text: '' }];
}

export const mistaken = (expression: string): Unbounded =>
  new Unbounded(`has an expression with a mistake: ${expression}`);
