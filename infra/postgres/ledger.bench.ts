/**
 * Durable transfers between 10,000 accounts, fsync on: through `LedgerWriter` and the commit function, beside one
 * transaction per transfer doing the same work over 16 connections. The two take turns in one run, so that whatever else
 * the machine does falls on both; so do transfers of which half, and all, go to one merchant. Afterwards the ledger must
 * add up.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MINT_ACCOUNT, type TransferOp } from '../../actors/durable.ts';
import { LedgerWriter } from '../../nodes/ledgerWriter.ts';
import type { CommitEntry, Log, Metrics } from '../../nodes/ports.ts';
import { shardOf } from '../../protocol/shard.ts';
import { systemClock, systemScheduler } from '../clock.ts';
import { startTown } from '../embedded/index.ts';
import { systemRandom } from '../random.ts';
import { PgCommitStore } from './commitStore.ts';
import { PgEpochStore } from './epochStore.ts';
import { NaiveLedger } from './ledger.naive.ts';
import { SHARDS } from './limits.ts';
import { type TestDatabase, testDatabase } from './testDatabase.ts';

const ACCOUNTS = 10_000;
const FUNDS = 1_000_000;
/** Shares of the transfers that go to one merchant. */
const HOT = [0.5, 1] as const;
const CONNECTIONS = 16;
const RULE = { id: 'bench', version: 1 };

const quiet: Log = { debug() {}, info() {}, warn: console.error, error: console.error };
const unmetered: Metrics = { count() {}, observe() {}, gauge() {} };
const random = systemRandom();
const clock = systemClock();

interface Account {
  readonly id: string;
  readonly shard: number;
}

interface Phase {
  done: number;
  ms: number;
  latenciesMs: number[];
}

const phase = (): Phase => ({ done: 0, ms: 0, latenciesMs: [] });

/** @param hot share of the transfers that go to the first account */
function transfer(accounts: readonly Account[], epochs: readonly number[], hot = 0): CommitEntry {
  const isHot = random.uint32() / 2 ** 32 < hot;
  const others = isHot ? accounts.length - 1 : accounts.length;
  const from = accounts[accounts.length - 1 - (random.uint32() % others)]!;
  let to = isHot ? accounts[0]! : from;
  while (to === from) to = accounts[random.uint32() % accounts.length]!;
  const op: TransferOp = {
    type: 'transfer',
    id: random.uuid(Date.now()),
    reason: 'donation',
    legs: [
      { account: from.id, delta: -1 },
      { account: to.id, delta: 1 },
    ],
    rule: RULE,
    idempotency: null,
  };
  return { shard: from.shard, epoch: epochs[from.shard]!, op };
}

/** `inFlight` callers, each submitting its next transfer when the last one is durable. */
function throughWriter(
  writer: LedgerWriter,
  inFlight: number,
  forMs: number,
  next: () => CommitEntry,
  into: Phase,
) {
  return new Promise<void>((resolve, reject) => {
    const begun = performance.now();
    let open = inFlight;
    const caller = (): void => {
      const startedMs = performance.now();
      if (startedMs - begun >= forMs) {
        open--;
        if (open === 0) {
          into.ms += performance.now() - begun;
          resolve();
        }
        return;
      }
      writer.submit(next(), outcome => {
        if (!outcome.ok || outcome.committed.code !== 'created') reject(new Error(JSON.stringify(outcome)));
        into.done++;
        into.latenciesMs.push(performance.now() - startedMs);
        caller();
      });
    };
    for (let i = 0; i < inFlight; i++) caller();
  });
}

async function oneByOne(peers: readonly NaiveLedger[], forMs: number, next: () => CommitEntry, into: Phase) {
  const begun = performance.now();
  await Promise.all(
    peers.map(async peer => {
      while (performance.now() - begun < forMs) {
        const startedMs = performance.now();
        await peer.apply(next());
        into.done++;
        into.latenciesMs.push(performance.now() - startedMs);
      }
    }),
  );
  into.ms += performance.now() - begun;
}

/** The same function with one entry per call: what a single round trip alone would bring. */
async function callByCall(store: PgCommitStore, forMs: number, next: () => CommitEntry, into: Phase) {
  const begun = performance.now();
  const caller = async () => {
    while (performance.now() - begun < forMs) {
      const startedMs = performance.now();
      await store.commit([next()]);
      into.done++;
      into.latenciesMs.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, caller));
  into.ms += performance.now() - begun;
}

async function openAccounts(
  db: TestDatabase,
  writer: LedgerWriter,
  epochs: readonly number[],
): Promise<Account[]> {
  const accounts = Array.from({ length: ACCOUNTS }, () => {
    const id = random.uuid(Date.now());
    return { id, shard: shardOf('user', id) };
  });
  await db.sql('insert into ledger.account (account_id) select unnest($1::uuid[])', [
    accounts.map(one => one.id),
  ]);
  await Promise.all(
    accounts.map(
      ({ id, shard }) =>
        new Promise<void>((resolve, reject) => {
          const op: TransferOp = {
            type: 'transfer',
            id: random.uuid(Date.now()),
            reason: 'funds',
            legs: [
              { account: id, delta: FUNDS },
              { account: MINT_ACCOUNT, delta: -FUNDS },
            ],
            rule: RULE,
            idempotency: null,
          };
          writer.submit({ shard, epoch: epochs[shard]!, op }, outcome =>
            outcome.ok ? resolve() : reject(new Error(outcome.message)),
          );
        }),
    ),
  );
  return accounts;
}

/** What is wrong with the ledger afterwards; null when it adds up. */
async function wrong(db: TestDatabase): Promise<string | null> {
  const [sums] = await db.sql(`
    select (select sum(delta) from ledger.posting) as postings, (select sum(balance) from ledger.account) as accounts,
      (select count(*) from ledger.account a where a.balance <> coalesce((select sum(delta) from ledger.posting p
        where p.account_id = a.account_id and p.stripe = a.stripe), 0)) as differ`);
  return sums && Number(sums.postings) === 0 && Number(sums.accounts) === 0 && Number(sums.differ) === 0
    ? null
    : JSON.stringify(sums);
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
const perS = (one: Phase): number => (one.done / one.ms) * 1_000;
const rounded = (value: number, digits = 1): number => Number(value.toFixed(digits));

const numberArg = (args: readonly string[], name: string, fallback: number): number => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(args[at + 1]);
};

export const name = 'ledger';
export const description =
  'durable transfers between 10,000 accounts through LedgerWriter, beside one transaction per transfer';

export async function run(report: (line: string) => void, args: readonly string[] = []): Promise<object> {
  const inFlight = numberArg(args, 'in-flight', 160);
  const seconds = numberArg(args, 'seconds', 4);
  const rounds = numberArg(args, 'rounds', 4);
  const groups = numberArg(args, 'groups', 2);
  const dataDir = mkdtempSync(join(tmpdir(), 'heyblue-bench-'));
  const town = await startTown({ dataDir });
  try {
    const db = await testDatabase(town.databaseUrl);
    const store = new PgCommitStore({ url: db.appUrl, log: quiet, connections: groups });
    const singles = new PgCommitStore({ url: db.appUrl, log: quiet, connections: CONNECTIONS });
    const epochStore = new PgEpochStore({ url: db.appUrl, log: quiet });
    const peers = Array.from({ length: CONNECTIONS }, () => new NaiveLedger(db.ownerUrl));
    await Promise.all([
      store.tried(),
      singles.tried(),
      epochStore.tried(),
      ...peers.map(peer => peer.connect()),
    ]);
    const epochs = await epochStore.mint(
      Array.from({ length: SHARDS }, (_, shard) => shard),
      'bench',
    );
    const writer = new LedgerWriter({
      store,
      scheduler: systemScheduler,
      clock,
      log: quiet,
      metrics: unmetered,
      limits: { groupsInFlight: groups, entryMs: 30_000 },
    });
    const accounts = await openAccounts(db, writer, epochs);
    await db.sql('vacuum analyze');
    const next = () => transfer(accounts, epochs);
    const grouped = phase();
    const naive = phase();
    const single = phase();
    const hots = HOT.map(share => ({ share, phase: phase() }));
    await throughWriter(writer, inFlight, 1_500, next, phase());
    await oneByOne(peers, 1_000, next, phase());
    for (let round = 0; round < rounds; round++) {
      await throughWriter(writer, inFlight, seconds * 1_000, next, grouped);
      await oneByOne(peers, seconds * 1_000, next, naive);
      await callByCall(singles, seconds * 500, next, single);
      for (const { share, phase: into } of hots) {
        await throughWriter(writer, inFlight, seconds * 500, () => transfer(accounts, epochs, share), into);
      }
      report(
        `round ${round + 1}: ${Math.round(perS(grouped))}/s in groups, ${Math.round(perS(naive))}/s one by one, ` +
          `${Math.round(perS(single))}/s one call each; to one merchant ` +
          hots.map(one => `${one.share * 100} %: ${Math.round(perS(one.phase))}/s`).join(', '),
      );
    }
    await writer.drain(5_000);
    const problem = await wrong(db);
    if (problem !== null) throw new Error(`the ledger does not add up: ${problem}`);
    await Promise.all([store.close(), singles.close(), epochStore.close(), ...peers.map(peer => peer.end())]);
    await db.drop();
    const sorted = grouped.latenciesMs.sort((a, b) => a - b);
    const result = {
      per_s: rounded(perS(grouped), 0),
      naive_per_s: rounded(perS(naive), 0),
      ratio: rounded(perS(grouped) / perS(naive), 2),
      single_call_per_s: rounded(perS(single), 0),
      p50_ms: rounded(percentile(sorted, 0.5)),
      p99_ms: rounded(percentile(sorted, 0.99)),
      max_ms: rounded(sorted.at(-1) ?? 0),
      hot50_per_s: rounded(perS(hots[0]!.phase), 0),
      hot100_per_s: rounded(perS(hots[1]!.phase), 0),
      hot100_ratio: rounded(perS(hots[1]!.phase) / perS(grouped), 2),
      in_flight: inFlight,
      groups_in_flight: groups,
      transfers: grouped.done,
    };
    report('');
    report(`transfers per second, in groups      ${result.per_s}`);
    report(`one transaction per transfer (16)    ${result.naive_per_s}   ratio ${result.ratio} (goal 12)`);
    report(`one call per transfer (16)           ${result.single_call_per_s}`);
    report(`latency p50, p99                     ${result.p50_ms} ms, ${result.p99_ms} ms (goal 30)`);
    report(
      `half and all of it to one merchant   ${result.hot50_per_s}, ${result.hot100_per_s}   ratio ${result.hot100_ratio} (goal 0.7)`,
    );
    report('the ledger adds up: postings sum to zero, every balance is the sum of its postings');
    return result;
  } finally {
    await town.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
