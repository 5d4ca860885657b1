/**
 * A node stands still until others own its users, and wakes. What it had said to PostgreSQL before is still on the wire
 * and arrives first: the fence has something to refuse.
 */
import type { Fault } from '../fault.ts';

/** Commits collect on the wire for so long; the lease lives longer. */
const COLLECTS_MS = 800;
/** What was on the wire arrives and is refused, before it wakes. */
const REFUSED_MS = 1_000;
/** Longer than a lease and the takeover after it. */
const MS_MIN = 12_000;
const MS_MAX = 20_000;

export const zombie: Fault = {
  name: 'zombie',
  row: '2',
  weight: 3,
  reach: 'node',
  needs: ['pause', 'partition'],
  run: async ({ target, random, victim, lasts, hit, counted }) => {
    const node = victim();
    if (node === null) return;
    target.partition(node, 'postgres', 'toServer', 'drop');
    await lasts(COLLECTS_MS);
    const paused = target.pause(node);
    hit({ ...paused, what: `${paused.what}, with commits on its wire` });
    await lasts(random.between(MS_MIN, MS_MAX));
    counted(await target.heal(node, 'postgres'));
    await lasts(REFUSED_MS);
    counted(target.wake(node));
  },
};
