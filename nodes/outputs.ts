/**
 * What a turn said, made real: operations go to the writer, and what leaves the actor passes its gate. What comes back
 * (a commit, an answer, a read, a timer) is a message to the actor that said it, under the same cause.
 */
import type { Query } from '../actors/queries.ts';
import type { Address, ReplyTo } from '../actors/turn.ts';
import { ERROR, type Result, refuse } from '../protocol/errors.ts';
import type { Activation } from './activation.ts';
import { type Cause, causeOfTell, waits } from './cause.ts';
import type { Core } from './core.ts';
import type { Inner, Output } from './effects.ts';
import { Gate } from './gate.ts';
import { ROUTING_LIMITS } from './limits.ts';
import type { CommitEntry, WriteOutcome } from './ports.ts';

export class Outputs {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Applies what the collector holds. */
  apply(activation: Activation, cause: Cause | null): void {
    const { outputs, inner, operations, released } = this.#core.turn.take();
    const isFree = released > 0 && operations.length > 0;
    const isOpen = activation.gate === null || activation.gate.open;
    if (isFree && !isOpen) this.#release(activation, outputs.slice(0, released));
    for (const { op, tag } of operations) this.#persist(activation, op, tag, cause);
    if (activation.owed !== null && activation.owed.length > 0) this.#markSaid(activation, outputs);
    if (isFree && isOpen) this.#leave(activation, outputs.slice(0, released));
    if (outputs.length > 0) this.#release(activation, isFree ? outputs.slice(released) : outputs);
    for (const effect of inner) this.#applyInner(activation, effect, cause);
  }

  #release(activation: Activation, outputs: readonly Output[]): void {
    const gate = activation.gate;
    if (gate !== null && !gate.open) for (const output of outputs) gate.hold(output);
    else this.#leave(activation, outputs);
  }

  #leave(activation: Activation, outputs: readonly Output[]): void {
    if (this.#core.mayLeave()) for (const output of outputs) this.send(activation, output);
    else {
      // The process may have stood still in the middle of this very turn.
      this.#core.whenServing(() => {
        if (activation.phase !== 'active') return;
        for (const output of outputs) this.send(activation, output);
      });
    }
  }

  /** It leaves the actor now. */
  send(activation: Activation, output: Output): void {
    switch (output.k) {
      case 'reply':
        return this.answer(activation, output.to, output.result);
      case 'tell':
        return this.#tell(activation, output);
      case 'ask':
        return this.#ask(activation, output);
      case 'push':
      case 'close':
        return this.#toSockets(activation.address, output);
    }
  }

  answer(activation: Activation, to: ReplyTo, result: Result<unknown>): void {
    if (activation.owed !== null) activation.answered(to);
    this.#core.answer(to, result);
  }

  /** Whom the actor has answered waits for it no more, though the answer may still be held. */
  #markSaid(activation: Activation, outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output.k !== 'reply') continue;
      const owed = activation.owedTo(output.to);
      if (owed) owed.said = true;
    }
  }

  #persist(activation: Activation, op: CommitEntry['op'], tag: string, cause: Cause | null): void {
    const { options } = this.#core;
    const gate = (activation.gate ??= new Gate());
    const operation = gate.begin();
    const startedMs = options.clock.monotonicMs();
    const { shard, epoch } = activation;
    const entry: CommitEntry = { shard, epoch, op, trace: cause?.trace ?? null };
    const settled = (outcome: WriteOutcome): void => {
      if (activation.phase !== 'active') {
        if (outcome.ok) options.untold?.(shard);
        return;
      }
      options.metrics.observe('heyblue_gate_wait_seconds', (options.clock.monotonicMs() - startedMs) / 1_000);
      if (!outcome.ok) return this.#commitFailed(activation, outcome);
      for (const output of gate.committed(operation)) this.send(activation, output);
      this.#core.turns.inform(
        activation,
        { type: 'committed', tag, committed: outcome.committed } as never,
        cause,
      );
    };
    activation.writing++;
    options.writer.submit(entry, outcome => {
      if (--activation.writing === 0 && activation.phase === 'gone') this.#core.starting.written(activation);
      this.#core.whenServing(() => settled(outcome));
    });
  }

  #commitFailed(activation: Activation, outcome: WriteOutcome & { ok: false }): void {
    const refusal =
      outcome.reason === 'rejected'
        ? refuse(ERROR.internal, 'the store rejected the operation')
        : refuse(ERROR.unavailable, 'not saved, try again', 500);
    if (outcome.reason === 'stale_epoch') {
      this.#core.options.coordinator.lost(activation.shard, activation.epoch);
      this.#core.leaving.release(activation.shard);
    } else {
      this.#core.leaving.discard(activation, refusal);
      this.#core.options.untold?.(activation.shard);
    }
  }

  #tell(activation: Activation, { to, message, cause }: Output & { k: 'tell' }): void {
    const timeoutMs = this.#core.limits.askMs;
    this.#core.deliver(
      { to, message, replyTo: null, cause: causeOfTell(cause), timeoutMs, keyed: false, bytes: 0 },
      activation,
    );
  }

  #ask(activation: Activation, output: Output & { k: 'ask' }): void {
    const { asks, turns, options } = this.#core;
    const { to, message, cause, timeoutMs, keyed, tag } = output;
    activation.pending++;
    const replyTo = asks.open(timeoutMs, result => {
      activation.pending--;
      if (activation.phase !== 'active') return;
      turns.inform(activation, { type: 'answer', tag, result } as never, cause);
    });
    const chain = this.#chain(activation, cause);
    if (waits(chain, to) || chain.length > ROUTING_LIMITS.chainMax) {
      options.metrics.count('heyblue_ask_cycles_total');
      const { kind } = activation.address;
      options.log.error(
        { from: kind, to: to.kind, actors: chain.length },
        'an ask came back to who waits for it',
      );
      asks.settle(replyTo.askId, refuse(ERROR.conflict, 'actors would wait for each other'));
      return;
    }
    const asked: Cause = { trace: cause?.trace ?? null, chain, asked: replyTo };
    this.#core.deliver({ to, message, replyTo, cause: asked, timeoutMs, keyed, bytes: 0 }, activation);
  }

  /** Who waits when this actor asks: itself, and those whom it has not answered yet. */
  #chain(activation: Activation, cause: Cause | null): readonly Address[] {
    const asked = cause?.asked ?? null;
    if (cause === null || asked === null) return [activation.address];
    const owed = activation.owedTo(asked);
    return owed && !owed.said ? [...cause.chain, activation.address] : [activation.address];
  }

  #toSockets(from: Address, output: Output & { k: 'push' | 'close' }): void {
    const { routes, options } = this.#core;
    if (routes !== null && !output.sessions.every(session => routes.isLocal(session))) {
      routes.push(from, output);
    } else if (output.k === 'push') {
      options.sink.push(output.sessions, output.bytes, output.kind);
      if (output.saidMs > 0) {
        const seconds = (options.clock.monotonicMs() - output.saidMs) / 1_000;
        options.metrics.observe('rt_push_fanout_seconds', seconds);
      }
    } else options.sink.close(output.sessions, output.code, output.reason);
  }

  #applyInner(activation: Activation, effect: Inner, cause: Cause | null): void {
    switch (effect.k) {
      case 'query':
        return this.#query(activation, effect, cause);
      case 'timer':
        return this.#arm(activation, effect);
      case 'cancelTimer': {
        const timer = activation.timers?.get(effect.name);
        if (timer) this.#core.wheel.cancel(timer);
        activation.timers?.delete(effect.name);
        return;
      }
      case 'count':
        return this.#core.options.metrics.count(effect.metric, effect.labels);
      case 'observe':
        return this.#core.options.metrics.observe(effect.metric, effect.value);
      case 'sample': {
        const { sampler } = this.#core.options;
        const userId = activation.address.id;
        if (effect.position === null) sampler?.optOut(userId);
        else sampler?.sample({ userId, ...effect.position });
        return;
      }
      case 'verify': {
        const { encounterId, position } = effect;
        return this.#core.options.verifier?.verify(encounterId, {
          userId: activation.address.id,
          ...position,
        });
      }
      case 'passivate':
        activation.wantsPassivation = true;
        if (activation.mailbox === null || activation.mailbox.size === 0)
          this.#core.leaving.tryPassivate(activation);
        return;
    }
  }

  #query(activation: Activation, effect: Inner & { k: 'query' }, cause: Cause | null): void {
    activation.pending++;
    const settle = (result: Result<unknown>): void => {
      activation.pending--;
      if (activation.phase !== 'active') return;
      this.#core.turns.inform(activation, { type: 'queried', tag: effect.tag, result } as never, cause);
    };
    this.#answerOf(effect.query).then(
      value => settle({ ok: true, value }),
      () => settle(refuse(ERROR.unavailable, 'the store does not answer, try again', 1_000)),
    );
  }

  async #answerOf(query: Query): Promise<unknown> {
    const { queries, rules } = this.#core.options;
    if (query.type !== 'score' && query.type !== 'scores') return queries.query(query);
    if (rules === undefined) throw new Error('nobody knows the rules here');
    return query.type === 'score' ? rules.score(query) : Promise.all(query.of.map(one => rules.score(one)));
  }

  #arm(activation: Activation, effect: Inner & { k: 'timer' }): void {
    const { wheel, turns } = this.#core;
    const timers = (activation.timers ??= new Map());
    const armed = timers.get(effect.name);
    if (armed) wheel.cancel(armed);
    const timer = wheel.after(effect.delayMs, () => {
      timers.delete(effect.name);
      // thousands of quiet phones would pay for an empty table each
      if (timers.size === 0 && activation.timers === timers) activation.timers = null;
      if (activation.phase === 'active') turns.inform(activation, effect.message, null);
    });
    timers.set(effect.name, timer);
  }
}
