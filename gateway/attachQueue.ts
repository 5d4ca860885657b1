/**
 * Phones whose actor shall be asked. A waking actor is read from the store, so only so many are asked at once; the others
 * wait in line, and beyond the line they are sent away at once, which is kinder than to let them wait for nothing.
 */
export class AttachQueue<T> {
  readonly #askedMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<T>();
  #asked = 0;
  #asking = false;

  constructor(askedMax: number, waitingMax: number) {
    this.#askedMax = askedMax;
    this.#waitingMax = waitingMax;
  }

  get asked(): number {
    return this.#asked;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** `now`: ask, and call `answered` once when it is over. `later`: `answered` of another will ask. `full`: nobody will. */
  enter(one: T): 'now' | 'later' | 'full' {
    if (this.#asked < this.#askedMax) {
      this.#asked++;
      return 'now';
    }
    if (this.#waiting.size >= this.#waitingMax) return 'full';
    this.#waiting.add(one);
    return 'later';
  }

  /** One was answered: others are asked in its place. Answers that come while asking do not pile up on the stack. */
  answered(ask: (one: T) => void): void {
    this.#asked--;
    if (this.#asking) return;
    this.#asking = true;
    try {
      for (const next of this.#waiting) {
        if (this.#asked >= this.#askedMax) return;
        this.#waiting.delete(next);
        this.#asked++;
        ask(next);
      }
    } finally {
      this.#asking = false;
    }
  }

  /** It went away. */
  forget(one: T): void {
    this.#waiting.delete(one);
  }

  /** Those that have waited too long, in the order in which they came; the first that has not ends the search. */
  *late(tooLong: (one: T) => boolean): Generator<T> {
    for (const one of this.#waiting) {
      if (!tooLong(one)) return;
      this.#waiting.delete(one);
      yield one;
    }
  }
}
