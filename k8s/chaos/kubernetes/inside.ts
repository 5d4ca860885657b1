/** What happens in the box for `npm run chaos -- --target kubernetes`: the cluster, and one run of chaos on it. */
import { bringUp, inBox, type Ordered } from '../../cluster/bringUp.ts';
import { FAULTS } from '../faults/index.ts';
import { LOAD_ENV } from '../load/limits.ts';
import { runChaos } from '../run.ts';
import { startKubernetes } from './kubernetesTarget.ts';

export interface Order extends Ordered {
  readonly seed: number;
  readonly minutes: number;
  /** By name. */
  readonly faults: readonly string[];
  readonly out: string;
}

const main = async (order: Order): Promise<boolean> => {
  const { seed, minutes, out } = order;
  const { daemons, plane, town } = await bringUp(order, LOAD_ENV);
  try {
    const { verdict } = await runChaos({
      ...{ seed, minutes, out, nodes: 3 },
      faults: FAULTS.filter(fault => order.faults.includes(fault.name)),
      log: line => console.log(line),
      start: () => startKubernetes(daemons, plane, town),
    });
    for (const words of daemons.ended) console.log(`wrong: ${words}`);
    return verdict.verdict === 'pass' && daemons.ended.length === 0;
  } finally {
    await daemons.stop();
  }
};

inBox(main);
