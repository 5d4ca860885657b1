/** What every store of rules must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../actors/rules.ts';
import type { RulePointer, RuleVersion } from '../rules/envelope.ts';
import { seedRules } from '../rules/seeds.ts';
import type { RuleStore } from '../rules/store.ts';

export interface RuleStoreTown {
  /** Two connections to the same rules. */
  readonly one: RuleStore;
  readonly two: RuleStore;
  readonly uuid: () => string;
  close(): Promise<void>;
}

export function ruleStoreContract(name: string, open: () => Promise<RuleStoreTown>): void {
  describe(`rule store: ${name}`, () => {
    let town: RuleStoreTown;
    beforeAll(async () => {
      town = await open();
    });
    afterAll(() => town.close());

    const [seed] = seedRules(DEFAULT_RULES) as [RuleVersion];
    const written = (id: string, version: number): RuleVersion => ({ ...seed, id, version });
    const pointer = (id: string, change: Partial<RulePointer> = {}): RulePointer => ({
      id,
      kind: seed.kind,
      active: 0,
      retired: [],
      tested: [],
      revision: 1,
      ...change,
    });

    it('has nothing of a rule that nobody wrote', async () => {
      const id = town.uuid();
      expect(await town.one.pointer(id)).toBeNull();
      expect(await town.one.version(id, 1)).toBeNull();
      expect(await town.one.versions(id)).toEqual([]);
      expect(await town.one.evaluated('00112233445566ff')).toBeNull();
    });

    it('gives back versions as they were written, in their order, and never writes one twice', async () => {
      const id = town.uuid();
      for (const version of [2, 1, 11, 10]) expect(await town.one.add(written(id, version))).toBe(true);
      expect(await town.two.add({ ...written(id, 2), title: 'another' })).toBe(false);
      expect(await town.two.version(id, 2)).toEqual(written(id, 2));
      expect((await town.two.versions(id)).map(({ version }) => version)).toEqual([1, 2, 10, 11]);
      expect(await town.two.versions(`${id}x`)).toEqual([]);
    });

    it('moves a pointer only from the revision that its mover saw', async () => {
      const id = town.uuid();
      expect(await town.one.point(pointer(id), 1)).toBe(false);
      expect(await town.one.point(pointer(id), 0)).toBe(true);
      expect(await town.two.point(pointer(id), 0)).toBe(false);
      expect(await town.two.point(pointer(id, { active: 1, revision: 2 }), 1)).toBe(true);
      expect(await town.one.point(pointer(id, { active: 2, revision: 2 }), 1)).toBe(false);
      expect(await town.one.pointer(id)).toEqual(pointer(id, { active: 1, revision: 2 }));
      expect(await town.two.pointers()).toContainEqual(pointer(id, { active: 1, revision: 2 }));
    });

    it('lets one of many who move a pointer at once win', async () => {
      const id = town.uuid();
      await town.one.point(pointer(id), 0);
      const moves = [1, 2, 3, 4, 5, 6].map(active =>
        (active % 2 === 0 ? town.one : town.two).point(pointer(id, { active, revision: 2 }), 1),
      );
      const won = (await Promise.all(moves)).flatMap((done, i) => (done ? [i + 1] : []));
      expect(won).toHaveLength(1);
      expect(await town.one.pointer(id)).toMatchObject({ active: won[0], revision: 2 });
    });

    it('keeps the first evaluation under a trace', async () => {
      const trace = town.uuid().slice(-12);
      const said = { points: { officer: 10 }, values: {} };
      const evaluated = { id: 'encounter.points', version: 3, given: { method: 'hey' }, said, trace };
      await town.one.keep(evaluated);
      await town.two.keep({ ...evaluated, version: 4 });
      expect(await town.two.evaluated(trace)).toEqual(evaluated);
    });
  });
}
