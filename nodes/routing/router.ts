/**
 * The way from this node's actors to those on others, and back.
 *
 * Problem: the owner of a shard changes while messages are on their way, nodes die without a word, and a network may
 * lose, repeat or delay. A message that was executed must not be executed again because an answer got lost, and one that
 * was not must not be lost because a map was old.
 *
 * Guarantee: what is sent again was proven not executed, or carries an idempotency key. Messages of this node to one
 * shard are taken in the order in which they were said, wherever the shard goes; each at most once. Whoever asked hears:
 * the answer, a refusal (not executed), or that the outcome is unknown.
 *
 * Mechanism, each in a file of its own: links number their batches, so that a batch is taken once and in order or never
 * (`outLink`, `inLink`, `links`). A line holds the messages of this node for one shard together while it moves (`line`,
 * `lines`). A receiver that does not serve the shard sends the message's id back and who owns it; the sender still has
 * the message. Routes come from the coordinator's map of 512 shards only.
 */
import type { Address, ReplyTo, SessionRef } from '../../actors/turn.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import { type PendingAsks, UNKNOWN } from '../asks.ts';
import type { Routes, Sending } from '../core.ts';
import type { Behaviours, Output } from '../effects.ts';
import { ROUTING_LIMITS } from '../limits.ts';
import type {
  Bus,
  Clock,
  Coordinator,
  Log,
  Metrics,
  Parcel,
  PushSink,
  Scheduler,
  Shipper,
  Tracer,
} from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { encodeBody, readResult } from './body.ts';
import { Budget } from './budget.ts';
import { type Envelope, KIND, type ReplyEnvelope } from './envelope.ts';
import type { InLink } from './inLink.ts';
import { Letters } from './letters.ts';
import { LINK } from './limits.ts';
import { Links } from './links.ts';
import { type Fate, Letter, Note, type Outgoing, OVERHEAD_BYTES } from './outgoing.ts';
import { Reception } from './reception.ts';
import { Shipping } from './shipping.ts';
import type { Slice } from './slice.ts';
import { Sockets } from './sockets.ts';

/** The actors of this node, as the router sees them. */
export interface Inbox {
  /** False when the actor does not belong to that shard. */
  receive(sending: Sending, shard: number, epoch: number): boolean;
  tell(to: Address, message: object): void;
}

export interface RouterOptions {
  readonly bus: Bus;
  readonly gatewayId: string;
  readonly coordinator: Pick<
    Coordinator,
    'ref' | 'serving' | 'epochOf' | 'ownerOf' | 'mapRevision' | 'unheard' | 'received' | 'view'
  >;
  readonly inbox: Inbox;
  readonly asks: PendingAsks;
  readonly behaviours: Behaviours;
  readonly sink: PushSink;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Records traced asks to other nodes as spans; absent: nobody looks. */
  readonly tracer?: Tracer | undefined;
  readonly limits?: Partial<{ [K in keyof typeof ROUTING_LIMITS]: number }>;
}

export class Router implements Routes, Shipper {
  readonly #options: RouterOptions;
  readonly #limits: { readonly [K in keyof typeof ROUTING_LIMITS]: number };
  readonly #links: Links;
  readonly #letters: Letters;
  readonly #budget: Budget;
  readonly #reception: Reception;
  readonly #sockets: Sockets;
  readonly #shipping: Shipping;
  constructor(options: RouterOptions) {
    this.#options = options;
    this.#limits = { ...ROUTING_LIMITS, ...options.limits };
    this.#budget = new Budget(this.#limits.nodeBytes);
    const { bus, gatewayId, clock, scheduler, wheel, log, metrics, coordinator, inbox, asks, sink } = options;
    const budget = this.#budget;
    const reply = (to: ReplyTo, result: Result<unknown>): void => this.reply(to, result);
    const post = (node: string, note: Note): void => this.#post(node, false, note);
    this.#links = new Links({
      ref: coordinator.ref,
      gatewayId,
      bus,
      clock,
      scheduler,
      wheel,
      log,
      metrics,
      serving: () => coordinator.serving(),
      heard: (from, envelope, link, bytes) => this.#heard(from, envelope, link, bytes),
      fate: (out, fate) => this.#fate(out, fate),
      unheard: ref => coordinator.unheard(ref),
    });
    this.#letters = new Letters({
      links: this.#links,
      budget,
      asks,
      coordinator,
      clock,
      wheel,
      log,
      metrics,
      tracer: options.tracer,
      behaviours: options.behaviours,
      bytesMax: this.#limits.envelopeBytes,
      queueMs: this.#limits.shardQueueMs,
      receive: (sending, shard, epoch) => void inbox.receive(sending, shard, epoch),
    });
    this.#reception = new Reception({
      coordinator,
      budget,
      metrics,
      receive: (sending, shard, epoch) => inbox.receive(sending, shard, epoch),
      reply,
      bounce: (node, bounce) => post(node, new Note(bounce, 0)),
    });
    this.#sockets = new Sockets({
      gatewayId,
      sink,
      budget,
      metrics,
      post: (gateway, note) => this.#post(gateway, true, note),
      tell: (to, message) => inbox.tell(to, message),
    });
    const bytesMax = (): number => Math.min(this.#limits.envelopeBytes, bus.bytesMax - LINK.spareBytes);
    this.#shipping = new Shipping({ asks, wheel, log, metrics, bytesMax, coordinator, post, reply });
    bus.watchConnection(connected => (connected ? this.#links.reconnected() : this.#disconnected()));
  }

  /** Bytes that wait in this node. */
  get waitingBytes(): number {
    return this.#budget.used;
  }

  /** Links to and from other nodes and gateways. */
  get links(): number {
    return this.#links.count;
  }

  // --- what the runtime asks for -------------------------------------------------------------------------------------

  get detours(): number {
    return this.#letters.lines.detours;
  }

  busy(shard: number): boolean {
    return this.#letters.lines.busy(shard);
  }

  send(sending: Sending, shard: number, from: number): void {
    this.#letters.send(sending, shard, from);
  }

  underWayFrom(shard: number): number {
    return this.#letters.underWayFrom(shard);
  }

  reply(to: ReplyTo, result: Result<unknown>): void {
    if (this.#links.isGone(to.node)) return;
    const body = this.#encodeReply(result) ?? encodeBody(refuse(ERROR.internal, 'the answer cannot be sent'));
    this.#post(to.node, false, new Note({ kind: KIND.reply, id: to.askId, body }, body.length));
  }

  isLocal(session: SessionRef): boolean {
    return session.gateway === this.#options.gatewayId;
  }

  push(from: Address, output: Output & { k: 'push' | 'close' }): void {
    this.#sockets.push(from, output);
  }

  get full(): boolean {
    return this.#links.full;
  }

  flush(): void {
    this.#links.flush();
  }

  /** Lets go what waits for others, too. */
  hurry(): void {
    this.#links.hurry();
  }

  release(bytes: number): void {
    this.#budget.release(bytes);
  }

  // --- what the coordinator says -------------------------------------------------------------------------------------

  opened(shard: number): void {
    this.#letters.lines.opened(shard);
  }

  closed(shard: number): void {
    this.#letters.lines.closed(shard);
    // its hand-over waits for whatever its actors have said
    this.#links.hurry();
  }

  routed(shards: readonly number[]): void {
    this.#letters.lines.routed(shards);
  }

  resumed(): void {
    this.#links.flush();
  }

  /** Every ask was failed by the runtime; whatever else waits is of the old incarnation. */
  evicted(ref: string): void {
    this.#letters.clear();
    this.#links.rename(ref, out => {
      if (out instanceof Letter) this.#letters.forget(out);
      else this.#budget.release(out.bytes);
    });
  }

  /** Asks that were given to it are lost, except those that may be asked again. */
  nodeGone(ref: string, gateway: string): void {
    if (this.#hasLeft(ref)) {
      // It handed everything over, and its last words may still be on their way.
      this.#options.wheel.after(LINK.lastWordsMs, () => this.#links.gone(ref, gateway));
      return;
    }
    this.#links.gone(ref, gateway);
    const { asks } = this.#options;
    for (const remote of asks.remotes() as Outgoing[]) {
      if (remote.dest !== ref || !remote.arrived) continue;
      this.#letters.unknown(remote);
    }
  }

  /** In good order, and not because it was evicted. */
  #hasLeft(ref: string): boolean {
    const { nodes } = this.#options.coordinator.view();
    return nodes.some(one => one.state === 'left' && `${one.node}.${one.incarnation}` === ref);
  }

  stop(): void {
    this.#links.stop();
  }

  ship(to: string, shard: number, epoch: number, parcels: readonly Parcel[]): Promise<boolean> {
    return this.#shipping.ship(to, shard, epoch, parcels);
  }

  // --- out -----------------------------------------------------------------------------------------------------------

  #post(name: string, gateway: boolean, note: Note): void {
    this.#budget.take(note.bytes);
    this.#links.post(name, gateway, note);
  }

  #encodeReply(result: Result<unknown>): Slice | null {
    try {
      const body = encodeBody(result);
      if (body.length + OVERHEAD_BYTES <= this.#limits.envelopeBytes) return body;
    } catch (error) {
      this.#options.log.error({ err: error }, 'an answer has no bytes');
    }
    this.#options.metrics.count('heyblue_envelopes_refused_total', { why: 'too_large' });
    return null;
  }

  // --- what became of it ---------------------------------------------------------------------------------------------

  #fate(out: Outgoing, fate: Fate): void {
    if (out instanceof Letter) return this.#letters.fate(out, fate);
    this.#budget.release(out.bytes);
    if (fate === 'arrived') {
      out.arrived = true;
      return;
    }
    const { what } = out;
    switch (what.kind) {
      case KIND.push:
      case KIND.close:
        return this.#sockets.lost(out, what, fate);
      case KIND.cargo:
        this.#options.asks.settle(what.id, UNKNOWN);
        return;
      default:
        // Order does not matter to answers; lost on the way, they are said again.
        if (fate === 'missed' && out.dest !== null && !this.#links.isGone(out.dest)) {
          this.#post(out.dest, false, out);
        }
    }
  }

  /** The connection is gone: answers that were on their way are lost. What may be asked again waits for it to be back. */
  #disconnected(): void {
    for (const remote of this.#options.asks.remotes() as Outgoing[]) {
      if (remote.dest !== null) this.#letters.unknown(remote);
    }
  }

  // --- in ------------------------------------------------------------------------------------------------------------

  #heard(from: string, envelope: Envelope, link: InLink, bytes: number): void {
    switch (envelope.kind) {
      case KIND.tell:
      case KIND.ask:
        return this.#reception.heard(from, envelope, link, bytes);
      case KIND.reply:
        return this.#heardReply(envelope);
      case KIND.bounce:
        if (!this.#letters.bounced(from, envelope)) this.#refused('unasked');
        return;
      case KIND.cargo:
        return this.#shipping.heard(from, envelope);
      case KIND.push:
      case KIND.close:
        return this.#sockets.heard(envelope);
    }
  }

  #refused(why: string): void {
    this.#options.metrics.count('heyblue_envelopes_refused_total', { why });
  }

  #heardReply({ id, body }: ReplyEnvelope): void {
    const result = readResult(body);
    if (result === null) return this.#refused('garbage');
    if (!this.#options.asks.settle(id, result)) this.#refused('unasked');
  }
}
