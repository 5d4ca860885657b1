/** Records of the streams that nobody could take: what operators see of them, and the way back in. */

/** What to call such a record by, and why it is here; never what it says. */
export interface DeadLetter {
  /** Stream, shard and number in it. */
  readonly id: string;
  readonly stream: string;
  readonly shard: string;
  readonly why: string;
  /** When it was put aside, Unix milliseconds. */
  readonly atMs: number;
  readonly bytes: number;
  /** False: it was too long to be kept, and cannot be replayed from here. */
  readonly whole: boolean;
}

/** `taken`: it is done and gone from the list; `poison`: still not to be taken; `unknown`: no such record, or not whole. */
export type Replayed = 'taken' | 'poison' | 'unknown';

/** Rejects when a store cannot be reached. */
export interface DeadLetters {
  /** The first of a consumer (`users`), by where they stood, behind `after`. */
  list(consumer: string, after: string | null): Promise<readonly DeadLetter[]>;
  replay(consumer: string, id: string): Promise<Replayed>;
}
