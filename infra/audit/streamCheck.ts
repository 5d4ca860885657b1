/** Is everything in the stream that it must tell, as it was, for as long as it remembers? */
import {
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  type GetRecordsCommandOutput,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  type ListShardsCommandOutput,
} from '@aws-sdk/client-kinesis';
import { byType, identityOf, type ToldEvent } from './facts.ts';
import type { IdSet } from './idSet.ts';
import { CLOCK_SKEW_S, RECORDS_PER_READ, RETENTION_MARGIN_S } from './limits.ts';
import type { Finds } from './report.ts';
import type { Snapshot } from './snapshot.ts';
import { type AwsAt, clientConfig, isMissing } from './stores.ts';
import { Follower, factRows, type Told, waitingIn } from './told.ts';

export interface StreamRead {
  readonly looked: number;
  readonly finds: Finds;
}

export interface StreamOptions {
  readonly kinesis: AwsAt;
  readonly told: Told;
  /** Where it has another name than that of `told`. */
  readonly stream?: string | undefined;
  readonly shared: boolean;
  /** What happened at this time and later is looked for, as far as the stream remembers; Unix milliseconds. */
  readonly sinceMs: number;
  /** Collects what came into the stream after this moment, Unix milliseconds: the archive may not have it yet. */
  readonly youngMs: number;
  readonly young: IdSet;
  readonly say: (line: string) => void;
}

const HOUR_MS = 3_600_000;
const LOOPBACK = /^https?:\/\/(127\.|localhost|\[::1\])/;

/** Where the stream is not there, everything that left the outbox is missing. */
export const checkStream = async (snapshot: Snapshot, options: StreamOptions): Promise<StreamRead> => {
  const stream = options.stream ?? options.told.stream;
  const client = new KinesisClient(clientConfig(options.kinesis));
  const rows = factRows(snapshot, options.told);
  const told = new Follower(snapshot, options.told, `the stream ${stream}`, options.shared, rows);
  try {
    const retentionMs = await retentionOf(client, stream);
    const remembered = snapshot.atMs - (retentionMs ?? 24 * HOUR_MS) + RETENTION_MARGIN_S * 1_000;
    const sinceMs = Math.max(options.sinceMs, remembered);
    // the embedded Kinesis says nothing at all when a shard has no record that young
    const seeks = options.sinceMs > remembered && !LOOPBACK.test(options.kinesis.endpoint);
    const fromMs = seeks ? sinceMs - CLOCK_SKEW_S * 1_000 : null;
    if (retentionMs !== null) await readAll(client, stream, fromMs, snapshot.atMs, told, options);
    await told.end(await waitingIn(snapshot, options.told), sinceMs);
    await rows.close();
    return { looked: told.looked, finds: told.finds };
  } finally {
    client.destroy();
  }
};

/** Milliseconds; null where there is no such stream. */
const retentionOf = async (client: KinesisClient, stream: string): Promise<number | null> => {
  try {
    const found = await client.send(new DescribeStreamSummaryCommand({ StreamName: stream }));
    return (found.StreamDescriptionSummary?.RetentionPeriodHours ?? 24) * HOUR_MS;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
};

const readAll = async (
  client: KinesisClient,
  stream: string,
  fromMs: number | null,
  untilMs: number,
  told: Follower,
  { told: { facts }, young, youngMs, say }: StreamOptions,
): Promise<void> => {
  const kinds = byType(facts);
  for (const ShardId of await shardsOf(client, stream)) {
    const first = await client.send(
      new GetShardIteratorCommand({
        StreamName: stream,
        ShardId,
        ...(fromMs === null
          ? { ShardIteratorType: 'TRIM_HORIZON' }
          : { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(fromMs) }),
      }),
    );
    let iterator = first.ShardIterator;
    while (iterator !== undefined) {
      const page: GetRecordsCommandOutput = await client.send(
        new GetRecordsCommand({ ShardIterator: iterator, Limit: RECORDS_PER_READ }),
      );
      const records = page.Records ?? [];
      for (const { Data, SequenceNumber, ApproximateArrivalTimestamp: arrived } of records) {
        const event = parsed(Data);
        if (event === null)
          told.finds.add(`${ShardId}/${SequenceNumber}`, `is no event (the stream ${stream})`);
        else {
          if (arrived === undefined || arrived.getTime() >= youngMs) young.add(identityOf(event, kinds));
          await told.take(event);
        }
      }
      say(`${stream} ${ShardId}: ${told.looked} records`);
      const newestMs = records.at(-1)?.ApproximateArrivalTimestamp?.getTime() ?? 0;
      const beyond = newestMs > untilMs + CLOCK_SKEW_S * 1_000;
      const atEnd = records.length === 0 && (page.MillisBehindLatest ?? 0) === 0;
      iterator = beyond || atEnd ? undefined : page.NextShardIterator;
    }
  }
};

/** Of all generations: what a closed shard had stays in it for as long as the stream remembers. */
const shardsOf = async (client: KinesisClient, stream: string): Promise<string[]> => {
  const ids: string[] = [];
  for (let next: string | undefined; ; ) {
    const page: ListShardsCommandOutput = await client.send(
      new ListShardsCommand(next === undefined ? { StreamName: stream } : { NextToken: next }),
    );
    for (const { ShardId } of page.Shards ?? []) if (ShardId !== undefined) ids.push(ShardId);
    next = page.NextToken;
    if (next === undefined) return ids;
  }
};

/** Null when a record is no JSON object with an id. */
export const parsed = (data: Uint8Array | string | undefined): ToldEvent | null => {
  try {
    const text = typeof data === 'string' ? data : Buffer.from(data ?? []).toString('utf8');
    const event = JSON.parse(text) as ToldEvent | null;
    return typeof event?.id === 'string' ? event : null;
  } catch {
    return null;
  }
};
