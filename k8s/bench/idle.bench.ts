/**
 * What a phone costs while nothing happens: memory of the node per signed-in phone with its awake actor, after a forced
 * collection and less the same node without phones; and how much of a core all of them take.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from '../bench.ts';
import { startLoadTown } from '../swarm/loadTown.ts';
import { GENERATOR_CORE, pin, SERVER_CORE } from '../swarm/pinning.ts';
import { cpuSecondsOf } from '../swarm/processCost.ts';
import { seedPeople } from '../swarm/seed.ts';
import { Swarm } from '../swarm/swarm.ts';
import { numberArg } from './args.ts';
import type { IdleArgs, IdleResult } from './idle.profile.ts';
import { figure, rounded, table } from './table.ts';

/** What the node says of itself after a forced collection. */
interface Collected {
  readonly rss: number;
  readonly heapUsed: number;
}

/**
 * V8 keeps the pages that a collection emptied for some 30 s of quiet before it gives them back; measured at once, the
 * first phones would fit into them for nothing.
 */
const QUIET_MS = 40_000;

const collectOnce = async (admin: string): Promise<Collected> => {
  const response = await fetch(`${admin}/debug/gc`, { method: 'POST' });
  if (!response.ok) throw new Error(`POST /debug/gc of the admin port answered ${response.status}`);
  return (await response.json()) as Collected;
};

/** Collects garbage in the node, lets it give the pages back, and collects again. */
const collect = async (admin: string, quietMs: number): Promise<Collected> => {
  for (let i = 0; i < 3; i++) await collectOnce(admin);
  await pause(quietMs);
  return collectOnce(admin);
};

/** One process may open 20,000 files here, and one address has 28,000 ports. */
const PHONES_PER_WORKER = 5_000;
const FIRST_ADDRESS = 2;

/** Idle phones after which one does not care for the first seconds: timers, compilation, the last handshakes. */
const SETTLE_MS = 3_000;

export const bench: Bench = {
  name: 'idle',
  description: 'memory and CPU of 15,000 signed-in idle phones with their actors',
  run: async (report, args) => {
    const phones = numberArg(args, 'phones', 15_000);
    const seconds = numberArg(args, 'seconds', 30);
    const workers = numberArg(args, 'workers', Math.max(1, Math.ceil(phones / PHONES_PER_WORKER)));
    const settleMs = Math.min(SETTLE_MS, seconds * 1000);
    const quietMs = Math.min(QUIET_MS, seconds * 2_000);
    report(`${figure(phones)} idle phones for ${seconds} s`);
    const town = await startLoadTown({ env: { HEYBLUE_ADMIN_GC: '1' } });
    try {
      const { civilians } = await seedPeople(town, { officers: 0, civilians: phones });
      const { admin, realtime } = town.node.urls;
      const baseline = await collect(admin, quietMs);
      const serverPinned = pin(town.node.pid, SERVER_CORE);
      const swarm = new Swarm<IdleResult>({
        profile: import.meta.resolve('./idle.profile.ts'),
        workers,
        seed: 0,
        args: index =>
          ({
            url: realtime,
            people: civilians.filter((_, i) => i % workers === index),
            localAddress: `127.0.0.${FIRST_ADDRESS + index}`,
          }) satisfies IdleArgs,
      });
      try {
        const pinned = swarm.pin(GENERATOR_CORE) && serverPinned;
        await swarm.reached('half');
        await pause(settleMs);
        const half = await collect(admin, quietMs);
        swarm.go('half');
        await swarm.pass('connected');
        await pause(settleMs);
        const cpuBefore = await cpuSecondsOf(town.node.pid, admin);
        const began = performance.now();
        await pause(seconds * 1000);
        const tookS = (performance.now() - began) / 1000;
        const cores = ((await cpuSecondsOf(town.node.pid, admin)) - cpuBefore) / tookS;
        const loaded = await collect(admin, quietMs);
        swarm.go('measured');
        const { results, saturated } = await swarm.finished();
        const sum = (of: (r: IdleResult) => number) => results.reduce((a, r) => a + of(r), 0);
        // A node that has just started keeps free pages, into which the first phones fit for nothing. What the second
        // half of them adds is free of that; the larger figure counts.
        const whole = (loaded.rss - baseline.rss) / phones;
        const secondHalf = (loaded.rss - half.rss) / (phones / 2);
        const bytes = Math.max(whole, secondHalf);
        const heapBytes = (loaded.heapUsed - baseline.heapUsed) / phones;
        report(
          table([
            ['bytes per phone (RSS)', `${figure(bytes)}  (goal 12,288)`],
            ['all phones less none, second half less first', `${figure(whole)}, ${figure(secondHalf)}`],
            ['on the JavaScript heap', figure(heapBytes)],
            ['server cores', `${figure(cores, 3)}  (goal 0.05)`],
            [
              'RSS without and with phones',
              `${figure(baseline.rss / 2 ** 20)} and ${figure(loaded.rss / 2 ** 20)} MiB`,
            ],
            ['snapshots received, sockets lost', `${sum(r => r.snapshots)}, ${sum(r => r.closed)}`],
          ]),
        );
        return {
          bytes_per_phone: Math.round(bytes),
          bytes_per_phone_whole: Math.round(whole),
          bytes_per_phone_second_half: Math.round(secondHalf),
          heap_bytes_per_phone: Math.round(heapBytes),
          server_cores: rounded(cores, 3),
          rss_baseline: baseline.rss,
          rss_loaded: loaded.rss,
          phones,
          signed_in: sum(r => r.snapshots),
          closed: sum(r => r.closed),
          pinned,
          generator_saturated: saturated,
        };
      } finally {
        await swarm.stop();
      }
    } finally {
      await town.stop();
    }
  },
};
