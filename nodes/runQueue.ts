/**
 * Who has mail and waits for a turn: each is served a slice in order, and after `loopMs` the event loop gets its turn,
 * so that sockets are read and timers fire however much work there is. One waits at most once.
 */
import type { Clock, Scheduler } from './ports.ts';

export class RunQueue<One extends { scheduled: boolean }> {
  readonly #scheduler: Scheduler;
  readonly #clock: Clock;
  readonly #loopMs: number;
  readonly #serve: (one: One) => void;
  #waiting: One[] = [];
  #looping = false;

  constructor(scheduler: Scheduler, clock: Clock, loopMs: number, serve: (one: One) => void) {
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#loopMs = loopMs;
    this.#serve = serve;
  }

  push(one: One): void {
    if (one.scheduled) return;
    one.scheduled = true;
    this.#waiting.push(one);
    if (this.#looping) return;
    this.#looping = true;
    this.#scheduler.immediate(this.#loop);
  }

  readonly #loop = (): void => {
    const untilMs = this.#clock.monotonicMs() + this.#loopMs;
    while (this.#waiting.length > 0) {
      const round = this.#waiting;
      this.#waiting = [];
      for (let next = 0; next < round.length; next++) {
        this.#serve(round[next] as One);
        if (this.#clock.monotonicMs() < untilMs) continue;
        this.#waiting = round.slice(next + 1).concat(this.#waiting);
        return this.#again();
      }
    }
    this.#looping = false;
  };

  #again(): void {
    if (this.#waiting.length > 0) this.#scheduler.immediate(this.#loop);
    else this.#looping = false;
  }
}
