/**
 * I12: every movement in PostgreSQL reached the stream at least once and as it is, nothing else did, and the first
 * appearances of the events of one person are in their order. Repeats are allowed: consumers know them by their id.
 */
import { type Checker, findings } from '../evidence.ts';
import type { FinalState, StreamEvent } from '../stores.ts';

/** Events that are movements; the others tell of what is around them. */
const MOVES = /^(encounter|points)\./;

const legsOf = (legs: readonly { readonly account: string; readonly delta: number }[]): string =>
  legs
    .map(({ account, delta }) => `${account}:${delta}`)
    .sort()
    .join(',');

/** Records beyond the first of each event. */
export const repeatsOf = ({ streams }: FinalState): number => {
  const all = streams.flat();
  return all.length - new Set(all.map(one => one.id)).size;
};

export const streams: Checker = ({ state }) => {
  const { found, fail } = findings('I12');
  const events = new Map<string, StreamEvent>();
  const newest = new Map<string, number>();
  for (const shard of state.streams) {
    for (const event of shard) {
      if (events.has(event.id)) continue;
      events.set(event.id, event);
      const before = newest.get(event.subject) ?? -1;
      if (event.seq <= before)
        fail(
          'stream',
          `event ${event.id} of ${event.subject} (${event.seq}) came after a later one (${before})`,
        );
      newest.set(event.subject, Math.max(before, event.seq));
    }
  }
  const stored = new Set<string>();
  for (const { id, postings } of state.transfers) {
    stored.add(id);
    const event = events.get(id);
    if (event === undefined) fail('stream', `transfer ${id} is not in the stream`);
    else if (legsOf(event.legs) !== legsOf(postings))
      fail('stream', `transfer ${id} stands differently in the stream`);
  }
  for (const { id, type } of events.values())
    if (MOVES.test(type) && !stored.has(id)) fail('stream', `event ${id} (${type}) has no transfer`);
  return found;
};
