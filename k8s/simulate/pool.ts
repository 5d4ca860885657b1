/** Worker threads that live worlds, one seed at a time each. A thread that hangs or dies costs its seed, not the run. */
import { Worker } from 'node:worker_threads';
import type { Job, Outcome, WorkerData } from './jobs.ts';

/**
 * Well beyond any honest seed, which takes a second or two of CPU, also on a machine that has ten other things to do: a
 * world that does not end is a bug, too.
 */
const SEED_MS_MAX = 600_000;
const OPEN_MS_MAX = 60_000;

export interface Crash {
  readonly crash: string;
  /** No world was lived at all. */
  readonly unopened?: boolean;
}

export class Pool {
  readonly #data: WorkerData;
  readonly #workers: (Worker | null)[];

  constructor(size: number, data: WorkerData) {
    this.#data = data;
    this.#workers = new Array(size).fill(null);
  }

  /** Lives the jobs; `done` is told of each, in any order, and stops the rest by returning false. */
  async run(jobs: Iterable<Job>, done: (job: Job, outcome: Outcome | Crash) => boolean): Promise<void> {
    const rest = jobs[Symbol.iterator]();
    let on = true;
    await Promise.all(
      this.#workers.map(async (_, at) => {
        for (;;) {
          const next = on ? rest.next() : null;
          if (!next || next.done) return;
          const outcome = await this.#live(at, next.value);
          if (!done(next.value, outcome)) on = false;
        }
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map(worker => worker?.terminate()));
    this.#workers.fill(null);
  }

  async #live(at: number, job: Job): Promise<Outcome | Crash> {
    let worker = this.#workers[at] ?? null;
    if (!worker) {
      try {
        worker = await this.#open();
      } catch (error) {
        return { crash: error instanceof Error ? error.message : String(error), unopened: true };
      }
      this.#workers[at] = worker;
    }
    const outcome = await answer(worker, job);
    if ('crash' in outcome) {
      await worker.terminate();
      this.#workers[at] = null;
    }
    return outcome;
  }

  #open(): Promise<Worker> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: this.#data,
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    return next(worker, OPEN_MS_MAX).then(heard => {
      if (heard === 'ready') return worker;
      throw new Error((heard as Crash).crash);
    });
  }
}

function answer(worker: Worker, job: Job): Promise<Outcome | Crash> {
  const heard = next(worker, SEED_MS_MAX) as Promise<Outcome | Crash>;
  worker.postMessage(job);
  return heard;
}

/** The next message of a worker, or how it failed to send one. */
function next(worker: Worker, msMax: number): Promise<unknown> {
  return new Promise(resolve => {
    const end = (what: unknown): void => {
      clearTimeout(overdue);
      worker.off('message', end);
      worker.off('error', failed);
      worker.off('exit', ended);
      resolve(what);
    };
    const failed = (error: unknown): void =>
      end({ crash: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    const ended = (code: number): void => end({ crash: `a worker ended with ${code}` });
    const overdue = setTimeout(() => end({ crash: `nothing was heard within ${msMax / 1_000} s` }), msMax);
    worker.on('message', end);
    worker.on('error', failed);
    worker.on('exit', ended);
  });
}
