/**
 * What happened in a run: the newest events in words for people, and a digest of all of them. Two runs of one seed are
 * the same when their digests are, so a failure can be played again byte for byte.
 */
import type { VirtualTime } from './virtualTime.ts';

type Word = string | number | boolean | null | undefined;

interface Event {
  readonly atMs: number;
  readonly what: string;
  readonly words: readonly Word[];
}

/** Events kept in words. */
const KEPT = 4_000;

export class Chronicle {
  readonly #time: VirtualTime;
  readonly #ring: (Event | undefined)[] = new Array(KEPT);
  #count = 0;
  #a = 0x811c9dc5;
  #b = 0x01000193;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  get count(): number {
    return this.#count;
  }

  /** Remembers an event. The words must not change later. */
  note(what: string, ...words: Word[]): void {
    const atMs = this.#time.monotonicMs();
    this.#ring[this.#count++ % KEPT] = { atMs, what, words };
    this.#mixNumber(atMs);
    this.#mixText(what);
    for (const word of words) {
      if (typeof word === 'number') this.#mixNumber(word);
      else this.#mixText(String(word));
    }
  }

  /** Sixteen hex digits over every event so far. */
  digest(): string {
    const hex = (part: number): string => (part >>> 0).toString(16).padStart(8, '0');
    return hex(this.#a ^ this.#count) + hex(this.#b);
  }

  /** The newest events, oldest first, one line each. */
  tell(count: number, about: (line: string) => boolean = () => true): string[] {
    const lines: string[] = [];
    const first = Math.max(0, this.#count - KEPT);
    for (let i = this.#count - 1; i >= first && lines.length < count; i--) {
      const { atMs, what, words } = this.#ring[i % KEPT]!;
      const line = `${(atMs / 1_000).toFixed(3).padStart(8)} s  ${what}${words.length > 0 ? ': ' : ''}${words.join(' ')}`;
      if (about(line)) lines.push(line);
    }
    return lines.reverse();
  }

  #mixNumber(value: number): void {
    const whole = Math.floor(value);
    this.#mix(whole | 0);
    this.#mix(((value - whole) * 0x1000_0000) | 0);
  }

  #mixText(text: string): void {
    this.#mix(text.length);
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
  }

  #mix(part: number): void {
    this.#a = Math.imul(this.#a ^ part, 0x01000193);
    this.#b = Math.imul((this.#b << 13) | (this.#b >>> 19), 5) + Math.imul(part ^ this.#a, 0x5bd1e995);
  }
}
