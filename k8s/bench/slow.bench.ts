/**
 * What phones cost that do not read: a hundredth, a tenth and all of them stop while events and volatile frames go on.
 * Memory of the server for each, and how late events come to the others. Each slow phone must be let go with 4102, come
 * back where it was, and miss nothing.
 *
 * Memory is the resident set of the server after a collection: when the last slow phone has been let go and none of them
 * has read yet, so that all that was ever kept for them is still there, less the same under the same load while all read,
 * per slow phone. What the kernels hold stands in no process; it is read from their table of
 * connections (queued to send at the server, and queued to be read at the phones) and told beside it. An application
 * cannot make receive buffers small here, so the kernel takes some megabytes for each phone before the server is asked.
 *
 * Both windows are as long as it takes until the slow are let go, about 14 s at this load, so that as many collections of
 * the server fall into each. Every share has a server of its own: memory that one run freed would be there for the next.
 * The hundredth of the events that comes latest waited for a collection or for a neighbour of the machine, so one pair of
 * windows says little about the slow: where there are others, there are several pairs, and the middle ratio counts.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.ts';
import { Histogram } from '../swarm/histogram.ts';
import type { PhoneIdentity } from '../swarm/phone.ts';
import { GENERATOR_CORE } from '../swarm/pinning.ts';
import { anySeed } from '../swarm/random.ts';
import { isSaturated } from '../swarm/saturation.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import { median } from './median.ts';
import type { Load, Memory, Told } from './peers/load.ts';
import { type PeerServer, startPeer } from './peers/start.ts';
import type { Heard, SlowArgs, SlowResult } from './slow.profile.ts';
import { figure, rounded, table } from './table.ts';

const WARM_MS = 3_000;
const CALM_MS = 1_000;
const SAMPLE_MS = 100;
/** Whoever is not let go by then is not going to be. */
const CLOSED_MS_MAX = 30_000;
/** Enough that the hundredth of them that comes latest is more than a few. */
const EVENTS_PER_PHONE_S = 10;
const VOLATILE_BYTES = 30_720;
const VOLATILE_MS = 100;

/** Bytes that the kernel holds for the sockets of a port, at both ends of this machine; null where it does not say. */
const kernelBytes = (port: number): number | null => {
  let lines: string[];
  try {
    lines = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  } catch {
    return null;
  }
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  let bytes = 0;
  for (const line of lines) {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    if (queues === undefined) continue;
    const [toSend, toRead] = queues.split(':').map(part => Number.parseInt(part, 16));
    if (local!.endsWith(hex)) bytes += toSend!;
    else if (remote!.endsWith(hex)) bytes += toRead!;
  }
  return bytes;
};

interface Stage {
  readonly slow: number;
  readonly rssPerSlow: number;
  readonly kernelPerSlow: number | null;
  readonly beforeP99Ms: number;
  readonly duringP99Ms: number;
  readonly closed: number;
  readonly closedAfterS: number;
  readonly result: SlowResult;
  readonly saturated: boolean;
  readonly pinned: boolean;
}

const p99 = ({ latency }: Heard): number => Histogram.sum([latency]).percentileMs(99);

/** Waits at least until `minMs` have passed, and until `done` or it is too late; asks how things stand meanwhile. */
const watch = async (
  server: PeerServer,
  minMs: number,
  done: (memory: Memory, passedMs: number) => boolean,
): Promise<void> => {
  const began = performance.now();
  for (;;) {
    const memory = await server.ask<Memory>({ type: 'memory' });
    const passedMs = performance.now() - began;
    if ((done(memory, passedMs) && passedMs >= minMs) || passedMs >= CLOSED_MS_MAX) return;
    await pause(SAMPLE_MS);
  }
};

/** What is resident after a collection. */
const collected = async (server: PeerServer): Promise<number> => {
  await server.ask({ type: 'collect' });
  return (await server.ask<Memory>({ type: 'collect' })).rss;
};

const stage = async (share: number, phones: number, seconds: number, report: Report): Promise<Stage> => {
  const slow = Math.max(1, Math.round(phones * share));
  const server = await startPeer('heyblue', [String(phones)], ['--expose-gc']);
  const port = Number(new URL(server.url).port);
  try {
    const swarm = new Swarm<SlowResult>({
      profile: import.meta.resolve('./slow.profile.ts'),
      workers: 1,
      seed: anySeed(),
      args: () =>
        ({ url: server.url, people: server.people as readonly PhoneIdentity[], slow }) satisfies SlowArgs,
    });
    try {
      const pinned = swarm.pin(GENERATOR_CORE) && server.pinned;
      await swarm.pass('connected');
      const load: Load = {
        type: 'load',
        eventsPerS: phones * EVENTS_PER_PHONE_S,
        volatileBytes: VOLATILE_BYTES,
        volatileMs: VOLATILE_MS,
      };
      await server.ask(load);
      await swarm.reached('warm');
      await pause(WARM_MS);
      // A collection changes when the next ones come: it is the same one for both windows.
      const rssBefore = await collected(server);
      // What waited for it is late at everybody, and is nobody's fault.
      await pause(CALM_MS);
      swarm.go('warm');
      await swarm.reached('all read');
      // Looking costs the same before as during.
      await watch(server, seconds * 1_000, () => {
        kernelBytes(port);
        return true;
      });
      swarm.go('all read');
      const [before] = await swarm.reached<Heard>('some do not');
      swarm.go('some do not');
      await swarm.reached('let go');
      let closed = 0;
      let closedAfterS = Number.NaN;
      let kernel = kernelBytes(port);
      await watch(server, seconds * 1_000, ({ slowClosed }, passedMs) => {
        if (kernel !== null) kernel = Math.max(kernel, kernelBytes(port) ?? 0);
        closed = slowClosed;
        if (closed >= slow && Number.isNaN(closedAfterS)) closedAfterS = passedMs / 1_000;
        return closed >= slow;
      });
      swarm.go('let go');
      const [during] = await swarm.reached<Heard>('read again');
      const rssDuring = await collected(server);
      swarm.go('read again');
      await swarm.reached('told');
      // They come back while it goes on.
      await pause(WARM_MS);
      const { told } = await server.ask<Told>({ type: 'unload' });
      swarm.go('told', told);
      const { results, load: own } = await swarm.finished();
      const made: Stage = {
        slow,
        rssPerSlow: (rssDuring - rssBefore) / slow,
        kernelPerSlow: kernel === null ? null : kernel / slow,
        beforeP99Ms: p99(before!),
        duringP99Ms: p99(during!),
        closed,
        closedAfterS,
        result: results[0]!,
        saturated: [before!.load, during!.load, own].some(isSaturated),
        pinned,
      };
      const { resumed, reset, lost, doubled, slowCodes, otherCodes } = made.result;
      report(
        table([
          [
            `${figure(share * 100)} % of ${figure(phones)} stop reading`,
            `${slow} phones, let go after ${figure(closedAfterS, 1)} s`,
          ],
          ['  memory of the server per slow phone', `${figure(made.rssPerSlow)} bytes  (goal 262,144)`],
          ['  the kernels hold per slow phone', `${figure(made.kernelPerSlow ?? Number.NaN)} bytes`],
          [
            '  p99 of the others, before and during',
            slow === phones
              ? 'there are no others'
              : `${figure(made.beforeP99Ms, 2)} and ${figure(made.duringP99Ms, 2)} ms  (ratio ${figure(made.duringP99Ms / made.beforeP99Ms, 2)}, goal 1.2)`,
          ],
          [
            '  close codes of the slow, of others',
            `${JSON.stringify(slowCodes)}, ${JSON.stringify(otherCodes)}`,
          ],
          ['  resumed, reset, lost, doubled', `${resumed}, ${reset}, ${lost}, ${doubled}`],
        ]),
      );
      return made;
    } finally {
      await swarm.stop();
    }
  } finally {
    await server.stop();
  }
};

export const bench: Bench = {
  name: 'slow',
  description:
    '1 %, 10 % and all phones stop reading: memory per slow phone, lateness at the others, what is lost',
  run: async (report, args) => {
    const phones = numberArg(args, 'phones', 200);
    const seconds = numberArg(args, 'seconds', 14);
    report(
      `${figure(phones)} phones; each ${EVENTS_PER_PHONE_S} events/s and ${figure(VOLATILE_BYTES)} volatile bytes each ${VOLATILE_MS} ms`,
    );
    const rounds = numberArg(args, 'rounds', 3);
    const few: Stage[] = [];
    const some: Stage[] = [];
    for (let round = 0; round < rounds; round++) {
      few.push(await stage(0.01, phones, seconds, report));
      some.push(await stage(0.1, phones, seconds, report));
    }
    const all = await stage(1, phones, seconds, report);
    const stages = [...few, ...some, all];
    const middle = (of: readonly Stage[], figureOf: (one: Stage) => number): number =>
      median(of.map(figureOf));
    const ratio = ({ beforeP99Ms, duringP99Ms }: Stage): number => duringP99Ms / beforeP99Ms;
    const [ratio1, ratio10] = [middle(few, ratio), middle(some, ratio)];
    const sum = (of: (result: SlowResult) => number): number =>
      stages.reduce((total, { result }) => total + of(result), 0);
    const wronglyClosed = sum(({ slowCodes, otherCodes }) => {
      const others = Object.values(otherCodes).reduce((a, b) => a + b, 0);
      const slow = Object.entries(slowCodes).reduce((a, [code, n]) => a + (code === '4102' ? 0 : n), 0);
      return others + slow;
    });
    return {
      // A heap moves by some megabytes anyway: only with all of them the share of one is more than that.
      rss_per_slow_bytes: Math.round(all.rssPerSlow),
      rss_per_slow_bytes_1: Math.round(middle(few, one => one.rssPerSlow)),
      rss_per_slow_bytes_10: Math.round(middle(some, one => one.rssPerSlow)),
      rss_per_slow_bytes_100: Math.round(all.rssPerSlow),
      kernel_per_slow_bytes: Math.round(all.kernelPerSlow ?? 0),
      healthy_p99_ratio: rounded(Math.max(ratio1, ratio10)),
      healthy_p99_ratio_1: rounded(ratio1),
      healthy_p99_ratio_10: rounded(ratio10),
      healthy_p99_ratios: [few, some].map(of => of.map(one => rounded(ratio(one)))),
      healthy_p99_ms: rounded(middle(some, one => one.duringP99Ms)),
      slow: stages.map(one => one.slow),
      closed_4102: stages.map(one => one.result.slowCodes['4102'] ?? 0),
      closed_otherwise: wronglyClosed,
      resumed: sum(result => result.resumed),
      reset: sum(result => result.reset),
      lost: sum(result => result.lost),
      doubled: sum(result => result.doubled),
      phones,
      pinned: stages.every(one => one.pinned),
      generator_saturated: stages.some(one => one.saturated),
    };
  },
};
