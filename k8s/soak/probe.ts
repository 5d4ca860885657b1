/**
 * Looks at a node from inside, in runs of the soak only: `--import` puts it in front of nodes/main.ts, the product knows
 * nothing of it. Each `PROBE_MS` it writes one small file: time in garbage collections, how busy the loop was, heap after
 * the last whole collection, rejections that nobody handled, warnings of the runtime (listeners that leak). And it takes
 * orders, files too: a heap snapshot, a CPU profile. No port is opened, and no signal is caught that the node may want.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { type NodeGCPerformanceDetail, PerformanceObserver, performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setHeapSnapshotNearHeapLimit, writeHeapSnapshot } from 'node:v8';
import { isMainThread } from 'node:worker_threads';
import { ageSources } from './ageing.ts';
import { orderFile, PROBE_MS, type Probed, type ProbeOrder, probeFile } from './probed.ts';

/** A kind of collection by the number that V8 gives it. */
const KINDS: Record<number, 'minorMs' | 'majorMs' | 'otherMs'> = { 1: 'minorMs', 4: 'majorMs' };
const WARNINGS_MAX = 20;

const start = (dir: string): void => {
  const gc = { minorMs: 0, majorMs: 0, otherMs: 0 };
  const troubles: string[] = [];
  let majors = 0;
  let oldAfterMajor = 0;
  const note = (text: string): void => {
    if (troubles.length < WARNINGS_MAX) troubles.push(text.slice(0, 400));
  };
  const oldSpace = (): number =>
    getHeapSpaceStatistics().find(one => one.space_name === 'old_space')?.space_used_size ?? 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries()) {
      const kind = KINDS[(entry as { detail?: NodeGCPerformanceDetail }).detail?.kind ?? 0] ?? 'otherMs';
      gc[kind] += entry.duration;
      if (kind !== 'majorMs') continue;
      majors++;
      oldAfterMajor = oldSpace();
    }
  }).observe({ entryTypes: ['gc'] });
  process.on('uncaughtExceptionMonitor', (error, origin) => note(`${origin}: ${error?.stack ?? error}`));
  process.on('warning', warning => note(`${warning.name}: ${warning.message}`));

  // out of memory: what filled it is kept
  if (process.env.SOAK_REPORTS && process.report !== undefined) {
    process.report.directory = process.env.SOAK_REPORTS;
    process.report.reportOnFatalError = true;
    setHeapSnapshotNearHeapLimit(1);
  }

  let session: Session | null = null;
  const profile = (file: string, seconds: number): void => {
    if (session !== null) return;
    const one = new Session();
    session = one;
    one.connect();
    one.post('Profiler.enable', () => one.post('Profiler.start'));
    setTimeout(() => {
      one.post('Profiler.stop', (error, found) => {
        if (error === null) writeFileSync(file, JSON.stringify(found.profile));
        one.disconnect();
        session = null;
      });
    }, seconds * 1_000).unref();
  };

  const obey = (): void => {
    const file = orderFile(dir, process.pid);
    if (!existsSync(file)) return;
    const order = JSON.parse(readFileSync(file, 'utf8')) as ProbeOrder;
    if (order.kind === 'heap') writeHeapSnapshot(order.file);
    else profile(order.file, order.seconds);
    rmSync(file);
  };

  let before = performance.eventLoopUtilization();
  const look = (): void => {
    const now = performance.eventLoopUtilization();
    const probed: Probed = {
      pid: process.pid,
      ...gc,
      majors,
      oldAfterMajor,
      arrayBuffers: process.memoryUsage().arrayBuffers,
      utilization: performance.eventLoopUtilization(now, before).utilization,
      troubles,
    };
    before = now;
    // whole or not at all: somebody reads it meanwhile
    const file = probeFile(dir, process.pid);
    writeFileSync(`${file}.new`, JSON.stringify(probed));
    renameSync(`${file}.new`, file);
    obey();
  };
  setInterval(() => {
    try {
      look();
    } catch (error) {
      note(`the probe: ${(error as Error).message}`);
    }
  }, PROBE_MS).unref();
};

if (isMainThread && process.env.SOAK_DIR) {
  if (process.env.SOAK_AGED === '1') ageSources();
  start(process.env.SOAK_DIR);
}
