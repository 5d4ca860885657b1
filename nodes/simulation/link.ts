/**
 * The connection of one machine to the server in the middle: two directions, each in order, each with its own delay, each
 * of which may be cut while the other one works. What is sent into a cut waits in the buffers of the kernel: it arrives
 * when the cut heals in time, and is lost when the connection is given up before.
 */
import type { Dice } from './dice.ts';
import type { FaultCounts } from './faults.ts';
import type { VirtualTime } from './virtualTime.ts';

export interface LinkParts {
  readonly time: VirtualTime;
  readonly dice: Dice;
  readonly faults: FaultCounts;
}

class Direction {
  cut = false;
  #lastMs = 0;
  #held: (() => void)[] = [];
  readonly #parts: LinkParts;

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  /** @param extraMs beyond the ordinary delay; @param overtakes whether it may arrive before what was sent earlier */
  send(latencyMs: number, run: () => void, overtakes = false): void {
    const { time, faults } = this.#parts;
    if (this.cut) {
      faults.hit('message held by a partition');
      this.#held.push(run);
      return;
    }
    const nowMs = time.monotonicMs();
    const atMs = overtakes ? nowMs + latencyMs : Math.max(this.#lastMs, nowMs + latencyMs);
    if (!overtakes) this.#lastMs = atMs;
    time.after(atMs - nowMs, () => {
      // it was on the wire when the cut came
      if (this.cut) this.#held.push(run);
      else run();
    });
  }

  heal(latencyMs: number): void {
    this.cut = false;
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.send(latencyMs, run);
  }

  forget(): void {
    if (this.#held.length > 0) this.#parts.faults.hit('message lost with its connection', this.#held.length);
    this.#held = [];
  }
}

export class Link {
  readonly name: string;
  readonly #parts: LinkParts;
  readonly #out: Direction;
  readonly #in: Direction;
  /** One way, milliseconds. */
  latencyMs = { min: 0.2, max: 1 };
  /** Called when the state of the cuts changes. */
  readonly #watchers: (() => void)[] = [];

  constructor(name: string, parts: LinkParts) {
    this.name = name;
    this.#parts = parts;
    this.#out = new Direction(parts);
    this.#in = new Direction(parts);
  }

  get cut(): boolean {
    return this.#out.cut || this.#in.cut;
  }

  out(run: () => void): void {
    this.#out.send(this.#latency(), run);
  }

  in(run: () => void, extraMs = 0, overtakes = false): void {
    this.#in.send(this.#latency() + extraMs, run, overtakes);
  }

  stop(out: boolean, inward: boolean): void {
    this.#out.cut ||= out;
    this.#in.cut ||= inward;
    for (const watcher of this.#watchers) watcher();
  }

  heal(): void {
    if (!this.cut) return;
    this.#out.heal(this.#latency());
    this.#in.heal(this.#latency());
    for (const watcher of this.#watchers) watcher();
  }

  /** The connection is given up: what waits in it is lost. */
  forget(): void {
    this.#out.forget();
    this.#in.forget();
  }

  watch(changed: () => void): () => void {
    this.#watchers.push(changed);
    return () => {
      const at = this.#watchers.indexOf(changed);
      if (at >= 0) this.#watchers.splice(at, 1);
    };
  }

  #latency(): number {
    return this.#parts.dice.between(this.latencyMs.min, this.latencyMs.max);
  }
}
