/**
 * The newest durable events of a user, for phones that were away. A value like all of a state: one more event gives
 * another ring, and the old one is what it was.
 *
 * An event comes with every movement, so it must not cost a copy of the others, nor leave objects behind that are
 * collected one by one when it is old. The versions of a ring share a log that only grows: each version knows its own part
 * of it, and none sees what stands behind its end. Bytes of frames stand one behind the other. Whoever appends to a version
 * behind whose end something stands already (a turn that threw was thrown away) gets a log of its own; so does a log that
 * is full, of which only what is still in the ring is kept.
 */
import { ACTOR_LIMITS } from '../limits.ts';

export interface RingEvent {
  readonly offset: number;
  readonly id: string;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** Column by column, so that an event is no object. */
interface Log {
  readonly frames: Uint8Array;
  /** Where the frame of each ends. */
  readonly ends: number[];
  readonly ids: string[];
  readonly atMs: number[];
}

/** Nothing fits into it. */
const NO_LOG: Log = { frames: new Uint8Array(0), ends: [], ids: [], atMs: [] };
/** Bytes for frames in the log of who has one event. */
const FRAMES_MIN = 256;

export class Ring {
  static readonly EMPTY = new Ring(NO_LOG, 0, 0, 0);

  /** Private, because a log changes and a value does not. */
  readonly #log: Log;
  readonly #from: number;
  readonly #to: number;
  /** Offset of the newest event; those before it have the offsets before it. */
  readonly #offset: number;

  private constructor(log: Log, from: number, to: number, offset: number) {
    this.#log = log;
    this.#from = from;
    this.#to = to;
    this.#offset = offset;
  }

  /** Of events in the order of their offsets, without a gap. */
  static of(events: readonly RingEvent[]): Ring {
    let ring = Ring.EMPTY;
    for (const event of events) ring = ring.append(event);
    return ring;
  }

  get length(): number {
    return this.#to - this.#from;
  }

  /** Bytes of all frames. */
  get bytes(): number {
    return end(this.#log, this.#to) - end(this.#log, this.#from);
  }

  /** With one more event, without those for which there is no room any more or which are too old then. */
  append({ offset, id, atMs, bytes }: RingEvent): Ring {
    const base = this.#fits(bytes.length) ? this : this.#moved(bytes.length);
    const log = base.#log;
    const last = base.#to;
    const used = end(log, last);
    log.frames.set(bytes, used);
    log.ends.push(used + bytes.length);
    log.ids.push(id);
    log.atMs.push(atMs);
    let from = base.#from;
    while (
      from < last &&
      (last + 1 - from > ACTOR_LIMITS.ringEvents ||
        log.ends[last]! - end(log, from) > ACTOR_LIMITS.ringBytes ||
        atMs - log.atMs[from]! > ACTOR_LIMITS.ringMs)
    )
      from++;
    return new Ring(log, from, last + 1, offset);
  }

  /** The event with this id. */
  byId(id: string): RingEvent | undefined {
    const at = this.#log.ids.indexOf(id, this.#from);
    return at >= 0 && at < this.#to ? this.#at(at) : undefined;
  }

  /** When the oldest event behind `offset`, and at most at `upTo`, came; undefined when there is none. */
  atMsAfter(offset: number, upTo = this.#offset): number | undefined {
    const first = this.#offset - this.length + 1;
    const oldest = Math.max(first, offset + 1);
    return oldest <= Math.min(upTo, this.#offset) ? this.#log.atMs[this.#from + oldest - first] : undefined;
  }

  /** Oldest first. */
  events(): RingEvent[] {
    return Array.from({ length: this.length }, (_, i) => this.#at(this.#from + i));
  }

  #at(at: number): RingEvent {
    const { frames, ends, ids, atMs } = this.#log;
    const bytes = frames.subarray(end(this.#log, at), ends[at]);
    return { offset: this.#offset - (this.#to - 1 - at), id: ids[at]!, atMs: atMs[at]!, bytes };
  }

  /** Whether so many bytes may stand behind its end. */
  #fits(length: number): boolean {
    const { frames, ends } = this.#log;
    return (
      ends.length === this.#to &&
      this.#from < ACTOR_LIMITS.ringEvents &&
      end(this.#log, this.#to) + length <= frames.length
    );
  }

  /** The same in a log of its own, with room for as much again and for so many bytes. */
  #moved(room: number): Ring {
    const { frames, ends, ids, atMs } = this.#log;
    const [from, to] = [this.#from, this.#to];
    const begin = end(this.#log, from);
    const used = this.bytes;
    const log: Log = {
      frames: new Uint8Array(Math.max(FRAMES_MIN, 2 * used, used + room)),
      ends: ends.slice(from, to).map(one => one - begin),
      ids: ids.slice(from, to),
      atMs: atMs.slice(from, to),
    };
    log.frames.set(frames.subarray(begin, begin + used));
    return new Ring(log, 0, to - from, this.#offset);
  }
}

/** Where the frames end before the event at this place. */
function end({ ends }: Log, at: number): number {
  return at === 0 ? 0 : ends[at - 1]!;
}
