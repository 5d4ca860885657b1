/**
 * One behaviour without nodes, mailboxes or time: its actors by id, made when they are first spoken to, gone when they say
 * so, and the timers that they armed. Who calls decides when a message or a timer arrives.
 */
import type { Behaviour, SystemMessage, Turn } from '../../actors/turn.ts';

export interface Armed<M> {
  readonly id: string;
  readonly atMs: number;
  readonly message: M;
}

/** A turn of somebody who does nothing but what is named. */
export function turnThatOnly(can: Partial<Turn> & Pick<Turn, 'self' | 'nowMs'>): Turn {
  const refuse = (): never => {
    throw new Error(`a ${can.self.kind} does not do that`);
  };
  return {
    replyTo: null,
    newId: refuse,
    random32: refuse,
    reply: refuse,
    resume: refuse,
    tell: refuse,
    ask: refuse,
    push: refuse,
    close: refuse,
    persist: refuse,
    release: refuse,
    query: refuse,
    timer: refuse,
    cancelTimer: refuse,
    durableTimer: refuse,
    timerOp: refuse,
    cancelDurableTimer: refuse,
    count: refuse,
    observe: refuse,
    sample: refuse,
    verify: refuse,
    replaced: refuse,
    passivate: refuse,
    ...can,
  };
}

export class Host<S, M extends { readonly type: string }> {
  readonly actors = new Map<string, S>();
  /** By actor and name. */
  readonly timers = new Map<string, Armed<M>>();
  /** Messages that arrived. */
  heard = 0;
  readonly #behaviour: Behaviour<S, M>;
  readonly #turnOf: (id: string) => Turn;

  /** @param turnOf what an actor may do besides arming timers and leaving */
  constructor(behaviour: Behaviour<S, M>, turnOf: (id: string) => Turn) {
    this.#behaviour = behaviour;
    this.#turnOf = turnOf;
  }

  run(id: string, message: M | SystemMessage): void {
    this.heard++;
    let leaving = false;
    const turn = this.#turn(id, () => {
      leaving = true;
    });
    let state = this.actors.get(id);
    if (state === undefined) {
      const created = this.#behaviour.create(id, null, turn);
      if (!created.ok) throw new Error(created.message);
      state = created.value;
    }
    this.actors.set(id, this.#behaviour.receive(state, message, turn));
    if (!leaving) return;
    this.actors.delete(id);
    this.#disarm(id);
  }

  /** Every actor is packed, sent as plain values and unpacked by another node, where no timer is armed yet. */
  move(): void {
    for (const [id, state] of this.actors) {
      const packed = structuredClone(this.#behaviour.pack!(state));
      this.#disarm(id);
      const unpacked = this.#behaviour.unpack!(
        id,
        packed,
        this.#turn(id, () => {}),
      );
      if (!unpacked.ok) throw new Error(unpacked.message);
      this.actors.set(id, unpacked.value);
    }
  }

  /** The node of all of them is gone. */
  crash(): void {
    this.actors.clear();
    this.timers.clear();
  }

  #disarm(id: string): void {
    for (const key of [...this.timers.keys()]) if (key.startsWith(`${id}/`)) this.timers.delete(key);
  }

  #turn(id: string, passivate: () => void): Turn {
    const turn = this.#turnOf(id);
    return {
      ...turn,
      timer: (name, delayMs, message) =>
        this.timers.set(`${id}/${name}`, { id, atMs: turn.nowMs + delayMs, message: message as M }),
      cancelTimer: name => this.timers.delete(`${id}/${name}`),
      passivate,
    };
  }
}
