/**
 * A few lines used in turn: takes one that is free, waits while all are busy, refuses at once when all are down.
 *
 * Whoever has waited too long when his turn comes is refused, too: nobody waits for his answer any more, and what is done for
 * nobody makes the next ones late as well, until every answer comes too late.
 */
import { CommitError, type Metrics } from '../../nodes/ports.ts';
import { Line, type LineOptions, type Statement } from './line.ts';

interface Waiting {
  readonly resolve: (line: Line) => void;
  readonly reject: (error: CommitError) => void;
  readonly askedMs: number;
  readonly waitMsMax: number;
}

export interface LinesOptions extends Omit<LineOptions, 'onUp'> {
  /** Told how long each statement waits for a line (`heyblue_postgres_wait_seconds`, under the name of the lines). */
  readonly metrics?: Pick<Metrics, 'observe'> | undefined;
  /** Whoever waits longer for a line is refused. Default: nobody is. */
  readonly waitMsMax?: number;
}

export class Lines {
  readonly #lines: Line[];
  readonly #waited: (seconds: number) => void;
  readonly #waitMsMax: number;
  readonly #taken = new Set<Line>();
  readonly #waiting: Waiting[] = [];
  #closed = false;

  constructor(count: number, { metrics, waitMsMax = Number.POSITIVE_INFINITY, ...options }: LinesOptions) {
    this.#waitMsMax = waitMsMax;
    const labels = { lines: options.name };
    this.#waited = seconds => metrics?.observe('heyblue_postgres_wait_seconds', seconds, labels);
    this.#lines = Array.from(
      { length: count },
      (_, i) =>
        new Line({
          ...options,
          name: `${options.name} ${i}`,
          onUp: () => queueMicrotask(() => this.#hand()),
        }),
    );
  }

  get up(): boolean {
    return this.#lines.some(line => line.up);
  }

  /** Resolves after the first try to connect. */
  async tried(): Promise<void> {
    await Promise.all(this.#lines.map(line => line.tried));
  }

  /** Runs `work` with a line that nobody else uses meanwhile; `index` is its number. */
  async with<T>(
    work: (line: Line, index: number) => Promise<T>,
    waitMsMax: number = this.#waitMsMax,
  ): Promise<T> {
    const askedMs = performance.now();
    const line = await new Promise<Line>((resolve, reject) => {
      this.#waiting.push({ resolve, reject, askedMs, waitMsMax });
      this.#hand();
    });
    try {
      return await work(line, this.#lines.indexOf(line));
    } finally {
      this.#taken.delete(line);
      this.#hand();
    }
  }

  run(statement: Statement, waitMsMax?: number): Promise<unknown[][]> {
    return this.with(line => line.run(statement), waitMsMax);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#hand();
    await Promise.all(this.#lines.map(line => line.close()));
  }

  #hand(): void {
    while (this.#waiting.length > 0) {
      if (!this.up || this.#closed) {
        const error = new CommitError('unavailable', 'no connection to PostgreSQL');
        for (const { reject } of this.#waiting.splice(0)) reject(error);
        return;
      }
      const free = this.#lines.find(line => line.up && !this.#taken.has(line));
      if (!free) return;
      const { resolve, reject, askedMs, waitMsMax } = this.#waiting.shift()!;
      const waitedMs = performance.now() - askedMs;
      this.#waited(waitedMs / 1_000);
      if (waitedMs > waitMsMax) reject(new CommitError('unavailable', 'too many wait for PostgreSQL'));
      else {
        this.#taken.add(free);
        resolve(free);
      }
    }
  }
}
