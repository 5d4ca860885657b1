/**
 * The runtime of one node: finds or starts the actor that a message is for, gives every actor its turns, applies what
 * the turns collected, and keeps the promises of `nodes/README.md`.
 *
 * One thread, no locks. A message waits in its actor's mailbox; actors with mail wait in a run queue; the loop gives
 * each a slice and then the event loop its turn. A turn is synchronous (see `actors/turn.ts`); its outputs pass the
 * actor's gate. Whatever goes wrong inside an actor stays inside it: a throw is an answer to one message, a failed
 * commit discards one activation, and the next message starts it again from what is durable.
 */
import type { Address, ReplyTo } from '../actors/turn.ts';
import { ERROR, type Refusal, type Result, refuse } from '../protocol/errors.ts';
import { shardOf } from '../protocol/shard.ts';
import { Activation } from './activation.ts';
import { PendingAsks } from './asks.ts';
import { type Behaviours, type Inner, type Output, TurnCollector } from './effects.ts';
import { Gate } from './gate.ts';
import type { ActorDoor, AskOptions } from './gatewayPort.ts';
import { LIMITS } from './limits.ts';
import { type Envelope, Mailbox } from './mailbox.ts';
import type {
  Clock,
  CommitEntry,
  Coordinator,
  Log,
  Metrics,
  OperationWriter,
  PushSink,
  QueryStore,
  Random,
  Scheduler,
  WriteOutcome,
} from './ports.ts';
import { RunQueue } from './runQueue.ts';
import { TimerWheel } from './timerWheel.ts';

export interface ActorSystemOptions {
  readonly node: string;
  readonly behaviours: Behaviours;
  readonly coordinator: Coordinator;
  readonly writer: OperationWriter;
  readonly queries: QueryStore;
  readonly sink: PushSink;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly limits?: Partial<typeof LIMITS>;
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

/** Empty mailboxes kept for the next actor with mail. */
const SPARE_MAILBOXES = 256;
/** One turn in 64 is measured: measuring each would cost as much as the turn. */
const MEASURED_TURNS = 63;

export class ActorSystem implements ActorDoor {
  readonly #options: ActorSystemOptions;
  readonly #limits: typeof LIMITS;
  readonly #wheel: TimerWheel;
  readonly #asks: PendingAsks;
  readonly #turn: TurnCollector;
  readonly #actors: Record<Address['kind'], Map<string, Activation>> = {
    user: new Map(),
    region: new Map(),
    pair: new Map(),
  };
  readonly #runQueue: RunQueue<Activation>;
  readonly #spareMailboxes: Mailbox[] = [];
  #hydrating = 0;
  #incarnations = 0;
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
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#wheel = new TimerWheel(
      options.scheduler,
      () => options.clock.monotonicMs(),
      this.#limits.wheelTickMs,
      this.#limits.wheelSlots,
    );
    this.#asks = new PendingAsks(options.node, this.#wheel);
    this.#runQueue = new RunQueue(options.scheduler, options.clock, this.#limits.loopMs, one =>
      this.#slice(one),
    );
    this.#turn = new TurnCollector(options.clock, options.random, this.#limits.askMs);
  }

  /** Actors in memory by kind. */
  count(kind: Address['kind']): number {
    return this.#actors[kind].size;
  }

  tell(to: Address, message: object): void {
    this.#deliver(to, message as { type: string }, null);
  }

  ask(to: Address, message: object, done: (result: Result<unknown>) => void, options?: AskOptions): void {
    const replyTo = this.#asks.open(options?.timeoutMs ?? this.#limits.askMs, done);
    this.#deliver(to, message as { type: string }, replyTo);
  }

  /** Drops every activation of a shard that this node no longer owns; the next message is routed anew. */
  release(shard: number): void {
    for (const actors of Object.values(this.#actors)) {
      for (const activation of actors.values()) {
        if (activation.shard === shard)
          this.#discard(activation, refuse(ERROR.unavailable, 'the actor moved', 100));
      }
    }
  }

  /** No new work is taken; what waits is refused. Commits under way finish through the writer's own drain. */
  stop(): void {
    this.#stopping = true;
    this.#asks.refuseAll();
    this.#wheel.stop();
  }

  // --- finding the actor -------------------------------------------------------------------------------------------

  #deliver(to: Address, message: { readonly type: string }, replyTo: ReplyTo | null): void {
    if (this.#stopping)
      return this.#refuse(replyTo, refuse(ERROR.unavailable, 'the node is stopping', 1_000));
    const activation = this.#actors[to.kind].get(to.id) ?? this.#activate(to, replyTo);
    if (activation) this.#enqueue(activation, { message, replyTo }, false);
  }

  #activate(address: Address, replyTo: ReplyTo | null): Activation | null {
    const shard = shardOf(address.kind, address.id);
    const epoch = this.#options.coordinator.epochOf(shard);
    if (epoch === null) {
      this.#refuse(replyTo, refuse(ERROR.unavailable, 'the actor is moving', 200));
      return null;
    }
    if (this.#hydrating >= this.#limits.hydratingMax) {
      this.#refuse(replyTo, refuse(ERROR.unavailable, 'too many actors are starting', 500));
      return null;
    }
    const behaviour = this.#options.behaviours[address.kind];
    const activation = new Activation(address, behaviour, shard, epoch, ++this.#incarnations);
    this.#actors[address.kind].set(address.id, activation);
    this.#hydrate(activation);
    return activation;
  }

  #hydrate(activation: Activation): void {
    const query = activation.behaviour.hydrate(activation.address.id);
    if (query === null) {
      this.#create(activation, null);
      return;
    }
    this.#hydrating++;
    let settled = false;
    const settle = (after: () => void): void => {
      if (settled) return;
      settled = true;
      this.#hydrating--;
      if (activation.phase === 'hydrating') after();
    };
    const failed = (): void =>
      settle(() =>
        this.#discard(activation, refuse(ERROR.unavailable, 'the store does not answer, try again', 1_000)),
      );
    const deadline = this.#wheel.after(this.#limits.hydrateMs, failed);
    this.#options.queries.query(query).then(
      loaded => {
        this.#wheel.cancel(deadline);
        settle(() => this.#create(activation, loaded));
      },
      error => {
        this.#wheel.cancel(deadline);
        this.#options.log.warn({ kind: activation.address.kind, err: error }, 'an actor could not be read');
        failed();
      },
    );
  }

  #create(activation: Activation, loaded: unknown): void {
    this.#turn.begin(activation.address, null);
    let created: Result<unknown>;
    try {
      created = activation.behaviour.create(activation.address.id, loaded, this.#turn);
    } catch (error) {
      this.#options.log.error({ kind: activation.address.kind, err: error }, 'an actor could not be created');
      created = refuse(ERROR.internal, 'the actor could not be started');
    }
    if (!created.ok) return this.#discard(activation, created);
    activation.state = created.value;
    activation.phase = 'active';
    activation.lastMessageMs = this.#options.clock.monotonicMs();
    this.#apply(activation);
    this.#watchIdleness(activation);
    if (activation.mailbox && activation.mailbox.size > 0) this.#runQueue.push(activation);
  }

  // --- waiting and running -----------------------------------------------------------------------------------------

  #enqueue(activation: Activation, envelope: Envelope, system: boolean): void {
    if (activation.phase === 'parked') {
      return this.#refuse(
        envelope.replyTo,
        refuse(ERROR.unavailable, 'the actor is parked after repeated errors', 1_000),
      );
    }
    const overheld = !system && activation.gate !== null && activation.gate.held >= this.#limits.heldOutputs;
    activation.mailbox ??= this.#spareMailboxes.pop() ?? new Mailbox(this.#limits.mailboxMessages);
    const key = system ? null : (activation.behaviour.coalesce?.(envelope.message) ?? null);
    const taken =
      !overheld &&
      (key === null
        ? activation.mailbox.push(envelope, system)
        : activation.mailbox.pushKeyed(envelope, key));
    if (!taken) {
      this.stats.mailboxFull++;
      this.#options.metrics.count('heyblue_mailbox_full_total', { kind: activation.address.kind });
      return this.#refuse(envelope.replyTo, refuse(ERROR.unavailable, 'mailbox full, try again', 200));
    }
    if (envelope.replyTo) (activation.owed ??= new Set()).add(envelope.replyTo.askId);
    if (activation.phase === 'active') this.#runQueue.push(activation);
  }

  /** Stays marked as scheduled until the end: an actor that writes to itself must not be queued twice. */
  #slice(activation: Activation): void {
    const clock = this.#options.clock;
    const startedMs = clock.monotonicMs();
    const mailbox = activation.mailbox;
    if (activation.phase !== 'active' || mailbox === null) {
      activation.scheduled = false;
      return;
    }
    for (let messages = 0; messages < this.#limits.sliceMessages; messages++) {
      const envelope = mailbox.shift();
      if (!envelope) break;
      this.#runTurn(activation, envelope);
      if (activation.phase !== 'active') break;
      if (messages % 8 === 7 && clock.monotonicMs() - startedMs >= this.#limits.sliceMs) break;
    }
    activation.scheduled = false;
    if (activation.phase !== 'active') return;
    activation.lastMessageMs = startedMs;
    const elapsedMs = clock.monotonicMs() - startedMs;
    if (elapsedMs >= this.#limits.slowTurnMs) {
      this.#options.log.warn({ kind: activation.address.kind, ms: Math.round(elapsedMs) }, 'slow turn');
    }
    if (mailbox.size > 0) this.#runQueue.push(activation);
    else {
      // An idle actor keeps no mailbox: thousands of quiet phones would pay for it.
      activation.mailbox = null;
      if (this.#spareMailboxes.length < SPARE_MAILBOXES) this.#spareMailboxes.push(mailbox);
      if (activation.wantsPassivation) this.#tryPassivate(activation);
      else this.#watchIdleness(activation);
    }
  }

  #runTurn(activation: Activation, envelope: Envelope): void {
    const measured = (++this.stats.turns & MEASURED_TURNS) === 0;
    const startedMs = measured ? this.#options.clock.monotonicMs() : 0;
    this.#turn.begin(activation.address, envelope.replyTo);
    let state: unknown;
    try {
      state = activation.behaviour.receive(activation.state, envelope.message, this.#turn);
    } catch (error) {
      this.#threw(activation, envelope, error);
      return;
    }
    activation.state = state;
    if (measured) {
      const seconds = (this.#options.clock.monotonicMs() - startedMs) / 1_000;
      this.#options.metrics.observe('heyblue_actor_turn_seconds', seconds, { kind: activation.address.kind });
    }
    this.#apply(activation);
  }

  #threw(activation: Activation, envelope: Envelope, error: unknown): void {
    this.stats.throws++;
    const nowMs = this.#options.clock.monotonicMs();
    this.#options.log.error(
      { kind: activation.address.kind, message: envelope.message.type, err: error },
      'a turn threw; nothing of it was applied',
    );
    this.#answer(activation, envelope.replyTo, refuse(ERROR.internal, 'internal error'));
    if (activation.throws === 0 || nowMs - activation.firstThrowMs > this.#limits.throwWindowMs) {
      activation.throws = 0;
      activation.firstThrowMs = nowMs;
    }
    activation.throws++;
    if (activation.throws >= this.#limits.throwsMax) this.#park(activation);
    else if (activation.behaviour.inPlace) this.#reload(activation);
  }

  /** The state may be half-changed: start again from what is durable, with the mail that waits. */
  #reload(activation: Activation): void {
    const { mailbox, owed, throws, firstThrowMs, parkMs } = activation;
    activation.mailbox = null;
    activation.owed = null;
    this.#discard(activation, refuse(ERROR.internal, 'internal error'));
    const fresh = this.#activate(activation.address, null);
    if (!fresh) return;
    fresh.throws = throws;
    fresh.firstThrowMs = firstThrowMs;
    fresh.parkMs = parkMs;
    fresh.mailbox = mailbox;
    fresh.owed = owed;
    if (fresh.phase === 'active' && mailbox && mailbox.size > 0) this.#runQueue.push(fresh);
  }

  #park(activation: Activation): void {
    this.stats.parked++;
    const { address, parkMs } = activation;
    const delayMs = Math.min(this.#limits.parkMaxMs, Math.max(this.#limits.parkMinMs, parkMs * 2));
    this.#options.log.error({ kind: address.kind, ms: delayMs }, 'an actor is parked after repeated errors');
    this.#discard(
      activation,
      refuse(ERROR.unavailable, 'the actor is parked after repeated errors', delayMs),
    );
    const stone = new Activation(
      address,
      activation.behaviour,
      activation.shard,
      activation.epoch,
      ++this.#incarnations,
    );
    stone.phase = 'parked';
    this.#actors[address.kind].set(address.id, stone);
    this.#wheel.after(delayMs, () => {
      if (this.#actors[address.kind].get(address.id) !== stone) return;
      stone.phase = 'gone';
      this.#actors[address.kind].delete(address.id);
    });
  }

  // --- applying a turn ---------------------------------------------------------------------------------------------

  #apply(activation: Activation): void {
    const { outputs, inner, operations } = this.#turn.take();
    for (const { op, tag } of operations) this.#persist(activation, op, tag);
    const gate = activation.gate;
    if (gate === null || gate.open) for (const output of outputs) this.#send(activation, output);
    else for (const output of outputs) gate.hold(output);
    for (const effect of inner) this.#applyInner(activation, effect);
  }

  #persist(activation: Activation, op: CommitEntry['op'], tag: string): void {
    const gate = (activation.gate ??= new Gate());
    const operation = gate.begin();
    const startedMs = this.#options.clock.monotonicMs();
    this.#options.writer.submit({ shard: activation.shard, epoch: activation.epoch, op }, outcome => {
      if (activation.phase !== 'active') return;
      this.#options.metrics.observe(
        'heyblue_gate_wait_seconds',
        (this.#options.clock.monotonicMs() - startedMs) / 1_000,
      );
      if (!outcome.ok) return this.#commitFailed(activation, outcome);
      for (const output of gate.committed(operation)) this.#send(activation, output);
      const message = { type: 'committed', tag, committed: outcome.committed };
      this.#enqueue(activation, { message, replyTo: null }, true);
    });
  }

  #commitFailed(activation: Activation, outcome: WriteOutcome & { ok: false }): void {
    const refusal =
      outcome.reason === 'rejected'
        ? refuse(ERROR.internal, 'the store rejected the operation')
        : refuse(ERROR.unavailable, 'not saved, try again', 500);
    if (outcome.reason === 'stale_epoch') {
      this.#options.coordinator.lost(activation.shard);
      this.release(activation.shard);
    } else this.#discard(activation, refusal);
  }

  #send(activation: Activation, output: Output): void {
    switch (output.k) {
      case 'reply':
        return this.#answer(activation, output.to, output.result);
      case 'tell':
        return this.#deliver(output.to, output.message, null);
      case 'ask':
        return this.#askFor(activation, output);
      case 'push':
        return this.#options.sink.push(output.sessions, output.bytes, output.kind);
      case 'close':
        return this.#options.sink.close(output.sessions, output.code, output.reason);
    }
  }

  #askFor(activation: Activation, output: Output & { k: 'ask' }): void {
    activation.pending++;
    const replyTo = this.#asks.open(output.timeoutMs, result => {
      activation.pending--;
      if (activation.phase !== 'active') return;
      const message = { type: 'answer', tag: output.tag, result };
      this.#enqueue(activation, { message, replyTo: null }, true);
    });
    this.#deliver(output.to, output.message, replyTo);
  }

  #applyInner(activation: Activation, effect: Inner): void {
    switch (effect.k) {
      case 'query':
        return this.#query(activation, effect);
      case 'timer':
        return this.#arm(activation, effect);
      case 'cancelTimer': {
        const timer = activation.timers?.get(effect.name);
        if (timer) this.#wheel.cancel(timer);
        activation.timers?.delete(effect.name);
        return;
      }
      case 'passivate':
        activation.wantsPassivation = true;
        if (activation.mailbox === null || activation.mailbox.size === 0) this.#tryPassivate(activation);
        return;
    }
  }

  #query(activation: Activation, effect: Inner & { k: 'query' }): void {
    activation.pending++;
    const settle = (result: Result<unknown>): void => {
      activation.pending--;
      if (activation.phase !== 'active') return;
      const message = { type: 'queried', tag: effect.tag, result };
      this.#enqueue(activation, { message, replyTo: null }, true);
    };
    this.#options.queries.query(effect.query).then(
      value => settle({ ok: true, value }),
      () => settle(refuse(ERROR.unavailable, 'the store does not answer, try again', 1_000)),
    );
  }

  #arm(activation: Activation, effect: Inner & { k: 'timer' }): void {
    const timers = (activation.timers ??= new Map());
    const armed = timers.get(effect.name);
    if (armed) this.#wheel.cancel(armed);
    const timer = this.#wheel.after(effect.delayMs, () => {
      timers.delete(effect.name);
      if (activation.phase === 'active')
        this.#enqueue(activation, { message: effect.message, replyTo: null }, true);
    });
    timers.set(effect.name, timer);
  }

  // --- leaving memory ----------------------------------------------------------------------------------------------

  #watchIdleness(activation: Activation): void {
    if (activation.idleTimer !== null || activation.phase !== 'active') return;
    const idleMs = activation.behaviour.idleMs(activation.state);
    if (idleMs === false) return;
    const waitMs = Math.max(0, activation.lastMessageMs + idleMs - this.#options.clock.monotonicMs());
    activation.idleTimer = this.#wheel.after(waitMs, () => {
      activation.idleTimer = null;
      if (activation.phase !== 'active') return;
      const stillMs = activation.behaviour.idleMs(activation.state);
      const idleForMs = this.#options.clock.monotonicMs() - activation.lastMessageMs;
      if (stillMs !== false && idleForMs >= stillMs && !activation.scheduled) this.#tryPassivate(activation);
      this.#watchIdleness(activation);
    });
  }

  /** Leaves only with nothing waiting, nothing owed and nothing under way; a message that comes later starts it again. */
  #tryPassivate(activation: Activation): void {
    const busy =
      activation.phase !== 'active' ||
      activation.behaviour.idleMs(activation.state) === false ||
      (activation.mailbox !== null && activation.mailbox.size > 0) ||
      (activation.gate !== null && !activation.gate.open) ||
      activation.pending > 0 ||
      (activation.owed !== null && activation.owed.size > 0);
    if (busy) return;
    this.stats.passivated++;
    this.#remove(activation);
  }

  #remove(activation: Activation): void {
    activation.phase = 'gone';
    if (activation.idleTimer) this.#wheel.cancel(activation.idleTimer);
    activation.idleTimer = null;
    if (activation.timers) for (const timer of activation.timers.values()) this.#wheel.cancel(timer);
    activation.timers = null;
    const actors = this.#actors[activation.address.kind];
    if (actors.get(activation.address.id) === activation) actors.delete(activation.address.id);
  }

  /** Throws the activation away. Held outputs never leave; everyone who waits for an answer gets the refusal. */
  #discard(activation: Activation, refusal: Refusal): void {
    if (activation.phase === 'gone') return;
    this.stats.discarded++;
    const wasActive = activation.phase === 'active';
    this.#remove(activation);
    activation.gate?.failed();
    const owed = activation.owed;
    activation.owed = null;
    activation.mailbox = null;
    if (owed) for (const askId of owed) this.#asks.answer({ node: this.#options.node, askId }, refusal);
    if (!wasActive || !activation.behaviour.discarded) return;
    this.#turn.begin(activation.address, null);
    try {
      activation.behaviour.discarded(activation.state, this.#turn);
    } catch (error) {
      this.#options.log.error({ kind: activation.address.kind, err: error }, 'a discarded actor threw');
      return;
    }
    for (const output of this.#turn.take().outputs) if (output.k === 'close') this.#send(activation, output);
  }

  #answer(activation: Activation, to: ReplyTo | null, result: Result<unknown>): void {
    if (!to) return;
    activation.owed?.delete(to.askId);
    this.#asks.answer(to, result);
  }

  #refuse(replyTo: ReplyTo | null, refusal: Refusal): void {
    if (replyTo) this.#asks.answer(replyTo, refusal);
  }
}
