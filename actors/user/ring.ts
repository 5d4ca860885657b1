/**
 * The newest durable events of a user, for phones that were away. A value like all of a state: one more event gives
 * another ring, and the old one is what it was.
 *
 * An event comes with every movement, so it must neither cost a copy of the others nor leave objects behind that are
 * collected one by one when it is old: frames stand one behind the other in a circle of bytes that the versions of a ring
 * share, and there is nothing else of them but a row of numbers. A new frame takes the place of frames that are in the ring
 * no more. It never takes that of one which the version it is appended to still has. Whoever goes on from an older version
 * (a turn that threw was thrown away) gets a circle of its own, and so does a ring for which the circle is too small; a
 * version that somebody kept while many were appended behind it has forgotten its oldest events, and does not know others
 * instead.
 */
import { tryUuidToBytes } from '../../protocol/ids.ts';
import { eventIdAt } from '../../protocol/pieces.ts';
import { ACTOR_LIMITS } from '../limits.ts';

export interface RingEvent {
  readonly offset: number;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** Numbers of an event in a row: where its frame begins and ends, and when it came. */
const ROW = 3;
const ENDS = 1;
const CAME = 2;

interface Circle {
  readonly frames: Uint8Array;
  /** A row for each of the newest events: that of event n at n modulo their number, which is a power of two. */
  readonly rows: Float64Array;
  /** Number of rows less one. */
  readonly mask: number;
  /** Events from here on are still there; numbered from 0 in the order in which they came. */
  first: number;
  /** Behind the newest. */
  next: number;
}

/** Nothing fits into it. */
const NOTHING: Circle = {
  frames: new Uint8Array(0),
  rows: new Float64Array(0),
  mask: 0,
  first: 0,
  next: 0,
};
/** Room for the frames of who has one event, and events of who has few. */
const FRAMES_MIN = 256;
const EVENTS_MIN = 4;

export class Ring {
  static readonly EMPTY = new Ring(NOTHING, 0, 0, 0, 0);

  /** Private, because a circle changes and a value does not. */
  readonly #circle: Circle;
  readonly #from: number;
  readonly #to: number;
  readonly #bytes: number;
  /** Offset of the newest event; those before it have the offsets before it. */
  readonly #offset: number;

  private constructor(circle: Circle, from: number, to: number, bytes: number, offset: number) {
    this.#circle = circle;
    this.#from = from;
    this.#to = to;
    this.#bytes = bytes;
    this.#offset = offset;
  }

  /** Of events in the order of their offsets, without a gap. */
  static of(events: readonly RingEvent[]): Ring {
    let ring = Ring.EMPTY;
    for (const event of events) ring = ring.append(event);
    return ring;
  }

  get length(): number {
    return this.#to - this.#oldest;
  }

  /** Bytes of all frames. */
  get bytes(): number {
    return this.#bytes;
  }

  /** With one more event, without those for which there is no room any more or which are too old then. */
  append({ offset, atMs, bytes }: RingEvent): Ring {
    const { length } = bytes;
    let base: Ring = this;
    let at = this.#place(length);
    if (at < 0) {
      base = this.#moved(length);
      at = base.#bytes;
    }
    const circle = base.#circle;
    const { frames, rows } = circle;
    frames.set(bytes, at);
    const to = base.#to;
    const row = rowOf(circle, to);
    rows[row] = at;
    rows[row + ENDS] = at + length;
    rows[row + CAME] = atMs;
    circle.next = to + 1;
    let from = base.#from;
    let sum = base.#bytes + length;
    for (; from < to; from++) {
      const old = rowOf(circle, from);
      const stays =
        to - from < ACTOR_LIMITS.ringEvents &&
        sum <= ACTOR_LIMITS.ringBytes &&
        atMs - rows[old + CAME]! <= ACTOR_LIMITS.ringMs;
      if (stays) break;
      sum -= rows[old + ENDS]! - rows[old]!;
    }
    return new Ring(circle, from, to + 1, sum, offset);
  }

  /** Offset of the event with this id; undefined when it is not here. */
  offsetOf(id: string): number | undefined {
    const sought = tryUuidToBytes(id);
    if (sought === null) return undefined;
    const circle = this.#circle;
    const { frames, rows } = circle;
    for (let n = this.#to - 1; n >= this.#oldest; n--) {
      const at = eventIdAt(frames, rows[rowOf(circle, n)]!);
      if (at >= 0 && sought.every((byte, i) => frames[at + i] === byte)) return this.#offsetOf(n);
    }
    return undefined;
  }

  /** When the oldest event behind `offset`, and at most at `upTo`, came; undefined when there is none. */
  atMsAfter(offset: number, upTo = this.#offset): number | undefined {
    const first = this.#offsetOf(this.#oldest);
    const oldest = Math.max(first, offset + 1);
    if (oldest > Math.min(upTo, this.#offset)) return undefined;
    const circle = this.#circle;
    return circle.rows[rowOf(circle, this.#oldest + oldest - first) + CAME];
  }

  /** Those behind an offset, oldest first; copies, because the circle turns on. */
  events(after = 0): RingEvent[] {
    const circle = this.#circle;
    const { frames, rows } = circle;
    const first = Math.max(this.#oldest, this.#to - Math.max(0, this.#offset - after));
    return Array.from({ length: this.#to - first }, (_, i) => {
      const n = first + i;
      const row = rowOf(circle, n);
      const bytes = frames.slice(rows[row], rows[row + ENDS]);
      return { offset: this.#offsetOf(n), atMs: rows[row + CAME]!, bytes };
    });
  }

  /** The oldest that has not been overwritten behind a version which is not the newest. */
  get #oldest(): number {
    return Math.min(this.#to, Math.max(this.#from, this.#circle.first));
  }

  #offsetOf(n: number): number {
    return this.#offset - (this.#to - 1 - n);
  }

  /** Where a frame of this length may stand, behind the newest; -1 when it must not. What stood there is forgotten. */
  #place(length: number): number {
    const circle = this.#circle;
    const { frames, rows } = circle;
    const [from, to] = [this.#from, this.#to];
    if (circle.next !== to || rows.length === 0) return -1;
    const end = to === 0 ? 0 : rows[rowOf(circle, to - 1) + ENDS]!;
    const wraps = end + length > frames.length;
    const at = wraps ? 0 : end;
    if (at + length > frames.length) return -1;
    let { first } = circle;
    if (to - first > circle.mask) first++;
    for (; first < to; first++) {
      const row = rowOf(circle, first);
      const begins = rows[row]!;
      // a frame in the rest of the circle that is left out is older than those in front of it
      const over = (begins < at + length && rows[row + ENDS]! > at) || (wraps && begins >= end);
      if (!over) break;
    }
    if (first > from) return -1;
    circle.first = first;
    return at;
  }

  /** The same in a circle of its own, with room for as much again and for so many bytes. */
  #moved(room: number): Ring {
    const old = this.#circle;
    const { length } = this;
    let places = EVENTS_MIN;
    while (places < 2 * length) places *= 2;
    const used = this.#bytes;
    const rowBytes = places * ROW * Float64Array.BYTES_PER_ELEMENT;
    const memory = new ArrayBuffer(rowBytes + Math.max(FRAMES_MIN, 2 * used, used + room));
    const rows = new Float64Array(memory, 0, places * ROW);
    const frames = new Uint8Array(memory, rowBytes);
    let sum = 0;
    // frames that stand side by side go in one piece
    let [begins, ends] = [0, 0];
    const copy = (): void => frames.set(old.frames.subarray(begins, ends), sum - (ends - begins));
    for (let n = 0; n < length; n++) {
      const row = rowOf(old, this.#oldest + n);
      const at = old.rows[row]!;
      if (at !== ends) {
        copy();
        begins = at;
      }
      ends = old.rows[row + ENDS]!;
      rows[n * ROW] = sum;
      sum += ends - at;
      rows[n * ROW + ENDS] = sum;
      rows[n * ROW + CAME] = old.rows[row + CAME]!;
    }
    copy();
    const circle: Circle = { frames, rows, mask: places - 1, first: 0, next: length };
    return new Ring(circle, 0, length, sum, this.#offset);
  }
}

function rowOf({ mask }: Circle, n: number): number {
  return (n & mask) * ROW;
}
