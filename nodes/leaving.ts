/** How an actor leaves memory: idle and in peace, or thrown away with everyone who waits told so. */
import { ERROR, type Refusal, refuse } from '../protocol/errors.ts';
import type { Activation } from './activation.ts';
import { UNKNOWN } from './asks.ts';
import type { Core } from './core.ts';

export const MOVED = refuse(ERROR.unavailable, 'the actor moved', 100);

export class Leaving {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  watchIdleness(activation: Activation): void {
    if (activation.idleTimer !== null || activation.phase !== 'active') return;
    const { options, wheel } = this.#core;
    const idleMs = activation.behaviour.idleMs(activation.state);
    if (idleMs === false) return;
    const waitMs = Math.max(0, activation.lastMessageMs + idleMs - options.clock.monotonicMs());
    activation.idleTimer = wheel.after(waitMs, () => {
      activation.idleTimer = null;
      if (activation.phase !== 'active') return;
      const stillMs = activation.behaviour.idleMs(activation.state);
      const idleForMs = options.clock.monotonicMs() - activation.lastMessageMs;
      if (stillMs !== false && idleForMs >= stillMs && !activation.scheduled) this.tryPassivate(activation);
      this.watchIdleness(activation);
    });
  }

  /** Leaves only with nothing waiting, nothing owed and nothing under way; a message that comes later starts it again. */
  tryPassivate(activation: Activation): void {
    const busy =
      activation.phase !== 'active' ||
      activation.behaviour.idleMs(activation.state) === false ||
      (activation.mailbox !== null && activation.mailbox.size > 0) ||
      (activation.gate !== null && !activation.gate.open) ||
      activation.pending > 0 ||
      (activation.owed !== null && activation.owed.length > 0);
    if (busy) return;
    this.#core.stats.passivated++;
    this.remove(activation);
  }

  /** Out of memory without a word. */
  remove(activation: Activation): void {
    const { wheel, residents } = this.#core;
    activation.phase = 'gone';
    if (activation.idleTimer) wheel.cancel(activation.idleTimer);
    activation.idleTimer = null;
    if (activation.timers) for (const timer of activation.timers.values()) wheel.cancel(timer);
    activation.timers = null;
    residents.remove(activation);
  }

  /** Throws the activation away. Held outputs never leave; everyone who waits for an answer gets the refusal. */
  discard(activation: Activation, refusal: Refusal): void {
    if (activation.phase === 'gone') return;
    const { stats, turn, options, outputs, turns } = this.#core;
    stats.discarded++;
    const wasActive = activation.phase === 'active';
    this.remove(activation);
    activation.gate?.failed();
    if (activation.writing > 0) this.#core.starting.awaitWritten(activation);
    const { owed, mailbox } = activation;
    activation.owed = null;
    activation.mailbox = null;
    turns.empty(mailbox);
    if (owed) for (const { to } of owed) this.#core.answer(to, refusal);
    if (!wasActive || !activation.behaviour.discarded) return;
    turn.begin(activation.address, null, null);
    try {
      activation.behaviour.discarded(activation.state, turn);
    } catch (error) {
      turn.take();
      options.log.error({ kind: activation.address.kind, err: error }, 'a discarded actor threw');
      return;
    }
    for (const output of turn.take().outputs) if (output.k === 'close') outputs.send(activation, output);
  }

  /**
   * Drops every activation of a shard that this node no longer owns; the next message is routed anew. Where a commit was
   * under way, nobody can say what became of it.
   */
  release(shard: number): void {
    const { residents, starting } = this.#core;
    starting.arrivals.takeAll(shard);
    for (const activation of residents.ofShard(shard)) {
      const open = activation.gate === null || activation.gate.open;
      this.discard(activation, open ? MOVED : UNKNOWN);
    }
  }

  releaseAll(): void {
    const { residents, starting } = this.#core;
    starting.arrivals.clear();
    for (const activation of residents.all()) this.discard(activation, UNKNOWN);
  }
}
