/** I8: whatever came, nodes stayed alive and within their bounds, and nothing was left behind for publishers. */
import { type Checker, findings } from '../evidence.ts';

/** Of one node with everything it serves here; a pod of the chart gets a gigabyte. */
const RSS_MB_MAX = 1_024;
/** Of that, what the heap may take: `--max-old-space-size-percentage` of the same chart. */
const HEAP_MB_MAX = 0.7 * RSS_MB_MAX;
/** What one socket may hold back: the highest bucket of `rt_buffered_bytes`. */
const BUFFERED_BYTES_MAX = 262_144;

export const bounds: Checker = ({ history, state, crashes }) => {
  const { found, fail } = findings('I8');
  for (const words of crashes) fail('unbounded', `a node ended by itself: ${words}`);
  const worst = new Map<string, { rss: number; heap: number; buffered: number }>();
  for (const one of history.records) {
    if (one.type !== 'sample') continue;
    const before = worst.get(one.node) ?? { rss: 0, heap: 0, buffered: 0 };
    worst.set(one.node, {
      rss: Math.max(before.rss, one.rss_mb ?? 0),
      heap: Math.max(before.heap, one.heap_mb ?? 0),
      buffered: Math.max(before.buffered, one.buffered_max ?? 0),
    });
  }
  for (const [node, { rss, heap, buffered }] of worst) {
    if (rss > RSS_MB_MAX) fail('unbounded', `${node} held ${rss} MB`);
    if (heap > HEAP_MB_MAX) fail('unbounded', `the heap of ${node} held ${heap} MB`);
    if (buffered > BUFFERED_BYTES_MAX) fail('unbounded', `a socket of ${node} held ${buffered} bytes`);
  }
  if (state.outboxLeft > 0)
    fail('unbounded', `${state.outboxLeft} rows wait in the outbox, and nothing happens any more`);
  return found;
};
