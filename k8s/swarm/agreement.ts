/**
 * Do PostgreSQL, the balances in DynamoDB and both Kinesis streams tell the same story? Reads all of them to the end,
 * again until they agree or the patience is over, and says what does not.
 *
 * Streams are read as consumers must read them: records may repeat, the event id tells; the order of a key is the order
 * in which its events first appear.
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
import { Client } from 'pg';
import { MINT_ACCOUNT } from '../../actors/durable.ts';
import { awsClientConfig, isMissing } from '../../infra/outbox/awsClient.ts';

export interface Stores {
  readonly databaseUrl: string;
  readonly dynamodbEndpoint: string;
  readonly kinesisEndpoint: string;
  readonly awsEnv: Record<string, string>;
}

export interface AgreementOptions {
  /** How long they may take to agree, milliseconds. */
  readonly patienceMs: number;
  /** Other towns write to the same streams and table: what is not ours is not looked at. */
  readonly shared?: boolean;
  /** People whose `user.registered` must be in the stream: those who signed up by REST. */
  readonly registered?: readonly string[];
}

export interface Agreement {
  /** Milliseconds until they agreed, or the patience. */
  readonly afterMs: number;
  readonly problems: string[];
  /** Records beyond the first of each event: repeats that consumers must expect. */
  readonly repeats: number;
  readonly transfers: number;
}

interface StreamEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** Rises along all events of a subject, whatever they tell. */
  readonly stamp: { readonly seq: number };
  readonly data: { readonly userId?: string; readonly legs?: readonly { account: string; delta: number }[] };
}

const POLL_MS = 100;
/** Events that are transfers; the others tell of what is around them. */
const MOVES = /^(encounter|points)\./;

const awsConfig = ({ awsEnv }: Stores, endpoint: string) =>
  awsClientConfig({
    endpoint,
    region: awsEnv.AWS_REGION ?? 'us-east-1',
    credentials: {
      accessKeyId: awsEnv.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: awsEnv.AWS_SECRET_ACCESS_KEY ?? '',
    },
  });

/** One stream, read further with each call. */
class StreamReader {
  readonly events = new Map<string, StreamEvent>();
  /** That came after a later one of the same subject. */
  readonly outOfOrder: StreamEvent[] = [];
  records = 0;
  readonly #client: KinesisClient;
  readonly #name: string;
  readonly #iterators = new Map<string, string>();
  readonly #newest = new Map<string, number>();

  constructor(client: KinesisClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  async readOn(): Promise<void> {
    if (this.#iterators.size === 0) await this.#open();
    for (const [shard, iterator] of this.#iterators) {
      let at: string | undefined = iterator;
      for (;;) {
        const { Records = [], NextShardIterator }: GetRecordsCommandOutput = await this.#client.send(
          new GetRecordsCommand({ ShardIterator: at, Limit: 10_000 }),
        );
        for (const { Data } of Records)
          this.#take(JSON.parse(Buffer.from(Data!).toString('utf8')) as StreamEvent);
        at = NextShardIterator;
        if (at !== undefined) this.#iterators.set(shard, at);
        if (at === undefined || Records.length === 0) break;
      }
    }
  }

  async #open(): Promise<void> {
    const found = await this.#client
      .send(new ListShardsCommand({ StreamName: this.#name }))
      .catch(() => null);
    for (const { ShardId } of found?.Shards ?? []) {
      const { ShardIterator } = await this.#client.send(
        new GetShardIteratorCommand({
          StreamName: this.#name,
          ShardId,
          ShardIteratorType: 'TRIM_HORIZON',
        }),
      );
      this.#iterators.set(ShardId!, ShardIterator!);
    }
  }

  #take(event: StreamEvent): void {
    this.records++;
    if (this.events.has(event.id)) return;
    this.events.set(event.id, event);
    const before = this.#newest.get(event.subject);
    const { seq } = event.stamp;
    if (before !== undefined && seq <= before) this.outOfOrder.push(event);
    this.#newest.set(event.subject, seq);
  }
}

interface Truth {
  /** Transfers with the deltas of their legs, as text. */
  readonly transfers: Map<string, string>;
  readonly accounts: Map<string, { balance: string; version: string }>;
  readonly users: Set<string>;
}

const legsText = (legs: readonly { account: string; delta: number }[]): string =>
  legs
    .map(({ account, delta }) => `${account}:${delta}`)
    .sort()
    .join(',');

const readTruth = async (client: Client): Promise<Truth> => {
  const legs = await client.query<{ id: string; account: string; delta: string }>(
    'select transfer_id as id, account_id as account, delta from ledger.posting',
  );
  const byTransfer = new Map<string, { account: string; delta: number }[]>();
  for (const { id, account, delta } of legs.rows) {
    byTransfer.set(id, [...(byTransfer.get(id) ?? []), { account, delta: Number(delta) }]);
  }
  const accounts = await client.query<{ id: string; balance: string; version: string }>(
    `select account_id as id, sum(balance) as balance, sum(version) as version from ledger.account
     where account_id <> $1 group by 1 having sum(version) > 0`,
    [MINT_ACCOUNT],
  );
  const users = await client.query<{ id: string }>('select id from user_schema.users');
  return {
    transfers: new Map([...byTransfer].map(([id, some]) => [id, legsText(some)])),
    accounts: new Map(accounts.rows.map(({ id, balance, version }) => [id, { balance, version }])),
    users: new Set(users.rows.map(({ id }) => id)),
  };
};

const readBalances = async (client: DynamoDBClient): Promise<Truth['accounts']> => {
  const found: Truth['accounts'] = new Map();
  try {
    for await (const page of paginateScan({ client }, { TableName: 'balances' })) {
      for (const item of page.Items ?? []) {
        found.set(item.pk!.S!, { balance: item.balance!.N!, version: item.version!.N! });
      }
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return found;
};

const few = (what: string, items: readonly string[]): string[] =>
  items.length === 0 ? [] : [`${items.length} ${what}: ${items.slice(0, 3).join('; ')}`];

const compare = (
  truth: Truth,
  balances: Truth['accounts'],
  transactions: StreamReader,
  userEvents: StreamReader,
  { shared = false, registered = [] }: AgreementOptions,
): string[] => {
  const missing: string[] = [];
  const different: string[] = [];
  for (const [id, legs] of truth.transfers) {
    const event = transactions.events.get(id);
    if (event === undefined) missing.push(id);
    else if (legsText(event.data.legs ?? []) !== legs) different.push(id);
  }
  const invented = shared
    ? []
    : [...transactions.events.values()]
        .filter(({ id, type }) => MOVES.test(type) && !truth.transfers.has(id))
        .map(({ id }) => id);
  const stale: string[] = [];
  for (const [id, { balance, version }] of truth.accounts) {
    const seen = balances.get(id);
    if (seen?.balance !== balance || seen.version !== version) {
      stale.push(`${id} has ${balance} (version ${version}), there ${seen?.balance} (${seen?.version})`);
    }
  }
  const welcomed = new Map<string, number>();
  for (const { type, data } of userEvents.events.values()) {
    if (type !== 'user.registered' || data.userId === undefined) continue;
    welcomed.set(data.userId, (welcomed.get(data.userId) ?? 0) + 1);
  }
  return [
    ...few('transfers are not in the stream transactions', missing),
    ...few('transfers stand differently in the stream transactions', different),
    ...few('events in the stream transactions have no transfer', invented),
    ...few('balances in DynamoDB are not those of the ledger', stale),
    ...few(
      'sign-ups are not in the stream user-events exactly once',
      registered.filter(id => welcomed.get(id) !== 1),
    ),
    ...few(
      'events in user-events are of nobody',
      shared ? [] : [...welcomed.keys()].filter(id => !truth.users.has(id)),
    ),
    ...few(
      'events out of order',
      [...transactions.outOfOrder, ...userEvents.outOfOrder]
        // rules are called alike in every town, and each counts by itself
        .filter(({ type }) => !shared || !type.startsWith('rule.'))
        .map(({ id, type, subject }) => `${type} ${id} of ${subject} came after a later one`),
    ),
  ];
};

/** Waits until all stores agree; what does not when the patience is over. */
export const agreement = async (stores: Stores, options: AgreementOptions): Promise<Agreement> => {
  const kinesis = new KinesisClient(awsConfig(stores, stores.kinesisEndpoint));
  const dynamodb = new DynamoDBClient(awsConfig(stores, stores.dynamodbEndpoint));
  const postgres = new Client({ connectionString: stores.databaseUrl });
  await postgres.connect();
  const transactions = new StreamReader(kinesis, 'transactions');
  const userEvents = new StreamReader(kinesis, 'user-events');
  const began = performance.now();
  try {
    for (;;) {
      const truth = await readTruth(postgres);
      await transactions.readOn();
      await userEvents.readOn();
      const balances = await readBalances(dynamodb);
      const afterMs = performance.now() - began;
      const problems = compare(truth, balances, transactions, userEvents, options);
      if (problems.length === 0 || afterMs > options.patienceMs) {
        const repeats = transactions.records - transactions.events.size;
        return { afterMs, problems, repeats, transfers: truth.transfers.size };
      }
      await pause(POLL_MS);
    }
  } finally {
    await postgres.end();
    kinesis.destroy();
    dynamodb.destroy();
  }
};
