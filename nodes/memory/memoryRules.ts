/** Rules in memory: the twin of the table, for tests and for nodes that are alone without a store. */
import type { RulePointer, RuleVersion } from '../rules/envelope.ts';
import type { Evaluated } from '../rules/ruleBook.ts';
import type { RuleStore } from '../rules/store.ts';

export class MemoryRules implements RuleStore {
  readonly #pointers = new Map<string, RulePointer>();
  readonly #versions = new Map<string, Map<number, RuleVersion>>();
  readonly #evaluated = new Map<string, Evaluated>();

  async pointers(): Promise<readonly RulePointer[]> {
    return [...this.#pointers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async pointer(id: string): Promise<RulePointer | null> {
    return this.#pointers.get(id) ?? null;
  }

  async point(pointer: RulePointer, from: number): Promise<boolean> {
    if ((this.#pointers.get(pointer.id)?.revision ?? 0) !== from) return false;
    this.#pointers.set(pointer.id, structuredClone(pointer));
    return true;
  }

  async version(id: string, version: number): Promise<RuleVersion | null> {
    return this.#versions.get(id)?.get(version) ?? null;
  }

  async versions(id: string): Promise<readonly RuleVersion[]> {
    const all = [...(this.#versions.get(id)?.values() ?? [])];
    return all.sort((a, b) => a.version - b.version);
  }

  async add(version: RuleVersion): Promise<boolean> {
    const all = this.#versions.get(version.id) ?? new Map<number, RuleVersion>();
    if (all.has(version.version)) return false;
    all.set(version.version, structuredClone(version));
    this.#versions.set(version.id, all);
    return true;
  }

  async keep(evaluated: Evaluated): Promise<void> {
    if (!this.#evaluated.has(evaluated.trace))
      this.#evaluated.set(evaluated.trace, structuredClone(evaluated));
  }

  async evaluated(trace: string): Promise<Evaluated | null> {
    return this.#evaluated.get(trace) ?? null;
  }
}
