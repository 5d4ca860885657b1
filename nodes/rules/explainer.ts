/**
 * A movement explained in words: which rule gave which points and why. The rule is read in the version that decided then,
 * asked again with what it was given then, and what it says now is compared with what it said and with what was posted.
 * What cannot be shown is said to be so; nothing is made up.
 */

import { EXPIRY } from '../../actors/user/expiry.ts';
import { PROMOTION } from '../../actors/user/promotion.ts';
import { REVERSAL } from '../../actors/user/reversal.ts';
import type { AccountKind, Method } from '../../protocol/catalogue.ts';
import { CompiledRule, discretised, type Evaluation } from './compiledRule.ts';
import type { RuleEngine, Step } from './engine.ts';
import type { RuleVersion } from './envelope.ts';
import { rebuilt } from './rebuilt.ts';
import type { Reversed } from './reversed.ts';
import type { Said } from './said.ts';
import type { RuleStore } from './store.ts';
import type { Given } from './trace.ts';
import { expiryOf, points, reversalOf } from './undecided.ts';

/** A movement as the ledger has it. */
export interface MovementRecord {
  readonly id: string;
  /** `encounter`, or the reason of a transfer. */
  readonly reason: string;
  readonly rule: { readonly id: string; readonly version: number; readonly trace: string | null };
  /** Database clock, Unix milliseconds. */
  readonly atMs: number;
  /** The mint, if it had a part, as one of them without a kind. */
  readonly postings: readonly {
    readonly account: string;
    readonly kind: AccountKind | null;
    readonly delta: number;
  }[];
  /** Null for a movement that is no encounter. */
  readonly encounter: {
    readonly method: Method;
    readonly officer: string;
    readonly civilian: string;
    /** The rule of meeting by which they stood together; null or absent: it was not by proximity, or nobody wrote it down. */
    readonly metBy?: { readonly id: string; readonly version: number } | null;
  } | null;
}

/** What came of asking the stored version again. */
export const REPLAYS = ['same', 'different', 'untraced', 'unknown'] as const;

export interface Explanation {
  readonly transferId: string;
  readonly reason: string;
  readonly atMs: number;
  readonly rule: {
    readonly id: string;
    readonly version: number;
    /** Null: no such version is stored. */
    readonly title: string | null;
    readonly trace: string | null;
  };
  /**
   * `same`: the stored version says what it said. `different`: it does not. `untraced`: it was replayed, but nothing of the
   * first evaluation is there to compare. `unknown`: there is nothing to replay.
   */
  readonly replay: (typeof REPLAYS)[number];
  /** What the rule was asked with; null when that is not known. */
  readonly given: Given | null;
  readonly points: Readonly<Record<string, number>> | null;
  /** What was posted is what the rule says. Null: that cannot be told. */
  readonly agrees: boolean | null;
  readonly sentences: readonly string[];
}

type Replayed = Evaluation & { readonly steps: readonly Step[] };

export interface ExplainerOptions {
  readonly store: Pick<RuleStore, 'version' | 'evaluated'>;
  readonly engine: RuleEngine;
  readonly seeds: readonly RuleVersion[];
}

const listed = (values: Readonly<Record<string, unknown>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ');

const stepWords = ({ node, row, because }: Step): string[] => {
  if (row === null) return [];
  const cells = Object.entries(because).map(([field, cell]) => `${field} is ${cell}`);
  const why = cells.length > 0 ? `, because ${cells.join(' and ')}` : ', which applies to everything';
  return [`Row ${row} of the table "${node}" applied${why}.`];
};

const metWords = ({ id, version }: { id: string; version: number }, rule: RuleVersion | null): string =>
  rule
    ? `The two stood together by the rule "${rule.title}" (${id}, version ${version}).`
    : `The two stood together by the rule ${id}, version ${version}; no such version is stored.`;

const saidWords = ({ points: by, refusal }: Said): string => {
  if (refusal !== undefined) return `It refused: ${refusal}.`;
  const parts = Object.entries(by).map(([party, count]) => `${points(count)} for ${party}`);
  return parts.length > 0 ? `It said: ${parts.join(', ')}.` : 'It gave no points.';
};

/** To the point; less may have come because a limit of the day was reached, which nobody can see any more: null. */
function reached(parts: readonly (readonly [came: number, said: number])[]): boolean | null {
  if (parts.every(([came, said]) => came === said)) return true;
  return parts.every(([came, said]) => came <= said) ? null : false;
}

/** Whether what was posted is what the rule says: to the point, or a whole number of units of a price. */
function agreement({ encounter, postings }: MovementRecord, said: Said): boolean | null {
  const deltaOf = (account: string): number => postings.find(one => one.account === account)?.delta ?? 0;
  const { officer = 0, civilian = 0, payer, payee, user } = said.points;
  if (encounter)
    return reached([
      [deltaOf(encounter.officer), officer],
      [deltaOf(encounter.civilian), civilian],
    ]);
  const people = postings.filter(({ kind }) => kind !== null);
  const [credits, debits] = [
    people.filter(({ delta }) => delta > 0),
    people.filter(({ delta }) => delta < 0),
  ];
  if (user !== undefined) return reached([[credits[0]?.delta ?? 0, user]]);
  if (payee !== undefined) return credits.some(({ delta }) => delta === payee);
  if (payer === undefined || payer === 0) return null;
  const left = debits.reduce((sum, { delta }) => sum - delta, 0);
  return left > 0 && left % payer === 0;
}

export class Explainer {
  readonly #options: ExplainerOptions;

  constructor(options: ExplainerOptions) {
    this.#options = options;
  }

  /**
   * @param of whose account it is told to; null: to an operator, who hears everybody's part
   * @param reversed what a correction takes back, where that is known
   */
  async explain(
    movement: MovementRecord,
    of: string | null,
    reversed: Reversed | null = null,
  ): Promise<Explanation> {
    if (movement.reason === EXPIRY) return expiryOf(movement, of);
    if (movement.reason === REVERSAL) return reversalOf(movement, of, reversed);
    const { id: transferId, reason, atMs, postings } = movement;
    const { id, version, trace } = movement.rule;
    // how close is close, and for how long, is for operators
    const metBy = of === null ? movement.encounter?.metBy : null;
    const [rule, kept, meeting] = await Promise.all([
      this.#version(id, version),
      trace === null ? null : this.#options.store.evaluated(trace),
      metBy ? this.#version(metBy.id, metBy.version) : null,
    ]);
    const asked = rule && (await this.#askedOf(rule, movement, kept?.given ?? null));
    const given = asked?.given ?? kept?.given ?? null;
    const replayed = asked?.replayed ?? null;
    const said = replayed?.said ?? kept?.said ?? null;
    const replay = !replayed
      ? 'unknown'
      : trace === null
        ? 'untraced'
        : replayed.trace === trace
          ? 'same'
          : 'different';
    const agrees = said === null ? null : agreement(movement, said);
    const mine = postings.filter(({ account, kind }) => (of === null ? kind !== null : account === of));
    const sentences = [
      rule
        ? `The rule "${rule.title}" (${id}, version ${version}) decided this movement of ${reason}.`
        : `The rule ${id}, version ${version}, decided this movement of ${reason}; no such version is stored.`,
      ...(metBy ? [metWords(metBy, meeting)] : []),
      ...(given ? [`It was asked with: ${listed(given)}.`] : ['What it was asked with is not known.']),
      ...(replayed?.steps.flatMap(stepWords) ?? []),
      ...(said ? [saidWords(said)] : []),
      ...mine.map(({ delta, kind }) => {
        const whose = of === null ? `The ${kind}'s account` : 'Your account';
        return delta < 0 ? `${whose} paid ${points(-delta)}.` : `${whose} got ${points(delta)}.`;
      }),
      ...(agrees === null && said && isEarned(movement) ? [CUT] : []),
      ...(agrees === false ? ['That is not what the rule says: ask an operator.'] : []),
      REPLAY_WORDS[replay],
    ];
    const title = rule?.title ?? null;
    return {
      transferId,
      reason,
      atMs,
      rule: { id, version, title, trace },
      replay,
      given,
      points: said?.points ?? null,
      agrees,
      sentences,
    };
  }

  async #version(id: string, version: number): Promise<RuleVersion | null> {
    const { store, seeds } = this.#options;
    // what no node has written yet is what this one starts with
    return (
      (await store.version(id, version)) ??
      seeds.find(one => one.id === id && one.version === version) ??
      null
    );
  }

  /**
   * What the rule was asked with, and what it says to that now. Where nothing was kept that is only what leaves the same trace,
   * or is all that this rule looks at, or the one thing that it can have been.
   */
  async #askedOf(
    rule: RuleVersion,
    movement: MovementRecord,
    kept: Given | null,
  ): Promise<{ readonly given: Given; readonly replayed: Replayed | null } | null> {
    const compiled = CompiledRule.of(rule, this.#options.engine);
    if (!compiled.ok) return null;
    const replay = async (given: Given): Promise<Replayed | null> => {
      const evaluation = await compiled.value.explain(discretised(rule.kind, given));
      return evaluation.ok ? evaluation.value : null;
    };
    if (kept) return { given: kept, replayed: await replay(kept) };
    const { trace } = movement.rule;
    const may = rebuilt(movement);
    for (const given of trace === null ? [] : may) {
      const replayed = await replay(given);
      if (replayed?.trace === trace) return { given: replayed.given, replayed };
    }
    const [only, ...others] = may;
    if (only === undefined || others.length > 0) return null;
    const isAll = movement.encounter !== null && compiled.value.inputs.every(name => name in only);
    return trace === null || isAll ? { given: only, replayed: await replay(only) } : null;
  }
}

/** What the mint gives a person, of which a day may hold only so much. */
const isEarned = ({ encounter, reason }: MovementRecord): boolean =>
  encounter !== null || reason === PROMOTION;
const CUT = 'Less came than the rule gives: so it is when somebody has earned what a day holds.';

const REPLAY_WORDS: Readonly<Record<Explanation['replay'], string>> = {
  same: 'Asked again, the stored version says the same.',
  different: 'Asked again, the stored version says something else than it said then.',
  untraced: 'The movement carries no trace of its evaluation to compare with.',
  unknown: 'It could not be asked again.',
};
