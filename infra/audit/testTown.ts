/**
 * A town to audit: everything that can happen to points has happened in it and was published. Copies of its database are made
 * in a moment, so that each test spoils its own.
 */
import { randomBytes } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  ListShardsCommand,
  PutRecordCommand,
} from '@aws-sdk/client-kinesis';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { type DurableOp, EXPIRED_ACCOUNT, MINT_ACCOUNT, type TransferOp } from '../../actors/durable.ts';
import type { Metrics } from '../../nodes/ports.ts';
import { systemScheduler } from '../clock.ts';
import { BalanceTarget } from '../dynamodb/balanceTarget.ts';
import { CatalogTarget } from '../dynamodb/catalogTarget.ts';
import { temporaryDatabase, withDatabase } from '../embedded/index.ts';
import { StreamTarget } from '../kinesis/streamTarget.ts';
import { OUTBOX_SHARD } from '../outbox/lead.ts';
import { Publisher } from '../outbox/publisher.ts';
import { PgOutboxSource } from '../outbox/source.ts';
import type { Target } from '../outbox/target.ts';
import { ensureAuditor } from '../postgres/auditorRole.ts';
import { PgCommitStore } from '../postgres/commitStore.ts';
import { PgEpochStore } from '../postgres/epochStore.ts';
import { Lines } from '../postgres/lines.ts';
import { migrate } from '../postgres/migrate.ts';
import { PgNoteStore } from '../postgres/noteStore.ts';
import type { OutboxTarget } from '../postgres/outboxTargets.ts';
import { silent } from '../postgres/testTown.ts';
import { PgUsersDomain } from '../postgres/usersDomain.ts';
import { systemRandom } from '../random.ts';
import { UsersProjection } from '../streams/usersProjection.ts';
import { type AuditOptions, audit, auditAt } from './audit.ts';
import type { Report } from './report.ts';
import { Snapshot } from './snapshot.ts';
import { type AuditedStores, type AwsAt, clientConfig } from './stores.ts';
import { type PeopleStory, registerPeople } from './testPeople.ts';

const KEYS = { accessKeyId: 'heyblue', secretAccessKey: 'heyblue' };
const awsAt = (endpoint: string): AwsAt => ({ endpoint, region: 'us-east-1', credentials: KEYS });
const NO_METRICS: Metrics = { count() {}, observe() {}, gauge() {} };

/** Where a test's town publishes what it has to tell. */
export interface Names {
  readonly transactions: string;
  readonly userEvents: string;
  readonly balances: string;
  readonly catalogs: string;
}

/** Ids of what has happened, by what it was. */
export interface Story extends PeopleStory {
  readonly officer: string;
  readonly civilian: string;
  readonly merchant: string;
  readonly encounter: string;
  readonly released: string;
  readonly rejected: string;
  readonly gift: string;
  readonly open: string;
  readonly posted: string;
  readonly payment: string;
  readonly voided: string;
  readonly burned: string;
  readonly expiry: string;
  readonly offer: string;
  readonly reserved: string;
  readonly sold: string;
  readonly sale: string;
  readonly cancelled: string;
  readonly refund: string;
}

/** Something that is spoiled by hand, and what the auditor says of it. */
export interface Plant {
  readonly name: string;
  readonly sql: (story: Story, fresh: string) => string | readonly string[];
  /** `check` and the id that it names. */
  readonly finds: (story: Story, fresh: string) => readonly string[];
}

/** A database of the test's own, as the audited town left it. */
export interface Copy {
  /** As the owner, past every guard that the writers have. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  readonly ownerUrl: string;
  readonly appUrl: string;
  readonly stores: AuditedStores;
  /** What an audit of PostgreSQL says after these statements, which nobody else sees and which are then taken back. */
  spoiled(
    statements: readonly string[],
    only: ReadonlySet<string>,
    change?: Partial<AuditOptions>,
  ): Promise<Report>;
  /** @param change.streams others than those of the town */
  audit(change?: Partial<AuditOptions> & { readonly streams?: Partial<Names> }): Promise<Report>;
  drop(): Promise<void>;
}

const AS_USUAL = {
  only: null,
  shared: false,
  hours: null,
  cooldownS: 86_400,
  boundS: 3_600,
  archiveBoundS: 600,
  say: () => {},
} satisfies Omit<AuditOptions, 'stores'>;

/** What a report says is wrong, `check id`, without repeats. */
export const wrongIn = (report: Report): string[] =>
  [...new Set(report.checks.flatMap(({ check, found }) => found.map(({ id }) => `${check} ${id}`)))].sort();

const onServer = async <T>(work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: withDatabase(inject('databaseUrl'), 'postgres') });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** What a node does when it starts: everything in the outbox goes where it belongs, by the real publishers. */
export async function publish(appUrl: string, names: Names): Promise<void> {
  const lines = new Lines(2, { url: appUrl, name: 'test', log: silent, settings: {}, silenceMsMax: 5_000 });
  const epochs = new PgEpochStore({ url: appUrl, log: silent });
  await Promise.all([lines.tried(), epochs.tried()]);
  const targets: [OutboxTarget, Target & { close(): void }][] = [
    ['transactions', new StreamTarget(names.transactions, awsAt(inject('kinesisEndpoint')))],
    ['userEvents', new StreamTarget(names.userEvents, awsAt(inject('kinesisEndpoint')))],
    ['balances', new BalanceTarget(awsAt(inject('dynamodbEndpoint')), names.balances)],
    ['catalogs', new CatalogTarget(awsAt(inject('dynamodbEndpoint')), names.catalogs)],
  ];
  for (const [from, target] of targets) {
    const publisher = new Publisher({
      name: from,
      source: new PgOutboxSource(lines, from),
      target,
      scheduler: systemScheduler,
      log: silent,
      metrics: NO_METRICS,
    });
    publisher.lead((await epochs.mint([OUTBOX_SHARD[from]], 'publisher'))[0] ?? 0);
    await publisher.stop(30_000);
    target.close();
  }
  await Promise.all([lines.close(), epochs.close()]);
}

export interface TestRecord {
  readonly key: string;
  readonly event: Record<string, unknown>;
}

const recordsIn =
  (streams: KinesisClient) =>
  async (stream: string): Promise<TestRecord[]> => {
    const { Shards = [] } = await streams.send(new ListShardsCommand({ StreamName: stream }));
    const found: TestRecord[] = [];
    for (const { ShardId } of Shards) {
      const from = { StreamName: stream, ShardId, ShardIteratorType: 'TRIM_HORIZON' } as const;
      const { ShardIterator } = await streams.send(new GetShardIteratorCommand(from));
      const { Records = [] } = await streams.send(new GetRecordsCommand({ ShardIterator }));
      for (const { Data, PartitionKey } of Records) {
        found.push({ key: PartitionKey!, event: JSON.parse(Buffer.from(Data!).toString()) });
      }
    }
    return found;
  };

/** What a reader does: the read model gets what the stream tells. */
async function project(url: string, told: readonly TestRecord[]): Promise<void> {
  const store = new PgUsersDomain({ url, log: silent });
  await store.tried();
  const projection = new UsersProjection({ store, metrics: NO_METRICS, wallMs: Date.now });
  const records = told.map(({ key, event }, at) => ({
    ...{ sequence: String(at), key, arrivedAtMs: 0, bytes: Buffer.from(JSON.stringify(event)) },
  }));
  const { poison } = await projection.take({ stream: 's', shard: 's', records, ended: false });
  if (poison.length > 0) throw new Error(poison[0]!.why);
  await store.close();
}

export type AuditedTown = Awaited<ReturnType<typeof auditedTown>>;

export async function auditedTown() {
  const name = randomBytes(4).toString('hex');
  const names = {
    transactions: `audit-${name}`,
    userEvents: `users-${name}`,
    balances: `audit-${name}`,
    catalogs: `catalogs-${name}`,
    rules: `rules-${name}`,
  };
  const database = await temporaryDatabase(inject('databaseUrl'));
  const { appUrl } = await migrate(database.url);
  const random = systemRandom();
  const uuid = (): string => random.uuid(Date.now());
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  const commits = new PgCommitStore({ url: appUrl, log: silent });
  const epochs = new PgEpochStore({ url: appUrl, log: silent });
  const notes = new PgNoteStore({ url: appUrl, log: silent });
  await Promise.all([commits.tried(), epochs.tried(), notes.tried()]);

  const [epoch = 0] = await epochs.mint([1], 'test');
  const commit = async (op: DurableOp, expected = 'created'): Promise<string> => {
    const [outcome] = await commits.commit([{ shard: 1, epoch, op }]);
    if (outcome?.code !== expected) throw new Error(`${op.type} came out as ${outcome?.code}`);
    return op.id;
  };
  const note = async (op: DurableOp): Promise<void> => {
    const [outcome] = await notes.commit([{ shard: 1, epoch, op }]);
    if (outcome?.code !== 'created') throw new Error(`${op.type} came out as ${outcome?.code}`);
  };
  const happened = await tell(commit, note, uuid, async ids => {
    await owner.query('insert into ledger.account (account_id) select unnest($1::uuid[])', [ids]);
  });
  const story: Story = { ...happened, ...(await registerPeople(appUrl)) };

  await publish(appUrl, names);
  await ensureAuditor(database.url);
  const streams = new KinesisClient(clientConfig(awsAt(inject('kinesisEndpoint'))));
  const recordsOf = recordsIn(streams);
  for (const stream of [names.transactions, names.userEvents]) await project(appUrl, await recordsOf(stream));
  await Promise.all([commits.close(), epochs.close(), notes.close(), owner.end()]);

  const kinesis = awsAt(inject('kinesisEndpoint'));
  const dynamodb = awsAt(inject('dynamodbEndpoint'));
  const tables = new DynamoDBClient(clientConfig(dynamodb));
  const template = new URL(database.url).pathname.slice(1);
  return {
    story,
    names,
    dynamodb,
    uuid,
    tables,
    async copy(): Promise<Copy> {
      const copied = `test_${randomBytes(6).toString('hex')}`;
      await onServer(client => client.query(`create database ${copied} template ${template}`));
      const ownerUrl = withDatabase(database.url, copied);
      const client = new pg.Client({ connectionString: ownerUrl });
      client.on('error', () => {});
      await client.connect();
      const databaseUrl = await ensureAuditor(ownerUrl);
      const stores: AuditedStores = { databaseUrl, kinesis, dynamodb, archive: null, names };
      return {
        ownerUrl,
        stores,
        appUrl: withDatabase(appUrl, copied),
        sql: async (text, values) => (await client.query(text, values)).rows,
        audit: ({ streams, ...change } = {}) =>
          audit({ ...AS_USUAL, stores: { ...stores, names: { ...names, ...streams } }, ...change }),
        async spoiled(statements, only, change = {}) {
          await client.query('begin');
          try {
            for (const text of statements) await client.query(text);
            return await auditAt(await Snapshot.within(client), { ...AS_USUAL, stores, only, ...change });
          } finally {
            await client.query('rollback');
          }
        },
        async drop() {
          await client.end();
          await onServer(other => other.query(`drop database ${copied} with (force)`));
        },
      };
    },
    /** What the publisher has sent. */
    records: (stream = names.transactions): Promise<TestRecord[]> => recordsOf(stream),
    /** Another stream, with these records. */
    async streamOf(records: readonly { key: string; event: unknown }[]): Promise<string> {
      const stream = `audit-${randomBytes(4).toString('hex')}`;
      const target = new StreamTarget(stream, kinesis);
      await target.prepare(AbortSignal.timeout(30_000));
      target.close();
      for (const { key, event } of records) {
        const Data = Buffer.from(JSON.stringify(event));
        await streams.send(new PutRecordCommand({ StreamName: stream, PartitionKey: key, Data }));
      }
      return stream;
    },
    async close(): Promise<void> {
      streams.destroy();
      tables.destroy();
      await database.drop();
    },
  };
}

const RULE = { id: 'encounter', version: 1 };
const NO_KEY = { rule: RULE, idempotency: null };

/** Everything that can happen to points, once. */
async function tell(
  commit: (op: DurableOp, expected?: string) => Promise<string>,
  note: (op: DurableOp) => Promise<void>,
  uuid: () => string,
  open: (ids: readonly string[]) => Promise<void>,
): Promise<Omit<Story, keyof PeopleStory>> {
  const [officer, civilian, merchant, neighbour] = [uuid(), uuid(), uuid(), uuid()];
  await open([officer, civilian, merchant, neighbour]);
  const meeting = { method: 'qr', officerPoints: 5, civilianPoints: 10, ...NO_KEY } as const;
  const meet = (one: string, two: string, trust: number): DurableOp & { type: 'encounter' } => {
    const pair = { id: uuid(), officer: one, civilian: two, trust };
    return { type: 'encounter', cell: 'dr5ru', cooldownS: 86_400, ...meeting, ...pair };
  };
  const review = ({ id, officer, civilian }: { id: string; officer: string; civilian: string }) =>
    ({ type: 'review', id, officer, civilian, ...meeting }) as const;
  const move = (from: string, to: string, points: number): TransferOp => {
    const legs = [
      { account: from, delta: -points },
      { account: to, delta: points },
    ];
    return { type: 'transfer', id: uuid(), reason: 'donation', legs, ...NO_KEY };
  };
  const payment = { reason: 'redemption', payer: civilian, payee: merchant, ...NO_KEY };
  const pending = (points: number) =>
    ({ type: 'pending', id: uuid(), points, holdS: 600, ...payment }) as const;

  const idempotency = { userId: civilian, key: 'scan-1', requestHash: 'aa' };
  const met = await commit({ ...meet(officer, civilian, 0), idempotency });
  const held = meet(officer, neighbour, 1);
  await commit(held, 'held');
  await commit({ ...review(held), verdict: 'released' });
  const other = meet(merchant, neighbour, 2);
  await commit(other, 'held');
  await commit({ ...review(other), verdict: 'rejected' }, 'rejected');
  await commit(move(MINT_ACCOUNT, civilian, 100));
  const gift = await commit(move(civilian, neighbour, 7));
  const waiting = pending(20);
  await commit({ ...waiting, idempotency: { userId: civilian, key: 'buy-1', requestHash: 'bb' } });
  const paid = pending(30);
  await commit(paid);
  const posted = await commit({ type: 'post', id: uuid(), pendingId: paid.id, points: 25, ...payment });
  const given = pending(5);
  await commit(given);
  await commit({ type: 'void', id: given.id, payer: civilian, verdict: 'voided', ...NO_KEY });
  const burned = move(neighbour, civilian, 1_000_000);
  await commit(burned, 'insufficient_points');
  // by a rule that lets points live for no whole day
  const rule = { id: 'points.life', version: 0 };
  const expiry = await commit({ ...move(officer, EXPIRED_ACCOUNT, 2), reason: 'expiry', rule });
  const market = await trade(commit, note, uuid, civilian, merchant);
  return {
    ...market,
    officer,
    civilian,
    merchant,
    encounter: met,
    released: held.id,
    rejected: other.id,
    gift,
    open: waiting.id,
    posted: paid.id,
    payment: posted,
    voided: given.id,
    burned: burned.id,
    expiry,
  };
}

/** Five units at 6 points, of which four are few: one is set aside, two of three are sold and one of these given back, one is cancelled. */
async function trade(
  commit: (op: DurableOp) => Promise<string>,
  note: (op: DurableOp) => Promise<void>,
  uuid: () => string,
  user: string,
  merchant: string,
): Promise<Pick<Story, 'offer' | 'reserved' | 'sold' | 'sale' | 'cancelled' | 'refund'>> {
  const offer = uuid();
  const record = { id: offer, merchant, version: 1, title: 'Bread', description: '', points: 6 };
  const open = { perUserMax: 0, opensAtMs: 0, closesAtMs: 0, lowStock: 4, placeId: null };
  await note({
    type: 'offer',
    id: uuid(),
    offer: { ...record, ...open, kind: 'goods', state: 'published' },
  });
  await note({ type: 'stock', id: uuid(), offer, delta: 5, kind: 'receipt', reason: '' });
  const payment = { reason: 'redemption', payer: user, payee: merchant, ...NO_KEY };
  const reserve = async (quantity: number, code: string): Promise<string> => {
    const stock = { offer, quantity, perUserMax: 0, code };
    const points = 6 * quantity;
    return commit({ type: 'pending', id: uuid(), points, holdS: 600, stock, ...payment });
  };
  const reserved = await reserve(1, 'A');
  const sold = await reserve(3, 'B');
  const sale = await commit({
    type: 'post',
    id: uuid(),
    pendingId: sold,
    points: 12,
    quantity: 2,
    ...payment,
  });
  const cancelled = await reserve(1, 'C');
  await commit({ type: 'void', id: cancelled, payer: user, verdict: 'voided', ...NO_KEY });
  const refund = await commit({
    type: 'refund',
    id: uuid(),
    redemption: sold,
    payer: merchant,
    payee: user,
    points: 6,
    quantity: 1,
    restock: true,
    ...NO_KEY,
  });
  return { offer, reserved, sold, sale, cancelled, refund };
}

/** Before the tests of a file: a town, and a copy of its database that all of them may use. */
export function townOfTheFile(
  use: (made: { readonly town: AuditedTown; readonly story: Story; readonly copy: Copy }) => void,
): void {
  let end = async () => {};
  beforeAll(async () => {
    const town = await auditedTown();
    end = () => town.close();
    const copy = await town.copy();
    end = async () => {
      await copy.drop();
      await town.close();
    };
    use({ town, story: town.story, copy });
  });
  afterAll(() => end());
}
