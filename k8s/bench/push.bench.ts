/**
 * What an event to one phone costs: ours by the whole way from the actor to the socket and by the gateway alone, beside
 * `ws` and Socket.IO with the same bytes. All servers stand side by side, each with all its phones; one after the other
 * gets a window, round after round, so that a slow minute of the machine is everybody's.
 *
 * What the peers do not do: a `ws` server knows neither who is there nor what they have heard; Socket.IO numbers nothing
 * and keeps nothing for a phone that was away. Ours gives each event its place, keeps it until the phone has it, hears
 * the acknowledgements, and lets go of a phone that does not read.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { Histogram } from '../swarm/histogram.ts';
import type { PhoneIdentity } from '../swarm/phone.ts';
import { GENERATOR_CORE } from '../swarm/pinning.ts';
import { anySeed } from '../swarm/random.ts';
import { isSaturated } from '../swarm/saturation.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import { median } from './median.ts';
import type { Driven } from './peers/server.ts';
import { type PeerName, type PeerServer, startPeer } from './peers/start.ts';
import type { Next, PushArgs, Said, Target, Window } from './push.profile.ts';
import { figure, rounded, table } from './table.ts';

/** What is compared: which server, and how it pushes. */
const WAYS = {
  actor: 'heyblue',
  sockets: 'heyblue',
  send: 'ws',
  binary: 'socketio',
  json: 'socketio',
} as const satisfies Record<string, PeerName>;
type WayName = keyof typeof WAYS;
const NAMES = Object.keys(WAYS) as WayName[];

interface Round {
  readonly driven: Driven;
  readonly window: Window;
}

/** Between windows: what the last one left is collected in nobody's time. */
const REST_MS = 300;

export const bench: Bench = {
  name: 'push',
  description: 'events to 5,000 phones, each its own, per second of server CPU, beside ws and Socket.IO',
  run: async (report, args) => {
    const phones = numberArg(args, 'phones', 5_000);
    const rounds = numberArg(args, 'rounds', 3);
    const seconds = numberArg(args, 'seconds', 2);
    const perS = numberArg(args, 'rate', 10_000);
    report(
      `${figure(phones)} phones at each of three servers; ${rounds} rounds of ${seconds} s, then ${figure(perS)} events/s`,
    );
    const servers = new Map<PeerName, PeerServer>();
    try {
      for (const name of new Set(Object.values(WAYS)))
        servers.set(name, await startPeer(name, [String(phones)]));
      const targets = [...servers].map(
        ([peer, { url, people }]): Target => ({
          peer,
          url,
          phones,
          people: people as readonly PhoneIdentity[] | null,
        }),
      );
      const swarm = new Swarm<null>({
        profile: import.meta.resolve('./push.profile.ts'),
        workers: 1,
        seed: anySeed(),
        args: () => ({ targets }) satisfies PushArgs,
      });
      try {
        const pinned = swarm.pin(GENERATOR_CORE) && [...servers.values()].every(server => server.pinned);
        if (!pinned) report('Not pinned to cores: there are too few of them, or there is no taskset.');
        await swarm.reached('ready');
        const run = async (way: WayName, rate: number | null, s: number): Promise<Round> => {
          await pause(REST_MS);
          swarm.go('ready', { acks: way === 'actor' } satisfies Next);
          await swarm.reached('counting');
          const driven = await servers.get(WAYS[way])!.drive({ way, phones, perS: rate, seconds: s });
          swarm.go('counting', { sent: driven.sent } satisfies Said);
          const [window] = await swarm.reached<Window>('ready');
          return { driven, window: window! };
        };
        for (const way of NAMES) await run(way, null, seconds);
        const full = new Map(NAMES.map(way => [way, [] as Round[]]));
        for (let round = 0; round < rounds; round++)
          for (const way of NAMES) full.get(way)!.push(await run(way, null, seconds));
        const calm = new Map<WayName, Round[]>(NAMES.map(way => [way, []]));
        for (let round = 0; round < rounds; round++)
          for (const way of NAMES) calm.get(way)!.push(await run(way, perS, seconds));
        swarm.go('ready', null);
        await swarm.finished();

        const perCpu = (way: WayName): number =>
          median(full.get(way)!.map(({ driven }) => driven.sent / driven.cpuSeconds));
        const wall = (way: WayName): number =>
          median(full.get(way)!.map(({ window }) => window.received / window.seconds));
        const p99 = (way: WayName): number => {
          const all = calm.get(way)!.map(({ window }) => {
            const latency = new Histogram();
            latency.add(window.latency);
            return latency.percentileMs(99);
          });
          return median(all);
        };
        const everything = [...full.values(), ...calm.values()].flat();
        const lostBy = (way: WayName): number =>
          [...full.get(way)!, ...calm.get(way)!].reduce(
            (sum, { driven, window }) => sum + driven.sent - window.received,
            0,
          );
        const lost = lostBy('actor') + lostBy('sockets');
        const peersLost = lostBy('send') + lostBy('binary') + lostBy('json');
        const calmLoads = [...calm.values()].flat().map(({ window }) => window.load);
        const saturated = calmLoads.some(isSaturated);
        const most = Math.max(...everything.map(({ window }) => window.load.utilization));
        const row = (name: string, way: WayName): readonly [string, string] => [
          name,
          `${figure(perCpu(way)).padStart(9)} ${figure(wall(way)).padStart(9)} ${figure(p99(way), 2).padStart(8)} ms`,
        ];
        report(
          table([
            ['', 'per CPU s  per s      p99'],
            row('actor to socket', 'actor'),
            row('gateway alone', 'sockets'),
            row('ws', 'send'),
            row('Socket.IO, the same bytes', 'binary'),
            row('Socket.IO, its own JSON', 'json'),
            ['over Socket.IO', `${figure(perCpu('actor') / perCpu('binary'), 2)}  (goal 2)`],
            ['over Socket.IO with JSON', figure(perCpu('actor') / perCpu('json'), 2)],
            ['over ws', `${figure(perCpu('actor') / perCpu('send'), 2)}  (goal 1)`],
            ['lost, by the others', `${lost}  (goal 0), ${peersLost}`],
          ]),
        );
        if (most > 0.8)
          report(
            'At full rate the generator was at its limit; it does not touch the figures per CPU second.',
          );
        return {
          per_s: Math.round(wall('actor')),
          per_cpu_s: Math.round(perCpu('actor')),
          gateway_per_s: Math.round(wall('sockets')),
          gateway_per_cpu_s: Math.round(perCpu('sockets')),
          ws_per_s: Math.round(wall('send')),
          ws_per_cpu_s: Math.round(perCpu('send')),
          socketio_per_s: Math.round(wall('binary')),
          socketio_per_cpu_s: Math.round(perCpu('binary')),
          socketio_json_per_cpu_s: Math.round(perCpu('json')),
          ratio_to_socketio: rounded(perCpu('actor') / perCpu('binary')),
          ratio_to_socketio_json: rounded(perCpu('actor') / perCpu('json')),
          ratio_to_ws: rounded(perCpu('actor') / perCpu('send')),
          p99_ms: rounded(p99('actor')),
          gateway_p99_ms: rounded(p99('sockets')),
          ws_p99_ms: rounded(p99('send')),
          socketio_p99_ms: rounded(p99('binary')),
          paced_per_s: perS,
          lost,
          peers_lost: peersLost,
          phones,
          pinned,
          generator_saturated: saturated,
          generator_utilization: rounded(most),
        };
      } finally {
        await swarm.stop();
      }
    } finally {
      for (const server of servers.values()) await server.stop();
    }
  },
};
