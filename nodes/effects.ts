/** What a turn wants from the world, as plain values, in the order in which the handler said it. */
import type { Cell } from '../actors/cell.ts';
import type { DurableOp, TimerOp } from '../actors/durable.ts';
import type { Query } from '../actors/queries.ts';
import type {
  ActorKind,
  Address,
  Behaviour,
  PushClass,
  ReplyTo,
  SampledFix,
  SessionRef,
  Turn,
} from '../actors/turn.ts';
import { assert } from '../protocol/assert.ts';
import type { Result } from '../protocol/errors.ts';
import type { Cause } from './cause.ts';
import { TIMER_LIMITS } from './limits.ts';
import type { Clock, Random } from './ports.ts';
import { isTimer } from './timers/timerRules.ts';

// biome-ignore lint/suspicious/noExplicitAny: the registry holds behaviours of unlike state and message types
export type AnyBehaviour = Behaviour<any, any>;
export type Behaviours = Readonly<Record<ActorKind, AnyBehaviour>>;

/** Leaves the actor, so the gate may hold it. */
export type Output =
  | { readonly k: 'reply'; readonly to: ReplyTo; readonly result: Result<unknown> }
  | {
      readonly k: 'tell';
      readonly to: Address;
      readonly message: { readonly type: string };
      readonly cause: Cause | null;
    }
  | {
      readonly k: 'ask';
      readonly to: Address;
      readonly message: { readonly type: string };
      readonly tag: string;
      readonly timeoutMs: number;
      readonly keyed: boolean;
      readonly cause: Cause | null;
    }
  | {
      readonly k: 'push';
      readonly sessions: readonly SessionRef[];
      readonly bytes: Uint8Array;
      readonly kind: PushClass;
      /** When the actor said it, monotonic milliseconds; 0: this one is not measured. */
      readonly saidMs: number;
    }
  | {
      readonly k: 'close';
      readonly sessions: readonly SessionRef[];
      readonly code: number;
      readonly reason: string;
    };

/** Stays with the actor; never held. */
export type Inner =
  | { readonly k: 'query'; readonly query: Query; readonly tag: string }
  | {
      readonly k: 'timer';
      readonly name: string;
      readonly delayMs: number;
      readonly message: { type: string };
    }
  | { readonly k: 'cancelTimer'; readonly name: string }
  | { readonly k: 'count'; readonly metric: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly k: 'observe'; readonly metric: string; readonly value: number }
  | { readonly k: 'sample'; readonly position: SampledFix | null }
  | { readonly k: 'verify'; readonly encounterId: string; readonly position: SampledFix }
  | { readonly k: 'passivate' };

export interface Collected {
  readonly outputs: readonly Output[];
  readonly inner: readonly Inner[];
  readonly operations: readonly { readonly op: DurableOp; readonly tag: string }[];
  /** So many of the outputs, the first ones, do not wait for these operations. */
  readonly released: number;
}

/** One push in 64 is measured, from the turn that said it to the sockets. */
const MEASURED_PUSHES = 63;

/** The tag of a commit for which nobody waits but the gate. */
const NOBODYS = '';
const NO_OUTPUTS: readonly Output[] = [];
const NOTHING: Collected = { outputs: NO_OUTPUTS, inner: [], operations: [], released: 0 };

/** Collects the effects of one turn at a time; one per node, used again for every turn. */
export class TurnCollector implements Turn {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #askMs: number;
  #pushes = 0;
  self: Address = { kind: 'user', id: '' };
  nowMs = 0;
  replyTo: ReplyTo | null = null;
  /** What led to this turn, and so to everything that it says. */
  cause: Cause | null = null;
  outputs: readonly Output[] = NO_OUTPUTS;
  inner: Inner[] = [];
  operations: { readonly op: DurableOp; readonly tag: string }[] = [];
  #released = 0;

  /** Cells that were set in this turn, in order, and what stood in each; as many as `#changed`. */
  readonly #cells: Cell<unknown>[] = [];
  readonly #before: unknown[] = [];
  #changed = 0;

  constructor(clock: Clock, random: Random, askMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.#askMs = askMs;
  }

  begin(self: Address, replyTo: ReplyTo | null, cause: Cause | null): void {
    this.self = self;
    this.replyTo = replyTo;
    this.cause = cause;
    this.nowMs = this.#clock.nowMs();
    this.#changed = 0;
    this.take();
  }

  /** The turn threw: it has said nothing and changed nothing. */
  undo(): void {
    this.take();
    while (this.#changed > 0) {
      this.#changed--;
      this.#cells[this.#changed]!.putBack(this.#before[this.#changed]);
    }
  }

  /** Hands over what was collected: applying it may start another turn on this same collector. */
  take(): Collected {
    const { outputs, inner, operations } = this;
    const released = this.#released;
    this.#released = 0;
    if (outputs.length === 0 && inner.length === 0 && operations.length === 0) return NOTHING;
    this.outputs = NO_OUTPUTS;
    // These are empty almost always; what is handed over is never what the next turn fills.
    if (inner.length > 0) this.inner = [];
    if (operations.length > 0) this.operations = [];
    return {
      outputs,
      inner: inner.length > 0 ? inner : NOTHING.inner,
      operations: operations.length > 0 ? operations : NOTHING.operations,
      released,
    };
  }

  newId(): string {
    return this.#random.uuid(this.nowMs);
  }
  random32(): number {
    return this.#random.uint32();
  }
  reply(result: Result<unknown>, to: ReplyTo | null = this.replyTo): void {
    if (to) this.#say({ k: 'reply', to, result });
  }
  resume(replyTo: ReplyTo | null): void {
    this.replyTo = replyTo;
  }
  tell(to: Address, message: object): void {
    this.#say({ k: 'tell', to, message: message as { type: string }, cause: this.cause });
  }
  ask(
    to: Address,
    message: object,
    tag: string,
    timeoutMs: number = this.#askMs,
    options?: { readonly keyed?: boolean },
  ): void {
    const keyed = options?.keyed === true;
    const { cause } = this;
    this.#say({
      k: 'ask',
      to,
      message: message as { type: string },
      tag,
      timeoutMs,
      keyed,
      cause,
    });
  }
  push(sessions: readonly SessionRef[], bytes: Uint8Array, kind: PushClass): void {
    if (sessions.length === 0) return;
    const saidMs = (++this.#pushes & MEASURED_PUSHES) === 0 ? this.#clock.monotonicMs() : 0;
    this.#say({ k: 'push', sessions, bytes, kind, saidMs });
  }
  close(sessions: readonly SessionRef[], code: number, reason: string): void {
    if (sessions.length > 0) this.#say({ k: 'close', sessions, code, reason });
  }
  persist(op: DurableOp, tag: string): void {
    this.operations.push({ op, tag });
  }
  release(): void {
    if (this.operations.length === 0) this.#released = this.outputs.length;
  }
  query(query: Query, tag: string): void {
    this.inner.push({ k: 'query', query, tag });
  }
  timer(name: string, delayMs: number, message: object): void {
    this.inner.push({ k: 'timer', name, delayMs, message: message as { type: string } });
  }
  cancelTimer(name: string): void {
    this.inner.push({ k: 'cancelTimer', name });
  }
  durableTimer(name: string, delayMs: number, message: object): number {
    const op = this.timerOp(name, delayMs, message);
    this.persist(op, NOBODYS);
    return op.dueAtMs as number;
  }
  timerOp(name: string, delayMs: number, message: object): TimerOp {
    return this.#timer(name, this.nowMs + Math.max(TIMER_LIMITS.delayMinMs, Math.ceil(delayMs)), message);
  }
  cancelDurableTimer(name: string): void {
    this.persist(this.#timer(name, null, null), NOBODYS);
  }
  count(metric: string, labels: Readonly<Record<string, string>> = {}): void {
    this.inner.push({ k: 'count', metric, labels });
  }
  observe(metric: string, value: number): void {
    this.inner.push({ k: 'observe', metric, value });
  }
  sample(position: SampledFix | null): void {
    this.inner.push({ k: 'sample', position });
  }
  verify(encounterId: string, position: SampledFix): void {
    this.inner.push({ k: 'verify', encounterId, position });
  }
  replaced<V>(cell: Cell<V>, before: V): void {
    this.#cells[this.#changed] = cell as Cell<unknown>;
    this.#before[this.#changed++] = before;
  }
  passivate(): void {
    this.inner.push({ k: 'passivate' });
  }

  /** Most turns say one thing, and an array that grows from nothing takes room for seventeen. */
  #say(output: Output): void {
    if (this.outputs.length === 0) this.outputs = [output];
    else (this.outputs as Output[]).push(output);
  }

  #timer(name: string, dueAtMs: number | null, message: object | null): TimerOp {
    const { kind, id: actor } = this.self;
    const op: TimerOp = {
      type: 'timer',
      id: this.newId(),
      kind,
      actor,
      name,
      dueAtMs,
      onlyDueAtMs: null,
      message,
    };
    assert(isTimer(op), 'a timer has a name, and a message of plain values that is not too long');
    return op;
  }
}
