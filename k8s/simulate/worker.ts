/**
 * A thread that lives worlds. With a mutant, the sources that it loads are patched on their way in, before anything else is
 * imported: production code has no switches for this.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Job, Outcome, WorkerData } from './jobs.ts';
import { mutantByName } from './mutants.ts';
import { applyMutant } from './mutate.ts';
import { assertSettles, settle } from './settle.ts';

const { mutant } = workerData as WorkerData;
const applied = mutant === null ? null : applyMutant(mutantByName(mutant));
const { World } = await import('../../nodes/simulation/world.ts');
applied?.assertComplete();

/** What nobody waited for belongs to the seed that is running: a bug there, never silence. */
let stray: string | null = null;
process.on('unhandledRejection', error => {
  stray ??= `a promise was left alone: ${error instanceof Error ? error.stack : String(error)}`;
});

function live(job: Job): Outcome {
  const startedMs = performance.now();
  const world = new World({ seed: job.seed, nodes: job.nodes, profile: job.profile, settle });
  const report = world.run();
  const broken = report.violations.length > 0;
  return {
    job,
    report,
    violations: report.violations,
    events: broken || job.always ? world.chronicle.tell(job.tell) : [],
    cpuMs: performance.now() - startedMs,
  };
}

let settles = false;
parentPort!.on('message', (job: Job) => {
  // a message is a macrotask, but its handler may be called from a microtask of the port
  setImmediate(() => {
    if (!settles) assertSettles();
    settles = true;
    stray = null;
    let outcome: Outcome | { readonly crash: string };
    try {
      outcome = live(job);
    } catch (error) {
      outcome = { crash: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    // rejections that nobody waits for are told after this turn of the event loop
    setImmediate(() => parentPort!.postMessage(stray === null ? outcome : { crash: stray }));
  });
});
parentPort!.postMessage('ready');
