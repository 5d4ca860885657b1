/**
 * Who should own which shard: a pure function of the nodes that are there and of where the shards are now, so that all
 * nodes come to the same answer without talking.
 *
 * A shard stays where it is. One that is nobody's goes to the node with the highest weighted rendezvous score among those
 * that have room (at most their fair share, rounded up). Only when a node has more than `loadFactor` times its fair share,
 * or less than its share divided by that (it has just joined), shards move between living nodes, and only as many as
 * needed. So a join moves at most the joiner's fair share, a leave moves what the leaver had, and nothing else moves.
 * (Bounded rendezvous without a memory would shuffle: at 30 nodes with 17 shards each the cap alone displaces more
 * shards than the join.)
 *
 * While two versions of the program are about, nothing moves between living nodes, and what is nobody's goes to nodes of
 * the newest version: each shard moves once during a rolling update, and never back.
 */
import { xxh32 } from '../../protocol/shard.ts';
import { LIMITS } from '../limits.ts';

export interface Candidate {
  readonly id: string;
  readonly weight: number;
  readonly version: string;
}

interface Node extends Candidate {
  readonly draws: Float64Array;
  count: number;
  fair: number;
}

const encoder = new TextEncoder();
const drawn = new Map<string, Float64Array>();
const DRAWN_MAX = 256;

/** Natural logarithm of a number in (0, 1) drawn by node and shard; the same everywhere and for ever. */
function drawsOf(id: string): Float64Array {
  const known = drawn.get(id);
  if (known) return known;
  const draws = Float64Array.from({ length: LIMITS.shards }, (_, shard) =>
    Math.log((xxh32(encoder.encode(`${shard}:${id}`)) + 0.5) / 2 ** 32),
  );
  if (drawn.size >= DRAWN_MAX) drawn.clear();
  drawn.set(id, draws);
  return draws;
}

/** Weighted rendezvous (Schindelhauer, Schomaker 2005): the higher, the more preferred. */
const scoreOf = (node: Node, shard: number): number => -node.weight / node.draws[shard]!;

/** Answers that were given last, the oldest first: a node asks the same with every look, and so do all nodes of a simulation. */
const answers = new Map<string, readonly (string | null)[]>();
const ANSWERS_MAX = 8;

/** As {@link place}, which is not asked again what it was asked just now. */
export function placed(
  candidates: readonly Candidate[],
  at: readonly (string | null)[],
  loadFactor: number,
): readonly (string | null)[] {
  const nodes = candidates.map(({ id, weight, version }) => `${id}*${weight}@${version}`).join();
  const question = `${loadFactor}|${nodes}|${at.join()}`;
  let answer = answers.get(question);
  if (answer) return answer;
  answer = place(candidates, at, loadFactor);
  for (const oldest of answers.keys()) {
    if (answers.size < ANSWERS_MAX) break;
    answers.delete(oldest);
  }
  answers.set(question, answer);
  return answer;
}

/**
 * The node id that each shard should be at; all null when there is no candidate.
 * @param at where each shard is or is on its way to; null (or a node that is no candidate): it is nobody's
 */
export function place(
  candidates: readonly Candidate[],
  at: readonly (string | null)[],
  loadFactor: number,
): (string | null)[] {
  if (candidates.length === 0) return new Array(at.length).fill(null);
  const nodes = [...candidates]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((candidate): Node => ({ ...candidate, draws: drawsOf(candidate.id), count: 0, fair: 0 }));
  const byId = new Map(nodes.map(node => [node.id, node]));
  const target = at.map(id => (id !== null && byId.has(id) ? id : null));
  for (const id of target) if (id !== null) byId.get(id)!.count++;

  const newest = nodes.reduce(
    (best, node) => (compareVersions(node.version, best) > 0 ? node.version : best),
    '',
  );
  const eligible = nodes.filter(node => compareVersions(node.version, newest) === 0);
  settleFairShares(eligible, target);
  let free = target.filter(id => id === null).length;
  for (let shard = 0; shard < target.length; shard++) {
    if (target[shard] !== null) continue;
    const node = bestWithRoom(eligible, shard, free--);
    node.count++;
    target[shard] = node.id;
  }
  if (eligible.length === nodes.length) level(nodes, target, loadFactor);
  return target;
}

/** Shares of what these nodes have and are to get. */
function settleFairShares(nodes: readonly Node[], target: readonly (string | null)[]): void {
  const free = target.filter(id => id === null).length;
  const total = nodes.reduce((sum, node) => sum + node.count, free);
  const weight = nodes.reduce((sum, node) => sum + node.weight, 0);
  for (const node of nodes) node.fair = (total * node.weight) / weight;
}

/** @param free shards that are still nobody's, this one included */
function bestWithRoom(nodes: readonly Node[], shard: number, free: number): Node {
  let best: Node | null = null;
  let bestScore = 0;
  // who would come away with less than his share otherwise comes first
  const wanting = nodes.reduce((sum, node) => sum + Math.max(0, Math.floor(node.fair) - node.count), 0);
  const room = wanting >= free ? Math.floor : Math.ceil;
  for (const node of nodes) {
    if (node.count >= room(node.fair)) continue;
    const score = scoreOf(node, shard);
    if (best !== null && score <= bestScore) continue;
    best = node;
    bestScore = score;
  }
  // the shares add up to all shards, so somebody has room
  return best ?? nodes.reduce((least, node) => (spare(node) > spare(least) ? node : least));
}

const spare = (node: Node): number => node.fair - node.count;

/** Moves shards from who has too many to who has too few, until nobody has either. */
function level(nodes: readonly Node[], target: (string | null)[], loadFactor: number): void {
  const over = (node: Node): number => node.count - Math.ceil(node.fair * loadFactor);
  const under = (node: Node): number => Math.floor(node.fair / loadFactor) - node.count;
  const most = (measure: (node: Node) => number): Node =>
    nodes.reduce((best, node) => (measure(node) > measure(best) ? node : best));
  for (let moves = 0; moves < target.length; moves++) {
    const fullest = most(over);
    const emptiest = most(under);
    const isOver = over(fullest) > 0;
    const isUnder = under(emptiest) > 0;
    if (!isOver && !isUnder) return;
    const giver = isOver ? fullest : most(node => -spare(node));
    const taker = isUnder ? emptiest : most(spare);
    if (giver === taker || spare(giver) >= 0 || spare(taker) <= 0) return;
    const shard = mostWillingly(giver, taker, target);
    if (shard < 0) return;
    target[shard] = taker.id;
    giver.count--;
    taker.count++;
  }
}

/** Of the giver's shards the one that the taker scores highest for, relative to the giver. */
function mostWillingly(giver: Node, taker: Node, target: readonly (string | null)[]): number {
  let found = -1;
  let best = 0;
  for (let shard = 0; shard < target.length; shard++) {
    if (target[shard] !== giver.id) continue;
    const will = scoreOf(taker, shard) / scoreOf(giver, shard);
    if (found >= 0 && will <= best) continue;
    found = shard;
    best = will;
  }
  return found;
}

/** Positive when `a` is newer. Numbers in the text count as numbers (1.10 is newer than 1.9), the rest as text. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map(text => text.match(/\d+|\D+/g) ?? []);
  for (let i = 0; i < Math.max(left!.length, right!.length); i++) {
    const [x = '', y = ''] = [left![i], right![i]];
    if (x === y) continue;
    const difference = Number(x) - Number(y);
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
    return x < y ? -1 : 1;
  }
  return 0;
}
