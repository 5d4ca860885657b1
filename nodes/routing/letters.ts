/**
 * Messages of this node's actors and doors to actors elsewhere, from the moment they are said until it is known what
 * became of them. Whoever asked hears once: the answer, a refusal (proven not executed), or that nobody can say.
 */
import type { Address, ReplyTo } from '../../actors/turn.ts';
import { ERROR, type Refusal, refuse } from '../../protocol/errors.ts';
import { type PendingAsks, UNKNOWN } from '../asks.ts';
import type { Cause } from '../cause.ts';
import type { Sending } from '../core.ts';
import type { Behaviours } from '../effects.ts';
import { LIMITS } from '../limits.ts';
import { overloaded } from '../overloaded.ts';
import type { Clock, Coordinator, Log, Metrics, Span, Tracer } from '../ports.ts';
import type { TimerWheel } from '../timerWheel.ts';
import { encodeBody, readMessage } from './body.ts';
import type { Budget } from './budget.ts';
import { BOUNCE_NAMES, type BounceEnvelope, KIND } from './envelope.ts';
import { type Refusal as LineRefusal, Lines } from './lines.ts';
import type { Links } from './links.ts';
import { type Fate, Letter, type Outgoing, OVERHEAD_BYTES } from './outgoing.ts';
import type { Slice } from './slice.ts';

export interface LettersOptions {
  readonly links: Links;
  readonly budget: Budget;
  readonly asks: PendingAsks;
  readonly coordinator: Pick<Coordinator, 'ref' | 'epochOf' | 'ownerOf' | 'mapRevision'>;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer | undefined;
  readonly behaviours: Behaviours;
  /** Of one message. */
  readonly bytesMax: number;
  readonly queueMs: number;
  /** To an actor of this node: its shard came here while the message waited. */
  readonly receive: (sending: Sending, shard: number, epoch: number) => void;
}

const AWAY = refuse(ERROR.unavailable, 'the actor cannot be reached, try again', 500);
const OVERLOADED = overloaded(500);
const TOO_LARGE = refuse(ERROR.tooLarge, 'the message cannot be sent');

/** What an asker hears of a message that was never executed. */
const NOT_DONE: Record<LineRefusal, Refusal> = {
  full: refuse(ERROR.unavailable, 'the actor is moving and too many wait for it, try again', 500),
  waited: AWAY,
  hops: AWAY,
  overtaken: refuse(ERROR.unavailable, 'lost on the way, try again', 100),
  void: AWAY,
};

export class Letters {
  readonly #options: LettersOptions;
  readonly #lines: Lines;
  /** By the shard of whoever said them: messages that have not reached their node. */
  readonly #underWay = new Int32Array(LIMITS.shards);

  constructor(options: LettersOptions) {
    this.#options = options;
    const { links } = options;
    this.#lines = new Lines({
      ...options,
      isGone: node => links.isGone(node),
      post: (node, letter) => links.post(node, false, letter),
      deliver: (letter, epoch) => this.#deliverHere(letter, epoch),
      refuse: (letter, why) => this.#notDone(letter, why),
    });
  }

  /** Where they wait for their shard. */
  get lines(): Pick<Lines, 'detours' | 'busy' | 'opened' | 'closed' | 'routed'> {
    return this.#lines;
  }

  underWayFrom(shard: number): number {
    return this.#underWay[shard]!;
  }

  send(sending: Sending, shard: number, from: number): void {
    const { to, message, replyTo, cause, timeoutMs, keyed } = sending;
    const { asks, clock, metrics, budget } = this.#options;
    const body = this.#encode(message, replyTo);
    if (body === null) return;
    if (!budget.hasRoom(body.length + OVERHEAD_BYTES)) {
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
    letter.patient = replyTo === null && this.#options.behaviours[to.kind].patient?.(message) === true;
    this.#begin(letter);
    if (replyTo) asks.sent(letter);
    this.#lines.join(letter);
  }

  /** What the links say of one that was sent. */
  fate(letter: Letter, fate: Fate): void {
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
    if (letter.kind === KIND.ask && asks.waits(letter.id)) this.unknown(letter);
    else metrics.count('heyblue_unknown_outcomes_total', { what: 'tell' });
  }

  /** Nobody can say whether it was executed: it is asked again if that does no harm, else the asker is told. */
  unknown(remote: Outgoing): void {
    const { asks, clock, metrics } = this.#options;
    remote.void = true;
    if (remote instanceof Letter && remote.key !== null && remote.deadlineMs > clock.monotonicMs()) {
      metrics.count('heyblue_redirects_total', { why: 'keyed' });
      const again = remote.repeat();
      this.#begin(again);
      asks.sent(again);
      return this.#lines.again(again);
    }
    metrics.count('heyblue_unknown_outcomes_total', { what: remote.kind === KIND.cargo ? 'cargo' : 'ask' });
    asks.settle(remote.id, UNKNOWN);
  }

  /** A node sent one back. False when it is not among what was sent there. */
  bounced(from: string, { id, why, owner, epoch }: BounceEnvelope): boolean {
    const letter = this.#options.links.takeSent(from, id);
    if (letter === null) return this.#bouncedLate(from, id);
    this.#options.metrics.count('heyblue_redirects_total', { why: BOUNCE_NAMES[why] });
    this.#lines.bounced(letter, from, owner === null ? null : { node: owner, epoch });
    return true;
  }

  /** This node begins anew. */
  clear(): void {
    for (const letter of this.#lines.clear()) this.#end(letter);
  }

  /** It is forgotten where it was. */
  forget(letter: Letter): void {
    this.#end(letter);
  }

  /** The network lost the word on its first way, and the message counts as taken there: whoever asked may ask again. */
  #bouncedLate(from: string, id: number): boolean {
    const { asks } = this.#options;
    const remote = asks.remoteOf(id) as Outgoing | null;
    if (remote?.dest !== from || !remote.arrived) return false;
    asks.settle(id, AWAY);
    return true;
  }

  #begin(letter: Letter): void {
    this.#options.budget.take(letter.bytes);
    if (letter.from >= 0) this.#underWay[letter.from]!++;
  }

  /** It waits here no more, whatever became of it. */
  #end(letter: Letter): void {
    this.#options.budget.release(letter.bytes);
    if (letter.from >= 0) this.#underWay[letter.from]!--;
  }

  #notDone(letter: Letter, why: LineRefusal): void {
    const { asks, metrics } = this.#options;
    this.#end(letter);
    if (why !== 'void') metrics.count('heyblue_shed_total', { what: why });
    letter.void = true;
    if (letter.kind === KIND.ask) asks.settle(letter.id, NOT_DONE[why]);
  }

  #deliverHere(letter: Letter, epoch: number): void {
    const { asks, receive, clock } = this.#options;
    this.#end(letter);
    const timeoutMs = letter.deadlineMs - clock.monotonicMs();
    const message = readMessage(letter.body);
    if (letter.void || timeoutMs <= 0 || message === null) return;
    const { to, shard, chain, trace, id, key } = letter;
    letter.dest = null;
    const replyTo = letter.kind === KIND.ask ? { node: asks.ref, askId: id } : null;
    const cause = trace === null && chain.length === 0 ? null : { trace, chain, asked: replyTo };
    receive({ to, message, replyTo, cause, timeoutMs, keyed: key !== null, bytes: 0 }, shard, epoch);
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

  #encode(message: object, replyTo: ReplyTo | null): Slice | null {
    const { asks, log, metrics, bytesMax } = this.#options;
    let why: 'too_large' | 'unencodable' = 'unencodable';
    try {
      const body = encodeBody(message);
      if (body.length + OVERHEAD_BYTES <= bytesMax) return body;
      why = 'too_large';
    } catch (error) {
      log.error({ err: error }, 'a message has no bytes');
    }
    metrics.count('heyblue_envelopes_refused_total', { why });
    if (replyTo) asks.settle(replyTo.askId, TOO_LARGE);
    return null;
  }
}

/** What makes a repeat recognizable; the message itself carries it to the actor. */
const keyOf = (message: object): string => {
  const { key } = message as { key?: unknown };
  return typeof key === 'string' ? key : '';
};
