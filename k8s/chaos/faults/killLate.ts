/**
 * A node is killed while what it said to PostgreSQL to commit is still on its way, for seconds: whatever it let out before that
 * arrived was a promise of nobody. It arrives when others own its users, and is refused. Reads come through meanwhile, so that
 * its people go on and much is waiting when it dies.
 */
import type { Fault } from '../fault.ts';

/** Commits collect on the wire for so long; phones are patient for 3 s (k8s/swarm/roaming.ts). */
const COLLECTS_MS_MIN = 2_500;
const COLLECTS_MS_MAX = 3_500;
/** Longer than a lease and the takeover after it. */
const AWAY_MS_MIN = 12_000;
const AWAY_MS_MAX = 16_000;

export const killLate: Fault = {
  name: 'kill-late',
  row: '1',
  weight: 1,
  reach: 'node',
  needs: ['keepCommits'],
  run: async ({ target, random, victim, lasts, hit, counted }) => {
    const node = victim();
    if (node === null) return;
    target.keepCommits(node);
    await lasts(random.between(COLLECTS_MS_MIN, COLLECTS_MS_MAX));
    const killed = await target.kill(node);
    hit({ ...killed, what: `${killed.what}, with commits on its wire` });
    await lasts(random.between(AWAY_MS_MIN, AWAY_MS_MAX));
    counted(await target.heal(node, 'postgres'));
    await target.start(node);
  },
};
