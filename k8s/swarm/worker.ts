/**
 * One process of the load generator. It runs the profile that its parent names (a module that exports `run`), keeps
 * step with the other workers at barriers, watches how busy it is itself, and ends when its parent is gone.
 */
import { RUN_MS_MAX } from './limits.ts';
import { Random } from './random.ts';
import { type Load, SelfWatch } from './saturation.ts';

/** What a profile gets. */
export interface Job<A = unknown> {
  readonly args: A;
  /** Number of this worker, and how many there are. */
  readonly index: number;
  readonly of: number;
  /** Differs from worker to worker, follows from the seed of the run. */
  readonly random: Random;
  /** Tells the parent that this point is reached, and waits until it says go; answers what it says. */
  barrier<D = unknown>(name: string, data?: unknown): Promise<D>;
  /** A line of progress. */
  progress(data: unknown): void;
  readonly watch: SelfWatch;
}

export type Profile<A, R> = (job: Job<A>) => Promise<R>;

export type ToWorker =
  | { type: 'run'; profile: string; args: unknown; index: number; of: number; seed: number }
  | { type: 'go'; name: string; data: unknown };

export type FromWorker =
  | { type: 'started' }
  | { type: 'reached'; name: string; data: unknown }
  | { type: 'progress'; data: unknown }
  | { type: 'finished'; result: unknown; load: Load }
  | { type: 'failed'; message: string };

const waiting = new Map<string, (data: unknown) => void>();
const say = (message: FromWorker): void => {
  process.send?.(message, () => {});
};

const run = async (order: Extract<ToWorker, { type: 'run' }>): Promise<void> => {
  const { args, index, of } = order;
  const watch = new SelfWatch();
  const random = new Random(order.seed).fork(`worker ${index}`);
  const barrier = <D>(name: string, data: unknown = null): Promise<D> =>
    new Promise(resolve => {
      waiting.set(name, go => resolve(go as D));
      say({ type: 'reached', name, data });
    });
  const progress = (data: unknown): void => say({ type: 'progress', data });
  const profile = (await import(order.profile)) as { run: Profile<unknown, unknown> };
  watch.begin();
  const result = await profile.run({ args, index, of, random, barrier, progress, watch });
  say({ type: 'finished', result, load: watch.end() });
};

const fail = (error: unknown): void => {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.send?.({ type: 'failed', message } satisfies FromWorker, () => process.exit(1));
};

process.on('message', (message: ToWorker) => {
  if (message.type === 'run') run(message).catch(fail);
  else {
    waiting.get(message.name)?.(message.data);
    waiting.delete(message.name);
  }
});
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
// The parent ends us by disconnecting; when it died, the channel closes just the same.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole terminal; the parent decides.
process.on('SIGINT', () => {});
setTimeout(() => fail(new Error('the run took longer than any run may')), RUN_MS_MAX).unref();
say({ type: 'started' });
