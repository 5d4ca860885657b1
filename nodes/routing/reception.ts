/**
 * Messages of other nodes to actors here: which are taken, which go back, and which are refused. What goes back is
 * proven not executed, and so is everything of the same sender that stands behind it (`InLink.bar`).
 */
import type { ReplyTo } from '../../actors/turn.ts';
import { ERROR, type Result, refuse } from '../../protocol/errors.ts';
import type { Cause } from '../cause.ts';
import type { Sending } from '../core.ts';
import { overloaded } from '../overloaded.ts';
import type { Coordinator, Metrics } from '../ports.ts';
import { readMessage } from './body.ts';
import type { Budget } from './budget.ts';
import {
  BOUNCE,
  BOUNCE_NAMES,
  type BounceEnvelope,
  type BounceReason,
  KIND,
  type LetterEnvelope,
} from './envelope.ts';
import type { InLink } from './inLink.ts';

const OVERLOADED = overloaded(500);
const UNREADABLE = refuse(ERROR.malformed, 'the message cannot be read');
const FOREIGN = refuse(ERROR.internal, 'the actor lives in another shard');

export interface ReceptionOptions {
  readonly coordinator: Pick<Coordinator, 'ref' | 'epochOf' | 'ownerOf' | 'mapRevision'>;
  readonly budget: Budget;
  readonly metrics: Metrics;
  /** False when the actor does not belong to that shard. */
  readonly receive: (sending: Sending, shard: number, epoch: number) => boolean;
  readonly reply: (to: ReplyTo, result: Result<unknown>) => void;
  readonly bounce: (node: string, bounce: BounceEnvelope) => void;
}

export class Reception {
  readonly #options: ReceptionOptions;

  constructor(options: ReceptionOptions) {
    this.#options = options;
  }

  heard(from: string, letter: LetterEnvelope, link: InLink, bytes: number): void {
    const { shard, kind, id } = letter;
    if (letter.ttlMs === 0) return this.#refuse('expired', null, null);
    const epoch = this.#options.coordinator.epochOf(shard);
    if (epoch === null) return this.#bounce(from, letter, link, BOUNCE.notOwner);
    if (letter.epoch > epoch) return this.#bounce(from, letter, link, BOUNCE.stale);
    if (link.isBarred(shard, letter.round)) return this.#bounce(from, letter, link, BOUNCE.behind);
    this.#take(letter, kind === KIND.ask ? { node: from, askId: id } : null, epoch, bytes);
  }

  #take(letter: LetterEnvelope, replyTo: ReplyTo | null, epoch: number, bytes: number): void {
    const { budget, metrics, receive, reply } = this.#options;
    if (!budget.hasRoom(bytes)) {
      metrics.count('heyblue_shed_total', { what: replyTo ? 'ask_in' : 'tell_in' });
      if (replyTo) reply(replyTo, OVERLOADED);
      return;
    }
    const message = readMessage(letter.body);
    if (message === null) return this.#refuse('garbage', replyTo, UNREADABLE);
    const { to, shard, chain, trace, ttlMs: timeoutMs, key } = letter;
    const cause: Cause | null =
      trace === null && chain.length === 0 ? null : { trace, chain, asked: replyTo };
    budget.take(bytes);
    const sending = { to, message, replyTo, cause, timeoutMs, keyed: key !== null, bytes };
    if (receive(sending, shard, epoch)) return;
    budget.release(bytes);
    this.#refuse('foreign_shard', replyTo, FOREIGN);
  }

  #refuse(why: string, replyTo: ReplyTo | null, result: Result<unknown> | null): void {
    this.#options.metrics.count('heyblue_envelopes_refused_total', { why });
    if (replyTo && result) this.#options.reply(replyTo, result);
  }

  #bounce(from: string, { id, shard, round }: LetterEnvelope, link: InLink, why: BounceReason): void {
    const { coordinator, metrics, bounce } = this.#options;
    metrics.count('heyblue_bounces_total', { why: BOUNCE_NAMES[why] });
    link.bar(shard, round);
    const known = coordinator.epochOf(shard) === null ? coordinator.ownerOf(shard) : null;
    const owner = known && known.node !== coordinator.ref ? known : null;
    const { mapRevision } = coordinator;
    bounce(from, {
      kind: KIND.bounce,
      id,
      shard,
      why,
      owner: owner?.node ?? null,
      epoch: owner?.epoch ?? 0,
      mapRevision,
    });
  }
}
