/**
 * The auditor: believes nobody. It reads every store by itself, with its own statements and its own sums, and says what does
 * not fit together and whom it concerns. It needs no pause of anybody: PostgreSQL is read as of one moment, and of the others
 * only that is asked which must have arrived by then.
 */
import { ACCOUNT_CHECKS } from './accountChecks.ts';
import { checkArchive } from './archiveCheck.ts';
import { checkBalances } from './balanceCheck.ts';
import { checkCatalogs } from './catalogCheck.ts';
import { checkChain } from './chainCheck.ts';
import { EXPIRY_CHECKS } from './expiryChecks.ts';
import { IdSet } from './idSet.ts';
import { LEDGER_CHECKS } from './ledgerChecks.ts';
import { MARKET_CHECKS } from './marketChecks.ts';
import { MEETING_CHECKS } from './meetingChecks.ts';
import { OUTBOX_CHECKS } from './outboxChecks.ts';
import { PENDING_CHECKS } from './pendingChecks.ts';
import { type Checked, differencesOf, type Finds, type Report, type StoreName } from './report.ts';
import { checkSettlements } from './settlementCheck.ts';
import { Snapshot } from './snapshot.ts';
import { runSql, type SqlCheck, type SqlSettings } from './sqlChecks.ts';
import { type AuditedStores, Unreadable } from './stores.ts';
import { checkStream } from './streamCheck.ts';
import { type Told, TRANSACTIONS, USER_EVENTS, waitingIn } from './told.ts';
import { TRAIL_CHECKS } from './trailChecks.ts';
import { checkUsers, USERS_CHECKS } from './usersChecks.ts';

export interface AuditOptions extends SqlSettings {
  readonly stores: AuditedStores;
  /** Names of checks; null: all, and `chain` where there is a `chainDay`. */
  readonly only: ReadonlySet<string> | null;
  /** Which of the sealed days `chain` takes again (`chainCheck.ts`); default: every one where it is named, else none. */
  readonly chainDay?: number;
  /** The streams, tables and archives have what other towns wrote, too: what is not ours is not looked at. */
  readonly shared: boolean;
  /** How far back followers are compared, hours; null: as far as they remember. */
  readonly hours: number | null;
  /** Seconds after which what came into the stream is in the archive. */
  readonly archiveBoundS: number;
  /** Progress, for people. */
  readonly say: (line: string) => void;
}

const SQL_CHECKS: readonly SqlCheck[] = [
  ...LEDGER_CHECKS,
  ...PENDING_CHECKS,
  ...EXPIRY_CHECKS,
  ...MEETING_CHECKS,
  ...MARKET_CHECKS,
  ...OUTBOX_CHECKS,
  ...TRAIL_CHECKS,
  ...ACCOUNT_CHECKS,
];

/** Every check by its name, and what it looks at. */
export const CHECKS: readonly { readonly name: string; readonly store: StoreName; readonly about: string }[] =
  [
    ...SQL_CHECKS.map(({ name, about }) => ({ name, store: 'postgresql' as const, about })),
    {
      name: 'stream',
      store: 'kinesis',
      about:
        'every transfer, step of a redemption, change of stock and closed day is in the stream as it was, and nothing else',
    },
    {
      name: 'stream-users',
      store: 'kinesis',
      about:
        'every new person, change of an account, revoked token and change of a catalogue is in the stream as it was, and nothing else',
    },
    {
      name: 'settlements',
      store: 'postgresql',
      about: 'what is kept of each closed day of a merchant is what its rows make',
    },
    ...USERS_CHECKS.map(({ name, about }) => ({ name, store: 'read model' as const, about })),
    { name: 'balances', store: 'dynamodb', about: 'every balance there is that of the ledger' },
    {
      name: 'catalogs',
      store: 'dynamodb',
      about: 'charities and families there are those of the catalogues',
    },
    {
      name: 'archive',
      store: 'archive',
      about:
        'every transfer, step of a redemption, change of stock and closed day is in the archive as it was, and nothing else',
    },
    {
      name: 'archive-users',
      store: 'archive',
      about:
        'every new person, change of an account, revoked token and change of a catalogue is in the archive as it was, and nothing else',
    },
    {
      name: 'chain',
      store: 'postgresql',
      about: 'the days that were sealed are as they were sealed (all with --chain; the job takes one a time)',
    },
  ];

/** What a check of a follower answers: what it looked at, or why it was not done. */
type Answer = { readonly looked: number; readonly finds: Finds } | { readonly skipped: string };

const NONE_SAID = 'none is set';

class Audit {
  readonly #options: AuditOptions;
  readonly #snapshot: Snapshot;
  readonly #checks: Checked[] = [];
  readonly #unreachable: { store: StoreName; why: string }[] = [];

  constructor(options: AuditOptions, snapshot: Snapshot) {
    this.#options = options;
    this.#snapshot = snapshot;
  }

  async run(): Promise<Report> {
    for (const check of SQL_CHECKS) {
      await this.#check(check.name, 'postgresql', async () => {
        const done = await runSql(this.#snapshot, check, this.#options);
        return done ?? { skipped: `there is no ${check.of}` };
      });
    }
    await this.#check('settlements', 'postgresql', () => checkSettlements(this.#snapshot));
    const { stores, shared, hours, say } = this.#options;
    const { kinesis, dynamodb, archive, names = {} } = stores;
    const sinceMs = hours === null ? 0 : this.#snapshot.atMs - hours * 3_600_000;
    const snapshot = this.#snapshot;
    const youngMs = snapshot.atMs - this.#options.archiveBoundS * 1_000;
    const follower = { shared, sinceMs, youngMs, say };
    const followed = [
      { ...follower, suffix: '', told: TRANSACTIONS, stream: names.transactions, young: new IdSet() },
      { ...follower, suffix: '-users', told: USER_EVENTS, stream: names.userEvents, young: new IdSet() },
    ];
    for (const { suffix, ...options } of followed) {
      await this.#check(`stream${suffix}`, 'kinesis', async () =>
        kinesis === null ? { skipped: NONE_SAID } : checkStream(snapshot, { ...options, kinesis }),
      );
    }
    await this.#users(followed);
    await this.#check('balances', 'dynamodb', async () =>
      dynamodb === null
        ? { skipped: NONE_SAID }
        : checkBalances(snapshot, { dynamodb, table: names.balances, shared, say }),
    );
    await this.#check('catalogs', 'dynamodb', async () =>
      dynamodb === null
        ? { skipped: NONE_SAID }
        : checkCatalogs(snapshot, { dynamodb, table: names.catalogs, shared, say }),
    );
    for (const { suffix, ...options } of followed) {
      await this.#check(`archive${suffix}`, 'archive', async () =>
        archive === null ? { skipped: NONE_SAID } : checkArchive(snapshot, { ...options, archive }),
      );
    }
    const { chainDay, only } = this.#options;
    if (chainDay !== undefined || only?.has('chain')) {
      await this.#check('chain', 'postgresql', () => checkChain(snapshot, chainDay, say));
    }
    const found = { checks: this.#checks };
    const ok = differencesOf(found) === 0 && this.#unreachable.length === 0;
    return { ok, atMs: snapshot.atMs, ...found, unreachable: this.#unreachable };
  }

  /** @param followed what came into these streams lately is known by now */
  async #users(
    followed: readonly { readonly told: Told; readonly young: IdSet; readonly youngMs: number }[],
  ): Promise<void> {
    const { shared, only } = this.#options;
    const asked = USERS_CHECKS.filter(({ name }) => only === null || only.has(name));
    if (asked.length === 0) return;
    let onTheWay: IdSet[] | null = null;
    for (const check of asked) {
      await this.#check(check.name, 'read model', async () => {
        if (onTheWay === null) {
          onTheWay = [];
          for (const { told, young } of followed) onTheWay.push(young, await waitingIn(this.#snapshot, told));
        }
        const { youngMs } = followed[0]!;
        return checkUsers(this.#snapshot, check, { shared, onTheWay, youngMs });
      });
    }
  }

  async #check(check: string, store: StoreName, work: () => Promise<Answer>): Promise<void> {
    const { only, say } = this.#options;
    if (only !== null && !only.has(check)) return;
    say(`${check}...`);
    const began = performance.now();
    const none = { check, store, looked: 0, differences: 0, found: [] };
    try {
      const answer = await work();
      const ms = performance.now() - began;
      if ('skipped' in answer) this.#checks.push({ ...none, skipped: answer.skipped, ms });
      else {
        const { looked, finds } = answer;
        const differences = finds.count;
        this.#checks.push({ check, store, looked, differences, found: finds.first, skipped: null, ms });
      }
    } catch (error) {
      const why = wordsOf(error);
      this.#unreachable.push({ store: error instanceof Unreadable ? error.store : store, why });
      this.#checks.push({ ...none, skipped: why, ms: performance.now() - began });
    }
  }
}

const wordsOf = (error: unknown): string => {
  const { name = '', message = '', code = '' } = error as { name?: string; message?: string; code?: string };
  return message || code || name || String(error);
};

/** Looks at everything that is asked for. A store that cannot be read is said in the report, not thrown. */
export const audit = async (options: AuditOptions): Promise<Report> => {
  let snapshot: Snapshot;
  try {
    snapshot = await Snapshot.open(options.stores.databaseUrl);
  } catch (error) {
    const unreachable = [{ store: 'postgresql' as const, why: wordsOf(error) }];
    return { ok: false, atMs: Date.now(), checks: [], unreachable };
  }
  try {
    return await auditAt(snapshot, options);
  } finally {
    await snapshot.close();
  }
};

/** The same as of a moment that is open already. */
export const auditAt = (snapshot: Snapshot, options: AuditOptions): Promise<Report> =>
  new Audit(options, snapshot).run();
