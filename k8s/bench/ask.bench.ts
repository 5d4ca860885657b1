/**
 * What it costs to ask an actor: on another node over a real nats-server, with one ask under way and with many, beside a
 * bare `nc.request` of the same bytes between the same two processes in the same run; and on the same node.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startNats } from '../../infra/embedded/nats-process.ts';
import { findNatsServer } from '../../infra/embedded/nats-server.ts';
import type { Bench, Report } from '../bench.ts';
import { stopOnSignal } from '../swarm/cleanup.ts';
import { anySeed } from '../swarm/random.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { AskArgs, AskResult } from './ask.profile.ts';
import { localTurnsPerS } from './askLocal.ts';
import { figure, rounded, table } from './table.ts';

/** Enough that both processes always have something to do: with fewer, each waits for the other's burst. */
const MANY = 2_048;

/** Where `npm start` keeps a fetched nats-server too. */
const DATA_DIR = resolve('.data');

async function betweenProcesses(args: Omit<AskArgs, 'url'>, report: Report): Promise<AskResult> {
  mkdirSync(DATA_DIR, { recursive: true, mode: 0o700 });
  const { path, version } = await findNatsServer({ dataDir: DATA_DIR, env: process.env, log: report });
  report(`nats-server ${version}; two processes, ${figure(args.inFlight)} asks in flight`);
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-ask-'));
  const server = await startNats(path, dataDir, () => {});
  const stop = stopOnSignal(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  try {
    const swarm = new Swarm<AskResult | null>({
      profile: import.meta.resolve('./ask.profile.ts'),
      workers: 2,
      seed: anySeed(),
      args: () => ({ ...args, url: server.url }) satisfies AskArgs,
    });
    try {
      await swarm.pass('listening');
      await swarm.pass('measured');
      const { results } = await swarm.finished();
      return results.find(result => result !== null)!;
    } finally {
      await swarm.stop();
    }
  } finally {
    await stop();
  }
}

export const bench: Bench = {
  name: 'ask',
  description: 'asks between two node processes over NATS, beside bare nc.request; turns of local actors',
  run: async (report, args) => {
    const inFlight = numberArg(args, 'in-flight', MANY);
    const rounds = numberArg(args, 'rounds', 5);
    const seconds = numberArg(args, 'seconds', 2);
    const asked = await betweenProcesses({ inFlight, rounds, seconds }, report);
    const turns = await localTurnsPerS(1);
    report(
      table([
        ['asks per second, many in flight', figure(asked.asksPerS)],
        ['bare nc.request per second', figure(asked.rawPerS)],
        ['ratio', `${figure(asked.ratio, 2)}  (goal 3)`],
        ['ask p50, one in flight', `${figure(asked.p50Ms, 3)} ms`],
        [
          'bare p50, one in flight',
          `${figure(asked.rawP50Ms, 3)} ms  (ratio ${figure(asked.p50Ms / asked.rawP50Ms, 2)}, goal at most 1.5)`,
        ],
        ['ask p99, many in flight', `${figure(asked.p99Ms, 2)} ms`],
        ['turns of local actors per second', `${figure(turns)}  (goal 1,000,000)`],
        ['asks without an answer', String(asked.failed)],
      ]),
    );
    return {
      asks_per_s: Math.round(asked.asksPerS),
      raw_per_s: Math.round(asked.rawPerS),
      ratio: rounded(asked.ratio),
      p50_ms: rounded(asked.p50Ms, 4),
      raw_p50_ms: rounded(asked.rawP50Ms, 4),
      p99_ms: rounded(asked.p99Ms, 3),
      failed: asked.failed,
      local_turns_per_s: Math.round(turns),
      in_flight: inFlight,
      rounds,
    };
  },
};
