/** NATS is restarted, is away for everybody for a while, or begins again with nothing. */
import { summed } from '../../swarm/counts.ts';
import type { Fault } from '../fault.ts';

const AWAY_MS_MIN = 5_000;
const AWAY_MS_MAX = 20_000;
const RESTING_MS = 3_000;

export const natsRestart: Fault = {
  name: 'nats-restart',
  row: '4',
  weight: 1,
  reach: 'all',
  run: async ({ target, lasts, hit }) => {
    hit(await target.restartServer('nats'));
    await lasts(RESTING_MS);
  },
};

export const natsAway: Fault = {
  name: 'nats-away',
  row: '4',
  weight: 1,
  reach: 'all',
  needs: ['partition'],
  run: async ({ target, random, lasts, hit, counted }) => {
    const mode = random.pick(['drop', 'reset'] as const);
    const ms = random.between(AWAY_MS_MIN, AWAY_MS_MAX);
    const nodes = target.nodes.filter(node => node.isRunning);
    for (const node of nodes) target.partition(node, 'nats', 'both', mode);
    hit({
      targets: nodes.map(node => node.id),
      what: `NATS is away for everybody (${mode}) for ${(ms / 1_000).toFixed(1)} s`,
      counts: {},
    });
    await lasts(ms);
    const healed: Readonly<Record<string, number>>[] = [];
    for (const node of nodes) healed.push(await target.heal(node, 'nats'));
    counted(summed(healed));
    await lasts(RESTING_MS);
  },
};

export const natsDataLoss: Fault = {
  name: 'nats-data-loss',
  row: '5',
  weight: 1,
  reach: 'all',
  needs: ['loseData'],
  run: async ({ target, lasts, hit }) => {
    hit(await target.loseData('nats'));
    await lasts(2 * RESTING_MS);
  },
};
