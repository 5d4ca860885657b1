/** One actor alive in memory on this node. Everything that is rarely needed is allocated when first used. */
import type { Address } from '../actors/turn.ts';
import type { AnyBehaviour, Output } from './effects.ts';
import type { Gate } from './gate.ts';
import type { Mailbox } from './mailbox.ts';
import type { WheelTimer } from './timerWheel.ts';

export type Phase = 'hydrating' | 'active' | 'parked' | 'gone';

export class Activation {
  readonly address: Address;
  readonly behaviour: AnyBehaviour;
  readonly shard: number;
  /** Epoch of the shard when this activation began; every commit carries it. */
  readonly epoch: number;
  /** Rises with every activation of the node: answers to an earlier one are dropped. */
  readonly incarnation: number;
  phase: Phase = 'hydrating';
  state: unknown = undefined;
  mailbox: Mailbox | null = null;
  gate: Gate<Output> | null = null;
  timers: Map<string, WheelTimer> | null = null;
  /** Ask ids that were delivered here and not answered yet: refused when the activation is discarded. */
  owed: Set<number> | null = null;
  /** Asks and queries of its own that are under way. */
  pending = 0;
  scheduled = false;
  wantsPassivation = false;
  idleTimer: WheelTimer | null = null;
  lastMessageMs = 0;
  throws = 0;
  firstThrowMs = 0;
  parkMs = 0;

  constructor(address: Address, behaviour: AnyBehaviour, shard: number, epoch: number, incarnation: number) {
    this.address = address;
    this.behaviour = behaviour;
    this.shard = shard;
    this.epoch = epoch;
    this.incarnation = incarnation;
  }
}
