/**
 * The cluster with the town on it, from nothing, inside of the box (box.ts): network, control plane, two machines, three
 * pods that are Ready.
 */
import { readFileSync } from 'node:fs';
import { rounded } from '../bench/table.ts';
import { type ControlPlane, startControlPlane } from './controlPlane.ts';
import { Daemons } from './daemons.ts';
import type { Image } from './images.ts';
import { containerdUp, importImage, machinesReady, startMachine, startProxy } from './machine.ts';
import { layNetwork, MACHINES } from './network.ts';
import { toolsIn } from './tools.ts';
import { type KubeObject, type KubernetesTown, lastWords, startKubernetesTown } from './town.ts';
import type { Ground } from './trials.ts';

/** What the outside found out for the inside. */
export interface Ordered {
  /** Cache of what was fetched and built. */
  readonly work: string;
  /** Folder of this run. */
  readonly folder: string;
  readonly cgroup: string;
  readonly images: readonly Image[];
  readonly objects: KubeObject[];
}

export interface Up {
  readonly daemons: Daemons;
  readonly plane: ControlPlane;
  readonly town: KubernetesTown;
  readonly ground: Ground;
  /** Seconds until this stood. */
  readonly upS: { readonly control: number; readonly machines: number; readonly town: number };
}

export const log = (line: string): void => console.error(`kubernetes: ${line}`);

/**
 * @param settings of the nodes, on top of those of the overlay
 * @throws Error with what did not come up; nothing of it runs any more then
 */
export const bringUp = async (
  { work, folder, cgroup, images, objects }: Ordered,
  settings: Readonly<Record<string, string>> = {},
): Promise<Up> => {
  const daemons = new Daemons(toolsIn(work), folder);
  const began = performance.now();
  const sinceS = (): number => rounded((performance.now() - began) / 1_000, 1);
  try {
    layNetwork(daemons);
    const plane = await startControlPlane(daemons);
    const control = sinceS();
    log(`the API server is up after ${control} s`);
    for (const machine of MACHINES) startMachine(daemons, plane, machine, cgroup);
    startProxy(daemons, plane, 'control', null);
    for (const machine of MACHINES) {
      await containerdUp(daemons, machine);
      for (const { archive } of images) importImage(daemons, machine, archive);
    }
    await machinesReady(daemons, plane, MACHINES.length);
    const machines = sinceS();
    log(`${MACHINES.length} machines are Ready after ${machines} s`);
    const [drained, servers] = MACHINES as readonly [(typeof MACHINES)[0], (typeof MACHINES)[0]];
    const town = await startKubernetesTown(daemons, plane, objects, servers.name, settings).catch(error => {
      log(lastWords(daemons, plane));
      throw error;
    });
    const upS = { control, machines, town: sinceS() };
    log(`three pods are Ready after ${upS.town} s: ${town.realtime}`);
    const ground = { daemons, plane, drainable: drained.name, others: [servers.name] };
    return { daemons, plane, town, ground, upS };
  } catch (error) {
    await daemons.stop();
    throw error;
  }
};

/** The program of a box: takes its order, ends with 0 when all was well, and with the box when nobody wants it any more. */
export const inBox = <O>(main: (order: O) => Promise<boolean>): void => {
  // the first process of the box goes with us, and the kernel takes everything else in it
  process.stdin.resume().once('end', () => process.exit(1));
  const [file] = process.argv.slice(2);
  if (file === undefined) throw new Error('box.ts starts this');
  main(JSON.parse(readFileSync(file, 'utf8')) as O)
    .then(passed => process.exit(passed ? 0 : 1))
    .catch(error => {
      console.error(error instanceof Error ? `kubernetes: ${error.message}` : error);
      process.exit(1);
    });
};
