/**
 * Keeping a process alive: when it dies without being asked to, it is started again, after a pause that doubles; when it
 * dies again and again within a short time, we stop trying and say so.
 */
import { sentenceOf } from './failure.ts';
import {
  RESTART_DEATHS_MAX,
  RESTART_PAUSE_MS_MAX,
  RESTART_PAUSE_MS_MIN,
  RESTART_WINDOW_MS,
} from './limits.ts';
import type { Running } from './processes.ts';

/** Decides, from the times of death alone, when to start again. Times in ms of one rising clock. */
export class RestartBudget {
  private deaths: number[] = [];

  /** The pause before the next start in ms, or null: give up. */
  died(nowMs: number): number | null {
    this.deaths = this.deaths.filter(at => nowMs - at < RESTART_WINDOW_MS);
    this.deaths.push(nowMs);
    if (this.deaths.length >= RESTART_DEATHS_MAX) return null;
    return Math.min(RESTART_PAUSE_MS_MIN * 2 ** (this.deaths.length - 1), RESTART_PAUSE_MS_MAX);
  }
}

export interface KeepAlive<T extends Running> {
  /** What people call it, for the log. */
  name: string;
  first: T;
  start(): Promise<T>;
  log(line: string): void;
  onRestart?(running: T): void;
  /** It died too often; nobody starts it again. */
  onGiveUp(sentence: string): void;
}

/** A process that is started again whenever it dies, until `stop`. */
export class Kept<T extends Running> {
  current: T;
  private stopping = false;
  private timer: NodeJS.Timeout | undefined;
  private starting: Promise<unknown> = Promise.resolve();
  private readonly budget = new RestartBudget();
  private readonly options: KeepAlive<T>;

  constructor(options: KeepAlive<T>) {
    this.options = options;
    this.current = options.first;
    this.watch(options.first);
  }

  private watch(running: T): void {
    running.exited.then(words => this.died(words));
  }

  private died(words: string): void {
    if (this.stopping) return;
    const { name, log, onGiveUp } = this.options;
    const pauseMs = this.budget.died(performance.now());
    if (pauseMs === null) {
      onGiveUp(
        `${name} died ${RESTART_DEATHS_MAX} times within ${RESTART_WINDOW_MS / 1000} s (last: ${words}).`,
      );
      return;
    }
    log(`${name} ${words}; starting it again`);
    this.timer = setTimeout(() => {
      this.starting = this.again();
    }, pauseMs);
  }

  private async again(): Promise<void> {
    try {
      this.current = await this.options.start();
    } catch (error) {
      this.died(sentenceOf(error, 'did not start'));
      return;
    }
    if (this.stopping) return;
    this.watch(this.current);
    this.options.onRestart?.(this.current);
  }

  /** Ends it for good. */
  async stop(): Promise<void> {
    this.stopping = true;
    clearTimeout(this.timer);
    await this.starting;
    await this.current.stop();
  }
}
