/**
 * One shard of a stream on its way into the archive: gathers records, and writes them as objects, each exactly once.
 *
 * Two things would spoil an archive: what is lost, and what stands in it twice. Nothing is lost because the place in the
 * stream is noted only after the objects are durable (`shardLoop.ts`); so after a kill records come again, and how many of
 * them come together depends on the moment. Therefore an object says in its name with which record it begins and in its
 * footer with which it ends, and is never written over: whoever comes to an hour asks first what is there, and writes
 * only what lies between. So a shard may be archived anew from its first record, in other portions than the first time,
 * and nothing changes. Two at work on one shard for a moment lose nothing either: of two that put an object under one name
 * one is refused, and looks again; at worst, when they began in different places, some records stand in two objects.
 *
 * That, and what a producer sent twice, is why the views of the queries show an event once (`sql/views.sql`).
 */
import { type ArchivedEvent, readEvent, type Unreadable } from './columns.ts';
import { errorKey, hourFolder, hourOf, isBefore, objectKey } from './layout.ts';
import { ADOPTIONS_MAX, HOURS_REMEMBERED } from './limits.ts';
import { type ObjectStore, StoreAway } from './objectStore.ts';
import { parquetOf, type Span, spanOf } from './parquet.ts';

/** As the stream gives it. */
export interface StreamRecord {
  /** Decimal, rises along the shard. */
  readonly seq: string;
  /** Partition key. */
  readonly key: string;
  readonly data: Uint8Array;
}

/** What a flush has done. */
export interface Flushed {
  /** Everything up to this record is in the archive. */
  readonly lastSeq: string;
  readonly events: number;
  readonly unreadable: number;
  /** Written now; what was there already counts for nothing. */
  readonly objects: number;
  readonly bytes: number;
}

interface Row {
  readonly seq: string;
  readonly event: ArchivedEvent;
}

export interface ShardArchiverOptions {
  readonly store: ObjectStore;
  readonly stream: string;
  readonly shard: string;
}

export class ShardArchiver {
  readonly #options: ShardArchiverOptions;
  #records: StreamRecord[] = [];
  #bytes = 0;
  /** What the objects of an hour hold, in order; hours that we did not touch are missing. */
  readonly #hours = new Map<number, Span[]>();

  constructor(options: ShardArchiverOptions) {
    this.#options = options;
  }

  /** Bytes of records that wait to be written. */
  get bytes(): number {
    return this.#bytes;
  }

  get waiting(): number {
    return this.#records.length;
  }

  /** In the order of the shard. */
  take(records: readonly StreamRecord[]): void {
    for (const record of records) {
      this.#records.push(record);
      this.#bytes += record.data.length + record.key.length;
    }
  }

  /**
   * Writes what waits; null when nothing does. Rejects when the store is away or full: then everything still waits, and
   * trying again is right.
   */
  async flush(): Promise<Flushed | null> {
    const records = this.#records;
    const last = records.at(-1);
    if (last === undefined) return null;
    const done = { lastSeq: last.seq, events: 0, unreadable: 0, objects: 0, bytes: 0 };
    const hours = new Map<number, Row[]>();
    for (const record of records) {
      const event = readEvent(record.key, record.data);
      if (typeof event === 'string') {
        await this.#putAside(record, event);
        done.unreadable++;
        continue;
      }
      const hour = hourOf(event.timeMs);
      const rows = hours.get(hour);
      if (rows) rows.push({ seq: record.seq, event });
      else hours.set(hour, [{ seq: record.seq, event }]);
      done.events++;
    }
    for (const [hour, rows] of [...hours].sort(([a], [b]) => a - b)) {
      const { objects, bytes } = await this.#write(hour, rows);
      done.objects += objects;
      done.bytes += bytes;
    }
    this.#records = this.#records.slice(records.length);
    this.#bytes = this.#records.reduce((sum, { data, key }) => sum + data.length + key.length, 0);
    return done;
  }

  async #write(hour: number, rows: readonly Row[]): Promise<{ objects: number; bytes: number }> {
    const { store, stream, shard } = this.#options;
    const done = { objects: 0, bytes: 0 };
    for (let tries = 0; tries < ADOPTIONS_MAX; tries++) {
      const [run] = runsBetween(rows, await this.#spans(hour));
      if (run === undefined) return done;
      const span = { firstSeq: run[0]!.seq, lastSeq: run.at(-1)!.seq };
      const body = parquetOf(
        run.map(row => row.event),
        span,
      );
      if (await store.putNew(objectKey(stream, hour, shard, span.firstSeq), body)) {
        this.#hours.get(hour)!.push(span);
        done.objects++;
        done.bytes += body.length;
        tries = 0;
      } else {
        // somebody archives this shard, too
        this.#hours.delete(hour);
      }
    }
    throw new StoreAway(`objects of ${hourFolder(stream, hour)} appear as fast as they are written`);
  }

  async #spans(hour: number): Promise<readonly Span[]> {
    const known = this.#hours.get(hour);
    if (known !== undefined) return known;
    const { store, stream, shard } = this.#options;
    const spans: Span[] = [];
    for (const { key, bytes, isCold } of await store.list(`${hourFolder(stream, hour)}${shard}-`)) {
      // nobody publishes now what he archived so long ago, unless his clock is wrong: then it is another event
      const span = isCold ? null : await spanOf(store, key, bytes);
      if (span !== null) spans.push(span);
    }
    this.#hours.set(hour, spans);
    for (const [oldest] of this.#hours) {
      if (this.#hours.size <= HOURS_REMEMBERED) break;
      if (oldest !== hour) this.#hours.delete(oldest);
    }
    return spans;
  }

  /** One object a record, named after it: to put it aside again changes nothing. */
  async #putAside({ seq, key, data }: StreamRecord, why: Unreadable): Promise<void> {
    const { store, stream, shard } = this.#options;
    const record = { stream, shard, seq, key, data: Buffer.from(data).toString('base64') };
    await store.putNew(errorKey(why, stream, shard, seq), Buffer.from(`${JSON.stringify(record)}\n`));
  }
}

const holds = ({ firstSeq, lastSeq }: Span, seq: string): boolean =>
  !isBefore(seq, firstSeq) && !isBefore(lastSeq, seq);

/** The rows that no span holds, in runs that no span lies between. */
function runsBetween(rows: readonly Row[], spans: readonly Span[]): Row[][] {
  const runs: Row[][] = [];
  let run: Row[] = [];
  for (const row of rows) {
    const first = run[0];
    const isHeld = spans.some(span => holds(span, row.seq));
    const isApart =
      first !== undefined &&
      spans.some(span => isBefore(first.seq, span.firstSeq) && isBefore(span.firstSeq, row.seq));
    if ((isHeld || isApart) && run.length > 0) {
      runs.push(run);
      run = [];
    }
    if (!isHeld) run.push(row);
  }
  if (run.length > 0) runs.push(run);
  return runs;
}
