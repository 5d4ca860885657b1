/**
 * How many positions a core of the server handles: real WebSockets, real actors, real matcher, city density, one in
 * fifteen an officer. Beside it, in the same run and with the same bytes, a bare uWebSockets server that only echoes.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { NEW_YORK } from '../swarm/crowd.ts';
import { Histogram } from '../swarm/histogram.ts';
import { startLoadTown } from '../swarm/loadTown.ts';
import { OFFICER_SHARE } from '../swarm/parts.ts';
import { cpuSecondsOf, procCpuSeconds } from '../swarm/processCost.ts';
import { anySeed } from '../swarm/random.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm, type SwarmResult } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { EchoArgs } from './echo.profile.ts';
import { startEchoServer } from './echoServer.ts';
import type { LocationArgs, LocationResult } from './location.profile.ts';
import { figure, rounded, table } from './table.ts';

/** People with the app in use per square kilometre of a city: one in twenty of New York's 10,600. */
const PER_KM2 = 530;
const WARM_MS = 3_000;

interface Measured<R> {
  readonly handled: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly swarm: SwarmResult<R>;
}

/** Warm up, then count what was handled and what CPU it took over `seconds`. */
const measure = async <R>(
  swarm: Swarm<R>,
  cpu: () => Promise<number>,
  seconds: number,
): Promise<Measured<R>> => {
  await swarm.pass('connected');
  await swarm.reached('warm');
  await pause(Math.min(WARM_MS, seconds * 1000));
  swarm.go('warm');
  const begun = await swarm.reached<number>('begun');
  const cpuBegun = await cpu();
  const began = performance.now();
  await pause(seconds * 1000);
  swarm.go('begun');
  const ended = await swarm.reached<number>('ended');
  const cpuEnded = await cpu();
  const took = (performance.now() - began) / 1000;
  swarm.go('ended');
  const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
  const result = await swarm.finished();
  return { handled: sum(ended) - sum(begun), seconds: took, cpuSeconds: cpuEnded - cpuBegun, swarm: result };
};

export const bench: Bench = {
  name: 'location',
  description:
    'positions through real WebSockets into actors and matcher, per second of server CPU, beside a bare echo',
  run: async (report, args) => {
    const phones = numberArg(args, 'phones', 2_000);
    const seconds = numberArg(args, 'seconds', 10);
    const seed = numberArg(args, 'seed', anySeed());
    const workers = numberArg(args, 'workers', 1);
    report(
      `Seed ${seed}; ${figure(phones)} phones, ${workers} generator process(es), ${seconds} s after ${WARM_MS / 1000} s of warm-up`,
    );
    const sideM = Math.sqrt(phones / PER_KM2) * 1000;
    const place = { centre: NEW_YORK, sideM };
    const share = Math.ceil(phones / workers);

    const town = await startLoadTown({ env: { HEYBLUE_LOCATION_RATE: '1000000' } });
    let positions: Measured<LocationResult>;
    try {
      const officers = Math.round(phones * OFFICER_SHARE);
      const people = await seedPeople(town, { officers, civilians: phones - officers });
      const all = [...people.officers, ...people.civilians];
      // Every worker gets its part of the officers.
      const of = (index: number) => all.filter((_, i) => i % workers === index);
      const swarm = new Swarm<LocationResult>({
        profile: import.meta.resolve('./location.profile.ts'),
        workers,
        seed,
        args: index => ({ url: town.node.urls.realtime, people: of(index), ...place }) satisfies LocationArgs,
      });
      try {
        positions = await measure(swarm, () => cpuSecondsOf(town.node.pid, town.node.urls.admin), seconds);
      } finally {
        await swarm.stop();
      }
    } finally {
      await town.stop();
    }

    const server = await startEchoServer();
    let echo: Measured<null>;
    try {
      const swarm = new Swarm<null>({
        profile: import.meta.resolve('./echo.profile.ts'),
        workers,
        seed,
        args: () => ({ url: server.url, sockets: share, ...place }) satisfies EchoArgs,
      });
      try {
        echo = await measure(
          swarm,
          async () => procCpuSeconds(server.pid) ?? Number.NaN,
          Math.min(seconds, 5),
        );
      } finally {
        await swarm.stop();
      }
    } finally {
      await server.stop();
    }

    const latency = new Histogram();
    for (const result of positions.swarm.results) latency.add(result.latency);
    const total = (of: (r: LocationResult) => number) =>
      positions.swarm.results.reduce((a, r) => a + of(r), 0);
    const perCpu = positions.handled / positions.cpuSeconds;
    const echoPerCpu = echo.handled / echo.cpuSeconds;
    const saturated = positions.swarm.saturated || echo.swarm.saturated;
    report(
      table([
        ['positions per server CPU second', `${figure(perCpu)}  (goal 25,000)`],
        ['echoes per server CPU second', figure(echoPerCpu)],
        ['share of the bare echo', `${figure((100 * perCpu) / echoPerCpu, 1)} %`],
        ['positions per second of wall time', figure(positions.handled / positions.seconds)],
        ['server cores in use', figure(positions.cpuSeconds / positions.seconds, 2)],
        [
          'round trip p50, p99',
          `${figure(latency.percentileMs(50), 1)} ms, ${figure(latency.percentileMs(99), 1)} ms`,
        ],
        ['refused, closed', `${total(r => r.refused)}, ${total(r => r.closed)}`],
      ]),
    );
    if (saturated)
      report('The generator was at its limit; it does not touch the figures per server CPU second.');
    return {
      positions_per_s: Math.round(perCpu),
      echo_per_s: Math.round(echoPerCpu),
      ratio_to_echo: rounded(perCpu / echoPerCpu),
      positions_per_wall_s: Math.round(positions.handled / positions.seconds),
      echo_per_wall_s: Math.round(echo.handled / echo.seconds),
      server_cores: rounded(positions.cpuSeconds / positions.seconds),
      p50_ms: rounded(latency.percentileMs(50)),
      p99_ms: rounded(latency.percentileMs(99)),
      refused: total(r => r.refused),
      closed: total(r => r.closed),
      phones,
      seed,
      generator_saturated: saturated,
      generator_utilization: rounded(positions.swarm.load.utilization),
    };
  },
};
