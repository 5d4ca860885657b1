/**
 * Several worker processes that make load together. The parent starts them, lets them pass barriers in step, adds up
 * what they report, and says whether the generator itself was the bottleneck.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { stopOnSignal } from './cleanup.ts';
import { WORKERS_MAX } from './limits.ts';
import { pin } from './pinning.ts';
import { isSaturated, type Load, worstLoad } from './saturation.ts';
import type { FromWorker, ToWorker } from './worker.ts';

export interface SwarmOptions {
  /** URL of the module with the profile: `import.meta.resolve('./x.profile.ts')`. */
  readonly profile: string;
  readonly workers: number;
  readonly seed: number;
  /** What each worker gets; plain data. */
  readonly args: (index: number) => unknown;
  readonly onProgress?: (index: number, data: unknown) => void;
}

export interface SwarmResult<R> {
  readonly results: R[];
  /** The busiest worker, over the measured part. */
  readonly load: Load;
  /** The generator was its own bottleneck: the figures say less about the server than they should. */
  readonly saturated: boolean;
}

interface Worker {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
}

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));

export class Swarm<R> {
  readonly #workers: Worker[] = [];
  readonly #reached = new Map<
    string,
    { data: unknown[]; count: number; all: PromiseWithResolvers<unknown[]> }
  >();
  readonly #results: R[] = [];
  readonly #loads: Load[] = [];
  readonly #finished = Promise.withResolvers<SwarmResult<R>>();
  readonly #failed = Promise.withResolvers<never>();
  #stopping = false;

  constructor(options: SwarmOptions) {
    if (options.workers < 1 || options.workers > WORKERS_MAX)
      throw new RangeError(`1 to ${WORKERS_MAX} workers`);
    this.#failed.promise.catch(() => {});
    for (let index = 0; index < options.workers; index++) this.#start(options, index);
  }

  #start(options: SwarmOptions, index: number): void {
    const child = fork(WORKER, [], {
      execPath: process.execPath,
      execArgv: ['--no-warnings'],
      env: { PATH: process.env.PATH },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const exited = new Promise<void>(resolve => {
      child.once('exit', (code, signal) => {
        if (!this.#stopping) this.#failed.reject(new Error(`load worker ${index} ended: ${signal ?? code}`));
        resolve();
      });
    });
    this.#workers.push({ child, exited });
    const order: ToWorker = {
      type: 'run',
      profile: options.profile,
      args: options.args(index),
      index,
      of: options.workers,
      seed: options.seed,
    };
    child.on('message', (message: FromWorker) => {
      switch (message.type) {
        case 'started':
          child.send(order);
          break;
        case 'reached': {
          const point = this.#point(message.name);
          point.data[index] = message.data;
          if (++point.count === options.workers) point.all.resolve(point.data);
          break;
        }
        case 'progress':
          options.onProgress?.(index, message.data);
          break;
        case 'finished':
          this.#results[index] = message.result as R;
          this.#loads.push(message.load);
          if (this.#loads.length === options.workers) this.#complete();
          break;
        case 'failed':
          this.#failed.reject(new Error(`load worker ${index}: ${message.message}`));
          break;
      }
    });
  }

  #complete(): void {
    const load = worstLoad(this.#loads);
    this.#finished.resolve({ results: this.#results, load, saturated: isSaturated(load) });
  }

  #point(name: string) {
    let point = this.#reached.get(name);
    if (point === undefined) {
      point = { data: [], count: 0, all: Promise.withResolvers<unknown[]>() };
      this.#reached.set(name, point);
    }
    return point;
  }

  /** Waits until every worker stands at the barrier; what each said there. */
  async reached<D = unknown>(name: string): Promise<D[]> {
    return (await Promise.race([this.#point(name).all.promise, this.#failed.promise])) as D[];
  }

  get pids(): number[] {
    return this.#workers.map(({ child }) => child.pid!);
  }

  /** Keeps the workers on one core; whether all are. */
  pin(core: number): boolean {
    return this.#workers.map(({ child }) => pin(child.pid!, core)).every(pinned => pinned);
  }

  /** Lets every worker pass the barrier. */
  go(name: string, data: unknown = null): void {
    this.#reached.delete(name);
    for (const { child } of this.#workers) child.send({ type: 'go', name, data } satisfies ToWorker);
  }

  /** Waits for all and passes them in one step. */
  async pass<D = unknown>(name: string, data: unknown = null): Promise<D[]> {
    const said = await this.reached<D>(name);
    this.go(name, data);
    return said;
  }

  /** What all of them reported in the end. */
  finished(): Promise<SwarmResult<R>> {
    return Promise.race([this.#finished.promise, this.#failed.promise]);
  }

  /** Ends the workers, by pid and only ours. */
  readonly stop = stopOnSignal(() => this.#stop());

  async #stop(): Promise<void> {
    this.#stopping = true;
    for (const { child } of this.#workers) if (child.connected) child.disconnect();
    const late = setTimeout(() => {
      for (const { child } of this.#workers) child.kill('SIGKILL');
    }, 2_000);
    await Promise.all(this.#workers.map(worker => worker.exited));
    clearTimeout(late);
  }
}
