/**
 * What the parts of the runtime share. Each part is about one thing (starting, turns, outputs, leaving, hand-over) and
 * knows the others through this; `actorSystem.ts` puts them together.
 */
import type { Address, ReplyTo, SessionRef } from '../actors/turn.ts';
import type { Refusal, Result } from '../protocol/errors.ts';
import type { Activation } from './activation.ts';
import type { PendingAsks } from './asks.ts';
import type { Behaviours, Output, TurnCollector } from './effects.ts';
import type { HandOver } from './handOver.ts';
import type { Leaving } from './leaving.ts';
import type { LIMITS } from './limits.ts';
import type { Mail } from './mailbox.ts';
import type { Outputs } from './outputs.ts';
import type {
  Clock,
  Coordinator,
  Log,
  Metrics,
  OperationWriter,
  PushSink,
  QueryStore,
  Random,
  Scheduler,
  Tracer,
} from './ports.ts';
import type { Residents } from './residents.ts';
import type { RulesPort } from './rules/port.ts';
import type { Sampler } from './sampling.ts';
import type { Starting } from './starting.ts';
import type { TimerWheel } from './timerWheel.ts';
import type { Turns } from './turns.ts';
import type { Verifier } from './verifying.ts';

export interface ActorSystemOptions {
  readonly behaviours: Behaviours;
  readonly coordinator: Coordinator;
  readonly writer: OperationWriter;
  readonly queries: QueryStore;
  /** Who answers what actors ask the business rules; absent: nobody (then it is refused as unavailable). */
  readonly rules?: RulesPort | undefined;
  readonly sink: PushSink;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Records the turns of traced asks as spans; absent: nobody looks. */
  readonly tracer?: Tracer | undefined;
  /** Where sampled positions go; absent: nowhere. */
  readonly sampler?: Sampler | undefined;
  /** Who is asked about positions of encounters that are held; absent: nobody. */
  readonly verifier?: Verifier | undefined;
  /** Told for how long a region was served, at the end of each slice. */
  readonly regionServed?: ((regionId: string, tookMs: number) => void) | undefined;
  readonly limits?: Partial<{ [K in keyof typeof LIMITS]: number }>;
  /**
   * An actor of the shard was thrown away while the shard stays here: what it had committed and not told is known to the
   * store alone.
   */
  readonly untold?: (shard: number) => void;
  /** Test mode: what stays on this node is encoded and decoded all the same. */
  readonly encodeLocal?: boolean;
}

/** Plain counters; the admin side reads them when it is asked. */
export interface ActorSystemStats {
  turns: number;
  throws: number;
  mailboxFull: number;
  discarded: number;
  parked: number;
  passivated: number;
}

/** A message to an actor on its way, wherever that actor lives; in the mailbox it is the mail. */
export interface Sending extends Mail {
  readonly to: Address;
  /** Milliseconds in which it must be there. */
  readonly timeoutMs: number;
  /** A repeat has no second effect. */
  readonly keyed: boolean;
}

/** The way to actors and sockets on other nodes; null for a node that is alone. */
export interface Routes {
  /** Shards for which messages wait or are under way; 0 almost always. */
  readonly detours: number;
  /** Whether messages for the shard wait or are under way: what comes now goes behind them. */
  busy(shard: number): boolean;
  /** `from` is the shard of the actor that says it, -1 when none does. */
  send(sending: Sending, shard: number, from: number): void;
  /** Messages of actors of the shard that have not reached their node. */
  underWayFrom(shard: number): number;
  reply(to: ReplyTo, result: Result<unknown>): void;
  push(from: Address, output: Output & { k: 'push' | 'close' }): void;
  isLocal(session: SessionRef): boolean;
  /** So much was said that the event loop should have its turn, to let it go. */
  readonly full: boolean;
  /** Lets go what was said: the loop has nothing more to do. */
  flush(): void;
  /** Mail from another node had its turn: its bytes wait no more. */
  release(bytes: number): void;

  // What the coordinator says, passed on after the runtime did its part.

  opened(shard: number): void;
  closed(shard: number): void;
  routed(shards: readonly number[]): void;
  resumed(): void;
  evicted(ref: string): void;
  nodeGone(ref: string, gateway: string): void;
}

export interface Core {
  readonly options: ActorSystemOptions;
  readonly limits: { readonly [K in keyof typeof LIMITS]: number };
  readonly wheel: TimerWheel;
  readonly asks: PendingAsks;
  readonly turn: TurnCollector;
  readonly residents: Residents;
  readonly stats: ActorSystemStats;
  readonly starting: Starting;
  readonly turns: Turns;
  readonly outputs: Outputs;
  readonly leaving: Leaving;
  readonly handOver: HandOver;
  readonly routes: Routes | null;
  /** The lease holds, and nothing waits for it. */
  mayLeave(): boolean;
  /** Runs at once, or when the lease is renewed: what it does may let something out. */
  whenServing(run: () => void): void;
  /** To an actor anywhere, from `from` when an actor says it. */
  deliver(sending: Sending, from: Activation | null): void;
  /** The answer leaves the actor. */
  answer(to: ReplyTo, result: Result<unknown>): void;
  refuse(replyTo: ReplyTo | null, refusal: Refusal): void;
}
