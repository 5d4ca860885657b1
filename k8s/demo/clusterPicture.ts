/** A cluster as text for people: its nodes, who owns what, what moves. */
import { CLUSTER_LIMITS } from '../../nodes/limits.ts';
import type { ClusterView, NodeView } from '../../nodes/ports.ts';

/** Shards in one line of the map. */
const ROW = 64;
/** Hand-offs that are named one by one. */
const HANDOFFS_MAX = 8;
/** Marks of nodes in the map; a dot is nobody. */
const MARKS = '123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@#';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** What is left of a node's lease, as far as it can be known from here. */
const leaseOf = (view: ClusterView, node: NodeView): string => {
  if (node.node === view.node && node.incarnation === view.incarnation) {
    if (view.leaseLeftMs === null) return 'alone, needs none';
    return view.serving ? `${seconds(view.leaseLeftMs)} left` : 'over: it does not serve';
  }
  if (node.state === 'left' || node.state === 'fenced') return '';
  const leftMs = CLUSTER_LIMITS.leaseMs - node.seenMs;
  return leftMs > 0 ? `${seconds(leftMs)} left` : `silent for ${seconds(node.seenMs)}`;
};

const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)));
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
};

/** Lines for a terminal. */
export const drawCluster = (view: ClusterView): string[] => {
  const nodes = [...view.nodes].sort((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }));
  const markOf = new Map(nodes.map((node, i) => [node.node, MARKS[i % MARKS.length]!]));
  const rows = nodes.map(node => [
    markOf.get(node.node)!,
    node.node,
    node.incarnation,
    node.state,
    node.version || '-',
    String(node.weight),
    String(node.shards),
    leaseOf(view, node),
    node.url ?? '',
  ]);
  const head = ['', 'node', 'incarnation', 'state', 'version', 'weight', 'shards', 'lease', 'phones'];
  const map: string[] = [];
  for (let at = 0; at < view.owners.length; at += ROW) {
    const marks = view.owners
      .slice(at, at + ROW)
      .map(owner => (owner === null ? '.' : (markOf.get(owner) ?? '?')));
    map.push(`${String(at).padStart(4)}  ${marks.join('')}`);
  }
  const owned = view.owners.filter(owner => owner !== null).length;
  const epochs = view.epochs.filter(epoch => epoch !== null);
  const span =
    epochs.length > 0 ? `epochs ${Math.min(...epochs)} to ${Math.max(...epochs)}` : 'no epoch known';
  const moves = view.handoffs
    .slice(0, HANDOFFS_MAX)
    .map(({ shard, from, to, phase }) => `  shard ${shard}: ${from} -> ${to} (${phase})`);
  if (view.handoffs.length > HANDOFFS_MAX) moves.push(`  and ${view.handoffs.length - HANDOFFS_MAX} more`);
  return [
    `The cluster as ${view.node}.${view.incarnation} knows it, map revision ${view.mapRevision}:`,
    '',
    ...table([head, ...rows]),
    '',
    `Shards: ${owned} of ${view.owners.length} owned, ${span}. Who owns which (. is nobody):`,
    ...map,
    '',
    view.handoffs.length === 0 ? 'No hand-offs under way.' : `Hand-offs under way: ${view.handoffs.length}`,
    ...moves,
  ];
};
