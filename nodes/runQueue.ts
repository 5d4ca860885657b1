/**
 * Who has mail and waits for a turn: each is served a slice in order, and after `loopMs` the event loop gets its turn,
 * so that sockets are read and timers fire however much work there is. One waits at most once.
 *
 * There are two lines. Whoever has mail that somebody waits for (a command, an answer, a commit) is hurried and goes first;
 * whoever has nothing but mail that may wait (positions) stands in the other line, of which every {@link IN_A_ROW}th slice
 * is, so that it moves whatever happens. Hurried while he waits, he goes over; the place that he leaves is skipped.
 *
 * How long the hurried wait is measured once in each run of the loop, so that it is known whether their line stands.
 *
 * `mayRun` is asked before every slice. While it says no, everybody keeps his place; the queue looks again by itself,
 * and at once when it is told to `resume`.
 */
import type { Clock, Scheduler } from './ports.ts';
import { StandingLine } from './standingLine.ts';

export interface RunQueueOptions<One> {
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly loopMs: number;
  /** The line of the hurried stands when for `standingMs` none of them waited less than `waitMs`. */
  readonly waitMs: number;
  readonly standingMs: number;
  readonly mayRun: () => boolean;
  /** Slices follow, until `left`. */
  readonly entered: () => void;
  /** One slice, at this monotonic time; at its end `scheduled` is false. */
  readonly serve: (one: One, nowMs: number) => void;
  /** How long the slice took. True when the event loop should have its turn now. */
  readonly served: (one: One, tookMs: number) => boolean;
  /** The event loop gets its turn. */
  readonly left: () => void;
}

/** Who waits, and whether in the line of the hurried. */
export interface Waiting {
  scheduled: boolean;
  hurried: boolean;
}

/** How soon to look whether running is allowed again, when nobody says so. */
const LOOK_MS = 50;
/** Slices of the hurried before one of the others has his. */
const IN_A_ROW = 8;
/** Places that were left, before the line is made anew. */
const LEFT_MAX = 1_024;

/** First in, first out. */
class Line<One> {
  #items: One[] = [];
  #head = 0;
  /** How many ever came. */
  came = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(one: One): void {
    this.#items.push(one);
    this.came++;
  }

  shift(): One {
    const one = this.#items[this.#head++]!;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= LEFT_MAX && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return one;
  }
}

export class RunQueue<One extends Waiting> {
  readonly #options: RunQueueOptions<One>;
  readonly #hurried = new Line<One>();
  readonly #others = new Line<One>();
  readonly #standing: StandingLine;
  #inARow = 0;
  #looping = false;
  #halted: (() => void) | null = null;

  constructor(options: RunQueueOptions<One>) {
    this.#options = options;
    this.#standing = new StandingLine(options.waitMs, options.standingMs);
  }

  /** Whether more hurried ones come than can be served. */
  get stands(): boolean {
    return this.#standing.isLong && this.#standing.stands(this.#options.clock.monotonicMs());
  }

  /** Those who wait with nothing but what may wait; at least so many. */
  get unhurried(): number {
    return this.#others.length;
  }

  push(one: One, hurried: boolean): void {
    if (one.scheduled) {
      if (!hurried || one.hurried) return;
      one.hurried = true;
      this.#hurried.push(one);
      return;
    }
    one.scheduled = true;
    one.hurried = hurried;
    (hurried ? this.#hurried : this.#others).push(one);
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
    this.#standing.mark(this.#hurried.came, nowMs);
    entered();
    while (this.#hurried.length + this.#others.length > 0) {
      if (!mayRun()) {
        this.#halt();
        return left();
      }
      const one = this.#next();
      if (!one.scheduled) {
        // he was served in the other line; nobody may stand behind him
        this.#measure(nowMs);
        continue;
      }
      const startedMs = nowMs;
      // what comes to him in his own turns does not put him into a line
      one.hurried = true;
      serve(one, startedMs);
      nowMs = clock.monotonicMs();
      this.#measure(nowMs);
      if (!served(one, nowMs - startedMs) && nowMs < untilMs) continue;
      this.#again();
      return left();
    }
    this.#looping = false;
    left();
  };

  #measure(nowMs: number): void {
    const { length, came } = this.#hurried;
    if (length === 0) this.#standing.emptied();
    else this.#standing.reached(came - length, nowMs);
  }

  #next(): One {
    const waits = this.#others.length > 0;
    if (waits && (this.#hurried.length === 0 || this.#inARow >= IN_A_ROW)) {
      this.#inARow = 0;
      return this.#others.shift();
    }
    this.#inARow = waits ? this.#inARow + 1 : 0;
    return this.#hurried.shift();
  }

  #again(): void {
    if (this.#hurried.length + this.#others.length > 0) this.#options.scheduler.immediate(this.#loop);
    else this.#looping = false;
  }

  #halt(): void {
    this.#halted = this.#options.scheduler.after(LOOK_MS, () => {
      this.#halted = null;
      this.#loop();
    });
  }
}
