/**
 * One way to one destination. What is said waits until the end of the tick and leaves in numbered batches; a batch is
 * kept until the other side says that it has it, or that it will not take it any more.
 *
 * A batch that is not acknowledged is sent again under its number. The other side takes each number once, so that is no
 * repetition; a batch that was lost behind others is never taken late (see `inLink.ts`).
 */
import { assert } from '../../protocol/assert.ts';
import { ROUTING_LIMITS } from '../limits.ts';
import type { Ack } from './envelope.ts';
import { type Fate, Letter, type Outgoing } from './outgoing.ts';

export interface Sent {
  readonly number: number;
  /**
   * Empty as soon as it is settled: the bus remembers a batch for seconds, in case nobody heard it, and everything in it
   * would outlive the young objects by far.
   */
  out: Outgoing[];
  times: number;
  atMs: number;
}

export class OutLink {
  /** A node's reference, or the id of its gateway. */
  readonly name: string;
  readonly gateway: boolean;
  readonly subject: string;
  #queue: Outgoing[] = [];
  #head = 0;
  #number = 0;
  queuedBytes = 0;
  /** Whatever waits may wait for others. */
  patient = true;
  /** Since when nothing could leave, as far as anybody looked; null while it can. */
  stuckSinceMs: number | null = null;
  /** Sent and not acknowledged, oldest first. */
  readonly unacked: Sent[] = [];

  constructor(name: string, gateway: boolean, subject: string) {
    this.name = name;
    this.gateway = gateway;
    this.subject = subject;
  }

  get queued(): number {
    return this.#queue.length - this.#head;
  }

  /** Nothing waits and nothing is under way. */
  get idle(): boolean {
    return this.queued === 0 && this.unacked.length === 0;
  }

  /** The first number that is not settled. */
  get oldest(): number {
    return this.unacked[0]?.number ?? this.#number + 1;
  }

  push(out: Outgoing): void {
    out.dest = this.name;
    this.#queue.push(out);
    this.queuedBytes += out.wireBytes;
    this.patient &&= out.patient;
  }

  /** The next batch, counted as sent now; null when nothing waits or too much is under way. */
  next(nowMs: number): Sent | null {
    // The window is one of numbers, not of batches: so the other side tells a number that cannot be ours.
    if (this.queued === 0 || this.#number + 1 - this.oldest >= ROUTING_LIMITS.window) return null;
    const out: Outgoing[] = [];
    for (let bytes = 0; this.#head < this.#queue.length; ) {
      const one = this.#queue[this.#head]!;
      if (out.length > 0 && bytes + one.wireBytes > ROUTING_LIMITS.batchBytes) break;
      this.#queue[this.#head++] = undefined as never;
      bytes += one.wireBytes;
      out.push(one);
    }
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
      this.patient = true;
    } else if (this.#head > 1_024) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    for (const one of out) this.queuedBytes -= one.wireBytes;
    const sent = { number: ++this.#number, out, times: 1, atMs: nowMs };
    this.unacked.push(sent);
    return sent;
  }

  /**
   * The other side says what it has. False when it has a number that was never sent: somebody made it up, and whatever
   * comes behind would look old. So the numbers go on above it. What is under way has then an unknown outcome, because the
   * other side remembers holes only near its newest number.
   */
  acked(ack: Ack, each: (out: Outgoing, fate: Fate) => void): boolean {
    const misled = ack.last > this.#number;
    if (misled) this.#number = ack.last;
    const otherwise = misled ? 'unknown' : 'arrived';
    let count = 0;
    while (count < this.unacked.length && this.unacked[count]!.number <= ack.last) count++;
    for (const sent of this.unacked.splice(0, count)) {
      const fate = ack.holes.includes(sent.number) ? 'missed' : otherwise;
      settle(sent, fate, each);
    }
    return !misled;
  }

  /** Takes out a message that was sent back; it is not part of its batch any more. */
  takeSent(id: number): Letter | null {
    for (const { out } of this.unacked) {
      const at = out.findIndex(one => one instanceof Letter && one.id === id);
      if (at >= 0) return out.splice(at, 1)[0] as Letter;
    }
    return null;
  }

  /** Nobody listened when it was sent. A batch that was sent before may have been heard then. */
  unheard(sent: Sent, each: (out: Outgoing, fate: Fate) => void): void {
    const at = this.unacked.indexOf(sent);
    if (at < 0) return;
    this.unacked.splice(at, 1);
    settle(sent, sent.times === 1 ? 'unheard' : 'unknown', each);
  }

  /** The other side is gone: what waits was never sent, of the rest nobody knows. */
  close(each: (out: Outgoing, fate: Fate) => void): void {
    const unacked = this.unacked.splice(0);
    const waiting = this.takeQueued();
    assert(this.idle && this.queuedBytes === 0, 'a closed link holds nothing');
    // What becomes of them may be said on this very link: a gateway outlives its node, and hears of lost pushes.
    for (const sent of unacked) settle(sent, 'unknown', each);
    for (const out of waiting) each(out, 'missed');
  }

  /** Takes out what was never sent. */
  takeQueued(): Outgoing[] {
    const waiting = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    this.queuedBytes = 0;
    this.patient = true;
    return waiting;
  }
}

function settle(sent: Sent, fate: Fate, each: (out: Outgoing, fate: Fate) => void): void {
  const { out } = sent;
  sent.out = NOTHING;
  for (const one of out) each(one, fate);
}

const NOTHING: Outgoing[] = [];
