/**
 * Questions that wait for an answer, each with its deadline. An answer that comes late, twice, or for an activation
 * that is gone finds nothing here and is dropped: the asker was already told that the outcome is unknown.
 */
import type { ReplyTo } from '../actors/turn.ts';
import { ERROR, type Result, refuse } from '../protocol/errors.ts';
import type { TimerWheel, WheelTimer } from './timerWheel.ts';

type Done = (result: Result<unknown>) => void;

export class PendingAsks {
  readonly #node: string;
  readonly #wheel: TimerWheel;
  readonly #waiting = new Map<number, { readonly done: Done; readonly timer: WheelTimer }>();
  #lastId = 0;

  constructor(node: string, wheel: TimerWheel) {
    this.#node = node;
    this.#wheel = wheel;
  }

  get size(): number {
    return this.#waiting.size;
  }

  open(timeoutMs: number, done: Done): ReplyTo {
    const askId = ++this.#lastId;
    const timer = this.#wheel.after(timeoutMs, () => {
      this.#waiting.delete(askId);
      done(refuse(ERROR.timeout, 'no answer in time; the outcome is unknown, retry with the same key'));
    });
    this.#waiting.set(askId, { done, timer });
    return { node: this.#node, askId };
  }

  answer(to: ReplyTo, result: Result<unknown>): void {
    const waiting = this.#waiting.get(to.askId);
    if (!waiting) return;
    this.#waiting.delete(to.askId);
    this.#wheel.cancel(waiting.timer);
    waiting.done(result);
  }

  /** The node stops: nobody will answer any more. */
  refuseAll(): void {
    for (const askId of [...this.#waiting.keys()]) {
      this.answer({ node: this.#node, askId }, refuse(ERROR.unavailable, 'the node is stopping', 1_000));
    }
  }
}
