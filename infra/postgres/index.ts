/**
 * What remembers, opened: migrates the database or sees that it is, connects the stores, starts the publishers. `nodes/main.ts` calls this
 * once and closes it last.
 */
import { createHmac } from 'node:crypto';
import type { MikroORM } from '@mikro-orm/postgresql';
import type { DeadLetters } from '../../nodes/deadLetterPort.ts';
import type { DeviceBook } from '../../nodes/devicePort.ts';
import type { GivingStore } from '../../nodes/givingPort.ts';
import type { MarketBook } from '../../nodes/marketPort.ts';
import type { PersonBook } from '../../nodes/personPort.ts';
import type { PlaceStore } from '../../nodes/placesPort.ts';
import type {
  AuditLog,
  CommitStore,
  Directory,
  EpochStore,
  Log,
  Metrics,
  NoteStore,
  QueryStore,
  RevocationStore,
  Scheduler,
} from '../../nodes/ports.ts';
import type { RuleTeller } from '../../nodes/rulesPort.ts';
import type { UsersDomain } from '../../nodes/usersDomainPort.ts';
import { OutboxThread } from '../outbox/thread.ts';
import { NodeAtlas } from '../places/atlas.ts';
import { systemRandom } from '../random.ts';
import { openDeadLetters } from '../streams/deadLetters.ts';
import { PgAuditLog } from './auditLog.ts';
import { PgCommitStore } from './commitStore.ts';
import { DerivedLogin } from './derivedLogin.ts';
import { PgDeviceBook } from './deviceBook.ts';
import { PgDirectory } from './directory.ts';
import { PgEpochStore } from './epochStore.ts';
import { PgGivingStore } from './givingStore.ts';
import { MINT_STRIPES, OPEN_MS_MAX, OPEN_PAUSE_MS } from './limits.ts';
import { followUrls } from './liveUrl.ts';
import { PgMarketBook } from './marketBook.ts';
import { canConnect, migrate, missingMigrations } from './migrate.ts';
import { PgNoteStore } from './noteStore.ts';
import { openOrm } from './orm.ts';
import { PgPersonBook } from './personBook.ts';
import { PgPlaceStore } from './placeStore.ts';
import { PgQueryStore } from './queryStore.ts';
import { PgRevocationStore } from './revocationStore.ts';
import { PgRuleTeller } from './ruleTeller.ts';
import { PgUsersDomain } from './usersDomain.ts';

export { migrate } from './migrate.ts';

/** PostgreSQL refuses us or stays away: one sentence for the person at the terminal. */
export class StoreUnavailable extends Error {
  override name = 'StoreUnavailable';
}

export interface StoresOptions {
  /** As the owner of the tables; null: somebody else migrates the database (`migrateMain.ts`). */
  readonly databaseUrl: string | null;
  /** As the role that serves; null lets the owner make it. One of the two is given. */
  readonly appUrl: string | null;
  readonly dynamodbEndpoint: string;
  readonly kinesisEndpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** HEYBLUE_SECRETS_DIR: URLs that are files there are read again whenever a connection is opened. */
  readonly secretsDir?: string;
  /** Name of this node; decides which rows of the mint its groups use. */
  readonly owner: string;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly scheduler: Scheduler;
}

export interface Stores {
  /** The database as the role that serves. */
  readonly url: string;
  readonly commitStore: CommitStore;
  readonly epochStore: EpochStore;
  /** The clock of PostgreSQL, Unix milliseconds. */
  readonly serverMs: () => Promise<number>;
  readonly queryStore: QueryStore;
  readonly noteStore: NoteStore;
  readonly revocationStore: RevocationStore;
  readonly auditLog: AuditLog;
  readonly placeStore: PlaceStore;
  /** What operators loaded, in memory; follows the store. */
  readonly atlas: NodeAtlas;
  readonly directory: Directory;
  /** Who may receive, and what can be paid. */
  readonly givingStore: GivingStore;
  /** Says which business rules count. */
  readonly ruleTeller: RuleTeller;
  /** All that is kept of one person. */
  readonly persons: PersonBook;
  readonly devices: DeviceBook;
  readonly market: MarketBook;
  /** What the streams told of people. */
  readonly usersDomain: UsersDomain;
  readonly deadLetters: DeadLetters;
  readonly orm: MikroORM;
  /** Stands by until it is told what to lead (`infra/outbox/lead.ts`). */
  readonly outbox: Pick<OutboxThread, 'poke' | 'lead' | 'onFenced' | 'own' | 'onUnowned'>;
  /** What keeps the node from being ready, in words; empty when nothing does. */
  notReady(): string[];
  /** Flushes the outbox within the budget and closes every connection. */
  close(budgetMs: number): Promise<void>;
}

/** The schema is older than this release: its owner may be at it. */
const BEHIND = 'HB001';
/** Connection refused, still starting up or being migrated: worth waiting for. Anything else is a sentence. */
const PASSING = new Set(['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EAI_AGAIN', '57P03', '53300', BEHIND]);

/** The database is as this release needs it; gives it as the role that serves. */
async function madeReady({ databaseUrl, appUrl, log }: MigrateOptions): Promise<string> {
  if (databaseUrl === null) {
    const missing = await missingMigrations(appUrl!);
    if (missing.length === 0) return appUrl!;
    const sentence = `its schema is older than this release (${missing[0]} is missing); npm run migrate brings it up to date`;
    throw Object.assign(new Error(sentence), { code: BEHIND });
  }
  const migrated = await migrate(databaseUrl, appUrl);
  if (migrated.applied.length > 0) log.info({ migrations: migrated.applied }, 'database migrated');
  if (!(await canConnect(migrated.appUrl))) throw new Error('the role that serves cannot log in');
  return migrated.appUrl;
}

export type MigrateOptions = Pick<StoresOptions, 'databaseUrl' | 'appUrl' | 'log'> & {
  /** How long a database is waited for that is starting or being migrated. Default: {@link OPEN_MS_MAX}. */
  readonly openMsMax?: number;
};

/**
 * Waits for a database that comes up, migrates it as its owner, or sees that somebody did.
 *
 * @returns its URL as the role that serves
 * @throws StoreUnavailable with one sentence
 */
export async function migrateWhenUp(options: MigrateOptions): Promise<string> {
  const { openMsMax = OPEN_MS_MAX } = options;
  for (let waitedMs = 0; ; waitedMs += OPEN_PAUSE_MS) {
    try {
      return await madeReady(options);
    } catch (error) {
      const { code = '', message = String(error) } = error as { code?: string; message?: string };
      if (!PASSING.has(code) || waitedMs >= openMsMax) {
        throw new StoreUnavailable(`PostgreSQL cannot be used: ${message || code}.`);
      }
      await new Promise(resolve => setTimeout(resolve, OPEN_PAUSE_MS));
    }
  }
}

/** A node's first row of the mint. */
const stripeOf = (owner: string): number =>
  createHmac('sha256', 'stripe').update(owner).digest().readUInt16BE(0) % MINT_STRIPES;

/**
 * @throws StoreUnavailable with one sentence when PostgreSQL refuses us or does not come up
 */
export async function openStores(options: StoresOptions): Promise<Stores> {
  const { log, metrics, scheduler, owner } = options;
  const url = await migrateWhenUp(options);
  const { secretsDir = '', appUrl: named } = options;
  const { databaseUrl: ownerUrl } = options;
  followUrls(secretsDir, { ...(ownerUrl !== null && { ownerUrl }), ...(named !== null && { appUrl: url }) });
  const login =
    secretsDir !== '' && named === null && ownerUrl !== null
      ? new DerivedLogin({ ...options, databaseUrl: ownerUrl, appUrl: url })
      : null;
  const orm = await openOrm(url, log);
  const placeStore = new PgPlaceStore({ url, log });
  const atlas = new NodeAtlas({ store: placeStore, scheduler, log, metrics });
  const zipOf = (cell: string): string | null => atlas.zipOf(cell);
  const commitStore = new PgCommitStore({ url, log, metrics, mintStripe: stripeOf(owner), zipOf });
  const epochStore = new PgEpochStore({ url, log });
  const queryStore = new PgQueryStore({ url, log, metrics, scheduler });
  const noteStore = new PgNoteStore({ url, log });
  const revocationStore = new PgRevocationStore({ url, log });
  const auditLog = new PgAuditLog({ url, log });
  const market = new PgMarketBook({ url, log, metrics });
  const devices = new PgDeviceBook({ url, log, scheduler, wallMs: Date.now });
  const usersDomain = new PgUsersDomain({ url, log });
  const deadLetters = openDeadLetters({ ...options, store: usersDomain });
  const outbox = new OutboxThread({ ...options, url });
  const onEvent = () => outbox.poke();
  const directory = new PgDirectory(orm, { random: systemRandom(), nowMs: Date.now, onEvent });
  const givingStore = new PgGivingStore({ url, log, onEvent });
  const persons = new PgPersonBook({ url, log, onEvent });
  const lines = [
    persons,
    commitStore,
    epochStore,
    queryStore,
    noteStore,
    revocationStore,
    auditLog,
    placeStore,
    market,
    givingStore,
    usersDomain,
  ];
  await Promise.all([...lines, devices].map(store => store.tried()));
  await atlas.start();
  return {
    url,
    commitStore,
    epochStore,
    serverMs: () => epochStore.serverMs(),
    queryStore,
    noteStore,
    revocationStore,
    auditLog,
    placeStore,
    atlas,
    directory,
    givingStore,
    ruleTeller: new PgRuleTeller(orm, onEvent),
    persons,
    devices,
    market,
    usersDomain,
    deadLetters,
    orm,
    outbox,
    notReady: () => (commitStore.up && queryStore.up ? [] : ['postgresql']),
    async close(budgetMs) {
      atlas.stop();
      login?.stop();
      await Promise.all([outbox.close(budgetMs), devices.close(budgetMs)]);
      await Promise.all(lines.map(store => store.close()));
      deadLetters.close();
      await orm.close(true);
    },
  };
}
