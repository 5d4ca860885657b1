/**
 * The messages of this node for one shard, in order, while the shard may move.
 *
 * Problem: messages are on their way to the owner when the shard moves. They come back and must go to the next owner,
 * before whatever is said later; and what is said later must not overtake them on a shorter way.
 *
 * Mechanism: a line knows how many of its messages are under way, and to whom. As long as any is under way to one owner,
 * none is sent to another; what comes meanwhile waits. What comes back takes its old place. When nothing is under way
 * any more, the line goes on to whoever owns the shard then, in a new round. A receiver that sent something back sends
 * back everything of that round (`InLink.bar`), so that of two messages never only the later one is taken.
 *
 * Bounded: messages, bytes and time. What does not fit or waits too long was never executed, and its asker hears so.
 */
import { assert } from '../../protocol/assert.ts';
import { ROUTING_LIMITS } from '../limits.ts';
import type { Letter } from './outgoing.ts';

export class Line {
  readonly shard: number;
  /** To whom messages are under way. */
  dest: string | null = null;
  underWay = 0;
  /** Waits, in order. */
  readonly queue: Letter[] = [];
  bytes = 0;
  round = 1;
  /** Something came back since the round began. */
  returned = false;
  /** Not to be sent before this monotonic time to `avoid`, who sent them back. */
  notBeforeMs = 0;
  avoid: { readonly node: string; readonly epoch: number } | null = null;
  /** Who owns the shard, by the word of a node that sent something back; counts while it is newer than the map. */
  hint: { readonly node: string; readonly epoch: number } | null = null;
  /** A timer is armed. */
  armed = false;
  #lastPlace = 0;
  #lastArrived = 0;

  constructor(shard: number) {
    this.shard = shard;
  }

  /** Gives a new message its place. */
  join(letter: Letter): void {
    letter.place = ++this.#lastPlace;
  }

  /** Messages wait, or are under way. */
  get busy(): boolean {
    return this.underWay > 0 || this.queue.length > 0;
  }

  hasRoom(letter: Letter): boolean {
    return (
      this.queue.length < ROUTING_LIMITS.shardQueueMessages &&
      this.bytes + letter.bytes <= ROUTING_LIMITS.shardQueueBytes
    );
  }

  wait(letter: Letter, nowMs: number): void {
    letter.queuedAtMs = nowMs;
    letter.dest = null;
    let at = this.queue.length;
    while (at > 0 && this.queue[at - 1]!.place > letter.place) at--;
    this.queue.splice(at, 0, letter);
    this.bytes += letter.bytes;
  }

  sent(letter: Letter, node: string, epoch: number): void {
    assert(this.underWay === 0 || this.dest === node, 'a line goes to one owner at a time');
    this.dest = node;
    this.underWay++;
    letter.round = this.round;
    letter.epoch = epoch;
  }

  /** One that was under way has arrived, came back, or is lost. */
  settled(letter: Letter, arrived: boolean): void {
    assert(this.underWay > 0, 'what settles was under way');
    this.underWay--;
    if (arrived && letter.place > this.#lastArrived) this.#lastArrived = letter.place;
  }

  /** A later one has arrived: this one would come after it. */
  isOvertaken(letter: Letter): boolean {
    return letter.place < this.#lastArrived;
  }

  /** Takes out everything that waits. */
  takeAll(): Letter[] {
    const all = this.queue.splice(0);
    this.bytes = 0;
    return all;
  }

  /** Takes out what has waited since before `sinceMs` or is past its own time. */
  takeLate(sinceMs: number, nowMs: number): Letter[] {
    const late = this.queue.filter(one => one.queuedAtMs <= sinceMs || one.deadlineMs <= nowMs || one.void);
    for (const one of late) {
      this.queue.splice(this.queue.indexOf(one), 1);
      this.bytes -= one.bytes;
    }
    return late;
  }

  /** Begins a new round when something came back, so that receivers take it again. */
  begin(): void {
    if (this.returned) this.round++;
    this.returned = false;
  }
}
