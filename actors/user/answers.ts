/**
 * The newest answers of a user's commands, so that a repeat gets the first one. A value like all of a state, made as
 * `ring.ts` makes one: versions share a log that only grows, each knows its own part of it, and whoever adds to a version
 * behind whose end something stands already gets a log of its own. What is too old for the newest version goes out of the
 * log: an older one (a turn that threw goes on with it) has forgotten it then, too.
 *
 * A command looks for its key among all that are remembered. Keys are compared by a number made of them first, and the
 * numbers stand side by side: most commands are new, and must not pay for a walk through what others said.
 *
 * What was forgotten the store still has, for a day. Which keys may be among it follows from the latest time in those that
 * were: a newer key is none of them, whatever the clocks of the phones say. A key without a time may always be.
 */
import { uuidv7TimeMs } from '../../protocol/ids.ts';
import { ACTOR_LIMITS } from '../limits.ts';
import type { CommandDone } from './state.ts';

interface Log {
  readonly marks: number[];
  readonly done: (CommandDone | null)[];
  /** Latest time of a key that no version of this log may know any more. */
  forgottenMs: number;
}

export const NOTHING_FORGOTTEN = -1;

/** Unix milliseconds by the clock of whoever made the key; 0 when it does not say. */
export const timeOfKey = (key: string): number => uuidv7TimeMs(key) ?? 0;

export class Answers {
  static readonly EMPTY = new Answers({ marks: [], done: [], forgottenMs: NOTHING_FORGOTTEN }, 0, 0);

  readonly #log: Log;
  readonly #from: number;
  readonly #to: number;

  private constructor(log: Log, from: number, to: number) {
    this.#log = log;
    this.#from = from;
    this.#to = to;
  }

  /** Oldest first; `forgottenMs` as of what comes before them. */
  static of(done: readonly CommandDone[], forgottenMs = NOTHING_FORGOTTEN): Answers {
    if (done.length === 0 && forgottenMs === NOTHING_FORGOTTEN) return Answers.EMPTY;
    let answers = new Answers({ marks: [], done: [], forgottenMs }, 0, 0);
    for (const one of done) answers = answers.with(one);
    return answers;
  }

  /** The answer to this key. */
  find(key: string): CommandDone | undefined {
    const { marks, done } = this.#log;
    const mark = markOf(key);
    for (let at = marks.indexOf(mark, this.#from); at >= 0 && at < this.#to; at = marks.indexOf(mark, at + 1))
      if (done[at]?.key === key) return done[at]!;
    return undefined;
  }

  get forgottenMs(): number {
    return this.#log.forgottenMs;
  }

  /** Whether the key may be one whose answer is known no more. */
  mayHaveForgotten(key: string): boolean {
    const { forgottenMs } = this.#log;
    return forgottenMs !== NOTHING_FORGOTTEN && timeOfKey(key) <= forgottenMs;
  }

  /** With one more, without the oldest when they are too many. */
  with(one: CommandDone): Answers {
    const isOwn = this.#log.done.length === this.#to && this.#from < ACTOR_LIMITS.commands;
    const base = isOwn ? this : this.#moved();
    base.#log.marks.push(markOf(one.key));
    base.#log.done.push(one);
    const to = base.#to + 1;
    const from = Math.max(base.#from, to - ACTOR_LIMITS.commands);
    for (let at = base.#from; at < from; at++) base.#forget(at);
    return new Answers(base.#log, from, to);
  }

  /** Oldest first. */
  all(): CommandDone[] {
    return this.#log.done.slice(this.#from, this.#to).filter(one => one !== null);
  }

  #forget(at: number): void {
    const one = this.#log.done[at];
    if (!one) return;
    this.#log.forgottenMs = Math.max(this.#log.forgottenMs, timeOfKey(one.key));
    this.#log.done[at] = null;
  }

  #moved(): Answers {
    const [from, to] = [this.#from, this.#to];
    const { marks, done, forgottenMs } = this.#log;
    return new Answers(
      { marks: marks.slice(from, to), done: done.slice(from, to), forgottenMs },
      0,
      to - from,
    );
  }
}

/** Thirty bits of a key, different for most different keys. */
function markOf(key: string): number {
  let mark = 0;
  for (let i = 0; i < key.length; i++) mark = (Math.imul(mark, 31) + key.charCodeAt(i)) | 0;
  return mark & 0x3fff_ffff;
}
