/** One run of chaos on a Kubernetes of its own (k8s/cluster), which is built when it is not there. */
import { readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runInBox } from '../../cluster/box.ts';
import { overlayObjects } from '../../cluster/overlay.ts';
import { prepare } from '../../cluster/prepare.ts';
import { unable } from '../../cluster/tools.ts';
import type { Fault } from '../fault.ts';
import type { RunVerdict } from '../run.ts';
import type { Order } from './inside.ts';

const INSIDE = fileURLToPath(new URL('./inside.ts', import.meta.url));

export interface KubernetesPlan {
  readonly seed: number;
  readonly minutes: number;
  readonly faults: readonly Fault[];
  readonly out: string;
  /** Cache of what is fetched and built. */
  readonly work: string;
  readonly log: (line: string) => void;
}

/** @throws Error in one sentence when this machine cannot, or the run did not come to a verdict */
export const runOnKubernetes = async (plan: KubernetesPlan): Promise<RunVerdict> => {
  const why = unable();
  if (why !== null) throw new Error(why);
  const { seed, minutes, work, log } = plan;
  const images = await prepare(work, log);
  const out = resolve(plan.out);
  const file = join(out, 'verdict.json');
  rmSync(file, { force: true });
  const faults = plan.faults.map(fault => fault.name);
  const objects = overlayObjects('compat-1.20');
  const order = { seed, minutes, faults, out, work, images, objects };
  const code = await runInBox<Order>(INSIDE, order);
  try {
    const verdict = JSON.parse(readFileSync(file, 'utf8')) as RunVerdict;
    // a program of the cluster that ended by itself
    return code === 0 ? verdict : { ...verdict, verdict: 'fail' };
  } catch {
    throw new Error('The run on Kubernetes came to no verdict.');
  }
};
