/**
 * How large what an expression says can become, found out by reading it. The engine computes with 28 digits, and a number
 * beyond them, or the rest of a division by nothing, ends the process and not the evaluation; texts and lists that double
 * with every step fill its memory. So an expression is read here before the engine sees it: every operator is followed with
 * the largest number and the longest text that can come to it, and what may grow beyond {@link RULE_LIMITS} is refused.
 *
 * It knows the part of the language that rules need (numbers, texts, lists, ranges, comparisons, `? :`, `??`, functions of
 * `graph.ts`), and refuses what it cannot read.
 */
import { RULE_LIMITS } from './limits.ts';
import { mistaken, type Token, tokensOf, Unbounded } from './tokens.ts';

/** What a value can be at the most. */
export interface Bound {
  /** Of a number, without its sign. */
  readonly max: number;
  /** Characters, as JSON. */
  readonly size: number;
  /** It is a number, or nothing. */
  readonly isNumber: boolean;
}

/** What was computed before, by name. */
export type Known = ReadonlyMap<string, Bound>;

const COMPARING = ['==', '!=', '>=', '<=', '>', '<'];
const NUMBER_CHARS = 40;
const TRUTH: Bound = { max: 0, size: 5, isNumber: false };
const NOTHING: Bound = { max: 0, size: 4, isNumber: true };
/** An input: a short word or a number. */
const INPUT: Bound = { max: RULE_LIMITS.inputMax, size: RULE_LIMITS.wordChars, isNumber: false };

const numberOf = (max: number): Bound => ({ max, size: NUMBER_CHARS, isNumber: true });
/** One or the other comes out. */
export const either = (a: Bound, b: Bound): Bound => ({
  max: Math.max(a.max, b.max),
  size: Math.max(a.size, b.size),
  isNumber: a.isNumber && b.isNumber,
});
const all = (bounds: readonly Bound[]): Bound => bounds.reduce(either, NOTHING);
const listOf = (items: readonly Bound[]): Bound => ({
  max: all(items).max,
  size: items.reduce((sum, one) => sum + one.size + 1, 2),
  isNumber: false,
});

class Reading {
  readonly #expression: string;
  readonly #tokens: readonly Token[];
  readonly #known: Known;
  #at = 0;

  constructor(expression: string, known: Known) {
    this.#expression = expression;
    this.#tokens = tokensOf(expression);
    this.#known = known;
  }

  /** Of a cell that tests there may be several, and each may begin with a comparison. */
  whole(isTest: boolean): Bound {
    const bounds = [this.#choice()];
    while (isTest && this.#takes(',')) bounds.push(this.#choice());
    if (this.#next.is !== 'end') throw mistaken(this.#expression);
    return all(bounds);
  }

  get #next(): Token {
    return this.#tokens[this.#at]!;
  }

  #takes(...texts: readonly string[]): string | null {
    const { is, text } = this.#next;
    if (is === 'text' || is === 'number' || !texts.includes(text)) return null;
    this.#at++;
    return text;
  }

  #expects(...texts: readonly string[]): void {
    if (this.#takes(...texts) === null) throw mistaken(this.#expression);
  }

  #choice(): Bound {
    const first = this.#either();
    if (!this.#takes('?')) return first;
    const then = this.#choice();
    this.#expects(':');
    return either(then, this.#choice());
  }

  #either(): Bound {
    let bound = this.#logic();
    while (this.#takes('??')) bound = either(bound, this.#logic());
    return bound;
  }

  #logic(): Bound {
    let bound = this.#comparison();
    while (this.#takes('and', 'or')) {
      this.#comparison();
      bound = TRUTH;
    }
    return bound;
  }

  #comparison(): Bound {
    if (this.#takes('not')) {
      if (this.#takes('in')) this.#sum();
      else this.#comparison();
      return TRUTH;
    }
    // a cell that tests may leave out what it compares
    const isBare = COMPARING.includes(this.#next.text) || this.#next.text === 'in';
    let bound = isBare ? TRUTH : this.#sum();
    for (;;) {
      if (this.#takes('not')) this.#expects('in');
      else if (!this.#takes(...COMPARING, 'in')) return bound;
      this.#sum();
      bound = TRUTH;
    }
  }

  #sum(): Bound {
    let bound = this.#product();
    while (this.#takes('+', '-')) {
      const isDifference = this.#tokens[this.#at - 1]!.text === '-';
      const other = this.#product();
      const isNumber = isDifference || bound.isNumber || other.isNumber;
      const size = isNumber ? NUMBER_CHARS : bound.size + other.size;
      bound = this.#within({ max: bound.max + other.max, size, isNumber });
    }
    return bound;
  }

  #product(): Bound {
    let bound = this.#signed();
    for (;;) {
      const sign = this.#takes('*', '/', '%');
      if (sign === null) return bound;
      if (sign === '*') bound = this.#within(numberOf(bound.max * this.#signed().max));
      else bound = this.#divided(bound, sign);
    }
  }

  /** What divides is never nothing, nor next to nothing: a number that stands there, or an input, which is whole. */
  #divided(bound: Bound, sign: string): Bound {
    const { is, text } = this.#next;
    const isAlone = !['.', '[', '('].includes(this.#tokens[this.#at + 1]?.text ?? '');
    if (is === 'number' && Number(text) > 0) {
      this.#at++;
      return this.#within(numberOf(sign === '%' ? Number(text) : bound.max / Number(text)));
    }
    if (sign === '/' && is === 'name' && isAlone && !this.#known.has(text)) {
      this.#at++;
      return numberOf(bound.max);
    }
    throw new Unbounded(
      sign === '%'
        ? 'takes the rest of a division by what is no number above 0 that stands there'
        : 'divides by what is neither a number above 0 that stands there nor an input',
    );
  }

  #signed(): Bound {
    if (this.#takes('-', '+')) return numberOf(this.#signed().max);
    const bound = this.#followed(this.#value());
    if (this.#next.text === '^') throw new Unbounded('raises to a power: multiply instead');
    return bound;
  }

  /** An element or a field of something is no more than all of it. */
  #followed(bound: Bound): Bound {
    while (this.#takes('[')) {
      this.#choice();
      this.#expects(']');
      while (this.#takes('.')) this.#name();
    }
    return bound;
  }

  #value(): Bound {
    const { is, text } = this.#next;
    if (is === 'number' || is === 'text') {
      this.#at++;
      const isNumber = is === 'number';
      return this.#within(isNumber ? numberOf(Number(text)) : { max: 0, size: text.length, isNumber });
    }
    if (this.#takes('[')) return this.#list();
    if (this.#takes('(')) {
      const inner = this.#choice();
      if (this.#takes('..')) return this.#range();
      this.#expects(')');
      return inner;
    }
    return this.#named();
  }

  #list(): Bound {
    if (this.#takes(']')) return listOf([]);
    const items = [this.#choice()];
    if (this.#takes('..')) return this.#range();
    while (this.#takes(',')) items.push(this.#choice());
    this.#expects(']');
    return this.#within(listOf(items));
  }

  #range(): Bound {
    this.#choice();
    this.#expects(']', ')', '[');
    return TRUTH;
  }

  #named(): Bound {
    const first = this.#name();
    if (['true', 'false', 'null'].includes(first)) return first === 'null' ? NOTHING : TRUTH;
    if (this.#takes('(')) return this.#called(first);
    const path = [first];
    while (this.#takes('.')) path.push(this.#name());
    if (first === '$') return path.length > 1 ? this.#looked(path.slice(1), true) : this.#everything();
    if (/^[$#]/.test(first)) throw new Unbounded(`looks at everything at once: ${first}`);
    return this.#looked(path, false);
  }

  #everything(): Bound {
    const bounds = [...this.#known.values()];
    return { ...either(all(bounds), INPUT), size: listOf([...bounds, INPUT]).size };
  }

  #looked(path: readonly string[], isComputed: boolean): Bound {
    const known = this.#known.get(path.join('.'));
    const isInput = path.length === 1 && !isComputed;
    if (known) return isInput ? either(known, INPUT) : known;
    const isPart = [...this.#known.keys()].some(one => one.startsWith(`${path[0]}.`));
    return isInput && !isPart ? INPUT : this.#everything();
  }

  #name(): string {
    const { is, text } = this.#next;
    if (is !== 'name') throw mistaken(this.#expression);
    this.#at++;
    return text;
  }

  #called(name: string): Bound {
    const given: Bound[] = [];
    while (!this.#takes(')')) {
      if (given.length > 0) this.#expects(',');
      given.push(this.#choice());
    }
    const { max, size } = all(given);
    switch (name) {
      case 'abs':
      case 'floor':
      case 'ceil':
      case 'round':
        return this.#within(numberOf(max + 1));
      case 'min':
      case 'max':
        return numberOf(max);
      case 'sum':
      case 'avg':
        return this.#within(numberOf(max * size));
      case 'len':
        return numberOf(size);
      case 'string':
      case 'trim':
        return { max: 0, size: Math.max(size, NUMBER_CHARS), isNumber: false };
      // a letter may become three
      case 'upper':
      case 'lower':
        return this.#within({ max: 0, size: 3 * size, isNumber: false });
      default:
        return TRUTH;
    }
  }

  #within(bound: Bound): Bound {
    if (bound.max > RULE_LIMITS.computedMax)
      throw new Unbounded(`may compute a number above ${RULE_LIMITS.computedMax}`);
    if (bound.size > RULE_LIMITS.valueChars)
      throw new Unbounded(`may make a text or a list of more than ${RULE_LIMITS.valueChars} characters`);
    return bound;
  }
}

/**
 * What an expression can say at the most.
 *
 * @param isTest of a cell that tests
 * @throws Unbounded when it may grow beyond the limits, or cannot be read
 */
export function boundOf(expression: string, known: Known, isTest = false): Bound {
  // the engine may take it for another end of the text than we do
  if (expression.includes('\\')) throw new Unbounded('has a backslash in an expression');
  const bound = new Reading(expression, known).whole(isTest);
  if (bound.max > RULE_LIMITS.numberMax)
    throw new Unbounded(`may say a number above ${RULE_LIMITS.numberMax}`);
  return bound;
}
