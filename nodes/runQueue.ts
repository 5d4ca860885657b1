/**
 * Who has mail and waits for a turn: each is served a slice in order, and after `loopMs` the event loop gets its turn,
 * so that sockets are read and timers fire however much work there is. One waits at most once.
 *
 * `mayRun` is asked before every slice. While it says no, everybody keeps his place; the queue looks again by itself,
 * and at once when it is told to `resume`.
 */
import type { Clock, Scheduler } from './ports.ts';

export interface RunQueueOptions<One> {
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly loopMs: number;
  readonly mayRun: () => boolean;
  /** Slices follow, until `left`. */
  readonly entered: () => void;
  /** One slice, at this monotonic time. */
  readonly serve: (one: One, nowMs: number) => void;
  /** How long the slice took. True when the event loop should have its turn now. */
  readonly served: (one: One, tookMs: number) => boolean;
  /** The event loop gets its turn. */
  readonly left: () => void;
}

/** How soon to look whether running is allowed again, when nobody says so. */
const LOOK_MS = 50;

export class RunQueue<One extends { scheduled: boolean }> {
  readonly #options: RunQueueOptions<One>;
  #waiting: One[] = [];
  #looping = false;
  #halted: (() => void) | null = null;

  constructor(options: RunQueueOptions<One>) {
    this.#options = options;
  }

  push(one: One): void {
    if (one.scheduled) return;
    one.scheduled = true;
    this.#waiting.push(one);
    if (this.#looping) return;
    this.#looping = true;
    this.#options.scheduler.immediate(this.#loop);
  }

  resume(): void {
    if (this.#halted === null) return;
    this.#halted();
    this.#halted = null;
    this.#options.scheduler.immediate(this.#loop);
  }

  readonly #loop = (): void => {
    const { clock, loopMs, mayRun, entered, serve, served, left } = this.#options;
    let nowMs = clock.monotonicMs();
    const untilMs = nowMs + loopMs;
    entered();
    while (this.#waiting.length > 0) {
      const round = this.#waiting;
      this.#waiting = [];
      for (let next = 0; next < round.length; next++) {
        if (!mayRun()) {
          this.#waiting = round.slice(next).concat(this.#waiting);
          this.#halt();
          return left();
        }
        const one = round[next] as One;
        const startedMs = nowMs;
        serve(one, startedMs);
        nowMs = clock.monotonicMs();
        if (!served(one, nowMs - startedMs) && nowMs < untilMs) continue;
        this.#waiting = round.slice(next + 1).concat(this.#waiting);
        this.#again();
        return left();
      }
    }
    this.#looping = false;
    left();
  };

  #again(): void {
    if (this.#waiting.length > 0) this.#options.scheduler.immediate(this.#loop);
    else this.#looping = false;
  }

  #halt(): void {
    this.#halted = this.#options.scheduler.after(LOOK_MS, () => {
      this.#halted = null;
      this.#loop();
    });
  }
}
