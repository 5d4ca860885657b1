/**
 * The rules that are active, ready to answer: what actors and doors ask.
 *
 * Of the rules of a kind that are effective now and for this place and these people, the one of the highest priority is
 * asked first; the first that has something to say decides alone, so every movement has one rule. Awards are pure, so they
 * are remembered by what of the input decides: for most kinds a handful of words. A change of the rules, or a date at
 * which one begins or ends, forgets them all.
 */
import type { Award, RuleKind, ScorePlace, ScoreQuery } from '../../actors/scoring.ts';
import type { Clock, Log, Metrics } from '../ports.ts';
import { CompiledRule, discretised, type Evaluation } from './compiledRule.ts';
import type { RuleEngine } from './engine.ts';
import type { RuleVersion } from './envelope.ts';
import { RULE_LIMITS } from './limits.ts';
import type { RulesPort } from './port.ts';
import type { Given } from './trace.ts';

/** An evaluation that moved points, or may: kept so that it can be explained. */
export interface Evaluated extends Evaluation {
  readonly id: string;
  readonly version: number;
}

export interface RuleBookOptions {
  readonly engine: RuleEngine;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Two letters, null when that is not known; rejects when it cannot be found out now. */
  readonly stateOf: (place: ScorePlace) => Promise<string | null>;
  /** Hears of every evaluation that is new here. Once it forgets it, the same is evaluated, and told, again. */
  readonly onEvaluated?: (evaluated: Evaluated, forget: () => void) => void;
}

/** The rules of one kind as they are now. */
interface Chapter {
  readonly rules: readonly CompiledRule[];
  /** Inputs of which any of them takes notice, in a fixed order. */
  readonly decisive: readonly string[];
  /** When a rule begins or ends next. */
  readonly untilMs: number;
  /** Awards by input; the older half makes room at once. */
  young: Map<string, Promise<Award>>;
  old: Map<string, Promise<Award>>;
}

const NOTHING: Readonly<Record<string, never>> = {};

/** Two inputs that are evaluated alike may have two keys; two that are not never have one. */
const keyPart = (value: unknown): string => {
  if (typeof value === 'number') return `${Math.floor(value)};`;
  return typeof value === 'string' ? `${value.length}:${value}` : '-';
};

export class RuleBook implements RulesPort {
  readonly #options: RuleBookOptions;
  #compiled = new Map<string, CompiledRule>();
  #chapters = new Map<RuleKind, Chapter>();

  constructor(options: RuleBookOptions) {
    this.#options = options;
  }

  /** These are the active versions from now on. One that cannot be read is told of and left out. */
  replace(versions: readonly RuleVersion[]): void {
    const compiled = new Map<string, CompiledRule>();
    for (const rule of versions) {
      const key = `${rule.id}@${rule.version}@${rule.checksum}`;
      const known = this.#compiled.get(key);
      if (known) {
        compiled.set(key, known);
        continue;
      }
      const read = CompiledRule.of(rule, this.#options.engine);
      if (read.ok) compiled.set(key, read.value);
      else
        this.#options.log.error(
          { rule: rule.id, version: rule.version, why: read.message },
          'a rule is no rule',
        );
    }
    this.#compiled = compiled;
    this.#chapters = new Map();
  }

  get active(): readonly RuleVersion[] {
    return [...this.#compiled.values()].map(({ rule }) => rule);
  }

  score(query: ScoreQuery): Promise<Award> {
    const chapter = this.#chapterOf(query.kind);
    const { place } = query;
    if (place !== undefined && chapter.decisive.includes('state')) return this.#scoreAt(place, query);
    const input = query.input as unknown as Readonly<Record<string, unknown>>;
    let key = '';
    for (const name of chapter.decisive) key += keyPart(input[name]);
    const known = chapter.young.get(key);
    if (known !== undefined) return known;
    const award = chapter.old.get(key) ?? this.#award(query.kind, chapter, input, key);
    if (chapter.young.size >= RULE_LIMITS.remembered) {
      chapter.old = chapter.young;
      chapter.young = new Map();
    }
    chapter.young.set(key, award);
    return award;
  }

  async #scoreAt(place: ScorePlace, { type, kind, input }: ScoreQuery): Promise<Award> {
    const state = await this.#options.stateOf(place);
    return this.score({ type, kind, input: { ...input, ...(state !== null && { state }) } } as ScoreQuery);
  }

  #chapterOf(kind: RuleKind): Chapter {
    const known = this.#chapters.get(kind);
    const nowMs = this.#options.clock.nowMs();
    if (known !== undefined && nowMs < known.untilMs) return known;
    const all = [...this.#compiled.values()].filter(({ rule }) => rule.kind === kind);
    const rules = all.filter(one => one.isEffective(nowMs));
    rules.sort((a, b) => b.rule.priority - a.rule.priority || (a.rule.id < b.rule.id ? -1 : 1));
    const dates = all.flatMap(({ rule }) => [rule.effectiveFromMs, rule.effectiveToMs]);
    const chapter: Chapter = {
      rules,
      decisive: [...new Set(rules.flatMap(one => one.decisive))].sort(),
      untilMs: Math.min(Number.POSITIVE_INFINITY, ...dates.filter(atMs => atMs > nowMs)),
      young: new Map(),
      old: new Map(),
    };
    this.#chapters.set(kind, chapter);
    return chapter;
  }

  async #award(
    kind: RuleKind,
    chapter: Chapter,
    input: Readonly<Record<string, unknown>>,
    key: string,
  ): Promise<Award> {
    const { log, metrics, onEvaluated } = this.#options;
    const given = discretised(kind, input);
    metrics.count('heyblue_rules_evaluated_total', { kind });
    for (const one of chapter.rules) {
      if (!one.isFor(given)) continue;
      const { id, version, limits } = one.rule;
      const evaluation = await one.evaluate(given);
      if (!evaluation.ok) {
        metrics.count('heyblue_rules_failed_total', { kind });
        log.error(
          { rule: id, version, why: evaluation.message },
          'a rule says what is no award; the next is asked',
        );
        continue;
      }
      if (evaluation.value === null) continue;
      const { said, trace } = evaluation.value;
      onEvaluated?.({ ...evaluation.value, id, version }, () => {
        chapter.young.delete(key);
        chapter.old.delete(key);
      });
      return { ...said, rule: { id, version, trace }, limits };
    }
    return noRule(kind, given);
  }
}

/** Nobody wrote a rule for this: there are no points, and no price. */
const noRule = (kind: RuleKind, _given: Given): Award => ({
  points: NOTHING,
  values: NOTHING,
  rule: { id: kind, version: 0 },
  limits: NOTHING,
  refusal: 'there is no rule for this',
});
