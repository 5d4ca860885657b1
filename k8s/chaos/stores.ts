/**
 * The final state of everything, read to the end by our own statements and kept as plain data: what the checkers judge needs no
 * server, so histories can be planted for their tests.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import {
  GetRecordsCommand,
  type GetRecordsCommandOutput,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { COMMIT_CODES } from '../../actors/durable.ts';
import { withClient } from '../swarm/postgres.ts';
import type { Stores } from './target.ts';

export interface StoredPosting {
  readonly account: string;
  readonly stripe: number;
  readonly delta: number;
  readonly balance: number;
  readonly version: number;
}

export interface StoredTransfer {
  readonly id: string;
  readonly reason: string;
  /** Who committed it; nulls for what no node did. */
  readonly shard: number | null;
  readonly epoch: number | null;
  /** By PostgreSQL's clock, milliseconds of Unix time. */
  readonly atMs: number;
  readonly postings: readonly StoredPosting[];
}

export interface StoredAccount {
  readonly id: string;
  readonly stripe: number;
  readonly balance: number;
  readonly version: number;
  readonly reserved: number;
}

export interface StoredEncounter {
  readonly id: string;
  readonly officer: string;
  readonly civilian: string;
  readonly officerPoints: number;
  readonly civilianPoints: number;
}

export interface StoredRedemption {
  readonly id: string;
  readonly user: string;
  readonly merchant: string;
  readonly points: number;
  readonly soldPoints: number;
  readonly refundedPoints: number;
  readonly state: 'reserved' | 'confirmed' | 'cancelled' | 'expired';
  readonly transferId: string | null;
  /** Milliseconds since it should have ended by itself; negative while it may wait. */
  readonly overdueMs: number;
}

/** An epoch as our trigger saw it being minted. */
export interface Mint {
  readonly shard: number;
  readonly epoch: number;
  readonly atMs: number;
}

/** An event in a stream, in the order of its Kinesis shard, repeats included. */
export interface StreamEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly seq: number;
  readonly legs: readonly { readonly account: string; readonly delta: number }[];
}

export interface FinalState {
  readonly transfers: readonly StoredTransfer[];
  readonly accounts: readonly StoredAccount[];
  readonly encounters: readonly StoredEncounter[];
  readonly redemptions: readonly StoredRedemption[];
  /** Movements that PostgreSQL refused because the points were not there. */
  readonly overdrawn: readonly string[];
  readonly mints: readonly Mint[];
  /** Newest epoch of each shard. */
  readonly fences: ReadonlyMap<number, number>;
  /** Rows that no publisher has brought away. */
  readonly outboxLeft: number;
  /** Balance and version of people in DynamoDB. */
  readonly balances: ReadonlyMap<string, { readonly balance: number; readonly version: number }>;
  /** Of each shard of the stream `transactions`. */
  readonly streams: readonly (readonly StreamEvent[])[];
}

type Ledger = Omit<FinalState, 'balances' | 'streams'>;

const TRANSFERS = `
  select t.id, t.reason, t.shard, t.epoch::float8 as epoch, (extract(epoch from t.at) * 1000)::float8 as "atMs",
    (select json_agg(json_build_object('account', p.account_id, 'stripe', p.stripe, 'delta', p.delta,
        'balance', p.balance_after, 'version', p.account_version_after) order by p.seq)
      from ledger.posting p where p.transfer_id = t.id) as postings
  from ledger.transfer t`;
const ACCOUNTS = `
  select account_id as id, stripe, balance::float8 as balance, version::float8 as version, reserved::float8 as reserved
  from ledger.account`;
const ENCOUNTERS = `
  select id, officer, civilian, officer_points::float8 as "officerPoints", civilian_points::float8 as "civilianPoints"
  from meet.encounter`;
const REDEMPTIONS = `
  select id, user_id as "user", merchant, points::float8 as points, sold_points::float8 as "soldPoints",
    refunded_points::float8 as "refundedPoints", state, transfer_id as "transferId",
    (extract(epoch from clock_timestamp() - expires_at) * 1000)::float8 as "overdueMs"
  from market.redemption`;
const OVERDRAWN = `select id::text from ledger.burned where code = ${COMMIT_CODES.indexOf('insufficient_points')}`;
const MINTS = `select shard, epoch::float8 as epoch, (extract(epoch from at) * 1000)::float8 as "atMs" from chaos.mint`;
const FENCES = 'select shard, epoch::float8 as epoch from ops.shard_fence';
const OUTBOX = 'select count(*)::int as n from ops.outbox';

/** One moment of PostgreSQL. */
export const readLedger = (databaseUrl: string): Promise<Ledger> =>
  withClient(databaseUrl, async client => {
    const rows = async <T extends object>(sql: string): Promise<T[]> => (await client.query<T>(sql)).rows;
    await client.query('begin isolation level repeatable read read only');
    return {
      transfers: await rows<StoredTransfer>(TRANSFERS),
      accounts: await rows<StoredAccount>(ACCOUNTS),
      encounters: await rows<StoredEncounter>(ENCOUNTERS),
      redemptions: await rows<StoredRedemption>(REDEMPTIONS),
      overdrawn: (await rows<{ id: string }>(OVERDRAWN)).map(({ id }) => id),
      mints: await rows<Mint>(MINTS),
      fences: new Map(
        (await rows<{ shard: number; epoch: number }>(FENCES)).map(row => [row.shard, row.epoch]),
      ),
      outboxLeft: (await rows<{ n: number }>(OUTBOX))[0]!.n,
    };
  });

const awsConfig = (stores: Stores, endpoint: string) => ({
  endpoint,
  // the embedded Kinesis does not speak HTTP/2, which its client would choose
  requestHandler: new NodeHttpHandler({ requestTimeout: 10_000 }),
  region: stores.awsEnv.AWS_REGION ?? 'us-east-1',
  credentials: {
    accessKeyId: stores.awsEnv.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: stores.awsEnv.AWS_SECRET_ACCESS_KEY ?? '',
  },
});

const isMissing = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ResourceNotFoundException';

const readBalances = async (client: DynamoDBClient): Promise<FinalState['balances']> => {
  const found = new Map<string, { balance: number; version: number }>();
  try {
    for await (const page of paginateScan({ client }, { TableName: 'balances' })) {
      for (const item of page.Items ?? []) {
        found.set(item.pk!.S!, { balance: Number(item.balance!.N!), version: Number(item.version!.N!) });
      }
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return found;
};

interface Told {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly stamp: { readonly seq: number };
  readonly data: { readonly legs?: StreamEvent['legs'] };
}

const eventOf = (text: string): StreamEvent => {
  const { id, type, subject, stamp, data } = JSON.parse(text) as Told;
  return { id, type, subject, seq: stamp.seq, legs: data.legs ?? [] };
};

/** The stream `transactions`, read further with each call. */
class StreamReader {
  readonly #client: KinesisClient;
  readonly #shards = new Map<string, { iterator: string; readonly events: StreamEvent[] }>();

  constructor(client: KinesisClient) {
    this.#client = client;
  }

  async readOn(): Promise<FinalState['streams']> {
    if (this.#shards.size === 0) await this.#open().catch(error => isMissing(error) || Promise.reject(error));
    for (const shard of this.#shards.values()) {
      for (;;) {
        const { Records = [], NextShardIterator }: GetRecordsCommandOutput = await this.#client.send(
          new GetRecordsCommand({ ShardIterator: shard.iterator, Limit: 10_000 }),
        );
        for (const { Data } of Records) shard.events.push(eventOf(Buffer.from(Data!).toString('utf8')));
        if (NextShardIterator === undefined) break;
        shard.iterator = NextShardIterator;
        if (Records.length === 0) break;
      }
    }
    return [...this.#shards.values()].map(shard => shard.events);
  }

  async #open(): Promise<void> {
    const name = 'transactions';
    const found = await this.#client.send(new ListShardsCommand({ StreamName: name }));
    for (const { ShardId } of found.Shards ?? []) {
      const { ShardIterator } = await this.#client.send(
        new GetShardIteratorCommand({ StreamName: name, ShardId, ShardIteratorType: 'TRIM_HORIZON' }),
      );
      this.#shards.set(ShardId!, { iterator: ShardIterator!, events: [] });
    }
  }
}

const POLL_MS = 300;

/**
 * Reads everything, again until those who follow PostgreSQL have caught up or the patience is over.
 *
 * @param isSettled whether the followers say what PostgreSQL says
 */
export const readStores = async (
  stores: Stores,
  isSettled: (state: FinalState) => boolean,
  patienceMs: number,
): Promise<FinalState> => {
  const kinesis = new KinesisClient(awsConfig(stores, stores.kinesisEndpoint));
  const dynamodb = new DynamoDBClient(awsConfig(stores, stores.dynamodbEndpoint));
  const reader = new StreamReader(kinesis);
  const end = performance.now() + patienceMs;
  try {
    for (;;) {
      const ledger = await readLedger(stores.databaseUrl);
      const state = { ...ledger, streams: await reader.readOn(), balances: await readBalances(dynamodb) };
      if (isSettled(state) || performance.now() > end) return state;
      await pause(POLL_MS);
    }
  } finally {
    kinesis.destroy();
    dynamodb.destroy();
  }
};
