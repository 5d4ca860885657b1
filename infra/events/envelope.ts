/**
 * What every event says before it says anything: which one it is, of what type, of whom, when, and as which of his. The
 * fields are those of CloudEvents and of the bookstore's rule 5; `stamp` and `trace` stand in front, as publishers add them
 * (`infra/kinesis/stamp.ts`).
 *
 * The text is put together without reading `data`: thousands of events a second pass here, and PostgreSQL has written it as
 * JSON already.
 */
import { traceIdOf } from '../../protocol/trace.ts';
import type { Stamp } from '../kinesis/stamp.ts';

export interface Envelope {
  readonly stamp: Stamp;
  /** W3C `traceparent` of the request that led here. */
  readonly trace: string | null;
  /** The same however often it is sent: consumers know a repeat by it. */
  readonly id: string;
  /** `heyblue.` and the domain. */
  readonly source: string;
  readonly type: string;
  readonly version: number;
  /** Type and version in one word, for those who can filter by one only. */
  readonly detailType: string;
  /** Of the effect, by the database clock; ISO 8601, UTC, milliseconds. */
  readonly time: string;
  /** Whose history it belongs to; orders the events, and is the partition key. */
  readonly subject: string;
  /** Rises along the events of a subject: version of the account where points moved, else the number of the stamp. */
  readonly seq: number;
  /** Trace id, shared by everything that one request led to. */
  readonly correlationId: string | null;
  /** Id of the event or operation that it follows from. */
  readonly causationId: string | null;
  /** The subject once more, whatever it is the id of: readers were told that it is never null. */
  readonly userId: string;
  readonly data: object;
}

/** An event on its way out; `data` is JSON text. */
export interface Told {
  readonly stamp: Stamp;
  readonly trace: string | null;
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly time: string;
  readonly subject: string;
  /** Null: that of the stamp. */
  readonly seq: number | null;
  readonly causationId: string | null;
  readonly data: string;
}

/** By the first word of the type, which domain tells it; what is not listed is told by the domain of its own name. */
const DOMAIN_OF: Readonly<Record<string, string>> = {
  encounter: 'ledger',
  points: 'ledger',
  redemption: 'market',
  stock: 'market',
  settlement: 'market',
  user: 'users',
  device: 'users',
  token: 'identity',
  rule: 'rules',
};

export const sourceOf = (type: string): string => {
  const word = type.split('.', 1)[0] ?? '';
  return `heyblue.${DOMAIN_OF[word] ?? word}`;
};

export const detailTypeOf = (type: string, version: number): string => `${type}.v${version}`;

/** The event as JSON text. */
export function eventText(told: Told): string {
  const { stamp, trace, id, type, version, time, subject, seq, causationId, data } = told;
  const head: Omit<Envelope, 'data'> = {
    stamp,
    trace,
    id,
    source: sourceOf(type),
    type,
    version,
    detailType: detailTypeOf(type, version),
    time,
    subject,
    seq: seq ?? stamp.seq,
    correlationId: traceIdOf(trace) ?? null,
    causationId,
    userId: subject,
  };
  return `${JSON.stringify(head).slice(0, -1)},"data":${data}}`;
}
