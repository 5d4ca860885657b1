/**
 * Whether a line stands: more come than can be served. Judged as CoDel judges a queue (Nichols and Jacobson 2012, RFC 8289), by
 * how long its members waited and not by how many they are: a burst is long for a moment and gone, and how many are too
 * many depends on what each costs. A line stands when for a whole interval nobody waited less than the target and it was
 * never empty.
 *
 * Why it matters. A node that takes whatever comes answers nobody in time once more comes than it can do: everything waits
 * behind everything, who asked has left when his turn comes, and the work was for nothing. Who is told at once to come
 * again costs little, and the others are served as fast as ever.
 *
 * Waits are measured with marks that are put at the end of the line now and then: a mark is reached when everybody before it
 * was served.
 */
interface Mark {
  /** Of all who ever came, so many stand before it. */
  readonly behind: number;
  readonly atMs: number;
}

export class StandingLine {
  readonly #targetMs: number;
  readonly #intervalMs: number;
  readonly #marks: Mark[] = [];
  /** When a long wait was seen first, and no short one since. */
  #sinceMs: number | null = null;

  constructor(targetMs: number, intervalMs: number) {
    this.#targetMs = targetMs;
    this.#intervalMs = intervalMs;
  }

  /** Whether it stands at this monotonic time. */
  stands(nowMs: number): boolean {
    return this.#sinceMs !== null && nowMs - this.#sinceMs >= this.#intervalMs;
  }

  /** Whether it may stand: the answer of `stands` is no otherwise, whatever the time. */
  get isLong(): boolean {
    return this.#sinceMs !== null;
  }

  /** Puts a mark behind the last one of the line; `came` have come by now. */
  mark(came: number, nowMs: number): void {
    if (this.#marks.at(-1)?.behind !== came) this.#marks.push({ behind: came, atMs: nowMs });
  }

  /** Of those who came, the first `served` were served. */
  reached(served: number, nowMs: number): void {
    const marks = this.#marks;
    while (marks.length > 0 && marks[0]!.behind <= served) {
      const { atMs } = marks.shift()!;
      if (nowMs - atMs < this.#targetMs) this.#sinceMs = null;
      else this.#sinceMs ??= nowMs;
    }
  }

  emptied(): void {
    this.#marks.length = 0;
    this.#sinceMs = null;
  }
}
