/** One actor alive in memory on this node. Everything that is rarely needed is allocated when first used. */
import type { Address, ReplyTo } from '../actors/turn.ts';
import type { AnyBehaviour, Output } from './effects.ts';
import type { Gate } from './gate.ts';
import type { Mailbox } from './mailbox.ts';
import type { WheelTimer } from './timerWheel.ts';

export type Phase = 'hydrating' | 'active' | 'parked' | 'gone';

/** An ask that was delivered here and whose answer has not left. */
export interface Owed {
  readonly to: ReplyTo;
  /** The actor gave the answer; it may still wait at the gate. */
  said: boolean;
}

const NOBODY: readonly Owed[] = [];

/** What every turn looks at stands in front, side by side: of thousands of actors, hardly one is in a cache of the processor. */
export class Activation {
  readonly address: Address;
  readonly behaviour: AnyBehaviour;
  phase: Phase = 'hydrating';
  scheduled = false;
  state: unknown = undefined;
  mailbox: Mailbox | null = null;
  gate: Gate<Output> | null = null;
  /** Refused when the activation is discarded. */
  owed: Owed[] | null = null;
  /** Something waits that somebody waits for: it goes before those that have only what may wait (`runQueue.ts`). */
  hurried = false;
  /** Its shard is handed over: only its own business and that of others who go along is taken. */
  closing = false;
  wantsPassivation = false;
  idleTimer: WheelTimer | null = null;
  /** Whole, because a fraction would be an object of its own. */
  lastMessageMs = 0;
  readonly shard: number;
  /** Epoch of the shard when this activation began; every commit carries it. */
  readonly epoch: number;
  timers: Map<string, WheelTimer> | null = null;
  /** Asks and queries of its own that are under way. */
  pending = 0;
  /** Operations of its own whose outcome the writer has not told, also after it was thrown away. */
  writing = 0;
  throws = 0;
  firstThrowMs = 0;
  parkMs = 0;
  /** Neighbours in its shard; see `residents.ts`. */
  shardNext: Activation | null = null;
  shardPrevious: Activation | null = null;

  constructor(address: Address, behaviour: AnyBehaviour, shard: number, epoch: number) {
    this.address = address;
    this.behaviour = behaviour;
    this.shard = shard;
    this.epoch = epoch;
  }

  owe(to: ReplyTo): void {
    this.owed ??= [];
    this.owed.push({ to, said: false });
  }

  /** Actors answer in the order in which they were asked, almost always: what is looked for stands in front. */
  owedTo(to: ReplyTo): Owed | null {
    for (const one of this.owed ?? NOBODY) {
      if (one.to === to || (one.to.askId === to.askId && one.to.node === to.node)) return one;
    }
    return null;
  }

  answered(to: ReplyTo): void {
    const one = this.owedTo(to);
    if (one === null) return;
    if (one === this.owed![0]) this.owed!.shift();
    else this.owed!.splice(this.owed!.indexOf(one), 1);
  }

  /** Nothing waits, runs or is under way: the state is all there is to it. */
  get quiet(): boolean {
    return (
      this.phase === 'active' &&
      !this.scheduled &&
      this.pending === 0 &&
      (this.mailbox === null || this.mailbox.size === 0) &&
      (this.gate === null || this.gate.open)
    );
  }
}
