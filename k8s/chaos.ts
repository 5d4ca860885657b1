/**
 * `npm run chaos`: a cluster is broken under load by a seeded schedule and mended, and checkers look for what was lost,
 * doubled or told differently to two sides. The last line is one JSON object.
 */
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { HELP, readArguments } from './chaos/arguments.ts';
import { runFaults } from './chaos/driver.ts';
import { startProcesses } from './chaos/processes/processTarget.ts';
import type { FaultRecord } from './chaos/target.ts';
import { NEW_YORK } from './swarm/crowd.ts';
import { judge } from './swarm/judge.ts';
import { MeetingLoad } from './swarm/meetings.ts';
import { Random } from './swarm/random.ts';
import { seedPeople } from './swarm/seed.ts';

const QUIET_S = 20;
const COOLDOWN_H = 0.04;
const SERVED_MS_MAX = 45_000;

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1).padStart(7)} s`;

const show = ({ t_ms, phase, fault, what, counts }: FaultRecord): void => {
  const figures = Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
  console.log(
    `${seconds(t_ms)}  ${phase.padEnd(7)} ${fault}: ${what}${figures === '' ? '' : ` (${figures})`}`,
  );
};

const main = async (): Promise<number> => {
  const asked = readArguments(process.argv.slice(2));
  if (asked === null) {
    console.log(HELP);
    return 0;
  }
  if (typeof asked === 'string') {
    console.error(asked);
    return 2;
  }
  const { seed, minutes, nodes, faults } = asked;
  console.log(`seed ${seed}`);
  const out = resolve(asked.out);
  mkdirSync(out, { recursive: true });
  const timelineFile = join(out, 'timeline.jsonl');
  rmSync(timelineFile, { force: true });
  const random = new Random(seed);
  const target = await startProcesses({
    nodes,
    random: random.fork('target'),
    env: { HEYBLUE_COOLDOWN_H: String(COOLDOWN_H) },
    log: line => console.log(line),
  });
  try {
    const people = await seedPeople(target, { officers: 40, civilians: 160 });
    await target.steady();
    const load = new MeetingLoad({
      urls: target.nodes.map(node => node.urls.realtime),
      ...people,
      perS: 20,
      probesPerS: 20,
      random: random.fork('load'),
      centre: NEW_YORK,
      sideM: 600,
    });
    await load.connect();
    load.start();
    const timeline = await runFaults(
      target,
      { seed, random: random.fork('faults'), minutes, faults, quietS: QUIET_S },
      {
        onRecord: record => {
          show(record);
          appendFileSync(timelineFile, `${JSON.stringify(record)}\n`);
        },
      },
    );
    await load.settle();
    const notServed = await load.notServed(SERVED_MS_MAX);
    const verdict = await judge(target.stores.databaseUrl, load, COOLDOWN_H);
    load.end();
    const problems = [
      ...verdict.problems,
      ...load.problems,
      ...target.crashes,
      ...timeline.problems,
      ...(timeline.unsteady === null ? [] : [timeline.unsteady]),
      ...notServed.map(one => `not served: ${one}`),
    ];
    const isFine = problems.length === 0 && verdict.lost + verdict.doubled + verdict.interleaved === 0;
    if (!isFine) target.keepLogs(join(out, 'logs'));
    const result = { seed, minutes, ...verdict, problems, verdict: isFine ? 'pass' : 'fail' };
    writeFileSync(join(out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
    console.log(JSON.stringify(result));
    return isFine ? 0 : 1;
  } finally {
    await target.stop();
  }
};

process.exitCode = await main();
