/** What the tests of the outbox share: a town in PostgreSQL whose points move, and what has arrived in a stream. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { inject } from 'vitest';
import { type DurableOp, MINT_ACCOUNT } from '../../actors/durable.ts';
import type { Stamp } from '../kinesis/stamp.ts';
import { Lines } from '../postgres/lines.ts';
import { postgresTown, silent } from '../postgres/testTown.ts';
import { awsClientConfig } from './awsClient.ts';
import { OUTBOX_SHARD } from './lead.ts';

export const PATIENCE = { timeout: 60_000, interval: 20 };

export const AWS = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' },
};
/** Options of a client or a target. */
export const awsAt = (endpoint: string) => ({ ...AWS, endpoint });

export interface StreamEvent {
  readonly id: string;
  readonly subject: string;
  readonly seq: number;
  readonly stamp: Stamp;
}

const aPoint = (id: string, account: string): DurableOp => ({
  type: 'transfer',
  id,
  reason: 'donation',
  legs: [
    { account: MINT_ACCOUNT, delta: -1 },
    { account, delta: 1 },
  ],
  rule: { id: 'donation', version: 3 },
  idempotency: null,
});

export type OutboxTown = Awaited<ReturnType<typeof outboxTown>>;

export async function outboxTown() {
  const town = await postgresTown(inject('databaseUrl'));
  const kinesis = new KinesisClient(awsClientConfig(awsAt(inject('kinesisEndpoint'))));
  const dynamodb = new DynamoDBClient(awsClientConfig(awsAt(inject('dynamodbEndpoint'))));
  const [epoch = 0] = await town.epochStore.mint([1], 'test');
  return {
    ...town,
    kinesis,
    dynamodb,
    /** Of shard 1, where everything is committed. */
    epoch,
    /** Another owner takes the shard. */
    async takeOver(): Promise<void> {
      [this.epoch = 0] = await town.epochStore.mint([1], 'another owner');
    },
    lines: (count: number): Lines =>
      new Lines(count, {
        url: town.database.appUrl,
        name: 'test',
        log: silent,
        settings: {},
        silenceMsMax: 5_000,
      }),
    /** An epoch to publish under, newer than all before. */
    async lead(target: keyof typeof OUTBOX_SHARD, owner = 'publisher'): Promise<number> {
      return (await town.epochStore.mint([OUTBOX_SHARD[target]], owner))[0] ?? 0;
    },
    /** Accounts without points. */
    async people(count: number): Promise<string[]> {
      const ids = Array.from({ length: count }, () => town.uuid());
      await town.database.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [ids]);
      return ids;
    },
    /** In one group. */
    async commit(...ops: DurableOp[]): Promise<void> {
      const outcomes = await town.commitStore.commit(ops.map(op => ({ shard: 1, epoch: this.epoch, op })));
      const refused = outcomes.find(one => one.code !== 'created');
      if (refused) throw new Error(`an operation came out as ${refused.code}`);
    },
    /** Each earns a point, `rounds` times, round by round. */
    async earn(ids: readonly string[], rounds = 1): Promise<void> {
      for (let round = 0; round < rounds; round++) {
        await this.commit(...ids.map(id => aPoint(town.uuid(), id)));
      }
    },
    /** How many events wait for the target. */
    async waiting(target: number): Promise<number> {
      const [row] = await town.database.sql(
        'select coalesce(sum(cardinality(array_remove(keys, null))), 0)::int as n from ops.outbox where target = $1',
        [target],
      );
      return Number(row?.n);
    },
    async eventsIn(stream: string): Promise<StreamEvent[]> {
      const { Shards = [] } = await kinesis.send(new ListShardsCommand({ StreamName: stream }));
      const events: StreamEvent[] = [];
      for (const { ShardId } of Shards) {
        const from = { StreamName: stream, ShardId: ShardId!, ShardIteratorType: 'TRIM_HORIZON' } as const;
        const first = await kinesis.send(new GetShardIteratorCommand(from));
        for (let iterator = first.ShardIterator; iterator; ) {
          const page = await kinesis.send(new GetRecordsCommand({ ShardIterator: iterator }));
          if (!page.Records?.length) break;
          for (const { Data } of page.Records) events.push(JSON.parse(Buffer.from(Data!).toString()));
          iterator = page.NextShardIterator;
        }
      }
      return events;
    },
    async close(): Promise<void> {
      kinesis.destroy();
      dynamodb.destroy();
      await town.close();
    },
  };
}
