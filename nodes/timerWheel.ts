/**
 * All volatile timers of a node on one hashed wheel: arming and cancelling are O(1), and a million of them cost one
 * timer of the event loop. Late by at most one tick, never early.
 */
import type { Scheduler } from './ports.ts';

export interface WheelTimer {
  /** Tick at which it is due. */
  due: number;
  run: (() => void) | null;
  previous: WheelTimer | null;
  next: WheelTimer | null;
  slot: number;
}

export class TimerWheel {
  readonly #scheduler: Scheduler;
  readonly #monotonicMs: () => number;
  readonly #tickMs: number;
  readonly #slots: (WheelTimer | null)[];
  readonly #startedMs: number;
  #tick = 0;
  #armed = 0;
  #stopTicking: (() => void) | null = null;

  constructor(scheduler: Scheduler, monotonicMs: () => number, tickMs: number, slots: number) {
    this.#scheduler = scheduler;
    this.#monotonicMs = monotonicMs;
    this.#tickMs = tickMs;
    this.#slots = new Array(slots).fill(null);
    this.#startedMs = monotonicMs();
  }

  get armed(): number {
    return this.#armed;
  }

  after(delayMs: number, run: () => void): WheelTimer {
    if (this.#armed === 0) this.#tick = this.#ticksNow();
    const due = Math.max(
      this.#tick + 1,
      Math.ceil((this.#elapsedMs() + Math.max(0, delayMs)) / this.#tickMs),
    );
    const slot = due % this.#slots.length;
    const head = this.#slots[slot] ?? null;
    const timer: WheelTimer = { due, run, previous: null, next: head, slot };
    if (head) head.previous = timer;
    this.#slots[slot] = timer;
    this.#armed++;
    this.#stopTicking ??= this.#scheduler.after(this.#tickMs, this.#onTick);
    return timer;
  }

  cancel(timer: WheelTimer): void {
    if (timer.run === null) return;
    timer.run = null;
    if (timer.previous) timer.previous.next = timer.next;
    else this.#slots[timer.slot] = timer.next;
    if (timer.next) timer.next.previous = timer.previous;
    this.#armed--;
  }

  stop(): void {
    this.#stopTicking?.();
    this.#stopTicking = null;
    this.#slots.fill(null);
    this.#armed = 0;
  }

  #elapsedMs(): number {
    return this.#monotonicMs() - this.#startedMs;
  }

  #ticksNow(): number {
    return Math.floor(this.#elapsedMs() / this.#tickMs);
  }

  readonly #onTick = (): void => {
    this.#stopTicking = null;
    const now = this.#ticksNow();
    // After a long pause of the process every slot is visited at most once.
    const first = Math.max(this.#tick + 1, now - this.#slots.length + 1);
    for (let tick = first; tick <= now; tick++) {
      this.#tick = tick;
      this.#fire(tick % this.#slots.length, now);
    }
    if (now > this.#tick) this.#tick = now;
    if (this.#armed > 0) this.#stopTicking ??= this.#scheduler.after(this.#tickMs, this.#onTick);
  };

  #fire(slot: number, now: number): void {
    // A run may arm or cancel timers of this very slot: collect what is due first.
    let due: WheelTimer[] | null = null;
    for (let timer = this.#slots[slot] ?? null; timer; timer = timer.next) {
      if (timer.due <= now) (due ??= []).push(timer);
    }
    if (!due) return;
    for (let i = due.length - 1; i >= 0; i--) {
      const timer = due[i] as WheelTimer;
      const run = timer.run;
      if (run === null) continue;
      this.cancel(timer);
      run();
    }
  }
}
