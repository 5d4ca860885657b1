/** Graphs of rules for tests. */
import type { Graph, GraphNode } from '../../nodes/rules/graph.ts';

/** Nodes in a row, from the input to the output. */
export const graph = (...nodes: Omit<GraphNode, 'id'>[]): Graph => {
  const all = [
    { id: '0', type: 'inputNode', name: 'input' },
    ...nodes.map((node, i) => ({ id: String(i + 1), ...node })),
    { id: 'out', type: 'outputNode', name: 'output' },
  ];
  const edges = all.slice(1).map(({ id }, i) => ({ id: `e${i}`, sourceId: all[i]!.id, targetId: id }));
  return { nodes: all, edges };
};
