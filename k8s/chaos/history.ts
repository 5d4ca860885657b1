/**
 * What clients asked, were answered and were told during a run: everything that the checkers know of the outside. One JSON
 * object a line in `history.jsonl`, as it happened; nothing is ever corrected in it. Times are milliseconds since the run
 * began (`ChaosTarget.nowMs`).
 */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { AccountKind } from '../../protocol/index.ts';

export type OpName = 'meet' | 'donate' | 'give' | 'reserve' | 'confirm' | 'cancel' | 'refund' | 'ask';
/**
 * `ok`: acknowledged, it must be there for ever. `fail`: refused for good, it must not be there. `unknown`: no certain answer
 * in time, it may be either.
 */
export type OpOutcome = 'ok' | 'fail' | 'unknown';

export interface OpRecord {
  readonly type: 'op';
  /** When it was due: latency counts from here, however late we were. */
  readonly t_ms: number;
  readonly op: OpName;
  /** Idempotency key: the same in every try. */
  readonly id: string;
  readonly who: string;
  readonly kind: AccountKind;
  /** The other side: officer, receiver, offer or redemption; null for a question. */
  readonly other: string | null;
  readonly way: 'socket' | 'rest';
  /** What was asked for; of a meeting, what the answer promised. Null where nothing moves. */
  points: number | null;
  outcome: OpOutcome;
  /** What the answer named: encounter, transfer or redemption. */
  named: string | null;
  /** Balance of `who` after it, by the answer. */
  balance: number | null;
  /** Node that gave the last answer; null without one. */
  node: string | null;
  answered_ms: number;
  latency_ms: number;
  tries: number;
  why: string | null;
}

/** A durable event as a phone was given it. */
export interface EventRecord {
  readonly type: 'event';
  readonly t_ms: number;
  readonly who: string;
  readonly name: string;
  readonly epoch: string;
  readonly offset: number;
  readonly event_id: string;
  /** Encounter, transfer or redemption that it tells of; of a snapshot, the encounters that it lists. */
  readonly about: readonly string[];
  readonly points: number | null;
  readonly balance: number | null;
  readonly version: number | null;
  readonly state: string | null;
}

export interface WelcomeRecord {
  readonly type: 'welcome';
  readonly t_ms: number;
  readonly who: string;
  readonly node: string;
  readonly resumed: boolean;
  readonly epoch: string;
  /** Of a phone that was not resumed, where its events go on. */
  readonly offset: number;
}

/** A socket that was welcome is gone. */
export interface LostRecord {
  readonly type: 'lost';
  readonly t_ms: number;
  readonly who: string;
  readonly code: number;
  readonly reason: string;
}

/** The phone was told that its node is about to stop. */
export interface GoawayRecord {
  readonly type: 'goaway';
  readonly t_ms: number;
  readonly who: string;
}

/** What one node said of itself at one moment; nulls when it did not answer. */
export interface SampleRecord {
  readonly type: 'sample';
  readonly t_ms: number;
  readonly node: string;
  readonly serving: boolean | null;
  /** Shards that it says it owns. */
  readonly shards: number | null;
  /** Commits of an older owner that the store refused, all lives of this node together. */
  readonly stale_rejected: number;
  readonly rss_mb: number | null;
  readonly heap_mb: number | null;
  readonly outbox_depth: number | null;
  readonly buffered_max: number | null;
  /** Mailboxes that were full, all lives together. */
  readonly mailbox_full: number;
  /** Actors that others handed over to it, all lives together. */
  readonly arrived: number;
}

/** Two nodes said of the same shard that it is theirs, at the same moment. */
export interface OverlapRecord {
  readonly type: 'overlap';
  readonly t_ms: number;
  readonly shard: number;
  readonly nodes: readonly string[];
  readonly lasted_ms: number;
}

/** Who is shown as sharing to a civilian nearby, whenever that changes. */
export interface AreaRecord {
  readonly type: 'area';
  readonly t_ms: number;
  readonly who: string;
  readonly cell: string;
  readonly officers: readonly string[];
}

/** Who shares from now on, or does not: the truth of presence. */
export interface ShareRecord {
  readonly type: 'share';
  readonly t_ms: number;
  readonly who: string;
  readonly on: boolean;
}

/** Who owns which shard, by the newest map that any node serves under; written when it changes. */
export interface OwnersRecord {
  readonly type: 'owners';
  readonly t_ms: number;
  readonly owners: readonly (string | null)[];
}

export type HistoryRecord =
  | OpRecord
  | EventRecord
  | WelcomeRecord
  | LostRecord
  | GoawayRecord
  | SampleRecord
  | OverlapRecord
  | AreaRecord
  | ShareRecord
  | OwnersRecord;

/** Somebody of the load; tokens are not written down. */
export interface Somebody {
  readonly userId: string;
  readonly kind: AccountKind;
}

/** What a phone showed in the end, when nothing happened any more. */
export interface LastView {
  readonly balance: number;
  readonly version: number;
}

export interface History {
  readonly people: readonly Somebody[];
  readonly records: readonly HistoryRecord[];
  /** What each phone showed in the end. */
  readonly views: ReadonlyMap<string, LastView>;
  /** What each actor said over REST in the end. */
  readonly actors: ReadonlyMap<string, LastView>;
  /** Phones that nobody served in the end, with the reason. */
  readonly notServed: readonly string[];
  /** The same command answered in two ways, and what else phones noticed. */
  readonly contradictions: readonly string[];
  readonly endMs: number;
}

export const opsOf = ({ records }: History): OpRecord[] => records.filter(one => one.type === 'op');
export const eventsOf = ({ records }: History): EventRecord[] => records.filter(one => one.type === 'event');

/** Keeps records, and writes each down as it comes. An op is written when its outcome is known. */
export class Recorder {
  readonly records: HistoryRecord[] = [];
  readonly #file: WriteStream;

  constructor(file: string) {
    this.#file = createWriteStream(file);
  }

  add(record: HistoryRecord): void {
    this.records.push(record);
    this.#file.write(`${JSON.stringify(record)}\n`);
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#file.end(() => resolve()));
  }
}
