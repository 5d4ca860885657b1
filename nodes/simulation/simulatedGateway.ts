/**
 * The gateway of one simulated process: sessions, pushes, questions after an owner changed, as `gateway/` does them and
 * without its sockets, tokens and rates. Everything that leaves for a phone is shown to the witness first: this is where
 * "no output before its commit" is judged, whether or not the phone gets it.
 */
import type { Attached, UserMessage } from '../../actors/messages/user.ts';
import type { SessionRef } from '../../actors/turn.ts';
import { decodeServerFrame } from '../../protocol/codec.ts';
import { CLOSE, ERROR, type Refusal, type Result } from '../../protocol/errors.ts';
import type { Location, Resume } from '../../protocol/frames.ts';
import { type OpenedDurable, openEvent } from '../../protocol/messages.ts';
import { shardOf } from '../../protocol/shard.ts';
import type { ActorDoor } from '../gatewayPort.ts';
import type { PushSink } from '../ports.ts';
import type { LineEnd, PhoneLine } from './phoneLine.ts';
import type { SimulatedProcess } from './process.ts';

/** What a phone says. */
export type Up =
  | {
      readonly k: 'hello';
      readonly userId: string;
      readonly deviceId: string;
      readonly resume: Resume | null;
    }
  | {
      readonly k: 'command';
      readonly cid: number;
      /** The message without its session, which the gateway knows. */
      readonly message: object & { readonly type: string };
      /** A repeat has no second effect. */
      readonly keyed: boolean;
    }
  | { readonly k: 'location'; readonly location: Location }
  | { readonly k: 'ack'; readonly offset: number };

/** A durable event, opened. */
export interface SeenEvent {
  readonly offset: number;
  readonly id: string;
  /** The whole frame, as text. */
  readonly bytes: string;
  readonly event: OpenedDurable | null;
}

/** What a phone hears. */
export type Down =
  | {
      readonly k: 'welcome';
      readonly sessionId: string;
      readonly epoch: string;
      readonly offset: number;
      readonly resumed: boolean;
    }
  | { readonly k: 'event'; readonly seen: SeenEvent }
  | { readonly k: 'reply'; readonly cid: number; readonly result: Result<unknown> };

export type Line = PhoneLine<Up, Down>;

export interface GatewayWitness {
  /** An event or a snapshot leaves for a user. */
  eventLeaves(userId: string, seen: SeenEvent): void;
  /** A live event came after a younger one of the same session. */
  outOfOrder(userId: string, offset: number, after: number): void;
  /** An answer leaves for a user. */
  replyLeaves(userId: string, message: { readonly type: string }, result: Result<unknown>): void;
}

export interface GatewayParts {
  readonly process: SimulatedProcess;
  readonly gatewayId: string;
  readonly door: () => ActorDoor;
  readonly witness: GatewayWitness;
}

/** As in `gateway/limits.ts`. */
const ATTACH = { askMs: 4_500, totalMs: 8_500, retryMs: 250 };
const COMMAND_MS = 3_000;
const PROBE = { askMs: 3_000, times: 10, retryMs: 250 };
const QUEUED_MAX = 1_024;

interface Session {
  readonly line: Line;
  readonly userId: string;
  readonly shard: number;
  readonly ref: SessionRef;
  readonly connSeq: number;
  readonly askedMs: number;
  phase: 'attaching' | 'open' | 'closed';
  queue: SeenEvent[];
  /** Newest live event. */
  pushed: number;
}

export class SimulatedGateway implements PushSink {
  readonly #parts: GatewayParts;
  readonly #sessions = new Map<string, Session>();
  readonly #lines = new Set<Line>();
  #made = 0;
  #connSeq = 0;
  leaving = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
  }

  get id(): string {
    return this.#parts.gatewayId;
  }

  /** A phone calls. */
  take(line: Line): void {
    this.#lines.add(line);
    let session: Session | null = null;
    const end: LineEnd<Up> = {
      heard: message => {
        if (message.k === 'hello') session = this.#hello(line, message);
        else if (session) this.#heard(session, message);
      },
      ended: () => {
        this.#lines.delete(line);
        if (session) this.#ended(session);
      },
    };
    line.gateway = end;
    if (this.leaving) line.close(CLOSE.restart, 'leaving');
  }

  /** The process is gone. */
  broken(): void {
    for (const line of this.#lines) line.broken();
  }

  push(sessions: readonly SessionRef[], bytes: Uint8Array, kind: 'durable' | 'volatile'): void {
    if (kind === 'volatile') return; // areas, report periods: nothing is promised of them
    let seen: SeenEvent | null = null;
    for (const ref of sessions) {
      const session = this.#sessions.get(ref.id);
      if (!session || session.phase === 'closed') continue;
      seen ??= opened(bytes);
      this.#parts.witness.eventLeaves(session.userId, seen);
      this.#ordered(session, seen);
      if (session.phase === 'open') session.line.down({ k: 'event', seen });
      else if (session.queue.length < QUEUED_MAX) session.queue.push(seen);
    }
  }

  close(sessions: readonly SessionRef[], code: number, reason: string): void {
    for (const ref of sessions) {
      const session = this.#sessions.get(ref.id);
      if (session) this.#close(session, code, reason);
    }
  }

  /** Owners of these shards changed: do the actors still know our sessions? */
  routed(shards: readonly number[]): void {
    const changed = new Set(shards);
    for (const session of this.#sessions.values()) {
      if (session.phase === 'open' && changed.has(session.shard)) this.#probe(session, 1);
    }
  }

  closeAll(): void {
    this.leaving = true;
    for (const session of [...this.#sessions.values()]) this.#close(session, CLOSE.restart, 'restart');
    for (const line of this.#lines) line.close(CLOSE.restart, 'restart');
    this.#lines.clear();
  }

  #ordered(session: Session, { offset, event }: SeenEvent): void {
    if (offset < 0 || event?.name === 'snapshot') return;
    if (offset <= session.pushed) this.#parts.witness.outOfOrder(session.userId, offset, session.pushed);
    session.pushed = offset;
  }

  #hello(line: Line, hello: Up & { k: 'hello' }): Session {
    const { process: host, gatewayId } = this.#parts;
    const session: Session = {
      line,
      userId: hello.userId,
      shard: shardOf('user', hello.userId),
      ref: { gateway: gatewayId, id: `${gatewayId}-${++this.#made}` },
      connSeq: this.#nextConnSeq(),
      askedMs: host.monotonicMs(),
      phase: 'attaching',
      queue: [],
      pushed: 0,
    };
    this.#sessions.set(session.ref.id, session);
    this.#attach(session, hello);
    return session;
  }

  /** As in `gateway/sessions.ts`, on the clock of this machine, which is not that of the others. */
  #nextConnSeq(): number {
    this.#connSeq = Math.max(this.#connSeq + 1, Math.floor(this.#parts.process.nowMs()) * 1_000);
    return this.#connSeq;
  }

  #attach(session: Session, hello: Up & { k: 'hello' }): void {
    const { process: host, door } = this.#parts;
    const { ref, connSeq } = session;
    const { deviceId, resume } = hello;
    const message: UserMessage = { type: 'attach', session: ref, deviceId, connSeq, resume };
    const answered = (result: Result<unknown>): void => {
      if (session.phase !== 'attaching') return;
      if (result.ok) return this.#welcome(session, result.value as Attached);
      if (result.retryable && host.monotonicMs() - session.askedMs < ATTACH.totalMs - ATTACH.askMs) {
        host.after(Math.max(ATTACH.retryMs, result.retryAfterMs), () => {
          if (session.phase === 'attaching') this.#attach(session, hello);
        });
        return;
      }
      this.#close(session, closeFor(result), result.message);
    };
    door().ask({ kind: 'user', id: session.userId }, message, answered, {
      timeoutMs: ATTACH.askMs,
      keyed: true,
    });
  }

  #welcome(session: Session, { epoch, offset, resumed, frames }: Attached): void {
    session.phase = 'open';
    session.line.down({ k: 'welcome', sessionId: session.ref.id, epoch, offset, resumed });
    for (const frame of frames) {
      const seen = opened(frame);
      if (seen.event === null && seen.offset < 0) continue;
      this.#parts.witness.eventLeaves(session.userId, seen);
      session.line.down({ k: 'event', seen });
    }
    for (const seen of session.queue) session.line.down({ k: 'event', seen });
    session.queue = [];
  }

  #heard(session: Session, message: Exclude<Up, { k: 'hello' }>): void {
    if (session.phase !== 'open') return;
    const { door, witness } = this.#parts;
    const user = { kind: 'user', id: session.userId } as const;
    switch (message.k) {
      case 'location':
        return door().tell(user, { type: 'location', session: session.ref, location: message.location });
      case 'ack':
        return door().tell(user, { type: 'ack', session: session.ref, offset: message.offset });
      case 'command': {
        const { cid, keyed } = message;
        const asked = { ...message.message, session: session.ref };
        const answered = (result: Result<unknown>): void => {
          witness.replyLeaves(session.userId, message.message, result);
          if (session.phase === 'open') session.line.down({ k: 'reply', cid, result });
        };
        return door().ask(user, asked, answered, { timeoutMs: COMMAND_MS, keyed });
      }
    }
  }

  #probe(session: Session, times: number): void {
    const { process: host, door } = this.#parts;
    const message: object = { type: 'probe', session: session.ref, connSeq: session.connSeq };
    const answered = (result: Result<unknown>): void => {
      if (session.phase !== 'open' || result.ok) return;
      if (!result.retryable || times >= PROBE.times) {
        return this.#close(session, CLOSE.moved, 'connect again');
      }
      host.after(Math.max(PROBE.retryMs * times, result.retryAfterMs), () => {
        if (session.phase === 'open') this.#probe(session, times + 1);
      });
    };
    const user = { kind: 'user', id: session.userId } as const;
    door().ask(user, message, answered, { timeoutMs: PROBE.askMs, keyed: true });
  }

  #close(session: Session, code: number, reason: string): void {
    if (session.phase === 'closed') return;
    this.#lines.delete(session.line);
    session.line.close(code, reason);
    this.#ended(session);
  }

  #ended(session: Session): void {
    if (session.phase === 'closed') return;
    session.phase = 'closed';
    session.queue = [];
    this.#sessions.delete(session.ref.id);
    const message: UserMessage = { type: 'detach', session: session.ref, connSeq: session.connSeq };
    this.#parts.door().tell({ kind: 'user', id: session.userId }, message);
  }
}

/** The close code that tells a client what to do about a refused attach. */
function closeFor(refusal: Refusal): number {
  if (refusal.retryable) return CLOSE.overloaded;
  return refusal.code === ERROR.conflict ? CLOSE.replaced : CLOSE.internal;
}

/** A durable frame, opened; of a volatile one nothing but that it is none. */
function opened(bytes: Uint8Array): SeenEvent {
  const frame = decodeServerFrame(bytes);
  if (frame.type !== 'event') return { offset: -1, id: '', bytes: '', event: null };
  const { offset, eventId: id } = frame;
  return { offset, id, bytes: Buffer.from(bytes).toString('hex'), event: openEvent(frame) };
}
