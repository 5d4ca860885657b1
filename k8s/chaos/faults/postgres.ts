/** PostgreSQL crashes and recovers, loses its backends, is slow, or has no room. */
import { summed } from '../../swarm/counts.ts';
import type { Fault } from '../fault.ts';

const RESTING_MS = 2_000;
const SLOW_MS = 500;
const SLOW_FOR_MS_MIN = 5_000;
const SLOW_FOR_MS_MAX = 12_000;
const FULL_FOR_MS_MIN = 4_000;
const FULL_FOR_MS_MAX = 10_000;

export const postgresRestart: Fault = {
  name: 'postgres-restart',
  row: '6a',
  weight: 1,
  reach: 'all',
  run: async ({ target, lasts, hit }) => {
    hit(await target.restartServer('postgres'));
    await lasts(RESTING_MS);
  },
};

export const postgresBackends: Fault = {
  name: 'postgres-backends',
  row: '6a',
  weight: 1,
  reach: 'all',
  run: async ({ target, lasts, hit }) => {
    hit(await target.terminateBackends());
    await lasts(RESTING_MS);
  },
};

export const postgresSlow: Fault = {
  name: 'postgres-slow',
  row: '6b',
  weight: 1,
  reach: 'all',
  needs: ['delay'],
  run: async ({ target, random, lasts, hit, counted }) => {
    const nodes = target.nodes.filter(node => node.isRunning);
    for (const node of nodes) target.delay(node, 'postgres', SLOW_MS);
    hit({
      targets: nodes.map(node => node.id),
      what: `PostgreSQL answers ${2 * SLOW_MS} ms later`,
      counts: {},
    });
    await lasts(random.between(SLOW_FOR_MS_MIN, SLOW_FOR_MS_MAX));
    const healed: Readonly<Record<string, number>>[] = [];
    for (const node of nodes) healed.push(await target.heal(node, 'postgres'));
    counted(summed(healed));
  },
};

export const diskFull: Fault = {
  name: 'disk-full',
  row: '6c',
  weight: 1,
  reach: 'all',
  needs: ['fillDisk'],
  run: async ({ target, random, lasts, hit }) => {
    try {
      hit(await target.fillDisk());
      await lasts(random.between(FULL_FOR_MS_MIN, FULL_FOR_MS_MAX));
    } finally {
      await target.freeDisk();
    }
  },
};
