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

let living: InstanceType<typeof World> | null = null;
let stray: string | null = null;
/** A promise that nobody waited for is a bug of the seed that is running: its process would have ended. */
process.on('unhandledRejection', error => {
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  stray ??= `a promise was left alone: ${words}`;
  living?.fail('nothing throws', stray);
});

function live(job: Job): Outcome {
  const startedMs = performance.now();
  const world = new World({ seed: job.seed, nodes: job.nodes, profile: job.profile, settle });
  living = world;
  const report = world.run();
  living = null;
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
    parentPort!.postMessage(outcome);
  });
});
parentPort!.postMessage('ready');
