/**
 * Giving every actor its turns. A message waits in its actor's mailbox; actors with mail wait in the run queue; each is
 * served a slice in order. A turn that throws applies nothing and is an answer to its one message; an actor that throws
 * again and again is parked. While the lease has run out nothing runs.
 *
 * A command is many turns, of its actor and of others. So when the line of those who wait for their turn stands, what would begin
 * (`Behaviour.refusable`) is refused before it is anything, and what has begun is done: what was accepted is answered in
 * time, and the rest costs next to nothing. What has its turn when nobody waits for it any more is not begun either.
 */
import type { ReplyTo } from '../actors/turn.ts';
import { ERROR, type Refusal, refuse } from '../protocol/errors.ts';
import { traceIdOf } from '../protocol/trace.ts';
import { Activation } from './activation.ts';
import type { Core } from './core.ts';
import type { AnyBehaviour } from './effects.ts';
import { type Mail, Mailbox } from './mailbox.ts';
import { overloaded } from './overloaded.ts';
import type { Span } from './ports.ts';
import { RunQueue } from './runQueue.ts';

/** Empty mailboxes kept for the next actor with mail. */
const SPARE_MAILBOXES = 256;
/** One turn in 64 is measured: measuring each would cost as much as the turn. */
const MEASURED_TURNS = 63;

const TURN = {
  user: 'turn user',
  region: 'turn region',
  area: 'turn area',
  pair: 'turn pair',
  offer: 'turn offer',
  budget: 'turn budget',
} as const;

const PARKED = 'the actor is parked after repeated errors';
const LATE = refuse(ERROR.unavailable, 'it waited too long and was not begun, try again');

const isRefusable = (behaviour: AnyBehaviour, { message }: Mail): boolean =>
  behaviour.refusable?.(message) === true;

export class Turns {
  readonly #core: Core;
  readonly #runQueue: RunQueue<Activation>;
  readonly #spareMailboxes: Mailbox[] = [];

  constructor(core: Core) {
    this.#core = core;
    const { options, limits } = core;
    const { coordinator } = options;
    this.#runQueue = new RunQueue({
      scheduler: options.scheduler,
      clock: options.clock,
      loopMs: limits.loopMs,
      waitMs: limits.waitMs,
      standingMs: limits.standingMs,
      mayRun: () => coordinator.serving(),
      entered: () => options.sink.hold?.(),
      serve: (one, nowMs) => this.#slice(one, nowMs),
      served: (one, tookMs) => {
        if (one.address.kind === 'region') options.regionServed?.(one.address.id, tookMs);
        if (tookMs >= limits.slowTurnMs)
          options.log.warn({ kind: one.address.kind, ms: Math.round(tookMs) }, 'slow turn');
        return core.routes?.full === true;
      },
      left: () => {
        options.sink.release?.();
        core.routes?.flush();
      },
    });
  }

  /** The lease was renewed: those who wait may run at once. */
  resume(): void {
    this.#runQueue.resume();
  }

  /** It may run, and has mail perhaps. */
  ready(activation: Activation): void {
    this.#runQueue.push(activation, activation.mailbox?.hurried === true);
  }

  /** So many wait with nothing but what may wait, that more of it should wait outside or be forgotten. */
  get behind(): boolean {
    return this.#runQueue.unhurried >= this.#core.limits.unhurriedActors;
  }

  /** Why what would begin something is not taken now, or null. An actor is not even started for it. */
  refusalOf(behaviour: AnyBehaviour, mail: Mail): Refusal | null {
    if (mail.replyTo === null || !this.#runQueue.stands || !isRefusable(behaviour, mail)) return null;
    const { options, limits } = this.#core;
    options.metrics.count('heyblue_shed_total', { what: 'command' });
    const { behindRetryMinMs, behindRetryMaxMs } = limits;
    return overloaded(
      behindRetryMinMs + (options.random.uint32() % (behindRetryMaxMs - behindRetryMinMs + 1)),
    );
  }

  enqueue(activation: Activation, mail: Mail, system: boolean): void {
    const { limits, options } = this.#core;
    if (activation.phase === 'parked') {
      if (mail.bytes > 0) this.#core.routes?.release(mail.bytes);
      return this.#core.refuse(mail.replyTo, refuse(ERROR.unavailable, PARKED, 1_000));
    }
    const refusal = this.refusalOf(activation.behaviour, mail);
    if (refusal !== null) {
      if (mail.bytes > 0) this.#core.routes?.release(mail.bytes);
      return this.#core.refuse(mail.replyTo, refusal);
    }
    const overheld = !system && activation.gate !== null && activation.gate.held >= limits.heldOutputs;
    activation.mailbox ??= this.#spareMailboxes.pop() ?? new Mailbox(limits.mailboxMessages);
    const { behaviour, mailbox } = activation;
    // what waits is in the run queue already, or will be when the actor has come to life
    if (!system && !overheld && behaviour.join && mailbox.joinLast(mail, behaviour.join)) return;
    const key = system ? null : (behaviour.coalesce?.(mail.message) ?? null);
    // what is half full is hurried whatever is in it, or it would be refused what comes next
    const isFilling = mailbox.size * 2 >= limits.mailboxMessages;
    const hurried = key === null && (system || isFilling || behaviour.unhurried?.(mail.message) !== true);
    const before = mailbox.size;
    const taken =
      !overheld && (key === null ? mailbox.push(mail, system, hurried) : mailbox.pushKeyed(mail, key));
    if (!taken) return this.#full(activation, mail);
    if (mailbox.size === before) options.metrics.count('heyblue_mail_replaced_total');
    if (mail.replyTo) activation.owe(mail.replyTo);
    if (activation.phase === 'active') this.#runQueue.push(activation, hurried);
  }

  /** A message from the runtime to the actor itself: an answer, a commit, a timer. */
  inform(activation: Activation, message: { readonly type: string }, cause: Mail['cause']): void {
    this.enqueue(activation, { message, replyTo: null, cause, bytes: 0 }, true);
  }

  /** Forgets what waits, giving back what it counted. */
  empty(mailbox: Mailbox | null): void {
    const { routes } = this.#core;
    if (mailbox === null || routes === null) return;
    for (let mail = mailbox.shift(); mail; mail = mailbox.shift())
      if (mail.bytes > 0) routes.release(mail.bytes);
  }

  #full(activation: Activation, mail: Mail): void {
    this.#core.stats.mailboxFull++;
    this.#core.options.metrics.count('heyblue_mailbox_full_total', { kind: activation.address.kind });
    if (mail.bytes > 0) this.#core.routes?.release(mail.bytes);
    this.#core.refuse(mail.replyTo, refuse(ERROR.unavailable, 'mailbox full, try again', 200));
  }

  /** Stays marked as scheduled until the end: an actor that writes to itself must not be queued twice. */
  #slice(activation: Activation, startedMs: number): void {
    const { limits, options, leaving } = this.#core;
    const mailbox = activation.mailbox;
    if (activation.phase !== 'active' || mailbox === null) {
      activation.scheduled = false;
      return;
    }
    for (let messages = 0; messages < limits.sliceMessages; messages++) {
      const mail = mailbox.shift();
      if (!mail) break;
      this.#runTurn(activation, mail);
      if (activation.phase !== 'active') break;
      if (messages % 8 === 7) {
        if (options.clock.monotonicMs() - startedMs >= limits.sliceMs || !options.coordinator.serving())
          break;
      }
    }
    activation.scheduled = false;
    if (activation.phase !== 'active') return;
    activation.lastMessageMs = Math.trunc(startedMs);
    if (mailbox.size > 0) this.ready(activation);
    else {
      // An idle actor keeps no mailbox: thousands of quiet phones would pay for it.
      activation.mailbox = null;
      if (this.#spareMailboxes.length < SPARE_MAILBOXES) this.#spareMailboxes.push(mailbox);
      if (activation.wantsPassivation) leaving.tryPassivate(activation);
      else leaving.watchIdleness(activation);
    }
  }

  #runTurn(activation: Activation, mail: Mail): void {
    const { stats, options, turn, outputs } = this.#core;
    const measured = (++stats.turns & MEASURED_TURNS) === 0;
    const startedMs = measured ? options.clock.monotonicMs() : 0;
    if (mail.bytes > 0) this.#core.routes?.release(mail.bytes);
    if (mail.replyTo !== null && this.#isLate(mail.replyTo) && isRefusable(activation.behaviour, mail)) {
      options.metrics.count('heyblue_shed_total', { what: 'command_late' });
      return outputs.answer(activation, mail.replyTo, LATE);
    }
    const span = mail.replyTo === null ? null : this.#record(activation, mail);
    const cause = span && mail.cause ? { ...mail.cause, trace: span.trace } : mail.cause;
    turn.begin(activation.address, mail.replyTo, cause);
    let state: unknown;
    try {
      state = activation.behaviour.receive(activation.state, mail.message, turn);
    } catch (error) {
      span?.end('threw');
      this.#threw(activation, mail, error);
      return;
    }
    span?.end();
    activation.state = state;
    if (measured) {
      const seconds = (options.clock.monotonicMs() - startedMs) / 1_000;
      options.metrics.observe('heyblue_actor_turn_seconds', seconds, { kind: activation.address.kind });
    }
    outputs.apply(activation, cause);
  }

  /** Whoever asked has been told that the outcome is unknown. Of who asked from elsewhere that is not known here. */
  #isLate({ node, askId }: ReplyTo): boolean {
    const { asks } = this.#core;
    return node === asks.ref && !asks.waits(askId);
  }

  /** The turn of an ask as a span, when somebody follows it; what it causes stands below it. */
  #record(activation: Activation, mail: Mail): Span | null {
    const { tracer } = this.#core.options;
    if (tracer === undefined || mail.cause === null) return null;
    const span = tracer.record(TURN[activation.address.kind], mail.cause.trace);
    span?.set('heyblue.message', mail.message.type);
    return span;
  }

  #threw(activation: Activation, mail: Mail, error: unknown): void {
    const { stats, options, limits, outputs, turn } = this.#core;
    stats.throws++;
    turn.undo();
    const nowMs = options.clock.monotonicMs();
    options.log.error(
      {
        kind: activation.address.kind,
        message: mail.message.type,
        err: error,
        trace: traceIdOf(mail.cause?.trace),
      },
      'a turn threw; nothing of it was applied',
    );
    if (mail.replyTo) outputs.answer(activation, mail.replyTo, refuse(ERROR.internal, 'internal error'));
    if (activation.throws === 0 || nowMs - activation.firstThrowMs > limits.throwWindowMs) {
      activation.throws = 0;
      activation.firstThrowMs = nowMs;
    }
    activation.throws++;
    if (activation.throws >= limits.throwsMax) this.#park(activation);
    else if (activation.behaviour.inPlace) this.#reload(activation);
  }

  /** The state may be half-changed: start again from what is durable, with the mail that waits. */
  #reload(activation: Activation): void {
    const { address, shard, epoch, closing, mailbox, owed, throws, firstThrowMs, parkMs } = activation;
    activation.mailbox = null;
    activation.owed = null;
    this.#core.leaving.discard(activation, refuse(ERROR.internal, 'internal error'));
    const fresh = this.#core.starting.activate(address, shard, epoch);
    if (fresh.phase === 'gone') return;
    fresh.closing = closing;
    fresh.throws = throws;
    fresh.firstThrowMs = firstThrowMs;
    fresh.parkMs = parkMs;
    fresh.mailbox = mailbox;
    fresh.owed = owed;
    if (fresh.phase === 'active' && mailbox && mailbox.size > 0) this.ready(fresh);
  }

  #park(activation: Activation): void {
    const { stats, options, limits, residents, wheel, leaving } = this.#core;
    stats.parked++;
    const { address, behaviour, shard, epoch, parkMs } = activation;
    const delayMs = Math.min(limits.parkMaxMs, Math.max(limits.parkMinMs, parkMs * 2));
    options.log.error({ kind: address.kind, ms: delayMs }, 'an actor is parked after repeated errors');
    leaving.discard(activation, refuse(ERROR.unavailable, PARKED, delayMs));
    const stone = new Activation(address, behaviour, shard, epoch);
    stone.phase = 'parked';
    residents.add(stone);
    wheel.after(delayMs, () => {
      stone.phase = 'gone';
      residents.remove(stone);
    });
  }
}
