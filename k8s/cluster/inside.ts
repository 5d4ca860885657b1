/**
 * What happens in the box: network, control plane, machines, the town, the trials, the report. `box.ts` starts it, and
 * wants no more of it when its stdin ends.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { rounded } from '../bench/table.ts';
import type { Asked } from './arguments.ts';
import { startControlPlane } from './controlPlane.ts';
import { Daemons } from './daemons.ts';
import type { Image } from './images.ts';
import { underLoad } from './load.ts';
import { containerdUp, importImage, machinesReady, startMachine, startProxy } from './machine.ts';
import { layNetwork, MACHINES } from './network.ts';
import { judgeFigures, type Run, renderReport, type Tried } from './report.ts';
import { toolsIn } from './tools.ts';
import { type KubeObject, lastWords, startKubernetesTown } from './town.ts';
import { TRIALS } from './trials.ts';

/** What the outside found out for the inside. */
export interface Order {
  readonly asked: Asked;
  /** Folder of this run. */
  readonly folder: string;
  readonly cgroup: string;
  readonly images: readonly Image[];
  readonly objects: KubeObject[];
  readonly commit: string;
}

const log = (line: string): void => console.error(`kubernetes: ${line}`);

const main = async (order: Order): Promise<boolean> => {
  const { asked, images, objects } = order;
  const daemons = new Daemons(toolsIn(asked.work), order.folder);
  const began = performance.now();
  const sinceS = (): number => rounded((performance.now() - began) / 1_000, 1);
  // the first process of the box goes with us, and the kernel takes everything else in it
  process.stdin.resume().once('end', () => process.exit(1));
  try {
    layNetwork(daemons);
    const plane = await startControlPlane(daemons);
    const control = sinceS();
    log(`the API server is up after ${control} s`);
    for (const machine of MACHINES) startMachine(daemons, plane, machine, order.cgroup);
    startProxy(daemons, plane, 'control', null);
    for (const machine of MACHINES) {
      await containerdUp(daemons, machine);
      for (const { archive } of images) importImage(daemons, machine, archive);
    }
    await machinesReady(daemons, plane, MACHINES.length);
    const machines = sinceS();
    log(`${MACHINES.length} machines are Ready after ${machines} s`);
    const [drained, servers] = MACHINES as readonly [(typeof MACHINES)[0], (typeof MACHINES)[0]];
    const town = await startKubernetesTown(daemons, plane, objects, servers.name).catch(error => {
      log(lastWords(daemons, plane));
      throw error;
    });
    const up = sinceS();
    log(`three pods are Ready after ${up} s: ${town.realtime}`);
    const ground = { daemons, plane, drainable: drained.name, others: [servers.name] };
    const tried: Tried[] = [];
    for (const trial of TRIALS.filter(one => asked.trials.includes(one.name))) {
      await trial.prepare?.(ground);
      log(`${trial.name}: ${trial.what}`);
      let saw: Tried['saw'] = {};
      try {
        const figures = await underLoad(town, asked, async () => {
          saw = await trial.run(ground);
        });
        const wrong = judgeFigures(figures, trial.mayFail);
        tried.push({ name: trial.name, what: trial.what, mayFail: trial.mayFail, figures, saw, wrong });
        const { commands, lost, doubled, failed, seconds } = figures;
        log(
          `  ${commands} commands in ${seconds} s: ${lost} lost, ${doubled} doubled, ${failed} failed ${JSON.stringify(saw)}`,
        );
        for (const one of wrong) log(`  WRONG: ${one}`);
      } catch (error) {
        log(lastWords(daemons, plane));
        throw error;
      }
    }
    const run: Run = {
      commit: order.commit,
      date: new Date().toISOString().slice(0, 10),
      seed: asked.seed,
      phones: asked.phones,
      perS: asked.perS,
      asksPerS: asked.asksPerS,
      machine: `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
      versions: versionsOf(asked.work),
      images: images.map(({ name, sizeMb }) => ({ name: name.replace(/^.*\//, ''), sizeMb })),
      upS: { control, machines, town: up },
      objects: objects.map(one => `${one.kind} ${one.metadata.name}`),
      memoryMb: daemons.memoryMb(),
      tried,
      verdict: tried.every(one => one.wrong.length === 0) && daemons.ended.length === 0 ? 'pass' : 'fail',
    };
    if (asked.report !== null) writeFileSync(asked.report, renderReport(run));
    console.log(JSON.stringify(resultOf(run, daemons.ended)));
    if (asked.hold) {
      log('it stays until Ctrl-C');
      await pause(2 ** 31 - 1);
    }
    return run.verdict === 'pass';
  } finally {
    await daemons.stop();
  }
};

/** From the names of Debian's packages. */
const versionsOf = (work: string): string[] =>
  [
    ['Kubernetes', 'src', /^kubernetes_(.*)\.dsc$/],
    ['etcd', 'debs', /^etcd-server_(.*)_/],
    ['containerd', 'debs', /^containerd_(.*)_/],
    ['runc', 'debs', /^runc_(.*)_/],
  ].map(([name, folder, pattern]) => {
    const found = readdirSync(join(work, folder as string)).map(one => (pattern as RegExp).exec(one)?.[1]);
    return `${name} ${found.find(one => one !== undefined) ?? 'unknown'}`;
  });

/** The last line. */
const resultOf = (run: Run, ended: readonly string[]) => {
  const sum = (of: 'commands' | 'lost' | 'doubled' | 'failed'): number =>
    run.tried.reduce((all, one) => all + one.figures[of], 0);
  return {
    seed: run.seed,
    commit: run.commit,
    commands: sum('commands'),
    lost: sum('lost'),
    doubled: sum('doubled'),
    failed: sum('failed'),
    trials: run.tried.map(({ name, figures, saw, wrong }) => ({ name, ...figures, saw, wrong })),
    up_s: run.upS,
    ended,
    verdict: run.verdict,
  };
};

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('box.ts starts this');
main(JSON.parse(readFileSync(file, 'utf8')) as Order)
  .then(passed => process.exit(passed ? 0 : 1))
  .catch(error => {
    console.error(error instanceof Error ? `kubernetes: ${error.message}` : error);
    process.exit(1);
  });
