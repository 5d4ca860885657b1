/**
 * Commands under way. One that was not answered when the connection broke stays here and is sent again with the same
 * idempotency key, until it is answered or its time is over; then its outcome is unknown, and the error says so. Those
 * that change something are kept in the record as well and survive the process.
 */
import { encodeBody } from '../../protocol/body.ts';
import { COMMANDS, type Command, type CommandBody, type CommandName } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { ServerFrame } from '../../protocol/frames.ts';
import { openReply } from '../../protocol/opening.ts';
import { Pacer } from './pacer.ts';
import { freshUuid, messageOf, wallMs } from './platform.ts';
import type { KeptCommand } from './storage.ts';
import type { Outcome } from './types.ts';
import { frameBytes } from './writer.ts';

interface Waiting {
  readonly cid: number;
  readonly name: CommandName;
  readonly body: unknown;
  readonly idem: string | null;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** By the wall clock, which goes on while the device sleeps. */
  readonly deadlineMs: number;
  readonly timer: ReturnType<typeof setTimeout>;
  /** Of an earlier run of the app: nobody holds its promise. */
  readonly kept: boolean;
  readonly result: Promise<Result<unknown>>;
  readonly done: (result: Result<unknown>) => void;
  /** What must be stored before it is said has been. */
  ready: boolean;
  /** Said on the connection at hand. */
  said: boolean;
  /** It changes something and was said before, without an answer: it may have happened, whatever becomes of a repeat. */
  doubtful: boolean;
  /** A repeat was refused for now: it is not said again before that, by the wall clock. */
  notBeforeMs: number;
}

/** Commands that may wait at once, sent or not. */
const WAITING_MAX = 50;
/** A repeat that was refused for now is not said again before that. */
const AGAIN_MS = 500;
/** No command waits longer. */
const DEADLINE_MAX_MS = 300_000;

export interface PendingDoors {
  /** Says it on the connection at hand; false when there is none. */
  readonly send: (bytes: Uint8Array<ArrayBuffer>) => boolean;
  /** Stores what waits. */
  readonly save: () => void;
  /** A command will be said, and its end is known; both before the record is written. */
  readonly said: (name: CommandName, body: unknown) => void;
  readonly answered: (name: CommandName, body: unknown, result: Result<unknown>) => void;
  /** The end of a command of an earlier run. */
  readonly outcome: (outcome: Outcome) => void;
}

export class Pending {
  private readonly waiting = new Map<number, Waiting>();
  private readonly pacer = new Pacer();
  private paceTimer: ReturnType<typeof setTimeout> | null = null;
  private cid = 0;
  private readonly doors: PendingDoors;

  constructor(doors: PendingDoors) {
    this.doors = doors;
  }

  /**
   * Adds a command; the same key again joins the one that waits. `prepare` is given what says it: a command that must
   * survive the process is stored first.
   */
  add<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    idem: string | undefined,
    timeoutMs: number,
    prepare: (mutates: boolean, say: () => void) => void,
  ): Promise<Result<unknown>> {
    const same = idem === undefined ? undefined : this.twin(name, body, idem);
    if (same !== undefined) return same.result;
    if (this.waiting.size >= WAITING_MAX) {
      return Promise.resolve(refuse(ERROR.unavailable, `${WAITING_MAX} commands wait already`, 1_000));
    }
    const { mutates } = COMMANDS[name] as Command;
    const deadlineMs = wallMs() + Math.min(timeoutMs, DEADLINE_MAX_MS);
    const one = this.enter(name, body, mutates ? (idem ?? freshUuid()) : null, deadlineMs, false);
    if ('ok' in one) return Promise.resolve(one);
    prepare(mutates, () => {
      one.ready = true;
      this.flush();
    });
    return one.result;
  }

  /** Commands that an earlier run left. */
  restore(commands: readonly KeptCommand[]): void {
    for (const { name, body, idem, deadlineMs } of commands) {
      if (!(name in COMMANDS) || this.waiting.size >= WAITING_MAX) continue;
      const untilMs = Math.min(deadlineMs, wallMs() + DEADLINE_MAX_MS);
      const one = this.enter(name as CommandName, body, idem, untilMs, true);
      if (!('ok' in one)) one.ready = true;
    }
  }

  /** What the record is to know. */
  kept(): KeptCommand[] {
    return [...this.waiting.values()]
      .filter(one => one.idem !== null)
      .map(({ name, body, idem, deadlineMs }) => ({ name, body, idem: idem!, deadlineMs }));
  }

  /** A new connection: whatever is unanswered is said again, oldest first. */
  again(): void {
    for (const one of this.waiting.values()) {
      one.doubtful ||= one.said && one.idem !== null;
      one.said = false;
    }
    this.flush();
  }

  /** Something was said and has no answer. */
  get unanswered(): boolean {
    return [...this.waiting.values()].some(one => one.said);
  }

  /** The token was renewed: what was refused for the old one is said again. True when such an answer was one to wait for. */
  hold(cid: number): boolean {
    const one = this.waiting.get(cid);
    if (one === undefined) return false;
    one.said = false;
    return true;
  }

  /** Says what has not been said, as fast as the server takes it. */
  flush(): void {
    if (this.paceTimer !== null) clearTimeout(this.paceTimer);
    this.paceTimer = null;
    let againMs = Number.POSITIVE_INFINITY;
    for (const one of this.waiting.values()) {
      if (!one.ready) break;
      if (one.said) continue;
      const waitMs = Math.max(this.pacer.waitMs(one.name), one.notBeforeMs - wallMs());
      if (waitMs > 0) againMs = Math.min(againMs, waitMs);
      else if (this.doors.send(one.bytes)) {
        one.said = true;
        this.pacer.took(one.name);
      } else return;
    }
    if (againMs < Number.POSITIVE_INFINITY) this.paceTimer = setTimeout(() => this.flush(), againMs);
  }

  replied({ cid, result }: ServerFrame & { type: 'reply' }): void {
    const one = this.waiting.get(cid);
    if (one === undefined) return;
    const opened = openReply(one.name, result);
    const unreadable = `${one.name}: the reply is not readable`;
    this.settle(one, opened.ok ? ok(opened.value) : refuse(ERROR.internal, `${unreadable}: ${opened.why}`));
  }

  refused({ cid, code, message, retryable, retryAfterMs }: ServerFrame & { type: 'error' }): void {
    const one = this.waiting.get(cid);
    if (one === undefined) return;
    // that a repeat is not executed now says nothing of the first time: it is said until that is known
    if (one.doubtful && retryable && code !== ERROR.timeout) {
      one.said = false;
      one.notBeforeMs = wallMs() + Math.max(AGAIN_MS, retryAfterMs);
      return this.flush();
    }
    this.settle(one, { ...refuse(code as never, message, retryAfterMs), retryable });
  }

  /** Ends those whose time is over; timers are not asked, which stand still while a device sleeps. */
  expire(): void {
    for (const one of [...this.waiting.values()]) if (one.deadlineMs <= wallMs()) this.timedOut(one);
  }

  /** Ends everything, for a client that is closed. */
  failAll(message: string): void {
    for (const one of [...this.waiting.values()]) {
      if (one.idem !== null && (one.said || one.doubtful)) this.timedOut(one);
      else this.settle(one, refuse(ERROR.unavailable, message));
    }
    if (this.paceTimer !== null) clearTimeout(this.paceTimer);
    this.paceTimer = null;
  }

  private twin(name: CommandName, body: unknown, idem: string): Waiting | undefined {
    const text = JSON.stringify(body);
    return [...this.waiting.values()].find(
      one =>
        one.idem === idem.toLowerCase() &&
        one.name === name &&
        (one.body === body || JSON.stringify(one.body) === text),
    );
  }

  private enter(
    name: CommandName,
    body: unknown,
    idem: string | null,
    deadlineMs: number,
    kept: boolean,
  ): Waiting | Refusal {
    this.cid = this.cid >= 0xffff_ffff ? 1 : this.cid + 1;
    const { cid } = this;
    const { code: op, body: fields } = COMMANDS[name] as Command;
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = frameBytes({ type: 'command', cid, op, body: encodeBody(fields, body as never), idem });
    } catch (error) {
      return refuse(ERROR.invalid, `${name}: ${messageOf(error)}`);
    }
    let done: Waiting['done'] = () => {};
    const result = new Promise<Result<unknown>>(resolve => {
      done = resolve;
    });
    const timer = setTimeout(() => this.timedOut(one), Math.max(0, deadlineMs - wallMs()));
    const one: Waiting = {
      ...{ cid, name, body, idem: idem?.toLowerCase() ?? null, bytes, deadlineMs, timer, kept, result, done },
      ready: false,
      said: false,
      doubtful: kept,
      notBeforeMs: 0,
    };
    this.waiting.set(cid, one);
    this.doors.said(name, body);
    return one;
  }

  private timedOut(one: Waiting): void {
    this.settle(one, refuse(ERROR.timeout, `${one.name}: no answer in time; it may have happened`));
  }

  private settle(one: Waiting, result: Result<unknown>): void {
    if (!this.waiting.delete(one.cid)) return;
    clearTimeout(one.timer);
    this.doors.answered(one.name, one.body, result);
    if (one.idem !== null) this.doors.save();
    one.done(result);
    if (one.kept) {
      const { name, body, idem } = one;
      this.doors.outcome({ name, body, idem: idem!, result } as Outcome);
    }
  }
}
