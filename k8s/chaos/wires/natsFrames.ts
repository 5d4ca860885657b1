/**
 * What NATS delivers, message by message: the bytes that a server sends to its client are cut at the borders of its
 * protocol's frames, so that whole messages can be doubled and said again later. A TCP proxy that repeats bytes would only
 * break the connection; no duplicate or late message would ever reach the program.
 *
 * Only messages between nodes are touched. Those of the key-value store are answers that JetStream orders and counts.
 */
import { ROUTING_LIMITS } from '../../../nodes/limits.ts';
import type { Random } from '../../swarm/random.ts';

/** Of all connections of one node. */
export interface Repeats {
  /** Share of the messages that are doubled, or said again. */
  share: number;
  doubled: number;
  replayed: number;
}

/** One in so many of those that are chosen is kept, and said again when so many others have passed. */
const KEPT_ONE_IN = 4;
const LATER_MESSAGES = 500;
/** One in so many of those comes when no link remembers it any more: two others speak to a node here, each by numbers. */
const ANCIENT_ONE_IN = 3;
export const ANCIENT_MESSAGES = 2 * ROUTING_LIMITS.window + LATER_MESSAGES;
const KEPT_MAX = 64;
const HEAD_MAX = 4_096;
const CRLF = Buffer.from('\r\n');
/** Subjects of messages between nodes and gateways (nodes/routing/envelope.ts). */
const OURS = /^H?MSG hb\./;

/** One direction of one connection, from its first byte on. */
export class NatsFrames {
  readonly #repeats: Repeats;
  readonly #random: Random;
  #rest: Buffer = Buffer.alloc(0);
  #passed = 0;
  readonly #kept: { readonly frame: Buffer; readonly dueAt: number }[] = [];

  constructor(repeats: Repeats, random: Random) {
    this.#repeats = repeats;
    this.#random = random;
  }

  /** What goes on for what came. */
  take(chunk: Buffer): Buffer {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const out: Buffer[] = [];
    for (;;) {
      const length = frameLength(bytes);
      if (length === null || length > bytes.length) break;
      const frame = bytes.subarray(0, length);
      out.push(frame);
      if (OURS.test(frame.toString('latin1', 0, 8))) this.#repeat(frame, out);
      bytes = bytes.subarray(length);
    }
    this.#rest = Buffer.from(bytes);
    return out.length === 1 ? out[0]! : Buffer.concat(out);
  }

  #repeat(frame: Buffer, out: Buffer[]): void {
    this.#passed++;
    if (this.#random.unit() < this.#repeats.share) {
      if (this.#random.below(KEPT_ONE_IN) === 0 && this.#kept.length < KEPT_MAX) {
        const after =
          this.#random.below(ANCIENT_ONE_IN) === 0 ? ANCIENT_MESSAGES : this.#random.below(LATER_MESSAGES);
        this.#kept.push({ frame: Buffer.from(frame), dueAt: this.#passed + after });
      } else {
        out.push(frame);
        this.#repeats.doubled++;
      }
    }
    // also when nothing is doubled any more: what is late is late
    for (let i = this.#kept.length - 1; i >= 0; i--) {
      const { frame: late, dueAt } = this.#kept[i]!;
      if (dueAt > this.#passed) continue;
      this.#kept.splice(i, 1);
      out.push(late);
      this.#repeats.replayed++;
    }
  }
}

/** Length of the frame that begins here; null when its first line is not complete. */
const frameLength = (bytes: Buffer): number | null => {
  const end = bytes.indexOf(CRLF);
  if (end < 0) {
    if (bytes.length > HEAD_MAX && (bytes[0] === 0x4d || bytes[0] === 0x48))
      throw new Error('a frame of NATS whose first line does not end');
    return null;
  }
  const head = bytes.toString('latin1', 0, end);
  if (!/^H?MSG /.test(head)) return end + 2;
  return end + 2 + Number(head.slice(head.lastIndexOf(' ') + 1)) + 2;
};
