/**
 * Commands under way. One that was not answered when the connection broke stays here and is sent again with the same
 * idempotency key, until it is answered or its time is over; then its outcome is unknown, and the error says so.
 */
import { COMMANDS, type Command, type CommandBody, type CommandName } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/frames.ts';
import { encodeCommand, openReply } from '../../protocol/messages.ts';

interface Waiting {
  readonly name: CommandName;
  readonly bytes: Uint8Array;
  readonly timer: ReturnType<typeof setTimeout>;
  readonly done: (result: Result<unknown>) => void;
}

/** Commands that may wait at once, sent or not. */
const WAITING_MAX = 50;

export class Pending {
  private readonly waiting = new Map<number, Waiting>();
  private cid = 0;

  /** Adds a command; `send` is called with its bytes when there is a connection. */
  add<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    idem: string | undefined,
    timeoutMs: number,
    send: (bytes: Uint8Array) => void,
  ): Promise<Result<unknown>> {
    if (this.waiting.size >= WAITING_MAX) {
      return Promise.resolve(refuse(ERROR.unavailable, `${WAITING_MAX} commands wait already`, 1_000));
    }
    this.cid = this.cid >= 0xffff_ffff ? 1 : this.cid + 1;
    const cid = this.cid;
    const spec: Command = COMMANDS[name];
    const key = spec.mutates ? (idem ?? crypto.randomUUID()) : null;
    let bytes: Uint8Array;
    try {
      bytes = encodeCommand(name, cid, body, key);
    } catch (error) {
      return Promise.resolve(refuse(ERROR.invalid, `${name}: ${(error as Error).message}`));
    }
    return new Promise(done => {
      const timer = setTimeout(
        () =>
          this.settle(
            cid,
            refuse(ERROR.timeout, `${name}: no answer in ${timeoutMs} ms; it may have happened`),
          ),
        timeoutMs,
      );
      this.waiting.set(cid, { name, bytes, timer, done });
      send(bytes);
    });
  }

  /** What must be sent on a new connection, oldest first. */
  unanswered(): Uint8Array[] {
    return [...this.waiting.values()].map(one => one.bytes);
  }

  replied({ cid, result }: ServerFrame & { type: 'reply' }): void {
    const one = this.waiting.get(cid);
    if (one === undefined) return;
    const opened = openReply(one.name, result);
    this.settle(
      cid,
      opened.ok
        ? ok(opened.value)
        : refuse(ERROR.internal, `${one.name}: the reply is not readable: ${opened.why}`),
    );
  }

  refused({ cid, code, message, retryable, retryAfterMs }: ServerFrame & { type: 'error' }): void {
    this.settle(cid, { ...refuse(code as never, message, retryAfterMs), retryable });
  }

  /** Ends everything, for a client that is closed. */
  failAll(message: string): void {
    for (const cid of [...this.waiting.keys()]) this.settle(cid, refuse(ERROR.unavailable, message));
  }

  private settle(cid: number, result: Result<unknown>): void {
    const one = this.waiting.get(cid);
    if (one === undefined) return;
    this.waiting.delete(cid);
    clearTimeout(one.timer);
    one.done(result);
  }
}
