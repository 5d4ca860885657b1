/**
 * The runtime of one node: finds or starts the actor that a message is for, gives every actor its turns, applies what
 * the turns collected, and keeps the promises of `nodes/README.md`.
 *
 * One thread, no locks. A message waits in its actor's mailbox; actors with mail wait in a run queue; the loop gives
 * each a slice and then the event loop its turn. A turn is synchronous (see `actors/turn.ts`); its outputs pass the
 * actor's gate. Whatever goes wrong inside an actor stays inside it: a throw is an answer to one message, a failed
 * commit discards one activation, and the next message starts it again from what is durable.
 *
 * This file is the door and the host of shards; the parts stand beside it: `starting`, `turns`, `outputs`, `leaving`,
 * `handOver`, and `routing/` for what is not here.
 */
import type { ActorKind, Address, ReplyTo } from '../actors/turn.ts';
import { ERROR, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import { shardOf } from '../protocol/shard.ts';
import type { Activation } from './activation.ts';
import { PendingAsks } from './asks.ts';
import type { Cause } from './cause.ts';
import type { ActorSystemOptions, ActorSystemStats, Core, Routes, Sending } from './core.ts';
import { TurnCollector } from './effects.ts';
import type { ActorDoor, AskOptions } from './gatewayPort.ts';
import { HandOver } from './handOver.ts';
import { Leaving } from './leaving.ts';
import { LIMITS } from './limits.ts';
import { Outputs } from './outputs.ts';
import type { Parcel, ShardHost } from './ports.ts';
import { Residents } from './residents.ts';
import { copied } from './routing/body.ts';
import { Starting } from './starting.ts';
import { TimerWheel } from './timerWheel.ts';
import { Turns } from './turns.ts';

export type { ActorSystemOptions, ActorSystemStats } from './core.ts';

const MOVING = refuse(ERROR.unavailable, 'the actor is moving', 200);
const STOPPING = refuse(ERROR.unavailable, 'the node is stopping', 1_000);
const CROWDED = refuse(ERROR.unavailable, 'too many actors are starting', 500);

const causeOf = (trace: string | null | undefined): Cause | null =>
  trace ? { trace, chain: [], asked: null } : null;

export class ActorSystem implements ActorDoor, ShardHost {
  readonly #core: Core & { routes: Routes | null };
  readonly #waitingForLease: (() => void)[] = [];
  #stopping = false;
  readonly stats: ActorSystemStats = {
    turns: 0,
    throws: 0,
    mailboxFull: 0,
    discarded: 0,
    parked: 0,
    passivated: 0,
  };

  constructor(options: ActorSystemOptions) {
    const limits = { ...LIMITS, ...options.limits };
    const { clock, scheduler, random, coordinator } = options;
    const wheel = new TimerWheel(scheduler, () => clock.monotonicMs(), limits.wheelTickMs, limits.wheelSlots);
    const core = {
      options,
      limits,
      wheel,
      asks: new PendingAsks(coordinator.ref, wheel),
      turn: new TurnCollector(clock, random, limits.askMs),
      residents: new Residents(),
      stats: this.stats,
      routes: null,
      mayLeave: () => this.#waitingForLease.length === 0 && coordinator.serving(),
      whenServing: (run: () => void) => this.#whenServing(run),
      deliver: (sending: Sending, from: Activation | null) => this.#deliver(sending, from),
      answer: (to: ReplyTo, result: Result<unknown>) => this.#answer(to, result),
      refuse: (to: ReplyTo | null, refusal: Refusal) => this.#refuse(to, refusal),
    } as unknown as { -readonly [K in keyof Core]: Core[K] };
    core.starting = new Starting(core);
    core.outputs = new Outputs(core);
    core.leaving = new Leaving(core);
    core.handOver = new HandOver(core);
    core.turns = new Turns(core);
    this.#core = core;
  }

  /** The way to other nodes; without it everything is here or nowhere. */
  connect(routes: Routes): void {
    this.#core.routes = routes;
  }

  /** Shared with the router, so that a node has one wheel and one table of asks. */
  get wheel(): TimerWheel {
    return this.#core.wheel;
  }
  get asks(): PendingAsks {
    return this.#core.asks;
  }

  /** Actors in memory by kind. */
  count(kind: ActorKind): number {
    return this.#core.residents.count(kind);
  }

  /** How many actors of a kind there are, by what their behaviour calls their standing. Goes through all of them. */
  countByStanding(kind: ActorKind): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { phase, behaviour, state } of this.#core.residents.ofKind(kind)) {
      if (phase !== 'active' || behaviour.standing === undefined) continue;
      const standing = behaviour.standing(state);
      counts.set(standing, (counts.get(standing) ?? 0) + 1);
    }
    return counts;
  }

  /** Sockets that actors of a kind know. Goes through all of them. */
  countSessions(kind: ActorKind): number {
    let sessions = 0;
    for (const { phase, behaviour, state } of this.#core.residents.ofKind(kind))
      if (phase === 'active') sessions += behaviour.sessions?.(state).length ?? 0;
    return sessions;
  }

  tell(to: Address, message: object, options?: { readonly trace?: string | null }): void {
    const cause = causeOf(options?.trace);
    const timeoutMs = this.#core.limits.askMs;
    const said = message as { type: string };
    this.#deliver({ to, message: said, replyTo: null, cause, timeoutMs, keyed: false, bytes: 0 }, null);
  }

  ask(to: Address, message: object, done: (result: Result<unknown>) => void, options?: AskOptions): void {
    const timeoutMs = options?.timeoutMs ?? this.#core.limits.askMs;
    const replyTo = this.#core.asks.open(timeoutMs, done);
    const trace = options?.trace;
    const cause = trace ? { trace, chain: [], asked: replyTo } : null;
    const keyed = options?.keyed === true;
    const said = message as { type: string };
    this.#deliver({ to, message: said, replyTo, cause, timeoutMs, keyed, bytes: 0 }, null);
  }

  behind(): boolean {
    return this.#core.turns.behind;
  }

  /**
   * From another node, by the router, which has checked that the shard is served here. False when the actor does not
   * belong to it. Its bytes count against the node's budget until the message has had its turn.
   */
  receive(sending: Sending, shard: number, epoch: number): boolean {
    const { to, bytes } = sending;
    const found = this.#core.residents.find(to);
    if ((found?.shard ?? shardOf(to.kind, to.id)) !== shard) return false;
    const activation = found ?? this.#activate(sending, shard, epoch);
    if (activation) this.#core.turns.enqueue(activation, sending, false);
    else if (bytes > 0) this.#core.routes?.release(bytes);
    return true;
  }

  /** No new work is taken; what waits is refused. Commits under way finish through the writer's own drain. */
  stop(): void {
    this.#stopping = true;
    this.#core.handOver.lostAll();
    this.#core.asks.refuseAll(STOPPING);
    this.#core.wheel.stop();
  }

  // --- the host of shards ------------------------------------------------------------------------------------------

  opened(shard: number, epoch: number, parcels: readonly Parcel[]): void {
    this.#core.handOver.opened(shard, epoch, parcels);
    this.#core.routes?.opened(shard);
  }

  /** The epoch is that of the actors; a shard without any has nothing to hand over. */
  close(shard: number, handoffMs?: number): Promise<Parcel[]> {
    this.#core.routes?.closed(shard);
    const [first] = this.#core.residents.ofShard(shard);
    if (!first) return Promise.resolve(this.#core.starting.arrivals.takeAll(shard));
    return this.#core.handOver.close(shard, first.epoch, handoffMs);
  }

  dropped(shard: number): void {
    this.#core.routes?.closed(shard);
    this.#core.handOver.lost(shard);
    this.#core.leaving.release(shard);
  }

  /** Slices and outputs look at the lease themselves. */
  suspended(): void {}

  resumed(): void {
    for (const run of this.#waitingForLease.splice(0)) run();
    this.#core.turns.resume();
    this.#core.routes?.resumed();
  }

  evicted(ref: string): void {
    this.#core.handOver.lostAll();
    this.#core.leaving.releaseAll();
    this.#core.asks.rename(ref);
    this.#waitingForLease.length = 0;
    this.#core.routes?.evicted(ref);
  }

  routed(shards: readonly number[]): void {
    this.#core.routes?.routed(shards);
  }

  nodeGone(ref: string, gateway: string): void {
    this.#core.routes?.nodeGone(ref, gateway);
    for (const activation of this.#core.residents.ofKind('user')) {
      if (activation.phase !== 'active') continue;
      for (const session of activation.behaviour.sessions?.(activation.state) ?? []) {
        if (session.gateway === gateway)
          this.tell(activation.address, { type: 'detach', session, connSeq: 0 });
      }
    }
  }

  // --- finding the actor -------------------------------------------------------------------------------------------

  #deliver(given: Sending, from: Activation | null): void {
    const { residents, routes, turns, options } = this.#core;
    if (this.#stopping) return this.#refuse(given.replyTo, STOPPING);
    const sending = options.encodeLocal ? { ...given, message: copied(given.message) } : given;
    let activation: Activation | null = residents.find(sending.to) ?? null;
    if (activation === null || activation.closing || (routes !== null && routes.detours > 0)) {
      activation = this.#seek(sending, activation, from);
    }
    if (activation) turns.enqueue(activation, sending, false);
  }

  /** The way that is not the common one: to an actor that sleeps, moves, or lives elsewhere. */
  #seek(sending: Sending, found: Activation | null, from: Activation | null): Activation | null {
    const { options, routes, handOver } = this.#core;
    const { to, replyTo } = sending;
    const shard = found?.shard ?? shardOf(to.kind, to.id);
    const behind = routes?.busy(shard) === true;
    // Who goes along may still talk to those who go along.
    const epoch =
      options.coordinator.epochOf(shard) ?? (from?.closing === true ? handOver.closingEpoch(shard) : null);
    if (epoch !== null && !behind) {
      if (found) return found;
      const fresh = this.#activate(sending, shard, epoch);
      if (fresh && handOver.closingEpoch(shard) !== null) fresh.closing = true;
      return fresh;
    }
    if (routes) routes.send(sending, shard, from?.shard ?? -1);
    else this.#refuse(replyTo, MOVING);
    return null;
  }

  #activate(sending: Sending, shard: number, epoch: number): Activation | null {
    const { starting, turns, options } = this.#core;
    const { to, replyTo } = sending;
    const refusal = starting.full ? CROWDED : turns.refusalOf(options.behaviours[to.kind], sending);
    if (refusal === null) return starting.activate(to, shard, epoch);
    this.#refuse(replyTo, refusal);
    return null;
  }

  // --- answers -----------------------------------------------------------------------------------------------------

  #answer(to: ReplyTo, result: Result<unknown>): void {
    const { asks, routes, options } = this.#core;
    if (to.node === asks.ref) asks.settle(to.askId, options.encodeLocal ? copied(result) : result);
    else routes?.reply(to, result);
  }

  #refuse(replyTo: ReplyTo | null, refusal: Refusal): void {
    if (replyTo) this.#answer(replyTo, refusal);
  }

  #whenServing(run: () => void): void {
    if (this.#core.mayLeave()) return run();
    if (this.#waitingForLease.length === 0) this.#lookAtLease();
    this.#waitingForLease.push(run);
  }

  /** The coordinator says when the lease is back; should it forget, we look. */
  #lookAtLease(): void {
    const { scheduler, coordinator } = this.#core.options;
    scheduler.after(LEASE_LOOK_MS, () => {
      if (this.#waitingForLease.length === 0 || this.#stopping) return;
      if (coordinator.serving()) this.resumed();
      else this.#lookAtLease();
    });
  }
}

const LEASE_LOOK_MS = 50;
