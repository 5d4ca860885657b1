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
    for (const event of events) ring = ring.#with(event);
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
  append(event: RingEvent): Ring {
    const grown = this.#with(event);
    const { ends, atMs } = grown.#log;
    const last = grown.#to - 1;
    let from = grown.#from;
    while (
      from < last &&
      (grown.#to - from > ACTOR_LIMITS.ringEvents ||
        ends[last]! - end(grown.#log, from) > ACTOR_LIMITS.ringBytes ||
        event.atMs - atMs[from]! > ACTOR_LIMITS.ringMs)
    )
      from++;
    return from === grown.#from ? grown : new Ring(grown.#log, from, grown.#to, grown.#offset);
  }

  /** The event with this id. */
  byId(id: string): RingEvent | undefined {
    const at = this.#log.ids.indexOf(id, this.#from);
    return at >= 0 && at < this.#to ? this.#at(at) : undefined;
  }

  /** The oldest event behind this offset. */
  after(offset: number): RingEvent | undefined {
    const before = this.#offset - this.length;
    const at = this.#from + Math.max(0, offset - before);
    return at < this.#to ? this.#at(at) : undefined;
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

  #with({ offset, id, atMs, bytes }: RingEvent): Ring {
    const used = end(this.#log, this.#to);
    const { frames, ends } = this.#log;
    const fits =
      ends.length === this.#to &&
      this.#from < ACTOR_LIMITS.ringEvents &&
      used + bytes.length <= frames.length;
    if (!fits) return this.#moved(bytes.length).#with({ offset, id, atMs, bytes });
    frames.set(bytes, used);
    ends.push(used + bytes.length);
    this.#log.ids.push(id);
    this.#log.atMs.push(atMs);
    return new Ring(this.#log, this.#from, this.#to + 1, offset);
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
