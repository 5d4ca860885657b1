/**
 * Questions that wait for an answer, each with its deadline. An answer that comes late, twice, or for an activation
 * that is gone finds nothing here and is dropped: the asker was already told that the outcome is unknown.
 */
import type { ReplyTo } from '../actors/turn.ts';
import { ERROR, isUnavailable, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import type { Span } from './ports.ts';
import type { TimerWheel, WheelTimer } from './timerWheel.ts';

type Done = (result: Result<unknown>) => void;

/** Asked, and whether it was done nobody can say: retry only what carries an idempotency key. */
export const UNKNOWN: Refusal = refuse(
  ERROR.timeout,
  'no answer in time; the outcome is unknown, retry with the same key',
);

/** What the router remembers of an ask that it sent to another node; opaque here. */
export interface Remote {
  readonly id: number;
  /** It was asked before in the same words, and what became of that nobody can say. */
  readonly repeated?: boolean;
  /** Its way there and back, when somebody follows it. */
  readonly span?: Span | null;
}

interface Waiting {
  readonly done: Done;
  readonly timer: WheelTimer;
  remote: Remote | null;
}

export class PendingAsks<R extends Remote = Remote> {
  readonly #wheel: TimerWheel;
  readonly #waiting = new Map<number, Waiting>();
  #ref: string;
  #lastId = 0;

  constructor(ref: string, wheel: TimerWheel) {
    this.#ref = ref;
    this.#wheel = wheel;
  }

  /** The node reference that answers must come back to. */
  get ref(): string {
    return this.#ref;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Ids of asks and of messages come from one row, so that an id names one of them. */
  nextId(): number {
    return ++this.#lastId;
  }

  open(timeoutMs: number, done: Done): ReplyTo {
    const askId = this.nextId();
    const timer = this.#wheel.after(timeoutMs, () => {
      this.#waiting.get(askId)?.remote?.span?.end('timeout');
      this.#waiting.delete(askId);
      done(UNKNOWN);
    });
    this.#waiting.set(askId, { done, timer, remote: null });
    return { node: this.#ref, askId };
  }

  answer(to: ReplyTo, result: Result<unknown>): void {
    if (to.node === this.#ref) this.settle(to.askId, result);
  }

  /** False when nobody waits for it (any more). That a repeat was not executed says nothing of what was said before. */
  settle(askId: number, result: Result<unknown>): boolean {
    const waiting = this.#waiting.get(askId);
    if (!waiting) return false;
    this.#waiting.delete(askId);
    this.#wheel.cancel(waiting.timer);
    const { remote } = waiting;
    remote?.span?.end(result.ok ? undefined : `refused with ${result.code}`);
    waiting.done(remote?.repeated && isUnavailable(result) ? UNKNOWN : result);
    return true;
  }

  /** The ask was given to another node. */
  sent(remote: R): void {
    const waiting = this.#waiting.get(remote.id);
    if (waiting) waiting.remote = remote;
  }

  /** Where it was given, or null: nobody waits, or it stayed here. */
  remoteOf(askId: number): R | null {
    return (this.#waiting.get(askId)?.remote as R | null | undefined) ?? null;
  }

  waits(askId: number): boolean {
    return this.#waiting.has(askId);
  }

  /** Asks that were given to other nodes; a copy. */
  remotes(): R[] {
    const found: R[] = [];
    for (const { remote } of this.#waiting.values()) if (remote) found.push(remote as R);
    return found;
  }

  /** Everyone who waits is told so; for good. */
  refuseAll(refusal: Refusal): void {
    for (const askId of [...this.#waiting.keys()]) this.settle(askId, refusal);
  }

  /** The node goes on under another reference: nobody can answer what was asked under the old one. */
  rename(ref: string): void {
    this.refuseAll(UNKNOWN);
    this.#ref = ref;
  }
}
