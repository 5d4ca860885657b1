/**
 * `Idempotency-Key` for the POSTs of these doors: the same key and body get the first answer again, another body is
 * refused (422), and a second one while the first is under way waits its turn (409). What must never happen twice is
 * guarded by the database (a handle is unique, a movement carries its key); this memory only makes a repeat pleasant, so it
 * may be forgotten.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { LIMITS } from '../limits.ts';

interface Kept {
  readonly print: string;
  readonly atMs: number;
  /** Null while the first request is under way. */
  answer: string | null;
}

export class Idempotency {
  private readonly kept = new Map<string, Kept>();
  // Bodies hold passwords: what is kept of them cannot be tried out against a dictionary.
  private readonly secret = randomBytes(32);

  /** Null: go ahead, then `settle`. A text: this was done, and it says what came of it. A refusal: it may not be done. */
  begin(name: string, body: unknown, wallMs: number): Result<string> | null {
    const print = createHmac('sha256', this.secret).update(JSON.stringify(body)).digest('base64');
    const known = this.kept.get(name);
    if (known !== undefined && wallMs - known.atMs < LIMITS.idempotencyMs) return this.repeat(known, print);
    this.kept.delete(name);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size < LIMITS.remembered) break;
      this.kept.delete(oldest);
    }
    this.kept.set(name, { print, atMs: wallMs, answer: null });
    return null;
  }

  private repeat(known: Kept, print: string): Result<string> {
    if (known.print !== print) {
      return refuse(ERROR.invalid, 'this Idempotency-Key was used with another body');
    }
    if (known.answer === null) return underWay;
    return { ok: true, value: known.answer };
  }

  /** What came of it; null when nothing was changed and a repeat may try again. */
  settle(name: string, answer: string | null): void {
    const known = this.kept.get(name);
    if (known === undefined) return;
    if (answer === null) this.kept.delete(name);
    else known.answer = answer;
  }
}

const underWay: Refusal = {
  ...refuse(ERROR.conflict, 'the first request with this Idempotency-Key is under way', 1_000),
  retryable: true,
};
