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
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { type PendingAsks, UNKNOWN } from '../asks.ts';
import type { Cause } from '../cause.ts';
import type { Routes, Sending } from '../core.ts';
import type { Output } from '../effects.ts';
import { LIMITS, ROUTING_LIMITS } from '../limits.ts';
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
  Span,
  Tracer,
} from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { encodeBody, readMessage, readResult } from './body.ts';
import { Budget } from './budget.ts';
import { BOUNCE_NAMES, type BounceEnvelope, type Envelope, KIND, type ReplyEnvelope } from './envelope.ts';
import type { InLink } from './inLink.ts';
import { LINK } from './limits.ts';
import { type Refusal as LineRefusal, Lines } from './lines.ts';
import { Links } from './links.ts';
import { type Fate, Letter, Note, type Outgoing, OVERHEAD_BYTES } from './outgoing.ts';
import { Reception } from './reception.ts';
import { Shipping } from './shipping.ts';
import { Sockets } from './sockets.ts';

/** The actors of this node, as the router sees them. */
export interface Inbox {
  /** False when the actor does not belong to that shard. */
  receive(sending: Sending, shard: number, epoch: number, bytes: number): boolean;
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

const AWAY = refuse(ERROR.unavailable, 'the actor cannot be reached, try again', 500);
const OVERLOADED = refuse(ERROR.unavailable, 'the node is overloaded, try again', 500);

/** What an asker hears of a message that was never executed. */
const NOT_DONE: Record<LineRefusal, Refusal> = {
  full: refuse(ERROR.unavailable, 'the actor is moving and too many wait for it, try again', 500),
  waited: AWAY,
  hops: AWAY,
  overtaken: refuse(ERROR.unavailable, 'lost on the way, try again', 100),
};

export class Router implements Routes, Shipper {
  readonly #options: RouterOptions;
  readonly #limits: { readonly [K in keyof typeof ROUTING_LIMITS]: number };
  readonly #links: Links;
  readonly #lines: Lines;
  readonly #budget: Budget;
  readonly #reception: Reception;
  readonly #sockets: Sockets;
  readonly #shipping: Shipping;
  /** By the shard of whoever said them: messages that have not reached their node. */
  readonly #underWay = new Int32Array(LIMITS.shards);

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
    this.#lines = new Lines({
      coordinator,
      clock,
      wheel,
      queueMs: this.#limits.shardQueueMs,
      isGone: node => this.#links.isGone(node),
      post: (node, letter) => this.#links.post(node, false, letter),
      deliver: (letter, epoch) => this.#deliverHere(letter, epoch),
      refuse: (letter, why) => this.#notDone(letter, why),
    });
    this.#reception = new Reception({
      coordinator,
      budget,
      metrics,
      receive: (sending, shard, epoch, bytes) => inbox.receive(sending, shard, epoch, bytes),
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
    return this.#lines.detours;
  }

  busy(shard: number): boolean {
    return this.#lines.busy(shard);
  }

  send(sending: Sending, shard: number, from: number): void {
    const { to, message, replyTo, cause, timeoutMs, keyed } = sending;
    const { asks, clock, metrics } = this.#options;
    const body = this.#encode(message, replyTo);
    if (body === null) return;
    if (!this.#budget.hasRoom(body.length + OVERHEAD_BYTES)) {
      metrics.count('heyblue_shed_total', { what: replyTo ? 'ask_out' : 'tell_out' });
      if (replyTo) asks.settle(replyTo.askId, OVERLOADED);
      return;
    }
    const span = replyTo ? this.#record(cause, to, shard) : null;
    const letter = new Letter(
      replyTo ? KIND.ask : KIND.tell,
      replyTo?.askId ?? asks.nextId(),
      to,
      shard,
      keyed ? keyOf(message) : null,
      cause?.chain ?? [],
      span?.trace ?? cause?.trace ?? null,
      clock.monotonicMs() + timeoutMs,
      body,
      span,
    );
    letter.from = from;
    this.#begin(letter);
    if (replyTo) asks.sent(letter);
    this.#lines.join(letter);
  }

  /** The hop of a traced ask. What it causes on the other node stands below it. */
  #record(cause: Cause | null, to: Address, shard: number): Span | null {
    const { tracer, coordinator } = this.#options;
    if (tracer === undefined || cause === null) return null;
    const span = tracer.record('hop', cause.trace);
    span?.set('heyblue.actor', to.kind);
    span?.set('heyblue.node', coordinator.ownerOf(shard)?.node ?? '');
    return span;
  }

  underWayFrom(shard: number): number {
    return this.#underWay[shard]!;
  }

  #begin(letter: Letter): void {
    this.#budget.take(letter.bytes);
    if (letter.from >= 0) this.#underWay[letter.from]!++;
  }

  /** It waits here no more, whatever became of it. */
  #end(letter: Letter): void {
    this.#budget.release(letter.bytes);
    if (letter.from >= 0) this.#underWay[letter.from]!--;
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

  release(bytes: number): void {
    this.#budget.release(bytes);
  }

  // --- what the coordinator says -------------------------------------------------------------------------------------

  opened(shard: number): void {
    this.#lines.opened(shard);
  }

  closed(shard: number): void {
    this.#lines.closed(shard);
  }

  routed(shards: readonly number[]): void {
    this.#lines.routed(shards);
  }

  resumed(): void {
    this.#links.flush();
  }

  /** Every ask was failed by the runtime; whatever else waits is of the old incarnation. */
  evicted(ref: string): void {
    for (const letter of this.#lines.clear()) this.#end(letter);
    this.#links.rename(ref, out => {
      if (out instanceof Letter) this.#end(out);
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
      this.#unknown(remote);
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

  #encode(message: object, replyTo: ReplyTo | null): Uint8Array | null {
    const { asks, log, metrics } = this.#options;
    let why: 'too_large' | 'unencodable' = 'unencodable';
    try {
      const body = encodeBody(message);
      if (body.length + OVERHEAD_BYTES <= this.#limits.envelopeBytes) return body;
      why = 'too_large';
    } catch (error) {
      log.error({ err: error }, 'a message has no bytes');
    }
    metrics.count('heyblue_envelopes_refused_total', { why });
    if (replyTo) asks.settle(replyTo.askId, refuse(ERROR.tooLarge, 'the message cannot be sent'));
    return null;
  }

  #encodeReply(result: Result<unknown>): Uint8Array | null {
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
    if (out instanceof Letter) return this.#letterFate(out, fate);
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

  #letterFate(letter: Letter, fate: Fate): void {
    const { asks, metrics } = this.#options;
    if (fate === 'arrived') {
      letter.arrived = true;
      letter.forget();
      this.#end(letter);
    } else if (fate === 'unheard' || fate === 'missed') {
      metrics.count('heyblue_redirects_total', { why: fate });
    }
    this.#lines.settled(letter, fate);
    if (fate !== 'unknown') return;
    this.#end(letter);
    if (letter.kind === KIND.ask && asks.waits(letter.id)) this.#unknown(letter);
    else metrics.count('heyblue_unknown_outcomes_total', { what: 'tell' });
  }

  /** Nobody can say whether it was executed: it is asked again if that does no harm, else the asker is told. */
  #unknown(remote: Outgoing): void {
    const { asks, clock, metrics } = this.#options;
    if (remote instanceof Letter && remote.key !== null && remote.deadlineMs > clock.monotonicMs()) {
      metrics.count('heyblue_redirects_total', { why: 'keyed' });
      remote.void = true;
      const again = remote.repeat();
      this.#begin(again);
      asks.sent(again);
      return this.#lines.again(again);
    }
    remote.void = true;
    metrics.count('heyblue_unknown_outcomes_total', { what: remote.kind === KIND.cargo ? 'cargo' : 'ask' });
    asks.settle(remote.id, UNKNOWN);
  }

  /** The connection is gone: answers that were on their way are lost. What may be asked again waits for it to be back. */
  #disconnected(): void {
    for (const remote of this.#options.asks.remotes() as Outgoing[]) {
      if (remote.dest !== null) this.#unknown(remote);
    }
  }

  #notDone(letter: Letter, why: LineRefusal): void {
    const { asks, metrics } = this.#options;
    this.#end(letter);
    metrics.count('heyblue_shed_total', { what: why });
    letter.void = true;
    if (letter.kind === KIND.ask) asks.settle(letter.id, letter.repeated ? UNKNOWN : NOT_DONE[why]);
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
        return this.#heardBounce(from, envelope);
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

  #heardBounce(from: string, bounce: BounceEnvelope): void {
    const letter = this.#links.takeSent(from, bounce.id);
    if (letter === null) return this.#lateBounce(from, bounce.id);
    this.#options.metrics.count('heyblue_redirects_total', { why: BOUNCE_NAMES[bounce.why] });
    const { owner, epoch } = bounce;
    this.#lines.bounced(letter, from, owner === null ? null : { node: owner, epoch });
  }

  /** The network lost it on its first way, and the message counts as taken there: whoever asked may ask again. */
  #lateBounce(from: string, id: number): void {
    const remote = this.#options.asks.remoteOf(id) as Outgoing | null;
    if (remote?.dest !== from || !remote.arrived) return this.#refused('unasked');
    this.#options.asks.settle(id, remote instanceof Letter && remote.repeated ? UNKNOWN : AWAY);
  }

  /** It waited for a shard that came to this node. */
  #deliverHere(letter: Letter, epoch: number): void {
    const { asks, inbox, clock } = this.#options;
    this.#end(letter);
    const timeoutMs = letter.deadlineMs - clock.monotonicMs();
    const message = readMessage(letter.body);
    if (letter.void || timeoutMs <= 0 || message === null) return;
    const { to, shard, chain, trace, id, key } = letter;
    letter.dest = null;
    const replyTo = letter.kind === KIND.ask ? { node: asks.ref, askId: id } : null;
    const cause = trace === null && chain.length === 0 ? null : { trace, chain, asked: replyTo };
    inbox.receive({ to, message, replyTo, cause, timeoutMs, keyed: key !== null }, shard, epoch, 0);
  }
}

/** What makes a repeat recognizable; the message itself carries it to the actor. */
const keyOf = (message: object): string => {
  const { key } = message as { key?: unknown };
  return typeof key === 'string' ? key : '';
};
