/** What happens in the box for `npm run kubernetes`: the cluster, the trials, the report. `box.ts` starts it. */
import { readdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Asked } from './arguments.ts';
import { bringUp, inBox, log, type Ordered } from './bringUp.ts';
import { underLoad } from './load.ts';
import { judgeFigures, type Run, renderReport, type Tried } from './report.ts';
import { lastWords } from './town.ts';
import { TRIALS } from './trials.ts';

export interface Order extends Ordered {
  readonly asked: Asked;
  readonly commit: string;
}

const main = async (order: Order): Promise<boolean> => {
  const { asked, images, objects } = order;
  const up = await bringUp(order);
  const { daemons, plane, town, ground } = up;
  try {
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
      upS: up.upS,
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

inBox(main);
