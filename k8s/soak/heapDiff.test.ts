import { expect, test } from 'vitest';
import { heapDiff } from './heapDiff.ts';

/** A snapshot in V8's format, of kinds with names and sizes. */
const snapshotOf = (things: readonly (readonly [type: number, name: string, size: number])[]) => {
  const strings = [...new Set(things.map(([, name]) => name))];
  return {
    snapshot: {
      meta: {
        node_fields: ['type', 'name', 'id', 'self_size'],
        node_types: [['hidden', 'object', 'string']] as const,
      },
    },
    nodes: things.flatMap(([type, name, size], i) => [type, strings.indexOf(name), i, size]),
    strings,
  };
};

test('what grew comes first, strings together, and what shrank not at all', () => {
  const before = snapshotOf([
    [1, 'Timeout', 100],
    [1, 'Socket', 500],
    [2, 'a', 10],
  ]);
  const after = snapshotOf([
    [1, 'Timeout', 100],
    [1, 'Timeout', 100],
    [1, 'Timeout', 100],
    [2, 'b', 30],
    [2, 'c', 30],
  ]);
  expect(heapDiff(before, after)).toEqual([
    { name: 'object Timeout', count: 2, bytes: 200 },
    { name: 'string', count: 1, bytes: 50 },
  ]);
});
