/** The twin in memory of who tells which rules count (`infra/postgres/ruleTeller.ts`). */
import type { RulePointer } from '../rules/envelope.ts';
import type { RuleTeller } from '../rules/store.ts';

export class MemoryTeller implements RuleTeller {
  /** What was told, such as `donation 2` and, when it was retired, `donation 0`. */
  readonly told: string[] = [];
  isAway = false;
  readonly #last = new Map<string, Pick<RulePointer, 'revision' | 'active'>>();

  async tell(pointers: readonly RulePointer[]): Promise<void> {
    if (this.isAway) throw new Error('the teller is away');
    for (const { id, revision, active } of pointers) {
      const last = this.#last.get(id) ?? { revision: 0, active: 0 };
      if (last.revision >= revision) continue;
      this.#last.set(id, { revision, active });
      if (last.active !== active) this.told.push(`${id} ${active}`);
    }
  }
}
