/**
 * What a command costs from its frame to its answer: decoded, checked against its tuple and the scopes of the account,
 * executed by the user's actor under an idempotency key, the answer kept for a repeat and encoded. Beside it, in the same
 * run, an acknowledgement of Socket.IO that does nothing: with the same bytes as a binary attachment, and with its JSON.
 *
 * What the peer does not do: know who speaks, check anything, execute anything, keep an answer, do a repeat only once.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { Histogram } from '../swarm/histogram.ts';
import type { PhoneIdentity } from '../swarm/phone.ts';
import { GENERATOR_CORE } from '../swarm/pinning.ts';
import { anySeed } from '../swarm/random.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { CommandArgs, CommandWay, CommandWindow } from './command.profile.ts';
import { median } from './median.ts';
import { startPeer } from './peers/start.ts';
import { figure, rounded, table } from './table.ts';

const WAYS: readonly CommandWay[] = ['actor', 'binary', 'json'];

interface Round {
  readonly perCpuS: number;
  readonly perS: number;
  readonly window: CommandWindow;
}

const WARM_MS = 500;
const REST_MS = 200;

export const bench: Bench = {
  name: 'command',
  description: 'command to reply from 200 phones through the actor, beside a Socket.IO acknowledgement',
  run: async (report, args) => {
    const phones = numberArg(args, 'phones', 200);
    const rounds = numberArg(args, 'rounds', 3);
    const seconds = numberArg(args, 'seconds', 4);
    report(`${figure(phones)} phones with one command under way each; ${rounds} rounds of ${seconds} s`);
    const heyblue = await startPeer('heyblue', [String(phones)]);
    const socketio = await startPeer('socketio', []).catch(async error => {
      await heyblue.stop();
      throw error;
    });
    try {
      const swarm = new Swarm<null>({
        profile: import.meta.resolve('./command.profile.ts'),
        workers: 1,
        seed: anySeed(),
        args: () =>
          ({
            heyblue: heyblue.url,
            socketio: socketio.url,
            people: heyblue.people as readonly PhoneIdentity[],
          }) satisfies CommandArgs,
      });
      try {
        const pinned = swarm.pin(GENERATOR_CORE) && heyblue.pinned && socketio.pinned;
        if (!pinned) report('Not pinned to cores: there are too few of them, or there is no taskset.');
        await swarm.reached('ready');
        const run = async (way: CommandWay): Promise<Round> => {
          const server = way === 'actor' ? heyblue : socketio;
          swarm.go('ready', way);
          await swarm.reached('warm');
          await pause(WARM_MS);
          swarm.go('warm');
          await swarm.reached('begun');
          const cpuBegun = await server.cpuSeconds();
          const began = performance.now();
          await pause(seconds * 1_000);
          swarm.go('begun');
          await swarm.reached('ended');
          const cpu = (await server.cpuSeconds()) - cpuBegun;
          const took = (performance.now() - began) / 1_000;
          swarm.go('ended');
          await swarm.reached('idle');
          await pause(REST_MS);
          swarm.go('idle');
          const [window] = await swarm.reached<CommandWindow>('ready');
          return { perCpuS: window!.answered / cpu, perS: window!.answered / took, window: window! };
        };
        const all = new Map<CommandWay, Round[]>(WAYS.map(way => [way, []]));
        for (let round = 0; round < rounds; round++)
          for (const way of WAYS) all.get(way)!.push(await run(way));
        swarm.go('ready', null);
        const { load } = await swarm.finished();

        const perCpu = (way: CommandWay): number => median(all.get(way)!.map(round => round.perCpuS));
        const perS = (way: CommandWay): number => median(all.get(way)!.map(round => round.perS));
        const percentile = (way: CommandWay, percent: number): number =>
          median(
            all.get(way)!.map(({ window }) => {
              const latency = new Histogram();
              latency.add(window.latency);
              return latency.percentileMs(percent);
            }),
          );
        const refused = [...all.values()].flat().reduce((sum, { window }) => sum + window.refused, 0);
        const most = Math.max(
          load.utilization,
          ...[...all.values()].flat().map(({ window }) => window.load.utilization),
        );
        const row = (name: string, way: CommandWay): readonly [string, string] => [
          name,
          `${figure(perCpu(way)).padStart(9)} ${figure(perS(way)).padStart(9)} ${figure(percentile(way, 99), 1).padStart(8)} ms`,
        ];
        report(
          table([
            ['', 'per CPU s  per s      p99'],
            row('through the actor', 'actor'),
            row('Socket.IO, the same bytes', 'binary'),
            row('Socket.IO, its own JSON', 'json'),
            ['over Socket.IO', `${figure(perCpu('actor') / perCpu('binary'), 2)}  (goal 2)`],
            ['over Socket.IO with JSON', figure(perCpu('actor') / perCpu('json'), 2)],
            ['refused', String(refused)],
          ]),
        );
        return {
          per_s: Math.round(perS('actor')),
          per_cpu_s: Math.round(perCpu('actor')),
          socketio_per_s: Math.round(perS('binary')),
          socketio_per_cpu_s: Math.round(perCpu('binary')),
          socketio_json_per_cpu_s: Math.round(perCpu('json')),
          ratio_to_socketio: rounded(perCpu('actor') / perCpu('binary')),
          ratio_to_socketio_json: rounded(perCpu('actor') / perCpu('json')),
          p50_ms: rounded(percentile('actor', 50)),
          p99_ms: rounded(percentile('actor', 99)),
          socketio_p99_ms: rounded(percentile('binary', 99)),
          refused,
          phones,
          pinned,
          generator_saturated: most > 0.8,
          generator_utilization: rounded(most),
        };
      } finally {
        await swarm.stop();
      }
    } finally {
      await heyblue.stop();
      await socketio.stop();
    }
  },
};
