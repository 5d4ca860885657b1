/** What waits to leave this node or has left it and may still come back. */
import type { Address, SessionRef } from '../../actors/turn.ts';
import type { Span } from '../ports.ts';
import { bodyOf, type Writable, writeEnvelope, writeLetter } from './codec.ts';
import { type Envelope, KIND } from './envelope.ts';
import { EMPTY, type Slice } from './slice.ts';
import type { WireWriter } from './wire.ts';

/** What became of something that was sent. */
export type Fate =
  /** The other node has it. */
  | 'arrived'
  /** Proven never to be taken there: it may be sent again. */
  | 'missed'
  /** As `missed`: the bus said that nobody listens there. */
  | 'unheard'
  /** It could not leave for so long that it is given up; proven not taken. */
  | 'stuck'
  /** Nobody can say: the other node, or the connection, was lost. */
  | 'unknown';

/** What an envelope costs in memory besides its body, bytes: enough to bound what waits, not exact. */
export const OVERHEAD_BYTES = 96;
/** Besides body and names, what stands in a batch for a letter, and for an answer; about. */
const LETTER_BYTES = 32;
const REPLY_BYTES = 8;

/** A message to an actor, kept until it arrived or was refused. */
export class Letter implements Writable {
  readonly kind: typeof KIND.tell | typeof KIND.ask;
  readonly id: number;
  readonly to: Address;
  readonly shard: number;
  readonly key: string | null;
  readonly chain: readonly Address[];
  readonly trace: string | null;
  readonly deadlineMs: number;
  body: Slice;
  readonly bytes: number;
  /** Bytes that it takes in a batch, about. */
  readonly wireBytes: number;
  /** Its place among the messages of this node for the shard. */
  place = 0;
  hops = 0;
  round = 0;
  epoch = 0;
  mapRevision = 0;
  /** Since when it waits in its line. */
  queuedAtMs = 0;
  /** The node to which it was given. */
  dest: string | null = null;
  /** Shard of the actor that said it; -1 when none did. */
  from = -1;
  /** It has reached `dest`. */
  arrived = false;
  /** The same was sent before, and nobody can say what became of it. */
  repeated = false;
  /** It may wait for others. */
  patient = false;
  /** Whoever asked was told otherwise: it does not leave any more. */
  void = false;
  /** From here to there and back, when somebody follows it. */
  readonly span: Span | null;

  constructor(
    kind: typeof KIND.tell | typeof KIND.ask,
    id: number,
    to: Address,
    shard: number,
    key: string | null,
    chain: readonly Address[],
    trace: string | null,
    deadlineMs: number,
    body: Slice,
    span: Span | null = null,
  ) {
    this.kind = kind;
    this.id = id;
    this.to = to;
    this.shard = shard;
    this.key = key;
    this.chain = chain;
    this.trace = trace;
    this.deadlineMs = deadlineMs;
    this.body = body;
    this.bytes = body.length + OVERHEAD_BYTES;
    const names = to.id.length + (key?.length ?? 0) + (trace?.length ?? 0);
    this.wireBytes = body.length + names + LETTER_BYTES * (1 + chain.length);
    this.span = span;
  }

  /** Whether it need still leave. */
  leaves(nowMs: number): boolean {
    return this.deadlineMs > nowMs && !this.void;
  }

  write(out: WireWriter, nowMs: number): void {
    writeLetter(out, this, this.deadlineMs - nowMs);
  }

  /** The same once more, when nobody can say what became of this one. */
  repeat(): Letter {
    const { kind, id, to, shard, key, chain, trace, deadlineMs, body } = this;
    const again = new Letter(kind, id, to, shard, key, chain, trace, deadlineMs, body);
    again.hops = this.hops + 1;
    again.from = this.from;
    again.patient = this.patient;
    again.repeated = true;
    return again;
  }

  /** The other node has it: what it said is not needed here, unless it may be said again. */
  forget(): void {
    if (this.key === null) this.body = EMPTY;
  }
}

/** Anything else: an answer, a bounce, a piece of cargo, bytes for sockets. */
export class Note implements Writable {
  readonly what: Exclude<Envelope, { kind: typeof KIND.tell | typeof KIND.ask }>;
  readonly id: number;
  readonly bytes: number;
  readonly wireBytes: number;
  readonly key = null;
  readonly patient = false;
  dest: string | null = null;
  arrived = false;
  void = false;
  /** Sockets for which it is. */
  readonly sessions: readonly SessionRef[];

  constructor(what: Note['what'], bytes: number, sessions: readonly SessionRef[] = []) {
    this.what = what;
    this.id = what.kind === KIND.push || what.kind === KIND.close ? 0 : what.id;
    this.bytes = bytes + OVERHEAD_BYTES;
    this.wireBytes = bytes + (what.kind === KIND.reply ? REPLY_BYTES : OVERHEAD_BYTES);
    this.sessions = sessions;
  }

  get body(): Slice | null {
    return bodyOf(this.what);
  }

  get kind(): Note['what']['kind'] {
    return this.what.kind;
  }

  leaves(): boolean {
    return !this.void;
  }

  write(out: WireWriter): void {
    writeEnvelope(out, this.what);
  }
}

export type Outgoing = Letter | Note;
