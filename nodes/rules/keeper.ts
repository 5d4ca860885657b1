/**
 * What operators do with rules: write them, test them, let one count, take it back. The keeper decides what may be; the
 * store decides who was first. Nothing of it is on the way of a movement.
 */
import type { Award, ScoreQuery } from '../../actors/scoring.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { refusedDraft } from './checks.ts';
import { CompiledRule, discretised } from './compiledRule.ts';
import type { RuleEngine, Step } from './engine.ts';
import {
  canonical,
  checksumOf,
  type RuleDraft,
  type RulePointer,
  type RuleState,
  type RuleVersion,
  stateOf,
} from './envelope.ts';
import type { RefusedVersion } from './follower.ts';
import type { RulesPort } from './port.ts';
import type { Said } from './said.ts';
import { BUILT_IN } from './seeds.ts';
import type { RuleStore, RuleTeller } from './store.ts';
import { type Difference, differencesOf, showsSomething } from './tests.ts';
import type { Given } from './trace.ts';

export interface KeeperOptions {
  readonly store: RuleStore;
  readonly teller: RuleTeller;
  readonly engine: RuleEngine;
  readonly rules: RulesPort;
  /** Whether the version of this rule that is to count does not. */
  readonly refused: (id: string) => RefusedVersion | null;
  /** A pointer was moved. */
  readonly changed: () => Promise<void>;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
}

/** Which version is to count, and, if this node refuses it, why and which one does instead. */
export interface PointerView extends RulePointer {
  readonly refused: RefusedVersion | null;
}

export interface VersionView extends RuleVersion {
  readonly state: RuleState;
}

export interface Tested {
  readonly passed: boolean;
  readonly tests: number;
  readonly differences: readonly Difference[];
}

export interface Published {
  readonly pointer: RulePointer;
  readonly tested: Tested;
}

const noRule = refuse(ERROR.notFound, 'no such rule');
const noVersion = refuse(ERROR.notFound, 'the rule has no such version');
const taken = refuse(ERROR.conflict, 'there is a rule of this id: patch it');
const overtaken = refuse(ERROR.conflict, 'somebody else changed this rule meanwhile: look at it again');
const untested = refuse(ERROR.invalid, 'a rule brings at least one test of its own');
const nobody = refuse(
  ERROR.invalid,
  'the rule gives points to nobody: none of its tests shows somebody who gets or pays a point, or what number it sets',
);

/** Refused because its own tests came out otherwise; what differs goes along. */
export interface Differing extends Refusal {
  readonly differences: readonly Difference[];
}

const differing = (differences: readonly Difference[]): Differing => {
  const names = differences.map(({ test }) => test).join(', ');
  return { ...refuse(ERROR.invalid, `its own tests come out otherwise: ${names}`), differences };
};

export class RuleKeeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Every rule, with the version that counts. */
  async pointers(): Promise<readonly PointerView[]> {
    const { store, refused } = this.#options;
    return (await store.pointers()).map(one => ({ ...one, refused: refused(one.id) }));
  }

  /** Null when there is no such rule. */
  pointer(id: string): Promise<RulePointer | null> {
    return this.#options.store.pointer(id);
  }

  /** The newest version of a rule, and the one that counts. */
  async look(id: string): Promise<Result<{ pointer: PointerView; versions: readonly VersionView[] }>> {
    const pointer = await this.#options.store.pointer(id);
    if (pointer === null) return noRule;
    const versions = await this.#options.store.versions(id);
    return ok({
      pointer: { ...pointer, refused: this.#options.refused(id) },
      versions: versions.map(one => ({ ...one, state: stateOf(pointer, one.version) })),
    });
  }

  async version(id: string, version: number): Promise<Result<VersionView>> {
    const found = await this.#find(id, version);
    if (!found.ok) return found;
    const { pointer, rule } = found.value;
    return ok({ ...rule, state: stateOf(pointer, version) });
  }

  /** Writes the first version of a new rule, as a draft. A repeat of the same is no conflict. */
  async create(by: string, id: string, draft: RuleDraft): Promise<Result<VersionView>> {
    const { store } = this.#options;
    const rule = this.#read({ by, id, version: 1, draft });
    if (!rule.ok) return rule;
    if (!(await store.add(rule.value))) {
      // it may be ours, cut off before its pointer was made
      const there = await store.version(id, 1);
      if (there?.checksum !== rule.value.checksum) return taken;
    }
    const pointer = { id, kind: draft.kind, active: 0, retired: [], tested: [], revision: 1 };
    const isFirst = await store.point(pointer, 0);
    return isFirst ? ok({ ...rule.value, state: 'draft' }) : taken;
  }

  /** Writes the next version: the newest one with these changes. */
  async patch(
    by: string,
    id: string,
    changes: Partial<Omit<RuleDraft, 'kind'>>,
  ): Promise<Result<VersionView>> {
    const { store } = this.#options;
    if ((await store.pointer(id)) === null) return noRule;
    const newest = (await store.versions(id)).at(-1);
    if (newest === undefined) return noRule;
    const { title, effectiveFromMs, effectiveToMs, scope, priority, content, limits, tests, kind } = {
      ...newest,
      ...changes,
    };
    const draft = { kind, title, effectiveFromMs, effectiveToMs, scope, priority, content, limits, tests };
    const rule = this.#read({ by, id, version: newest.version + 1, draft });
    if (!rule.ok) return rule;
    return (await store.add(rule.value)) ? ok({ ...rule.value, state: 'draft' }) : overtaken;
  }

  /** Runs the version's own tests, and notes that it passed them. */
  async test(id: string, version: number): Promise<Result<Tested>> {
    const found = await this.#find(id, version);
    if (!found.ok) return found;
    const tested = await this.#test(found.value.rule);
    if (!tested.ok) return tested;
    const { pointer } = found.value;
    if (tested.value.passed && !pointer.tested.includes(version)) {
      const noted = { ...pointer, tested: [...pointer.tested, version], revision: pointer.revision + 1 };
      // who moved it meanwhile has tested, or will test again to publish: the note is for people
      await this.#options.store.point(noted, pointer.revision);
    }
    return tested;
  }

  /**
   * Lets this version count, once its own tests have passed.
   *
   * @param seen revision of the pointer that the operator saw; null: the one that stands there now
   */
  async publish(id: string, version: number, seen: number | null): Promise<Result<Published> | Differing> {
    const found = await this.#find(id, version);
    if (!found.ok) return found;
    const { pointer, rule } = found.value;
    if (seen !== null && seen !== pointer.revision) return overtaken;
    const tested = await this.#test(rule);
    if (!tested.ok) return tested;
    if (tested.value.tests === 0) return untested;
    if (!tested.value.passed) return differing(tested.value.differences);
    const { active, retired } = pointer;
    const next: RulePointer = {
      ...pointer,
      active: version,
      retired: [
        ...retired.filter(one => one !== version && one !== active),
        ...(active > 0 && active !== version ? [active] : []),
      ],
      tested: [...pointer.tested.filter(one => one !== version), version],
      revision: pointer.revision + 1,
    };
    if (!(await this.#move(next, pointer))) return overtaken;
    await this.#options.changed();
    return ok({ pointer: next, tested: tested.value });
  }

  /** Lets no version of the rule count. */
  async retire(id: string, seen: number | null): Promise<Result<RulePointer>> {
    const pointer = await this.#options.store.pointer(id);
    if (pointer === null) return noRule;
    if (seen !== null && seen !== pointer.revision) return overtaken;
    if (pointer.active === 0) return ok(pointer);
    const retired = [...pointer.retired.filter(one => one !== pointer.active), pointer.active];
    const next = { ...pointer, active: 0, retired, revision: pointer.revision + 1 };
    if (!(await this.#move(next, pointer))) return overtaken;
    await this.#options.changed();
    return ok(next);
  }

  /** What the active rules say to this, as an actor would hear it. */
  evaluate(query: ScoreQuery): Promise<Award> {
    return this.#options.rules.score(query);
  }

  /** What one version says to this, active or not, and how it comes to it. */
  async evaluateVersion(
    id: string,
    version: number,
    input: Given,
  ): Promise<Result<{ given: Given; said: Said | null; trace: string | null; steps: readonly Step[] }>> {
    const found = await this.#find(id, version);
    if (!found.ok) return found;
    const compiled = CompiledRule.of(found.value.rule, this.#options.engine);
    if (!compiled.ok) return compiled;
    const given = discretised(found.value.rule.kind, input);
    const evaluation = await compiled.value.explain(given);
    if (!evaluation.ok) return evaluation;
    return ok(evaluation.value ?? { given, said: null, trace: null, steps: [] });
  }

  /**
   * False: somebody moved it before. What was moved although the answer was lost is moved. Whoever moves a pointer sees first
   * that it was told as it stood, so none is passed over in silence; how it stands then, every node tells that follows.
   */
  async #move(next: RulePointer, from: RulePointer): Promise<boolean> {
    const { store, teller } = this.#options;
    await teller.tell([from]);
    try {
      return await store.point(next, from.revision);
    } catch (error) {
      const there = await store.pointer(next.id);
      if (canonical(there) !== canonical(next)) throw error;
      return true;
    }
  }

  #read(one: {
    readonly by: string;
    readonly id: string;
    readonly version: number;
    readonly draft: RuleDraft;
  }): Result<RuleVersion> {
    const { by, id, version, draft } = one;
    const refusal = refusedDraft(draft);
    if (refusal) return refusal;
    const rule: RuleVersion = {
      ...draft,
      id,
      version,
      checksum: checksumOf(draft),
      createdBy: by,
      createdAtMs: this.#options.wallMs(),
    };
    const compiled = CompiledRule.of(rule, this.#options.engine);
    return compiled.ok ? ok(rule) : compiled;
  }

  async #find(id: string, version: number): Promise<Result<{ pointer: RulePointer; rule: RuleVersion }>> {
    const { store } = this.#options;
    const [pointer, rule] = await Promise.all([store.pointer(id), store.version(id, version)]);
    if (pointer === null) return noRule;
    return rule === null ? noVersion : ok({ pointer, rule });
  }

  async #test(rule: RuleVersion): Promise<Result<Tested>> {
    // it may have been written when more was allowed; version 1 is how a town began, and may be gone back to
    const refusal = rule.createdBy === BUILT_IN ? null : refusedDraft(rule);
    if (refusal) return refusal;
    const compiled = CompiledRule.of(rule, this.#options.engine);
    if (!compiled.ok) return compiled;
    if (rule.createdBy !== BUILT_IN && !rule.tests.some(one => showsSomething(rule.kind, one))) return nobody;
    const differences = await differencesOf(compiled.value);
    return ok({ passed: differences.length === 0, tests: rule.tests.length, differences });
  }
}
