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
import { CLOSE, ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { type PendingAsks, UNKNOWN } from '../asks.ts';
import type { Cause } from '../cause.ts';
import type { Routes, Sending } from '../core.ts';
import type { Output } from '../effects.ts';
import { CLUSTER_LIMITS, LIMITS, ROUTING_LIMITS } from '../limits.ts';
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
import { decodeBody, encodeBody } from './body.ts';
import { Budget } from './budget.ts';
import { Incoming, piecesOf } from './cargo.ts';
import {
  BOUNCE,
  BOUNCE_NAMES,
  type BounceEnvelope,
  type BounceReason,
  type CargoEnvelope,
  type CloseEnvelope,
  type Envelope,
  KIND,
  type LetterEnvelope,
  type PushEnvelope,
  type ReplyEnvelope,
} from './envelope.ts';
import type { InLink } from './inLink.ts';
import { CARGO, LINK } from './limits.ts';
import { type Refusal as LineRefusal, Lines } from './lines.ts';
import { Links } from './links.ts';
import { type Fate, Letter, Note, type Outgoing, OVERHEAD_BYTES } from './outgoing.ts';

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
  readonly #incoming: Incoming;
  #transfers = 0;
  /** By the shard of whoever said them: messages that have not reached their node. */
  readonly #underWay = new Int32Array(LIMITS.shards);

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#limits = { ...ROUTING_LIMITS, ...options.limits };
    this.#budget = new Budget(this.#limits.nodeBytes);
    this.#incoming = new Incoming(options.wheel);
    const { bus, gatewayId, clock, scheduler, wheel, log, metrics, coordinator } = options;
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
    const byGateway = new Map<string, SessionRef[]>();
    for (const session of output.sessions) {
      const there = byGateway.get(session.gateway);
      if (there) there.push(session);
      else byGateway.set(session.gateway, [session]);
    }
    for (const [gateway, sessions] of byGateway) {
      if (gateway !== this.#options.gatewayId) this.#toGateway(from, gateway, sessions, output);
      else if (output.k === 'push') this.#options.sink.push(sessions, output.bytes, output.kind);
      else this.#options.sink.close(sessions, output.code, output.reason);
    }
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

  async ship(to: string, shard: number, epoch: number, parcels: readonly Parcel[]): Promise<boolean> {
    const bytesMax = Math.min(this.#limits.envelopeBytes, this.#options.bus.bytesMax - 65_536);
    const pieces = piecesOf(parcels, bytesMax, this.#options.log);
    const transfer = ++this.#transfers;
    let next = 0;
    let well = true;
    const lane = async (): Promise<void> => {
      while (well && next < pieces.length) {
        const index = next++;
        const body = pieces[index]!;
        well =
          (await this.#shipPiece(to, { shard, epoch, transfer, index, count: pieces.length, body })) && well;
      }
    };
    await Promise.all(Array.from({ length: CARGO.piecesAtOnce }, lane));
    return well;
  }

  #shipPiece(to: string, piece: Omit<CargoEnvelope, 'kind' | 'id'>): Promise<boolean> {
    return new Promise(resolve => {
      const { asks } = this.#options;
      const { askId } = asks.open(CLUSTER_LIMITS.handoffMs, result => resolve(result.ok));
      const note = new Note({ kind: KIND.cargo, id: askId, ...piece }, piece.body.length);
      asks.sent(note);
      this.#post(to, false, note);
    });
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

  #toGateway(
    from: Address,
    gateway: string,
    sessions: readonly SessionRef[],
    output: Output & { k: 'push' | 'close' },
  ): void {
    const bytes = output.k === 'push' ? output.bytes.length : 0;
    if (!this.#budget.hasRoom(bytes + OVERHEAD_BYTES)) {
      this.#options.metrics.count('heyblue_shed_total', { what: 'push_out' });
      if (output.k === 'push' && output.kind === 'durable') this.#detach(from, sessions);
      return;
    }
    const to = { userId: from.id, sessions: sessions.map(session => session.id) };
    const what: PushEnvelope | CloseEnvelope =
      output.k === 'push'
        ? { kind: KIND.push, ...to, volatile: output.kind === 'volatile', bytes: output.bytes }
        : { kind: KIND.close, ...to, code: output.code, reason: output.reason };
    this.#post(gateway, true, new Note(what, bytes, sessions));
  }

  /** The user actor is told that these sockets are not there (any more). */
  #detach(user: Address, sessions: readonly SessionRef[]): void {
    for (const session of sessions) this.#options.inbox.tell(user, { type: 'detach', session, connSeq: 0 });
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
        return this.#pushLost(out, what, fate);
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

  /** Something that a phone should have heard is lost: it must come again and resume. */
  #pushLost(out: Note, what: PushEnvelope | CloseEnvelope, fate: Fate): void {
    const { metrics } = this.#options;
    metrics.count('heyblue_pushes_lost_total', { why: fate });
    if (what.kind === KIND.close || (what.volatile && fate !== 'unheard')) return;
    this.#detach({ kind: 'user', id: what.userId }, out.sessions);
    if (fate === 'unheard' || out.dest === null) return;
    const { userId, sessions } = what;
    const reason = 'something was lost, connect again';
    const close: CloseEnvelope = { kind: KIND.close, userId, sessions, code: CLOSE.resyncNeeded, reason };
    this.#post(out.dest, true, new Note(close, 0));
  }

  // --- in ------------------------------------------------------------------------------------------------------------

  #heard(from: string, envelope: Envelope, link: InLink, bytes: number): void {
    switch (envelope.kind) {
      case KIND.tell:
      case KIND.ask:
        return this.#heardLetter(from, envelope, link, bytes);
      case KIND.reply:
        return this.#heardReply(envelope);
      case KIND.bounce:
        return this.#heardBounce(from, envelope);
      case KIND.cargo:
        return this.#heardCargo(from, envelope);
      case KIND.push:
      case KIND.close:
        return this.#heardPush(envelope);
    }
  }

  #refused(why: string): void {
    this.#options.metrics.count('heyblue_envelopes_refused_total', { why });
  }

  #heardLetter(from: string, letter: LetterEnvelope, link: InLink, bytes: number): void {
    const { coordinator } = this.#options;
    const { shard, kind, id } = letter;
    if (letter.ttlMs === 0) return this.#refused('expired');
    const epoch = coordinator.epochOf(shard);
    if (epoch === null) return this.#bounce(from, letter, link, BOUNCE.notOwner);
    if (letter.epoch > epoch) return this.#bounce(from, letter, link, BOUNCE.stale);
    if (link.isBarred(shard, letter.round)) return this.#bounce(from, letter, link, BOUNCE.behind);
    const replyTo = kind === KIND.ask ? { node: from, askId: id } : null;
    if (!this.#budget.hasRoom(bytes)) {
      this.#options.metrics.count('heyblue_shed_total', { what: replyTo ? 'ask_in' : 'tell_in' });
      if (replyTo) this.reply(replyTo, OVERLOADED);
      return;
    }
    const message = readMessage(letter.body);
    if (message === null) {
      this.#refused('garbage');
      if (replyTo) this.reply(replyTo, refuse(ERROR.malformed, 'the message cannot be read'));
      return;
    }
    const { to, chain, trace } = letter;
    const cause: Cause | null =
      trace === null && chain.length === 0 ? null : { trace, chain, asked: replyTo };
    const { ttlMs: timeoutMs, key } = letter;
    this.#budget.take(bytes);
    const sending = { to, message, replyTo, cause, timeoutMs, keyed: key !== null };
    if (this.#options.inbox.receive(sending, shard, epoch, bytes)) return;
    this.#budget.release(bytes);
    this.#refused('foreign_shard');
    if (replyTo) this.reply(replyTo, refuse(ERROR.internal, 'the actor lives in another shard'));
  }

  #bounce(from: string, letter: LetterEnvelope, link: InLink, why: BounceReason): void {
    const { coordinator, metrics } = this.#options;
    const { id, shard } = letter;
    metrics.count('heyblue_bounces_total', { why: BOUNCE_NAMES[why] });
    link.bar(shard, letter.round);
    const known = coordinator.epochOf(shard) === null ? coordinator.ownerOf(shard) : null;
    const owner = known && known.node !== coordinator.ref ? known : null;
    const bounce: BounceEnvelope = {
      kind: KIND.bounce,
      id,
      shard,
      why,
      owner: owner?.node ?? null,
      epoch: owner?.epoch ?? 0,
      mapRevision: coordinator.mapRevision,
    };
    this.#post(from, false, new Note(bounce, 0));
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

  #heardCargo(from: string, piece: CargoEnvelope): void {
    const taken = this.#incoming.take(from, piece);
    const to = { node: from, askId: piece.id };
    if (taken === 'refused') {
      this.#refused('garbage');
      return this.reply(to, refuse(ERROR.malformed, 'the cargo cannot be taken'));
    }
    if (taken !== 'taken') {
      this.#options.coordinator.received(from, piece.shard, piece.epoch, taken);
    }
    this.reply(to, { ok: true, value: null });
  }

  #heardPush(envelope: PushEnvelope | CloseEnvelope): void {
    const { sink, gatewayId } = this.#options;
    const sessions = envelope.sessions.map(id => ({ gateway: gatewayId, id }));
    const dead = sink.knows ? sessions.filter(session => !sink.knows!(session)) : [];
    if (dead.length > 0) this.#detach({ kind: 'user', id: envelope.userId }, dead);
    if (envelope.kind === KIND.push) {
      sink.push(sessions, envelope.bytes, envelope.volatile ? 'volatile' : 'durable');
    } else sink.close(sessions, envelope.code, envelope.reason);
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

function readMessage(body: Uint8Array): { readonly type: string } | null {
  try {
    const message = decodeBody(body) as { type?: unknown } | null;
    const good = typeof message === 'object' && message !== null && typeof message.type === 'string';
    return good ? (message as { type: string }) : null;
  } catch {
    return null;
  }
}

function readResult(body: Uint8Array): Result<unknown> | null {
  try {
    const result = decodeBody(body) as { ok?: unknown; code?: unknown } | null;
    if (typeof result !== 'object' || result === null) return null;
    if (result.ok === true) return result as Result<unknown>;
    return result.ok === false && typeof result.code === 'number' ? (result as Result<unknown>) : null;
  } catch {
    return null;
  }
}
