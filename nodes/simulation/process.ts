/**
 * One process of a simulated machine: its clocks, its event loop, its life. Everything that a node does runs through here,
 * so that a paused process does nothing (what falls due and what arrives waits, as behind SIGSTOP, and is done late), and
 * a dead one never does anything again: its timers do not fire and its promises never settle.
 */
import type { Clock, Scheduler } from '../ports.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface MachineClock {
  /** How fast its oscillator runs: 1.05 gains 50 ms each second. */
  readonly rate: number;
  /** How far its town clock is off, milliseconds. */
  readonly offsetMs: number;
}

/** In which order a process that runs again finds what waited: the order of arrival, or one kind before the other. */
export type WakeOrder = 'asItCame' | 'arrivalsFirst' | 'timersFirst';

interface Waiting {
  readonly arrival: boolean;
  readonly run: () => void;
}

export class SimulatedProcess implements Clock, Scheduler {
  readonly name: string;
  readonly #time: VirtualTime;
  readonly #clock: MachineClock;
  readonly #bornMs: number;
  readonly #threw: (error: unknown) => void;
  #alive = true;
  #waiting: Waiting[] | null = null;
  /** Monotonic time that did not pass because the whole machine stood still. */
  #frozenMs = 0;
  #pausedAtMs = 0;

  /** @param threw what a bug does: the real process would end with an uncaught exception */
  constructor(name: string, time: VirtualTime, clock: MachineClock, threw: (error: unknown) => void) {
    this.name = name;
    this.#threw = threw;
    this.#time = time;
    this.#clock = clock;
    this.#bornMs = time.monotonicMs();
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#waiting !== null;
  }

  nowMs(): number {
    return this.#time.nowMs() + this.#clock.offsetMs;
  }

  monotonicMs(): number {
    return (this.#time.monotonicMs() - this.#bornMs - this.#frozenMs) * this.#clock.rate;
  }

  immediate(run: () => void): void {
    this.#time.immediate(() => this.#do(run, false));
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#time.after(Math.max(0, delayMs) / this.#clock.rate, () => this.#do(run, false));
  }

  /** Something came from outside: a message, an answer of a store, a frame of a phone. */
  arrive(run: () => void): void {
    this.#do(run, true);
  }

  pause(): void {
    if (this.#waiting !== null) return;
    this.#waiting = [];
    this.#pausedAtMs = this.#time.monotonicMs();
  }

  /** Goes on. With `frozen` the monotonic clock did not see the pause, as when a virtual machine is suspended. */
  resume(order: WakeOrder, frozen = false): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    if (frozen) this.#frozenMs += this.#time.monotonicMs() - this.#pausedAtMs;
    if (order !== 'asItCame') {
      const first = order === 'arrivalsFirst';
      waiting.sort((a, b) => Number(b.arrival === first) - Number(a.arrival === first));
    }
    // each in an instant of its own, so that promises settle in between
    for (const { run, arrival } of waiting) this.#time.immediate(() => this.#do(run, arrival));
  }

  kill(): void {
    this.#alive = false;
    this.#waiting = null;
  }

  #do(run: () => void, arrival: boolean): void {
    if (!this.#alive) return;
    if (this.#waiting !== null) {
      this.#waiting.push({ arrival, run });
      return;
    }
    try {
      run();
    } catch (error) {
      this.#threw(error);
    }
  }
}
