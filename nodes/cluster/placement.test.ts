import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, compareVersions, place, placed } from './placement.ts';

const SHARDS = 512;
const LOAD = 1.1;
const NOBODY: null[] = new Array(SHARDS).fill(null);
type Map512 = (string | null)[];

const candidate = (id: string, weight = 1, version = '1'): Candidate => ({ id, weight, version });
const named = (count: number): Candidate[] => Array.from({ length: count }, (_, i) => candidate(`n${i + 1}`));
const loads = (map: Map512): Map<string, number> => {
  const found = new Map<string, number>();
  for (const id of map) if (id !== null) found.set(id, (found.get(id) ?? 0) + 1);
  return found;
};
const moved = (before: Map512, after: Map512): number =>
  before.filter((id, shard) => id !== after[shard]).length;
/** As the cluster does it: again and again, until nothing changes. */
const settle = (nodes: readonly Candidate[], at: Map512): Map512 => {
  const first = place(nodes, at, LOAD);
  expect(place(nodes, first, LOAD)).toEqual(first);
  return first;
};

const someNodes = fc
  .uniqueArray(fc.stringMatching(/^[a-z0-9]{1,6}$/), { minLength: 1, maxLength: 33 })
  .map(ids => ids.map(id => candidate(id)));
const weighted = fc.uniqueArray(
  fc.record({
    id: fc.stringMatching(/^[a-z0-9]{1,6}$/),
    weight: fc.integer({ min: 1, max: 16 }),
    version: fc.constant('1'),
  }),
  { minLength: 1, maxLength: 20, selector: node => node.id },
);

describe('placement', () => {
  it('is the same whatever the order in which the nodes are known', () => {
    fc.assert(
      fc.property(weighted, fc.nat(), (nodes, turn) => {
        const turned = [...nodes.slice(turn % nodes.length), ...nodes.slice(0, turn % nodes.length)];
        expect(place(turned, NOBODY, LOAD)).toEqual(place(nodes, NOBODY, LOAD));
      }),
      { numRuns: 25 },
    );
  });

  it('gives every shard to somebody, and nobody more than his share allows', () => {
    fc.assert(
      fc.property(weighted, nodes => {
        const total = nodes.reduce((sum, node) => sum + node.weight, 0);
        const held = loads(settle(nodes, NOBODY));
        for (const node of nodes) {
          const fair = (SHARDS * node.weight) / total;
          expect(held.get(node.id) ?? 0).toBeLessThanOrEqual(Math.ceil(fair * LOAD));
          expect(held.get(node.id) ?? 0).toBeGreaterThanOrEqual(Math.floor(fair / LOAD));
        }
        expect([...held.values()].reduce((sum, one) => sum + one, 0)).toBe(SHARDS);
      }),
      { numRuns: 40 },
    );
  });

  it('a join moves at most the fair share, and only to the joiner', () => {
    fc.assert(
      fc.property(someNodes, nodes => {
        const before = settle(nodes, NOBODY);
        const after = settle([...nodes, candidate('JOINER')], before);
        expect(moved(before, after)).toBeLessThanOrEqual((1.2 * SHARDS) / (nodes.length + 1));
        for (let shard = 0; shard < SHARDS; shard++)
          if (before[shard] !== after[shard]) expect(after[shard]).toBe('JOINER');
        expect(loads(after).get('JOINER') ?? 0).toBeGreaterThanOrEqual(
          Math.floor(SHARDS / (nodes.length + 1) / LOAD),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('a leave moves what the leaver had and nothing else, at most 1.2 fair shares', () => {
    fc.assert(
      fc.property(
        someNodes.filter(nodes => nodes.length > 1),
        fc.nat(),
        (nodes, which) => {
          const leaver = nodes[which % nodes.length]!;
          const before = settle(nodes, NOBODY);
          const after = settle(
            nodes.filter(node => node !== leaver),
            before.map(id => (id === leaver.id ? null : id)),
          );
          expect(moved(before, after)).toBe(loads(before).get(leaver.id) ?? 0);
          expect(moved(before, after)).toBeLessThanOrEqual((1.2 * SHARDS) / nodes.length);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('any history of joins and leaves stays within the bounds, and each step moves little', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 11 }), { minLength: 1, maxLength: 30 }), steps => {
        let nodes = named(3);
        let map = settle(nodes, NOBODY);
        for (const step of steps) {
          const id = `n${step + 1}`;
          const there = nodes.some(node => node.id === id);
          if (there && nodes.length === 1) continue;
          const share = SHARDS / (there ? nodes.length : nodes.length + 1);
          nodes = there ? nodes.filter(node => node.id !== id) : [...nodes, candidate(id)];
          const next = settle(nodes, map);
          expect(moved(map, next)).toBeLessThanOrEqual(1.2 * share);
          map = next;
        }
      }),
      { numRuns: 25 },
    );
  });

  it('while two versions are about nothing moves, and what is nobody’s goes to the newest', () => {
    const old = named(3);
    const before = settle(old, NOBODY);
    const fresh = candidate('n4', 1, '2');
    expect(place([...old, fresh], before, LOAD)).toEqual(before);
    const orphaned = before.map(id => (id === 'n1' ? null : id));
    const after = place([...old.slice(1), fresh], orphaned, LOAD);
    for (let shard = 0; shard < SHARDS; shard++) {
      expect(after[shard]).toBe(before[shard] === 'n1' ? 'n4' : before[shard]);
    }
  });

  it('nobody there: nothing is anywhere', () => {
    expect(place([], NOBODY, LOAD)).toEqual(NOBODY);
    expect(new Set(place([], new Array(SHARDS).fill('n1'), LOAD))).toEqual(new Set([null]));
  });

  it('what was asked just now is answered as it would be answered anew', () => {
    const [three, heavy] = [named(3), [candidate('n1', 3), candidate('n2'), candidate('n3')]];
    const there = place(three, NOBODY, LOAD);
    const towns: [Candidate[], Map512, number][] = [
      [three, NOBODY, LOAD],
      [heavy, NOBODY, LOAD],
      [three.map(one => ({ ...one, version: '2' })), NOBODY, LOAD],
      [named(4), there, LOAD],
      [named(4), there, 1.5],
      ...Array.from({ length: 12 }, (_, i): [Candidate[], Map512, number] => [named(i + 5), there, LOAD]),
    ];
    for (const _ of [1, 2])
      for (const [nodes, at, load] of towns) {
        const answer = placed(nodes, at, load);
        expect(answer).toEqual(place(nodes, at, load));
        expect(placed(nodes, at, load)).toBe(answer);
      }
  });

  it('is frozen: an empty town of three nodes looks like this for ever', () => {
    const map = place(named(3), NOBODY, LOAD);
    expect(map.slice(0, 16).join(' ')).toMatchInlineSnapshot(
      `"n3 n2 n2 n2 n3 n3 n1 n1 n3 n3 n2 n3 n3 n2 n1 n1"`,
    );
    expect([...loads(map)].sort()).toMatchInlineSnapshot(`
      [
        [
          "n1",
          170,
        ],
        [
          "n2",
          171,
        ],
        [
          "n3",
          171,
        ],
      ]
    `);
  });
});

describe('versions', () => {
  it('compare by their numbers', () => {
    const rising = ['', '0.9', '1.9.0', '1.10.0', '1.10.0-a', '2', '10'];
    for (let i = 0; i < rising.length; i++) {
      for (let j = 0; j < rising.length; j++) {
        expect(Math.sign(compareVersions(rising[i]!, rising[j]!)), `${rising[i]} ${rising[j]}`).toBe(
          Math.sign(i - j),
        );
      }
    }
  });

  it('any two have an order, the same from both sides', () => {
    const text = fc.stringMatching(/^[a-z0-9.+-]{0,12}$/);
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(Math.sign(compareVersions(a, b))).toBe(-Math.sign(compareVersions(b, a)) || 0);
      }),
    );
  });
});
