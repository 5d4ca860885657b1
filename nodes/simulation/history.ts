/** What the phones asked for and what they were told: the record that the checkers judge. */
import type { CommandName } from '../../protocol/catalogue.ts';
import type { Result } from '../../protocol/errors.ts';

/** `unknown`: nobody may say that it happened, or that it did not. */
export type Outcome = 'ok' | 'failed' | 'unknown';

export type OpName = CommandName | 'give' | 'balance';

export interface Op {
  readonly id: number;
  readonly name: OpName;
  readonly user: string;
  /** Idempotency key of what changes something, null for a read. */
  readonly key: string | null;
  readonly body: Readonly<Record<string, unknown>>;
  /** First sent, world milliseconds. */
  readonly askedMs: number;
  /** The same; of a read: sent for the last time. */
  startMs: number;
  endMs: number;
  /** Sent for the last time. */
  lastMs?: number;
  tries: number;
  outcome: Outcome | null;
  result: Result<unknown> | null;
}

export class History {
  readonly ops: Op[] = [];

  begin(name: OpName, user: string, key: string | null, body: Op['body'], startMs: number): Op {
    const op: Op = {
      id: this.ops.length + 1,
      name,
      user,
      key,
      body,
      askedMs: startMs,
      startMs,
      endMs: Number.POSITIVE_INFINITY,
      lastMs: startMs,
      tries: 0,
      outcome: null,
      result: null,
    };
    this.ops.push(op);
    return op;
  }

  count(outcome: Outcome): number {
    return this.ops.filter(op => (op.outcome ?? 'unknown') === outcome).length;
  }
}
