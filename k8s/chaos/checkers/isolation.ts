/**
 * I9: who has nothing to do with a sick node does not notice. While one node alone is sick, people whose phone is connected
 * elsewhere and whose actor lives elsewhere are answered, and not much later than in quiet times.
 */
import { shardOf } from '../../../protocol/index.ts';
import { type Checker, type Evidence, findings, quantile, type Spell, spellsOf } from '../evidence.ts';
import { type OpRecord, type OwnersRecord, opsOf } from '../history.ts';

/** Of fewer answers no quantile is taken. */
const ANSWERS_MIN = 100;
const SLOWER_MAX = 2;
/** Latencies below this are the machine's: processes share two cores with everything else, and p99 of a run is up to 210 ms. */
const LATENCY_MS_FLOOR = 500;

/** Spells in which one node alone is sick, cut where anything else begins. */
const lonely = (spells: readonly Spell[], nodes: ReadonlySet<string>): Spell[] =>
  spells.filter(
    one =>
      one.targets.length === 1 &&
      nodes.has(one.targets[0]!) &&
      spells.every(other => other === one || other.toMs < one.fromMs || other.fromMs > one.toMs),
  );

/**
 * Whether a node owned the shard at any time in between, as far as the maps say: one that is sick from its start is given its
 * shards while it is, and when it dies of it they are nobody's first.
 */
const everOwned = (
  maps: readonly OwnersRecord[],
  shard: number,
  node: string,
  fromMs: number,
  toMs: number,
) =>
  maps.some(
    (one, i) => one.owners[shard] === node && one.t_ms <= toMs && (maps[i + 1]?.t_ms ?? toMs + 1) > fromMs,
  );

/** Questions that had nothing to do with any sick node, and the latencies of quiet times. */
export const unaffected = ({ history, timeline }: Pick<Evidence, 'history' | 'timeline'>) => {
  const maps = history.records.filter(one => one.type === 'owners');
  const nodes = new Set(maps.flatMap(one => one.owners.filter(owner => owner !== null)));
  const spells = spellsOf(timeline);
  const asks = opsOf(history).filter(op => op.op === 'ask');
  const during: OpRecord[] = [];
  for (const spell of lonely(spells, nodes)) {
    const [sick] = spell.targets;
    for (const op of asks) {
      if (op.t_ms < spell.fromMs || op.answered_ms > spell.toMs || op.node === sick || op.node === null)
        continue;
      const isIll = everOwned(maps, shardOf('user', op.who), sick!, spell.fromMs, op.answered_ms);
      if (op.tries === 1 && !isIll) during.push(op);
    }
  }
  const quiet = asks.filter(op => spells.every(one => op.answered_ms < one.fromMs || op.t_ms > one.toMs));
  return { during, quiet };
};

export const isolation: Checker = evidence => {
  const { found, fail } = findings('I9');
  const { during, quiet } = unaffected(evidence);
  for (const op of during)
    if (op.outcome !== 'ok')
      fail('not isolated', `${op.who} asked ${op.node} at ${op.t_ms} ms, which was well: ${op.why}`);
  if (during.length < ANSWERS_MIN || quiet.length < ANSWERS_MIN) return found;
  const p99 = (ops: readonly OpRecord[]): number =>
    quantile(
      ops.map(op => op.latency_ms),
      0.99,
    )!;
  const mostMs = Math.max(LATENCY_MS_FLOOR, SLOWER_MAX * p99(quiet));
  if (p99(during) > mostMs)
    fail(
      'not isolated',
      `p99 was ${p99(during)} ms while another node was sick, and ${p99(quiet)} ms in quiet times`,
    );
  return found;
};
