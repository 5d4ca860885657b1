/**
 * The consumer that keeps the users domain: both streams become rows, one statement a batch. A batch with a record that the
 * database refuses is halved until that record is alone; what it is stands in the dead letters, and the others are taken.
 */
import { CommitError, type Metrics } from '../../nodes/ports.ts';
import { isEventType, STREAMS } from '../events/catalogue.ts';
import { isReadable } from '../events/check.ts';
import type { Batch, Consumer, Poison, StreamRecord, Taken } from './consumer.ts';
import { addFacts, type Facts, noFacts, type ReadEvent } from './facts.ts';

const USERS_CONSUMER = 'users';

export interface UsersProjectionOptions {
  readonly store: { project(facts: Facts): Promise<void> };
  readonly metrics: Metrics;
  /** Unix milliseconds. */
  readonly wallMs: () => number;
  /** Default: both streams of the house. */
  readonly streams?: readonly string[];
}

interface Read {
  readonly record: StreamRecord;
  readonly event: ReadEvent;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The event; null for one of a type that we do not know, which is none of our business; a text: why it is poison. */
function eventOf({ bytes }: StreamRecord): ReadEvent | null | string {
  let event: { type?: unknown };
  try {
    event = JSON.parse(utf8.decode(bytes)) as typeof event;
  } catch {
    return 'not JSON';
  }
  if (typeof event !== 'object' || event === null || typeof event.type !== 'string') return 'not an event';
  if (!isEventType(event.type)) return null;
  return isReadable(event) ? (event as ReadEvent) : `not a ${event.type} of the catalogue`;
}

export class UsersProjection implements Consumer {
  readonly name = USERS_CONSUMER;
  readonly streams: readonly string[];
  readonly #options: UsersProjectionOptions;

  constructor(options: UsersProjectionOptions) {
    this.#options = options;
    this.streams = options.streams ?? Object.values(STREAMS);
  }

  async take({ records }: Batch): Promise<Taken> {
    const poison: Poison[] = [];
    const read: Read[] = [];
    for (const record of records) {
      const event = eventOf(record);
      if (typeof event === 'string') poison.push({ record, why: event });
      else if (event !== null) read.push({ record, event });
    }
    await this.#project(read, poison);
    const { metrics, wallMs } = this.#options;
    const oldest = read[0];
    if (oldest) {
      const behindS = Math.max(0, wallMs() - Date.parse(oldest.event.time)) / 1_000;
      metrics.observe('heyblue_projection_staleness_seconds', behindS, { projection: this.name });
    }
    return { through: records.at(-1)?.sequence ?? null, poison };
  }

  async #project(read: readonly Read[], poison: Poison[]): Promise<void> {
    const facts = noFacts();
    const known = new Set<string>();
    for (const { event } of read) {
      if (known.has(event.id)) continue;
      known.add(event.id);
      addFacts(facts, event);
    }
    if (facts.events.length === 0) return;
    try {
      await this.#options.store.project(facts);
    } catch (error) {
      if (!(error instanceof CommitError) || error.fault !== 'poison') throw error;
      if (read.length === 1) {
        poison.push({ record: read[0]!.record, why: `the database refuses it: ${error.message}` });
        return;
      }
      const half = read.length >> 1;
      await this.#project(read.slice(0, half), poison);
      await this.#project(read.slice(half), poison);
    }
  }
}
