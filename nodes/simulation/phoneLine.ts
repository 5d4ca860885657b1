/**
 * The connection of one phone to one gateway: in order both ways, with a delay, until either side ends it or the process
 * of the gateway dies. What is on its way then is lost.
 */
import type { Dice } from './dice.ts';
import type { SimulatedProcess } from './process.ts';
import type { VirtualTime } from './virtualTime.ts';

/** One way over a mobile network, milliseconds. */
const LATENCY_MS = { min: 2, max: 12 };

export interface LineEnd<M> {
  heard(message: M): void;
  /** The other side ended it, or is gone. */
  ended(code: number, reason: string): void;
}

export class PhoneLine<Up, Down> {
  readonly #time: VirtualTime;
  readonly #dice: Dice;
  readonly process: SimulatedProcess;
  /** Set by whoever takes the call. */
  gateway: LineEnd<Up> | null = null;
  phone: LineEnd<Down> | null = null;
  #open = true;
  #upMs = 0;
  #downMs = 0;

  constructor(time: VirtualTime, dice: Dice, process: SimulatedProcess) {
    this.#time = time;
    this.#dice = dice;
    this.process = process;
  }

  up(message: Up): void {
    this.#upMs = this.#travel(this.#upMs, () => {
      this.process.arrive(() => this.gateway?.heard(message));
    });
  }

  down(message: Down): void {
    this.#downMs = this.#travel(this.#downMs, () => this.phone?.heard(message));
  }

  /** The phone hangs up. */
  hangUp(): void {
    this.#upMs = this.#travel(this.#upMs, () => {
      this.#open = false;
      this.process.arrive(() => this.gateway?.ended(0, 'the phone left'));
    });
    this.phone = null;
  }

  /** The gateway closes it. */
  close(code: number, reason: string): void {
    this.gateway = null;
    this.#downMs = this.#travel(this.#downMs, () => {
      this.#open = false;
      this.phone?.ended(code, reason);
    });
  }

  /** The process died: the phone hears of it from the kernel of the machine. */
  broken(): void {
    this.gateway = null;
    this.#time.after(this.#latency(), () => {
      this.#open = false;
      this.phone?.ended(1006, 'the connection broke');
    });
  }

  #travel(lastMs: number, arrive: () => void): number {
    if (!this.#open) return lastMs;
    const nowMs = this.#time.monotonicMs();
    const atMs = Math.max(lastMs, nowMs + this.#latency());
    this.#time.after(atMs - nowMs, () => {
      if (this.#open) arrive();
    });
    return atMs;
  }

  #latency(): number {
    return this.#dice.between(LATENCY_MS.min, LATENCY_MS.max);
  }
}
