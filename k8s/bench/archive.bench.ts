/**
 * How fast the archive takes events in, what they cost there, and how long its standard queries take over ten million of
 * them.
 *
 * In: records as a stream gives them, JSON in bytes, through the archiver of one shard into a folder, every object synced;
 * one thread, as in a node. Out: days of a town are written as the archiver writes them, an object for each hour and shard,
 * the hours are sealed as the archiver seals them, and every query of
 * `infra/archive/sql` is asked of DuckDB over the views that show an event once, the middle of three times. The folder is a
 * temporary one and is removed, whatever happens; one that was named is kept, and used again. A disk without room for it is
 * left alone.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ARCHIVED_STREAMS } from '../../infra/archive/archive.ts';
import { FolderStore } from '../../infra/archive/folderStore.ts';
import { standardQueries } from '../../infra/archive/query/queries.ts';
import { openWarehouse, type Warehouse } from '../../infra/archive/query/warehouse.ts';
import { Sealer } from '../../infra/archive/seal.ts';
import { ShardArchiver, type StreamRecord } from '../../infra/archive/shardArchiver.ts';
import { townEvents } from '../../infra/archive/townEvents.ts';
import type { Bench, Report } from '../bench.ts';
import type { ArchiveOrder } from './archiveWorker.ts';
import { numberArg, textArg } from './args.ts';
import { median } from './median.ts';
import { figure, rounded, table } from './table.ts';

const START_MS = Date.UTC(2026, 10, 1);
const DAYS = 7;
/** As the setting HEYBLUE_ARCHIVE_FLUSH_MB says. */
const FLUSH_BYTES = 32_000_000;
/** More than an event takes: what must be free before we begin. */
const BYTES_EACH_MAX = 400;
const GOAL_PER_S = 20_000;
const GOAL_S = 2;

interface Intake {
  readonly perS: number;
  readonly perCpuS: number;
  readonly bytesEach: number;
  readonly rawEach: number;
}

/** Records of one shard into objects of a folder. */
async function takeIn(folder: string, count: number): Promise<Intake> {
  const records: StreamRecord[] = [];
  let raw = 0;
  for (const { key, event } of townEvents({
    events: count,
    startMs: START_MS,
    days: 1,
    hoursADay: 1,
    seed: 3,
  })) {
    const data = Buffer.from(JSON.stringify(event));
    raw += data.length;
    records.push({ seq: String(1_000_000_000 + records.length), key, data });
  }
  const store = new FolderStore(folder);
  const archiver = new ShardArchiver({ store, stream: 'transactions', shard: 'shardId-000000000000' });
  let bytes = 0;
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  for (let at = 0; at < records.length; at += 10_000) {
    archiver.take(records.slice(at, at + 10_000));
    if (archiver.bytes < FLUSH_BYTES && at + 10_000 < records.length) continue;
    bytes += (await archiver.flush())?.bytes ?? 0;
  }
  const seconds = (performance.now() - startMs) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perS: count / seconds,
    perCpuS: (count * 1e6) / (user + system),
    bytesEach: bytes / count,
    rawEach: raw / count,
  };
}

/** The days of the town, each worker with a shard of its own. Answers the bytes of all objects. */
async function write(folder: string, events: number): Promise<number> {
  const workers = Math.max(1, Math.min(4, availableParallelism()));
  const parts = Array.from({ length: workers }, (_, i): Promise<number> => {
    const order: ArchiveOrder = {
      folder,
      shard: `shardId-00000000000${i}`,
      town: {
        events: Math.floor(events / workers) + (i < events % workers ? 1 : 0),
        startMs: START_MS,
        days: DAYS,
        hoursADay: 24,
        seed: 101 + 2 * i,
      },
    };
    const worker = new Worker(new URL('./archiveWorker.ts', import.meta.url), { workerData: order });
    return new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  });
  const written = await Promise.all(parts);
  return written.reduce((sum, bytes) => sum + bytes, 0);
}

/** All hours, as if they were long over. Answers the microseconds of CPU that an event takes. */
async function seal(folder: string, events: number): Promise<number> {
  const store = new FolderStore(folder);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const cpu = process.cpuUsage();
  for (const stream of ARCHIVED_STREAMS) {
    await new Sealer({ store, stream, nowMs: () => Number.MAX_SAFE_INTEGER, log }).seal();
  }
  const { user, system } = process.cpuUsage(cpu);
  return (user + system) / events;
}

interface Asked {
  /** Of the wall, */
  readonly seconds: Record<string, number>;
  /** and of all cores together: less by neighbours disturbed. */
  readonly cpuSeconds: Record<string, number>;
}

async function askAll(warehouse: Warehouse, runs: number, report: Report): Promise<Asked> {
  const asked = { seconds: {} as Record<string, number>, cpuSeconds: {} as Record<string, number> };
  for (const { name, sql } of standardQueries()) {
    const times: number[] = [];
    const cpuTimes: number[] = [];
    for (let run = 0; run < runs; run++) {
      const startMs = performance.now();
      const cpu = process.cpuUsage();
      const { rows } = await warehouse.ask(sql);
      times.push((performance.now() - startMs) / 1_000);
      const { user, system } = process.cpuUsage(cpu);
      cpuTimes.push((user + system) / 1e6);
      if (rows.length === 0) throw new Error(`${name} answers nothing`);
    }
    asked.seconds[name] = rounded(median(times));
    asked.cpuSeconds[name] = rounded(median(cpuTimes));
    report(
      `  ${name.padEnd(24)} ${figure(median(times), 2)} s, ${figure(median(cpuTimes), 2)} of all cores together`,
    );
  }
  return asked;
}

export const bench: Bench = {
  name: 'archive',
  description: 'events archived per second, bytes each, and the standard queries over ten million events',
  help: [
    '--events N   over how many events the queries go (10,000,000); 200,000 takes seconds',
    '--intake N   how many events are taken in for the rate (300,000)',
    '--runs N     how often each query is asked; the middle counts (3)',
    '--folder F   where the events are kept for another time; they are made when F is not there',
  ],
  run: async (report, args) => {
    const events = numberArg(args, 'events', 10_000_000);
    const intake = numberArg(args, 'intake', 300_000);
    const runs = Math.max(1, numberArg(args, 'runs', 3));
    if (events < 1_000 || intake < 1_000) throw new Error('--events and --intake take 1,000 or more');
    const folder = mkdtempSync(join(tmpdir(), 'heyblue-archive-'));
    const town = textArg(args, 'folder', join(folder, 'town'));
    const done = join(town, 'events');
    try {
      const { bavail, bsize } = statfsSync(folder);
      const needed = (events + intake) * BYTES_EACH_MAX;
      if (bavail * bsize < needed) {
        throw new Error(`${tmpdir()} has no room for ${figure(needed / 1e9, 1)} GB: take fewer --events`);
      }
      const { perS, perCpuS, bytesEach, rawEach } = await takeIn(join(folder, 'intake'), intake);
      report(
        table([
          [
            'archived',
            `${figure(perS)} /s (goal ${figure(GOAL_PER_S)}), ${figure(perCpuS)} in a second of one core`,
          ],
          ['an event', `${figure(bytesEach)} bytes; ${figure(rawEach)} in the stream`],
        ]),
      );
      rmSync(join(folder, 'intake'), { recursive: true });
      // what was kept must be whole, and of as many events
      if (!existsSync(done) || readFileSync(done, 'utf8') !== String(events)) {
        if (existsSync(town)) throw new Error(`${town} holds something else: take another --folder`);
        mkdirSync(town, { recursive: true });
        const bytes = await write(town, events);
        report(`\n${figure(events)} events, ${figure(bytes / 1e6)} MB`);
        writeFileSync(done, String(events));
      }
      const sealUs = await seal(town, events);
      report(`sealed: ${figure(sealUs, 2)} µs of CPU an event (goal of each query: ${GOAL_S} s)`);
      const warehouse = await openWarehouse({ folder: town });
      try {
        const { seconds, cpuSeconds } = await askAll(warehouse, runs, report);
        return {
          archived_per_s: Math.round(perS),
          archived_per_core_s: Math.round(perCpuS),
          bytes_each: rounded(bytesEach, 1),
          raw_bytes_each: rounded(rawEach, 1),
          events,
          slowest_query_s: Math.max(...Object.values(seconds)),
          query_s: seconds,
          query_cpu_s: cpuSeconds,
        };
      } finally {
        warehouse.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
