/**
 * VOLATILE frames of one socket that wait: the newest of each thing, so that what a phone gets late is at least not old.
 *
 * One map, least recently heard first, holds both what waits and which version was heard last, so that an older one that
 * comes late (its actor moved meanwhile) is known. Both are bounded: of too many frames the oldest is lost, but its version
 * stays known; of too many things the one that was not heard of for longest is forgotten. (A version says nothing of other
 * things: some count the time at which a thing began, so no bound for things that are not known follows from it.) Frames are
 * copied when they wait, because they point into the packet they came in; the memory of the copies is used again (`room.ts`).
 */
import { BATCH_FRAMES_MAX } from '../protocol/limits.ts';
import { BATCH_HEAD_BYTES, joined, type VolatileHead } from '../protocol/pieces.ts';
import { LIMITS } from './limits.ts';
import type { Room } from './room.ts';

interface Thing {
  readonly kind: number;
  readonly version: number;
  /** What waits; null when the newest version was sent, or lost. */
  bytes: Uint8Array | null;
}

/** Told the kind of each frame that the phone will never get: an older version, or the oldest thing of too many. */
export type Lost = (kind: number) => void;

export class Volatiles {
  readonly #room: Room;
  readonly #things = new Map<string, Thing>();
  #waiting = 0;
  #bytes = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /** Frames that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether a frame of this thing waits. */
  holds(thing: string): boolean {
    return this.#things.get(thing)?.bytes != null;
  }

  /** Notes that a frame goes to the phone now; false when it is not newer than what was heard before: then it must not. */
  passes(head: VolatileHead, lost: Lost): boolean {
    return this.#hear(head, null, lost);
  }

  /** Keeps a frame for the next flush; false when it is not newer than what was heard before. */
  wait(head: VolatileHead, bytes: Uint8Array, lost: Lost): boolean {
    return this.#hear(head, bytes, lost);
  }

  /**
   * Says everything that waits, oldest first, in messages of at most so many frames and bytes; nothing waits afterwards.
   * A message is only lent: its memory is the next one's.
   */
  take(say: (message: Uint8Array) => void): void {
    const frames: Uint8Array[] = [];
    for (const thing of this.#things.values()) {
      if (thing.bytes === null) continue;
      frames.push(thing.bytes);
      thing.bytes = null;
    }
    this.#waiting = 0;
    this.#bytes = 0;
    let from = 0;
    let bytes = BATCH_HEAD_BYTES;
    for (let i = 0; i < frames.length; i++) {
      const length = frames[i]!.length;
      if (i > from && (i - from === BATCH_FRAMES_MAX || bytes + length > LIMITS.batchBytes)) {
        say(joined(frames, from, i));
        from = i;
        bytes = BATCH_HEAD_BYTES;
      }
      bytes += length;
    }
    if (from < frames.length) say(joined(frames, from, frames.length));
    for (const frame of frames) this.#room.free(frame);
  }

  /** Nothing will be taken any more. */
  clear(): void {
    for (const { bytes } of this.#things.values()) if (bytes !== null) this.#room.free(bytes);
    this.#things.clear();
    this.#waiting = 0;
    this.#bytes = 0;
  }

  #hear({ kind, thing: name, version }: VolatileHead, bytes: Uint8Array | null, lost: Lost): boolean {
    const things = this.#things;
    const known = things.get(name);
    if (known !== undefined) {
      if (version <= known.version) return false;
      this.#lose(known, lost);
      things.delete(name);
    } else if (things.size >= LIMITS.volatileKnown) {
      const [oldest, thing] = things.entries().next().value!;
      this.#lose(thing, lost);
      things.delete(oldest);
    }
    if (bytes === null) {
      things.set(name, { kind, version, bytes });
      return true;
    }
    for (const older of things.values()) {
      const fits = this.#bytes + bytes.length <= LIMITS.volatileBytes;
      if (fits && this.#waiting < LIMITS.volatileKeys) break;
      this.#lose(older, lost);
    }
    things.set(name, { kind, version, bytes: this.#room.copy(bytes) });
    this.#waiting++;
    this.#bytes += bytes.length;
    return true;
  }

  /** What waits of it will not be said. */
  #lose(thing: Thing, lost: Lost): void {
    if (thing.bytes === null) return;
    this.#waiting--;
    this.#bytes -= thing.bytes.length;
    this.#room.free(thing.bytes);
    thing.bytes = null;
    lost(thing.kind);
  }
}
