/**
 * Writes the record: one write at a time, the newest state wins, and never while a handler of the app runs, because the
 * app may be writing the same record in a transaction of its own, which an older one must not overtake.
 */
import { after, isLater, type Maybe } from './platform.ts';
import type { Storage } from './storage.ts';

export class Saver {
  private readonly storage: Storage | null;
  private readonly record: () => string | null;
  private readonly failed: (error: unknown) => void;
  private writing: PromiseLike<boolean> | null = null;
  private again: PromiseLike<boolean> | null = null;
  private held = false;

  constructor(storage: Storage | undefined, record: () => string | null, failed: (error: unknown) => void) {
    this.storage = storage ?? null;
    this.record = record;
    this.failed = failed;
  }

  /** What an earlier run left. Throws or rejects as the storage does. */
  load(): Maybe<string | null> {
    return this.storage === null ? null : after(this.storage.get(), text => text ?? null);
  }

  /**
   * True once a record with what is so now was written; at once while a handler runs, behind which it will be written;
   * false when the storage refused.
   */
  save(): Maybe<boolean> {
    if (this.storage === null || this.held) return true;
    if (this.writing === null) return this.write();
    this.again ??= this.writing.then(() => {
      this.again = null;
      return this.write();
    });
    return this.again;
  }

  /** From here to `release` nothing is written. Comes when what was on its way has been. */
  hold(): Maybe<unknown> {
    this.held = true;
    return this.again ?? this.writing ?? undefined;
  }

  /** The handler is over; what was to be written meanwhile goes with the next `save`, which the caller owes. */
  release(): void {
    this.held = false;
  }

  private write(): Maybe<boolean> {
    const over = (done: boolean, error?: unknown): boolean => {
      this.writing = null;
      if (!done) this.failed(error);
      return done;
    };
    try {
      const done = this.storage!.set(this.record());
      if (!isLater(done)) return true;
      this.writing = done.then(
        () => over(true),
        error => over(false, error),
      );
      return this.writing;
    } catch (error) {
      return over(false, error);
    }
  }
}
